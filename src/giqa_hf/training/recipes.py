"""How a model is tuned: a recipe is a few numbers with their source; TRL's `SFTConfig` is made from it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError

if TYPE_CHECKING:
    from trl import SFTConfig


@dataclass(frozen=True)
class Recipe:
    """What fine-tuning depends on beside the model and the data.

    Args:
        learning_rate (`float`): peak of AdamW's learning rate.
        lr_scheduler_type (`str`): its course.
        warmup_ratio (`float`): share of the steps in which it rises.
        global_batch (`int`): rows per optimizer step over all devices.
        epochs (`float`): passes over the data.
        adam_betas (`tuple`): AdamW's β1 and β2.
        weight_decay (`float`): AdamW's weight decay.
        max_grad_norm (`float`): the gradient is cut to this norm.
        bf16 (`bool`): bfloat16 autocast.
        device_batch (`int`): most rows per device and forward pass; the rest is accumulated.
        gradient_checkpointing (`bool`): compute activations twice instead of keeping them: less memory, a fifth slower.
    """

    learning_rate: float
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

    def __post_init__(self) -> None:
        for name in ("learning_rate", "global_batch", "epochs", "device_batch"):
            if not getattr(self, name) > 0:
                raise ValueError(f"recipe: expected {name} above 0, got {getattr(self, name)!r}")


RECIPES = {
    # Paper Sec. 4.1: AdamW (0.9, 0.999), 2e-5, cosine, warm-up 0.03, batch 64, 2 epochs; full fine-tuning. bfloat16
    # and no weight decay are the backbones' own defaults (spec A7).
    "paper": Recipe(learning_rate=2e-5, epochs=2, bf16=True, device_batch=16),
    # giqa-tiny has one three-thousandth of LLaVA-1.5's parameters and a few minutes: a far larger rate, smaller
    # batches. Found by trials on giqa-synth (docs/giqa_tiny.md).
    "tiny": Recipe(
        learning_rate=1e-3, global_batch=16, device_batch=16, warmup_ratio=0.05, gradient_checkpointing=False
    ),
}


def sft_config(recipe: str | Recipe, output_dir: str | os.PathLike[str], **overrides: Any) -> SFTConfig:
    """TRL's `SFTConfig` for a recipe.

    The global batch is kept whatever the number of devices: it is split into what fits on one device and
    accumulation steps. Nothing is truncated: image placeholders must not be cut.

    Args:
        recipe (`str` or `Recipe`): a name out of `RECIPES`, or a recipe of your own.
        output_dir (`str`): where checkpoints go.
        overrides: fields of `Recipe`, or any argument of `SFTConfig`; they win.

    Raises:
        `ValueError`: for an unknown recipe, or a global batch that the devices cannot share evenly.
        `MissingExtraError`: when trl is not installed.
    """
    try:
        from trl import SFTConfig
    except ImportError:
        raise MissingExtraError("fine-tuning", "train") from None
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise ValueError(f"recipe: expected one of {', '.join(RECIPES)} or a Recipe, got {recipe!r}")
        recipe = RECIPES[recipe]
    recipe = replace(recipe, **{name: overrides.pop(name) for name in asdict(recipe) if name in overrides})
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    per_device, rest = divmod(recipe.global_batch, devices)
    if rest or not per_device:
        raise ValueError(
            f"recipe: expected a global batch that {devices} devices share evenly, got {recipe.global_batch}"
        )
    device_batch = next(
        size for size in range(min(recipe.device_batch, per_device), 0, -1) if per_device % size == 0
    )
    arguments: dict[str, Any] = {
        "output_dir": os.fspath(output_dir),
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.lr_scheduler_type,
        "warmup_steps": recipe.warmup_ratio,
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": device_batch,
        "gradient_accumulation_steps": per_device // device_batch,
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
        "report_to": "none",
    }
    return SFTConfig(**{**arguments, **overrides})
