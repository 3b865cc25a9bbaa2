"""Supervised fine-tuning with TRL, resumable, with its loss curve."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GiqaError, MissingExtraError
from ..files import write_json
from .disk import explained_writing

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


def train(
    model: Any, processor: Any, dataset: Any, config: SFTConfig, callbacks: list[Any] | None = None
) -> TrainingResult:
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
        `GiqaError`: when the loss is no number any more (it stops at that step, and nothing more is saved), or
            when the disk is full.
        `MissingExtraError`: when trl is not installed.
    """
    try:
        from transformers import PrinterCallback
        from trl import SFTTrainer
    except ImportError:
        raise MissingExtraError("fine-tuning", "train") from None

    folder = Path(config.output_dir or ".")
    last = _last_whole_checkpoint(folder)
    if last:
        _restore_weights(model, last)
    config = copy.copy(config)  # the trainer writes into it

    class Trainer(SFTTrainer):
        def training_step(self, *args: Any, **kwargs: Any) -> Any:
            # Not seen in the log: there transformers puts the mean before it in the place of what is no number.
            loss = super().training_step(*args, **kwargs)  # type: ignore[no-untyped-call]
            if not math.isfinite(loss):
                raise GiqaError(
                    f"training: expected a finite loss, found {float(loss)} at step {self.state.global_step + 1}; "
                    "use a smaller learning rate"
                )
            return loss

    trainer = Trainer(
        model, args=config, train_dataset=dataset, processing_class=processor, callbacks=callbacks
    )
    trainer.remove_callback(PrinterCallback)  # with disable_tqdm it prints every log entry as a dict
    final = folder / "final"
    with explained_writing(folder):
        trainer.train(resume_from_checkpoint=last)
        trainer.save_model(str(final))
        processor.save_pretrained(final)
    curve = tuple(
        (int(entry["step"]), entry["loss"]) for entry in trainer.state.log_history if "loss" in entry
    )
    write_json(
        final / "loss_curve.json", curve, indent=None
    )  # last: whoever finds it finds a whole checkpoint
    return TrainingResult(final, curve, last is not None)


def _restore_weights(model: Any, checkpoint: str) -> None:
    """Put a checkpoint's weights into the model.

    `Trainer` (as of transformers 5.23) loads the file as it is. For LLaVA the file has other names than the model has,
    because `save_pretrained` writes its old ones: then the trainer finds no weight at all, says so in a warning, and
    goes on from the weights that the model came with.
    """
    from transformers import PreTrainedModel

    if isinstance(model, PreTrainedModel) and any(Path(checkpoint).glob("model*.safetensors")):
        saved = type(model).from_pretrained(checkpoint, dtype=model.dtype, use_safetensors=True)
        model.load_state_dict(saved.state_dict())


def _last_whole_checkpoint(folder: Path) -> str | None:
    """The latest checkpoint that was written to its end; one that an interruption cut short is passed over."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    for path in sorted(found, key=lambda path: int(path.name.removeprefix("checkpoint-")), reverse=True):
        try:
            json.loads(
                (path / "trainer_state.json").read_text(encoding="utf-8")
            )  # the trainer writes it last
        except (OSError, ValueError):
            continue
        return str(path)
    return None
