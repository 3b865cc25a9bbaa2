"""How the weights of a training lie in memory, and whether the device can hold what a recipe needs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .recipes import Recipe, recipe_of, split_batch
from .sft import is_sharded


def weights_dtype(recipe: Recipe, *, on_cpu: bool) -> str:
    """The type of the weights in memory, by its name in torch.

    A step of the paper's learning rate is too small for a bfloat16 weight to notice, so weights that are trained are
    float32; where devices share them, FSDP and DeepSpeed keep such a copy themselves.

    Args:
        recipe (`Recipe`): what is trained.
        on_cpu (`bool`): whether it runs without an accelerator.
    """
    trained = recipe.kind == "full" and not is_sharded()
    return "float32" if on_cpu or trained else "bfloat16"


def check_room(entry: Any, recipe: str, changes: Mapping[str, Any], devices: int, device: str | None) -> None:
    """See, before gigabytes are loaded, whether a device can hold what a recipe needs.

    Args:
        entry (`Backbone`): the model's entry in `giqa_hf.backbones`.
        recipe (`str`): a name out of `RECIPES`.
        changes (`Mapping`): fields of it that are changed.
        devices (`int`): how many share the batch, and the weights where the run is sharded.
        device (`str`, *optional*): such as `"cuda:0"`; `None` for the machine's own memory.

    Raises:
        `GiqaError`: with both sizes, and the recipe that would fit.
    """
    from ..backbones import check_memory

    if os.environ.get("ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "none") != "none":
        return  # most of it lies in the machine's RAM then

    def needs(tuned_by: Recipe) -> dict[str, Any]:
        return {
            # Devices that share the weights keep them, and AdamW's state, in float32.
            "dtype": "float32" if tuned_by.kind == "full" else weights_dtype(tuned_by, on_cpu=device is None),
            "device_batch": split_batch(tuned_by, devices)[0],
            "gradient_checkpointing": tuned_by.gradient_checkpointing,
            "lora_rank": tuned_by.lora_rank,
            "devices": devices if is_sharded() else 1,
        }

    tuned_by = recipe_of(recipe, **changes)
    check_memory(
        entry,
        tuned_by.kind,
        device=device,
        # As `--recipe lora` or qlora would run with the same changes.
        cheaper={kind: needs(recipe_of(kind, **changes)) for kind in ("lora", "qlora")},
        **needs(tuned_by),
    )
