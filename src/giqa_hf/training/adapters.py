"""What of a model is trained: parts that stay as they are, low-rank matrices beside them, and these put back in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GiqaError, MissingExtraError
from .disk import explained_writing
from .recipes import Recipe, recipe_of

if TYPE_CHECKING:
    from peft import LoraConfig


def freeze(model: Any, prefixes: Sequence[str]) -> int:
    """Keep parts of a model as they are.

    Args:
        model (`transformers.PreTrainedModel`): changed in place.
        prefixes (`sequence` of `str`): names of modules, as `model.named_modules()` has them.

    Returns:
        `int`: how many weights are frozen by it.

    Raises:
        `GiqaError`: when the model has no such module, so that nothing is trained that should not be.
    """
    frozen = 0
    for prefix in prefixes:
        found = [p for name, p in model.named_parameters() if name.startswith(f"{prefix}.")]
        if not found:
            raise GiqaError(
                f"{type(model).__name__}: expected a module {prefix} to freeze, found none; the checkpoint is of "
                "another model than its entry in giqa_hf.backbones"
            )
        for parameter in found:
            parameter.requires_grad_(False)
            frozen += parameter.numel()
    return frozen


def lora_config(recipe: str | Recipe, backbone: Any) -> LoraConfig:
    """PEFT's configuration for a recipe of the kind lora or qlora.

    Args:
        recipe (`str` or `Recipe`): whose `lora_rank`, `lora_alpha` and `lora_dropout` are taken.
        backbone (`LoadedBackbone`): whose entry says where the matrices go; all else stays as it is.

    Raises:
        `ValueError`: for an unknown recipe, or one that trains all weights.
        `MissingExtraError`: when peft is not installed.

    Example:

    ```python
    >>> SFTTrainer(model=backbone.model, processing_class=backbone.processor, train_dataset=train,
    ...            args=giqa_hf.sft_config("lora", output_dir="out"),
    ...            peft_config=giqa_hf.training.lora_config("lora", backbone)).train()
    ```
    """
    try:
        from peft import LoraConfig
    except ImportError:
        raise MissingExtraError("fine-tuning with LoRA", "train") from None
    recipe = recipe_of(recipe)
    if recipe.kind == "full":
        raise ValueError(
            "lora_config: expected a recipe of the kind lora or qlora, got one that trains all weights"
        )
    return LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=recipe.lora_alpha,
        lora_dropout=recipe.lora_dropout,
        target_modules=backbone.entry.lora_targets,
        task_type="CAUSAL_LM",
    )


def merge(adapter: Path, base: str, processor: Any, out: Path, *, dtype: str = "auto") -> Path:
    """Put an adapter's matrices into the weights that it was trained beside.

    Args:
        adapter (`Path`): folder that `PeftModel.save_pretrained` wrote.
        base (`str`): folder or Hub id of the checkpoint that was tuned; it is read anew, not in four bits.
        processor (`ProcessorMixin`): saved beside the weights.
        out (`Path`): folder of the whole checkpoint, for `giqa bench` or `from_pretrained`.
        dtype (`str`, *optional*, defaults to `"auto"`): of the weights, as they were saved.

    Returns:
        `Path`: `out`

    Raises:
        `GiqaError`: when the base cannot be loaded, or `out` cannot be written.
        `MissingExtraError`: when peft is not installed.
    """
    try:
        from peft import PeftModel
    except ImportError:
        raise MissingExtraError("merging an adapter", "train") from None
    from ..backbones import load_checkpoint

    model, _ = load_checkpoint(base, dtype=dtype)
    merged: Any = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    with explained_writing(out):
        processor.save_pretrained(out)
        merged.save_pretrained(out)
    return out
