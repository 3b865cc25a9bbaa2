"""Reinforcement learning with TRL's `GRPOTrainer` and the bench's own functions as rewards: a step after SFT."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..benchmark.generate import marks_are_special
from ..errors import DataError, GiqaError, MissingExtraError
from ..files import write_json
from ..formats import BoxFormat, GiqaFormat
from ..processing import Hidden
from ..schema import grounded_of
from .conversations import TEXT_COLUMNS, FrameOf, conversation
from .disk import explained_writing
from .recipes import Recipe, has_accelerator, split_batch
from .rewards import REWARDS, RewardFunction, frame_of_row
from .sft import FINAL, LOSS_CURVE, TrainingResult, check_processor, last_whole_checkpoint, restore_weights

if TYPE_CHECKING:
    from trl import GRPOConfig

REWARD_LOG = "reward_log.json"
_SHOWN = 8
_COLUMNS = (*TEXT_COLUMNS, "image_id", "question_type")


@dataclass(frozen=True)
class GrpoRecipe:
    """What reinforcement learning depends on beside the model, the data and the rewards.

    The paper has no such step. The numbers are TRL's defaults (1.16), save where a comment at `GRPO_RECIPES` says
    otherwise; none of them was tuned on a full-size model.

    Args:
        learning_rate (`float`): peak of AdamW's learning rate.
        prompts (`int`): rows per optimizer step, over all devices.
        generations (`int`): answers to each of them, at least 2: they are compared with each other.
        max_new_tokens (`int`): where an answer is cut off.
        temperature (`float`): of sampling.
        beta (`float`): weight of the divergence from the model that training began with; 0 needs no second model.
        epochs (`float`): passes over the data.
        lr_scheduler_type (`str`): the course of the learning rate.
        max_grad_norm (`float`): the gradient is cut to this norm.
        bf16 (`bool`): bfloat16 autocast.
        device_batch (`int`): most answers per device and forward pass; the rest is accumulated.
        gradient_checkpointing (`bool`): compute activations twice instead of keeping them.
    """

    learning_rate: float = 1e-6
    prompts: int = 8
    generations: int = 8
    max_new_tokens: int = 512
    temperature: float = 1.0
    beta: float = 0.0
    epochs: float = 1.0
    lr_scheduler_type: str = "linear"
    max_grad_norm: float = 1.0
    bf16: bool = True
    device_batch: int = 8
    gradient_checkpointing: bool = True

    def __post_init__(self) -> None:
        for name in ("learning_rate", "prompts", "max_new_tokens", "temperature", "epochs", "device_batch"):
            if not getattr(self, name) > 0:
                raise ValueError(f"recipe: expected {name} above 0, got {getattr(self, name)!r}")
        if self.generations < 2:
            raise ValueError(
                f"recipe: expected at least 2 generations, to compare them, got {self.generations!r}"
            )


GRPO_RECIPES = {
    # 512 tokens, as in GIQA-Bench's runs: TRL's 256 cut a long description short, and what is cut off is malformed.
    "grpo": GrpoRecipe(),
    # For giqa-tiny on a CPU: fewer and shorter answers, a rate between TRL's and that of its own SFT.
    "grpo-tiny": GrpoRecipe(
        learning_rate=1e-5,
        prompts=2,
        generations=4,
        max_new_tokens=160,
        bf16=False,
        gradient_checkpointing=False,
    ),
}


def grpo_config(recipe: str | GrpoRecipe, output_dir: str | os.PathLike[str], **overrides: Any) -> GRPOConfig:
    """TRL's `GRPOConfig` for a recipe.

    As many answers go into a step whatever the number of devices.

    Args:
        recipe (`str` or `GrpoRecipe`): `"grpo"`, `"grpo-tiny"`, or a recipe of your own.
        output_dir (`str`): where checkpoints go.
        overrides: fields of `GrpoRecipe`, or any argument of `GRPOConfig`, such as `reward_weights` (one for each
            reward, in their order) or `use_vllm`; they win.

    Raises:
        `ValueError`: for an unknown recipe, or answers that the devices cannot share evenly.
        `MissingExtraError`: when trl is not installed.
    """
    try:
        from trl import GRPOConfig
    except ImportError:
        raise MissingExtraError("reinforcement learning", "train") from None
    if isinstance(recipe, str):
        if recipe not in GRPO_RECIPES:
            raise ValueError(
                f"recipe: expected one of {', '.join(GRPO_RECIPES)} or a GrpoRecipe, got {recipe!r}"
            )
        recipe = GRPO_RECIPES[recipe]
    changes = {name: overrides.pop(name) for name in asdict(recipe) if name in overrides}
    on_cpu = overrides.get("use_cpu", not has_accelerator())
    if on_cpu:
        changes.setdefault("bf16", False)  # as in `sft_config`
    recipe = replace(recipe, **changes)
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    answers = recipe.prompts * recipe.generations
    try:
        device_batch, accumulated = split_batch(
            Recipe(recipe.learning_rate, global_batch=answers, device_batch=recipe.device_batch), devices
        )
    except ValueError:
        raise ValueError(
            f"recipe: expected {recipe.prompts} prompts with {recipe.generations} generations each to be shared "
            f"evenly by {devices} devices; change prompts or generations"
        ) from None
    arguments: dict[str, Any] = {
        "output_dir": os.fspath(output_dir),
        "use_cpu": on_cpu,
        "dataloader_pin_memory": not on_cpu,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.lr_scheduler_type,
        "num_train_epochs": recipe.epochs,
        "per_device_train_batch_size": device_batch,
        "gradient_accumulation_steps": accumulated,
        "num_generations": recipe.generations,
        "max_completion_length": recipe.max_new_tokens,
        "temperature": recipe.temperature,
        "beta": recipe.beta,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": recipe.bf16,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "remove_unused_columns": False,  # the rewards read them
        "report_to": "none",
    }
    return GRPOConfig(**{**arguments, **overrides})


def grpo_rows(
    dataset: Any,
    backbone: Any = None,
    *,
    format: BoxFormat | None = None,
    frame: FrameOf | None = None,
    hidden: Hidden = "drop",
) -> Any:
    """Turn rows into prompts, with all that the rewards compare the answers with.

    Args:
        dataset (`datasets.Dataset`): rows as `giqa_hf.schema.features` describes them.
        backbone (*optional*): anything with `box_format` and `frame`, such as a processor with
            `GroundingProcessorMixin` or what `load_backbone` gives.
        format (`BoxFormat`, *optional*): instead of the backbone's; the paper's without either.
        frame (`callable`, *optional*): `(width, height) -> Frame`, instead of the backbone's.
        hidden (`str`, *optional*, defaults to `"drop"`): as `to_conversations` has it; a box that is dropped there is
            not asked for here either.

    Returns:
        `datasets.Dataset`: the columns `image`, `id`, `prompt`, and those of `rewards`.

    Raises:
        `DataError`: when columns are missing or a row cannot be written; it names the row.
    """
    import datasets

    box_format = format or getattr(backbone, "box_format", None) or GiqaFormat()
    frame = frame or getattr(backbone, "frame", None)
    missing = [name for name in ("image", *_COLUMNS) if name not in dataset.column_names]
    if missing:
        raise DataError(
            f"grpo_rows: expected rows of giqa_hf.schema, found no column {', '.join(missing)} among "
            f"{', '.join(dataset.column_names)}"
        )
    saved = json.dumps(box_format.to_dict(), sort_keys=True)

    def prompt(row: Mapping[str, Any], number: int) -> dict[str, Any]:
        try:
            asked = conversation(row, box_format, frame, hidden)["prompt"]
        except DataError as error:
            raise DataError(f"row {number}, {error}") from error
        true_boxes = grounded_of(row, "answer").boxes_norm
        seen = frame(row["width"], row["height"]) if frame else None
        if seen is not None and hidden == "drop":
            true_boxes = true_boxes[~seen.hides(true_boxes)]
        return {
            "id": f"{number:06d}:{row['image_id']}",
            "prompt": asked,
            "question": row["question"],
            "answer": row["answer"],
            "question_type": row["question_type"],
            "true_boxes_norm": true_boxes.tolist(),
            "frame": None if seen is None else frame_of_row(seen),
            "box_format": saved,
        }

    # The texts are mapped without the pictures beside them: these would be decoded and written again.
    made = dataset.select_columns(list(_COLUMNS)).map(
        prompt,
        with_indices=True,
        remove_columns=list(_COLUMNS),
        features=_features(),
        desc="writing prompts",
    )
    return datasets.concatenate_datasets([dataset.select_columns(["image"]), made], axis=1)


def grpo(
    model: Any,
    processor: Any,
    dataset: Any,
    config: GRPOConfig,
    rewards: Sequence[RewardFunction] = REWARDS,
    *,
    peft_config: Any = None,
    callbacks: list[Any] | None = None,
) -> TrainingResult:
    """Tune a model by rewards; started again after an interruption it goes on from its last checkpoint.

    Args:
        model (`transformers.PreTrainedModel`): an image-text-to-text model that has learned to answer: one after SFT.
        processor (`transformers.ProcessorMixin`): its processor.
        dataset (`datasets.Dataset`): see `grpo_rows`.
        config (`trl.GRPOConfig`): see `grpo_config`; its `output_dir` holds the checkpoints and, in `final/`, the
            result.
        rewards (sequence of functions, *optional*, defaults to `REWARDS`): see `rewards`; summed with
            `config.reward_weights`.
        peft_config (`peft.PeftConfig`, *optional*): train an adapter only.
        callbacks (`list`, *optional*): transformers' trainer callbacks.

    Returns:
        `TrainingResult`: with `final/loss_curve.json`, and in `final/reward_log.json` the reward, and each reward's
        mean, at every logged step.

    Raises:
        `GiqaError`: when the format's marks are special tokens, which TRL takes out of what the rewards see; when the
            loss or a weight is no number any more; when the disk is full.
        `MissingExtraError`: when trl is not installed.
    """
    try:
        from transformers import PrinterCallback
        from trl import GRPOTrainer
    except ImportError:
        raise MissingExtraError("reinforcement learning", "train") from None
    if marks_are_special(getattr(processor, "box_format", None)):
        raise GiqaError(
            f"grpo: expected boxes in plain text, found the format {processor.box_format.name}, whose marks are "
            "special tokens, and TRL shows rewards an answer without these; use a processor with another box_format"
        )
    check_processor(processor)
    folder = Path(config.output_dir or ".")
    last = last_whole_checkpoint(folder)
    if last:
        restore_weights(model, last)

    class Trainer(GRPOTrainer):
        def create_model_card(self, *args: Any, **kwargs: Any) -> None:
            """As in `GiqaTrainer`."""

        def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            # Here, and not in the loss: with such weights no answer can be drawn, and torch's words are obscure.
            if not all(weight.isfinite().all() for weight in model.parameters() if weight.requires_grad):
                raise GiqaError(
                    f"grpo: expected finite weights, found others after step {self.state.global_step}; use a smaller "
                    "learning rate"
                )
            ids = list(dict.fromkeys(row["id"] for row in inputs if "id" in row))
            loss = super().training_step(model, inputs, *args, **kwargs)  # type: ignore[no-untyped-call]
            if not math.isfinite(loss):
                raise GiqaError(
                    f"grpo: expected a finite loss, found {float(loss)} at step {self.state.global_step + 1} on rows "
                    f"{', '.join(ids[:_SHOWN])}; use a smaller learning rate, or look at these rows"
                )
            return loss

    trainer = Trainer(
        model,
        reward_funcs=list(rewards),
        args=copy.copy(config),  # the trainer writes into it
        train_dataset=dataset,
        processing_class=processor,
        peft_config=peft_config,
        callbacks=callbacks,
    )
    trainer.remove_callback(PrinterCallback)  # with disable_tqdm it prints every log entry as a dict
    final = folder / FINAL
    with explained_writing(folder):
        trainer.train(resume_from_checkpoint=last)
        trainer.save_model(str(final))
        if trainer.is_world_process_zero():
            processor.save_pretrained(final)
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    curve = tuple((int(entry["step"]), entry["loss"]) for entry in history)
    if trainer.is_world_process_zero():
        write_json(final / REWARD_LOG, [_rewards_of(entry) for entry in history])
        write_json(final / LOSS_CURVE, curve, indent=None)  # last: it says that the checkpoint is whole
    trainer.accelerator.wait_for_everyone()
    return TrainingResult(final, curve, last is not None)


def _rewards_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A log entry's step and rewards; a reward that had nothing to say of the step's rows is left out."""
    shown = {"step": int(entry["step"])}
    for name, value in entry.items():
        is_one = name in ("reward", "reward_std") or (name.startswith("rewards/") and name.endswith("/mean"))
        if is_one and value is not None and math.isfinite(value):
            shown[name] = value
    return shown


def _features() -> Any:
    from datasets import Features, List, Value

    pair = List(Value("float64"), length=2)
    return Features(
        {
            "id": Value("string"),
            "prompt": List({"role": Value("string"), "content": Value("string")}),
            "question": Value("string"),
            "answer": Value("string"),
            "question_type": Value("string"),
            "true_boxes_norm": List(List(Value("float64"), length=4)),
            "frame": dict.fromkeys(("image_wh", "model_wh", "scale_xy", "offset_xy"), pair),
            "box_format": Value("string"),
        }
    )
