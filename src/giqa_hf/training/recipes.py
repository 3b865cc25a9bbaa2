"""How a model is tuned: a recipe is a few numbers with their source; TRL's `SFTConfig` is made from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..errors import GiqaError, MissingExtraError

if TYPE_CHECKING:
    from trl import SFTConfig

Kind = Literal["full", "lora", "qlora"]
_LOADERS = 8  # processes per device that decode and resize; a GPU must not wait for pictures


@dataclass(frozen=True)
class Recipe:
    """What fine-tuning depends on beside the model and the data.

    What is frozen is not said here but by the model's entry (`giqa_hf.backbones`), since it differs between models.

    Args:
        learning_rate (`float`): peak of AdamW's learning rate.
        kind (`str`, *optional*, defaults to `"full"`): what is trained: `"full"`, all weights that the model's entry
            does not freeze; `"lora"`, low-rank matrices beside weights that stay as they are; `"qlora"`, the same
            beside weights in four bits.
        lr_scheduler_type (`str`, *optional*, defaults to `"cosine"`): the rate's course.
        warmup_ratio (`float`, *optional*, defaults to `0.03`): share of the steps in which it rises.
        global_batch (`int`, *optional*, defaults to `64`): rows per optimizer step over all devices.
        epochs (`float`, *optional*, defaults to `1.0`): passes over the data.
        adam_betas (`tuple`, *optional*, defaults to `(0.9, 0.999)`): AdamW's β1 and β2.
        weight_decay (`float`, *optional*, defaults to `0.0`): AdamW's weight decay.
        max_grad_norm (`float`, *optional*, defaults to `1.0`): the gradient is cut to this norm.
        bf16 (`bool`, *optional*, defaults to `False`): compute in bfloat16, where there is an accelerator.
        device_batch (`int`, *optional*, defaults to `32`): most rows per device and forward pass; the rest of the
            global batch is accumulated.
        gradient_checkpointing (`bool`, *optional*, defaults to `True`): compute activations twice instead of keeping
            them: less memory, but slower.
        optimizer (`str`, *optional*, defaults to `"adamw_torch"`): as `SFTConfig.optim` takes it.
        lora_rank (`int`, *optional*, defaults to `128`): of the low-rank matrices.
        lora_alpha (`int`, *optional*, defaults to `256`): they are scaled by `lora_alpha / lora_rank`.
        lora_dropout (`float`, *optional*, defaults to `0.05`): share of their inputs that is left out.

    Raises:
        `ValueError`: for a number that cannot be.
    """

    learning_rate: float
    kind: Kind = "full"
    lr_scheduler_type: str = "cosine"
    warmup_ratio: float = 0.03
    global_batch: int = 64
    epochs: float = 1.0
    adam_betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    bf16: bool = False
    device_batch: int = 32
    gradient_checkpointing: bool = True
    optimizer: str = "adamw_torch"
    lora_rank: int = 128
    lora_alpha: int = 256
    lora_dropout: float = 0.05

    def __post_init__(self) -> None:
        for name in ("learning_rate", "global_batch", "epochs", "device_batch", "lora_rank", "lora_alpha"):
            if not getattr(self, name) > 0:
                raise ValueError(f"recipe: expected {name} above 0, got {getattr(self, name)!r}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"recipe: expected kind {', '.join(get_args(Kind))}, got {self.kind!r}")


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        # Paper Sec. 4.1: AdamW (0.9, 0.999), 2e-5, cosine, warm-up 0.03, batch 64, 2 epochs; full fine-tuning. bfloat16
        # and no weight decay are the backbones' own defaults (spec A7).
        "paper": Recipe(learning_rate=2e-5, epochs=2, bf16=True, device_batch=16),
        # LLaVA-1.5's own numbers for LoRA (rank 128, alpha 256, dropout 0.05, 2e-4), the rest as the paper has it. Four
        # rows at a time of a 7B model fit on 24 GB.
        "lora": Recipe(kind="lora", learning_rate=2e-4, epochs=2, bf16=True, device_batch=4),
        # Weights in four bits leave room on 24 GB for twice the rows, or for a 13B model.
        "qlora": Recipe(
            kind="qlora",
            learning_rate=2e-4,
            epochs=2,
            bf16=True,
            device_batch=8,
            optimizer="paged_adamw_8bit",
        ),
        # giqa-tiny has one three-thousandth of LLaVA-1.5's parameters and a few minutes: a far larger rate, smaller
        # batches. Found by trials on giqa-synth (docs/giqa_tiny.md).
        "tiny": Recipe(
            learning_rate=7e-4,
            global_batch=8,
            device_batch=4,  # of the eight, sorted by length: less padding, the same step
            warmup_ratio=0.05,
            gradient_checkpointing=False,
        ),
    }
)
"""Settings of a training by name: the paper's, its adapters on one card, and giqa-tiny's."""
_FIELDS = tuple(field.name for field in fields(Recipe))


def recipe_of(recipe: str | Recipe, **changes: Any) -> Recipe:
    """A recipe by its name, or one's own, with some fields changed.

    Args:
        recipe (`str` or `Recipe`): a name out of `RECIPES`, or a recipe.
        changes: fields of `Recipe`.

    Raises:
        `ValueError`: for an unknown name, or a number that cannot be.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"recipe: expected one of {', '.join(RECIPES)} or a Recipe, got {recipe!r}")
        recipe = RECIPES[recipe]
    return replace(recipe, **changes)


def sft_config(recipe: str | Recipe, output_dir: str | os.PathLike[str], **overrides: Any) -> SFTConfig:
    """TRL's `SFTConfig` for a recipe.

    The global batch is kept whatever the number of devices: it is split into what fits on one device and
    accumulation steps. Nothing is truncated: image placeholders must not be cut. On a machine without an accelerator
    it computes on the CPU, in float32.

    For a recipe of the kind lora or qlora give the trainer `peft_config=lora_config(recipe, backbone)` too.

    Args:
        recipe (`str` or `Recipe`): a name out of `RECIPES`, or a recipe of your own.
        output_dir (`str`): where checkpoints go.
        overrides: fields of `Recipe`, or any argument of `SFTConfig`; they win.

    Raises:
        `ValueError`: for an unknown recipe, or a global batch that the devices cannot share evenly.
        `GiqaError`: when the recipe's optimizer needs a package that is not installed.
        `MissingExtraError`: when trl is not installed.
    """
    try:
        from trl import SFTConfig
    except ImportError:
        raise MissingExtraError("fine-tuning", "train") from None
    recipe = recipe_of(recipe)
    changes = {name: overrides.pop(name) for name in _FIELDS if name in overrides}
    on_cpu = overrides.get("use_cpu", not has_accelerator())
    if on_cpu:
        changes.setdefault("bf16", False)  # what has no unit for bfloat16 gets slower by it, and coarser
    recipe = replace(recipe, **changes)
    if "8bit" in recipe.optimizer:
        need_bitsandbytes(f"the optimizer {recipe.optimizer}")
    device_batch, accumulated = split_batch(recipe, int(os.environ.get("WORLD_SIZE", "1")))
    arguments: dict[str, Any] = {
        "output_dir": os.fspath(output_dir),
        "use_cpu": on_cpu,
        "optim": recipe.optimizer,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.lr_scheduler_type,
        "warmup_steps": recipe.warmup_ratio,
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": device_batch,
        "gradient_accumulation_steps": accumulated,
        "adam_beta1": recipe.adam_betas[0],
        "adam_beta2": recipe.adam_betas[1],
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": recipe.bf16,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "max_length": None,
        "completion_only_loss": True,
        "train_sampling_strategy": "group_by_length",
        "length_column_name": "length",
        "remove_unused_columns": False,  # the sampler reads the column length, which is none of the model's
        "dataloader_num_workers": 0 if on_cpu else _loaders(),
        "dataloader_pin_memory": not on_cpu,
        "report_to": "none",
    }
    return SFTConfig(**{**arguments, **overrides})


def split_batch(recipe: Recipe, devices: int) -> tuple[int, int]:
    """Rows per device and forward pass, and forward passes per optimizer step, that make up the global batch.

    ```python
    >>> split_batch(RECIPES["paper"], 8)  # 8 devices * 8 rows * 1
    (8, 1)
    ```

    Raises:
        `ValueError`: when the devices cannot share it evenly.
    """
    per_device, rest = divmod(recipe.global_batch, devices)
    if rest or not per_device:
        raise ValueError(
            f"recipe: expected a global batch that {devices} devices share evenly, got {recipe.global_batch}"
        )
    device_batch = next(
        size for size in range(min(recipe.device_batch, per_device), 0, -1) if per_device % size == 0
    )
    return device_batch, per_device // device_batch


def need_bitsandbytes(what: str) -> None:
    """See that bitsandbytes can be used.

    Raises:
        `MissingExtraError`: when it is not installed.
        `GiqaError`: when there is no GPU for it.
    """
    import importlib.util

    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError(what, "qlora")
    if not has_accelerator():
        raise GiqaError(f"{what} needs a GPU, found none; use the recipe lora, or a machine with a GPU")


def has_accelerator() -> bool:
    """Whether torch sees a GPU or the like."""
    import torch

    return bool(torch.accelerator.is_available())


def _loaders() -> int:
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(_LOADERS, max(1, (os.cpu_count() or 1) // here - 1))
