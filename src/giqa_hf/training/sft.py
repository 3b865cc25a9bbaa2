"""Supervised fine-tuning with TRL, resumable, with its loss curve."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import GiqaError, MissingExtraError
from ..files import write_json
from .disk import explained_writing

if TYPE_CHECKING:
    from peft import PeftConfig
    from trl import SFTConfig

    from .evaluation import Evaluation

FINAL, LOSS_CURVE, EVALUATIONS = "final", "loss_curve.json", "evaluations.json"


@dataclass(frozen=True)
class TrainingResult:
    """What came of a fine-tuning.

    Args:
        checkpoint (`Path`): folder of the tuned model with its processor, for `from_pretrained`; with LoRA of the
            adapter.
        loss_curve (`tuple`): pairs of optimizer step and mean training loss since the pair before.
        resumed (`bool`): whether the run went on from an earlier one's checkpoint.
        evaluations (`tuple` of `dict`, *optional*): the figures on the held-out rows, each with its `step`.
        best_step (`int`, *optional*): where the metric was best; the checkpoint is that step's.
    """

    checkpoint: Path
    loss_curve: tuple[tuple[int, float], ...]
    resumed: bool
    evaluations: tuple[Mapping[str, float], ...] = ()
    best_step: int | None = None


def train(
    model: Any,
    processor: Any,
    dataset: Any,
    config: SFTConfig,
    callbacks: list[Any] | None = None,
    *,
    peft_config: PeftConfig | None = None,
    evaluation: Evaluation | None = None,
) -> TrainingResult:
    """Tune a model; started again after an interruption it goes on from its last checkpoint.

    The rows of a step do not depend on the number of devices, see `GlobalBatches`.

    Args:
        model (`transformers.PreTrainedModel`): an image-text-to-text model.
        processor (`transformers.ProcessorMixin`): its processor.
        dataset (`datasets.Dataset`): conversations, see `to_conversations`.
        config (`trl.SFTConfig`): see `sft_config`; its `output_dir` holds the checkpoints and, in `final/`, the result.
        callbacks (`list`, *optional*): transformers' trainer callbacks.
        peft_config (`peft.PeftConfig`, *optional*): see `lora_config`.
        evaluation (`Evaluation`, *optional*): held-out rows to answer and score when `config.eval_strategy` says so.
            Where `config.metric_for_best_model` names a figure, the result is the checkpoint with the best one.

    Returns:
        `TrainingResult`

    Raises:
        `GiqaError`: when the loss is no number any more (it stops at that step, names the rows and saves nothing
            more), when the processor cannot pad, or when the disk is full.
        `MissingExtraError`: when trl is not installed.
    """
    try:
        import trl  # noqa: F401  # to say what is missing
        from transformers import PrinterCallback
    except ImportError:
        raise MissingExtraError("fine-tuning", "train") from None
    from .trainer import GiqaTrainer

    check_processor(processor)
    folder = Path(config.output_dir or ".")
    last = last_whole_checkpoint(folder)
    if last:
        restore_weights(model, last)
    config = copy.copy(config)  # the trainer writes into it
    trainer = GiqaTrainer(
        model,
        evaluation=evaluation,
        args=config,
        train_dataset=dataset,
        processing_class=processor,
        callbacks=callbacks,
        peft_config=peft_config,
    )
    trainer.remove_callback(PrinterCallback)  # with disable_tqdm it prints every log entry as a dict
    final = folder / FINAL
    with explained_writing(folder):
        trainer.train(resume_from_checkpoint=last)
        best = _take_best(trainer)
        if (
            trainer.is_fsdp_enabled
        ):  # each device saves its part of a checkpoint; the result is one for everybody
            trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
        trainer.save_model(str(final))
        if trainer.is_world_process_zero():
            processor.save_pretrained(final)
            # The trainer's arguments as a pickle, which nobody should be asked to open; run.json says it in words.
            (final / "training_args.bin").unlink(missing_ok=True)
    log = trainer.state.log_history
    curve = tuple((int(entry["step"]), entry["loss"]) for entry in log if "loss" in entry)
    evaluations = tuple(
        {
            key.removeprefix("eval_"): value
            for key, value in entry.items()
            if key.startswith("eval_") or key == "step"
        }
        for entry in log
        if any(key.startswith("eval_") for key in entry)
    )
    if trainer.is_world_process_zero():
        write_json(final / EVALUATIONS, {"best_step": best, "evaluations": evaluations})
        # Last: whoever finds it finds a whole checkpoint.
        write_json(final / LOSS_CURVE, curve, indent=None)
    trainer.accelerator.wait_for_everyone()
    return TrainingResult(final, curve, last is not None, evaluations, best)


def finished_training(folder: Path) -> TrainingResult | None:
    """What an earlier call of `train` in this folder has brought to its end; `None` where none has."""
    final = folder / FINAL
    try:
        curve = json.loads((final / LOSS_CURVE).read_text(encoding="utf-8"))
        evaluated = final / EVALUATIONS  # reinforcement learning has none
        told = json.loads(evaluated.read_text(encoding="utf-8")) if evaluated.exists() else {}
    except (OSError, ValueError):
        return None
    pairs = tuple((step, loss) for step, loss in curve)
    return TrainingResult(final, pairs, True, tuple(told.get("evaluations", ())), told.get("best_step"))


def check_processor(processor: Any) -> None:
    """See that a processor can make training batches.

    Raises:
        `GiqaError`: when it cannot; it says what is missing.
    """
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None:
        raise GiqaError(
            f"processor: expected one of an image-text-to-text model, with a tokenizer, found "
            f"{type(processor).__name__}"
        )
    if getattr(tokenizer, "padding_side", None) not in ("left", "right"):
        raise GiqaError(
            "processor: expected a tokenizer with a padding side, left or right, found "
            f"{getattr(tokenizer, 'padding_side', None)!r}; set processor.tokenizer.padding_side"
        )
    if tokenizer.pad_token is None and tokenizer.eos_token is None:
        raise GiqaError(
            "processor: expected a tokenizer with a token to pad with, found none; set processor.tokenizer.pad_token"
        )


def last_whole_checkpoint(folder: Path) -> str | None:
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


def is_sharded() -> bool:
    """Whether each device holds a part of the weights (FSDP or DeepSpeed), which then the trainer alone can load."""
    return any(
        os.environ.get(name, "").lower() == "true"
        for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")
    )


def _take_best(trainer: Any) -> int | None:
    """Put the best checkpoint's weights into the trainer's model; the step of that checkpoint."""
    best = trainer.state.best_model_checkpoint
    if best is None:
        return None
    if not is_sharded():  # else `load_best_model_at_end` has done it
        if (Path(best) / "adapter_config.json").exists():
            trainer.model.load_adapter(best, trainer.model.active_adapters[0], is_trainable=True)
        else:
            restore_weights(trainer.model, best)
    return int(trainer.state.best_global_step)


def restore_weights(model: Any, checkpoint: str) -> None:
    """Put a checkpoint's weights into the model.

    `Trainer` (as of transformers 5.23) loads the file as it is. For LLaVA the file has other names than the model has,
    because `save_pretrained` writes its old ones: then the trainer finds no weight at all, says so in a warning, and
    goes on from the weights that the model came with.
    """
    from transformers import PreTrainedModel

    if is_sharded() or not any(Path(checkpoint).glob("model*.safetensors")):
        return
    if isinstance(model, PreTrainedModel):
        saved = type(model).from_pretrained(checkpoint, dtype=model.dtype, use_safetensors=True)
        model.load_state_dict(saved.state_dict())
