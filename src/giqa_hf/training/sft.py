"""Supervised fine-tuning with TRL, resumable, with its loss curve."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GiqaError, MissingExtraError

if TYPE_CHECKING:
    from trl import SFTConfig


@dataclass(frozen=True)
class TrainingResult:
    """What came of a fine-tuning.

    Args:
        checkpoint (`Path`): folder of the tuned model with its processor, for `from_pretrained`.
        loss_curve (`tuple`): pairs of optimizer step and mean training loss since the pair before.
        resumed (`bool`): whether the run went on from an earlier one's checkpoint.
    """

    checkpoint: Path
    loss_curve: tuple[tuple[int, float], ...]
    resumed: bool


def train(model: Any, processor: Any, dataset: Any, config: SFTConfig, callbacks: list[Any] | None = None) -> TrainingResult:
    """Tune a model; started again after an interruption it goes on from its last checkpoint.

    Args:
        model (`transformers.PreTrainedModel`): an image-text-to-text model.
        processor (`transformers.ProcessorMixin`): its processor.
        dataset (`datasets.Dataset`): conversations, see `to_conversations`.
        config (`trl.SFTConfig`): see `sft_config`; its `output_dir` holds the checkpoints and, in `final/`, the result.
        callbacks (`list`, *optional*): transformers' trainer callbacks.

    Returns:
        `TrainingResult`

    Raises:
        `GiqaError`: when the loss is no number any more; nothing is saved then.
        `MissingExtraError`: when trl is not installed.
    """
    try:
        from transformers.trainer_utils import get_last_checkpoint
        from trl import SFTTrainer
    except ImportError:
        raise MissingExtraError("fine-tuning", "train") from None

    folder = Path(config.output_dir)
    last = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    trainer = SFTTrainer(model, args=config, train_dataset=dataset, processing_class=processor, callbacks=callbacks)
    trainer.train(resume_from_checkpoint=last)
    curve = tuple((entry["step"], entry["loss"]) for entry in trainer.state.log_history if "loss" in entry)
    broken = next((step for step, loss in curve if not math.isfinite(loss)), None)
    if broken is not None:
        raise GiqaError(f"training: the loss at step {broken} is no number any more; use a smaller learning rate")
    final = folder / "final"
    trainer.save_model(str(final))
    processor.save_pretrained(final)
    (final / "loss_curve.json").write_text(json.dumps(curve))
    return TrainingResult(final, curve, last is not None)
