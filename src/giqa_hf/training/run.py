"""A whole fine-tuning, as `giqa train` does it: data, checks, model, training, and the record of all of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import DataError
from ..processing import Hidden
from ..progress import Progress, Say
from ..schema import TASKS
from .adapters import freeze, lora_config, merge
from .conversations import Task
from .evaluation import metric_name
from .memory import check_room, weights_dtype
from .prepared import Prepared, prepare
from .recipes import RECIPES, Recipe, need_bitsandbytes, recipe_of, sft_config, split_batch
from .rows import hold_out, load_rows
from .run_record import check_settings, claim_training, finish_training, training_session
from .sft import (
    TrainingResult,
    check_processor,
    finished_training,
    is_sharded,
    last_whole_checkpoint,
    train,
)

if TYPE_CHECKING:
    from trl import SFTConfig

MERGED: Final = "merged"
_LOGGED: Final = 0.02
"""Share of the steps between two points of the loss curve."""
_NEARLY_ALL: Final = 1 - 1e-9
"""The largest share of the steps: transformers takes 1 for one step."""
_PATIENCE_S: Final = 4 * 3600
"""How long processes wait for the first one, which prepares the data."""


@dataclass(frozen=True)
class TrainSettings:
    """What a fine-tuning is to do.

    Args:
        backbone (`str`): a name out of `giqa_hf.backbones.BACKBONES`.
        data (`str`): see `load_rows`.
        recipe (`str`, *optional*, defaults to `"paper"`): a name out of `RECIPES`.
        changes (`Mapping`, *optional*): fields of `Recipe` to change, such as `{"epochs": 1}`.
        checkpoint (`str`, *optional*): folder or Hub id to start from, instead of the backbone's own.
        split (`str`, *optional*, defaults to `"train"`): of the data.
        limit (`int`, *optional*): only the first rows.
        task (`str`, *optional*): only rows of `"des"` or `"vqa"`.
        hidden (`str`, *optional*, defaults to `"drop"`): see `to_conversations`.
        eval_rows (`int`, *optional*, defaults to `200`): about so many rows are held out, see `hold_out`; 0 for none.
        eval_share (`float`, *optional*): share of the pictures that is held out instead.
        metric (`str`, *optional*): figure on held-out rows that the best checkpoint is chosen by, see `metric_name`.
        saves (`int`, *optional*, defaults to `10`): how often a checkpoint is saved, and the model evaluated.
        max_tokens (`int`, *optional*): longest sample, if less than the model's context.
        drop_too_long (`bool`, *optional*, defaults to `False`): leave out longer samples instead of stopping.
        max_steps (`int`, *optional*): end after so many optimizer steps.
        seed (`int`, *optional*, defaults to `0`): of the held-out pictures, the order of rows and LoRA's beginning.
        merge (`bool`, *optional*, defaults to `False`): with LoRA, write the whole tuned model too.
        chat_template (`str`, *optional*): for a checkpoint that has none.
        arguments (`tuple` of `str`, *optional*): the command, for the record.

    Raises:
        `DataError`: when an option cannot be.
    """

    backbone: str
    data: str
    recipe: str = "paper"
    changes: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: str | None = None
    split: str = "train"
    limit: int | None = None
    task: Task | None = None
    hidden: Hidden = "drop"
    eval_rows: int = 200
    eval_share: float | None = None
    metric: str | None = None
    saves: int = 10
    max_tokens: int | None = None
    drop_too_long: bool = False
    max_steps: int | None = None
    seed: int = 0
    merge: bool = False
    chat_template: str | None = None
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise DataError(f"recipe: expected one of {', '.join(RECIPES)}, got {self.recipe!r}")
        for name in ("limit", "saves", "max_tokens", "max_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name}: expected at least 1, got {value}")
        try:
            kind = recipe_of(self.recipe, **self.changes).kind
        except ValueError as error:
            raise DataError(str(error)) from error
        if self.merge and kind == "full":
            raise DataError(
                f"merge: expected a recipe of the kind lora or qlora, got {self.recipe}, which has no adapter"
            )

    @property
    def tuned_by(self) -> Recipe:
        """The recipe with its changes."""
        return recipe_of(self.recipe, **self.changes)


@dataclass(frozen=True)
class TrainOutcome:
    """What came of it.

    Args:
        result (`TrainingResult`): checkpoint, loss curve, evaluations.
        merged (`Path`, *optional*): the whole model, where it was asked for.
        is_first (`bool`): whether this process is the one that tells the user.
    """

    result: TrainingResult
    merged: Path | None
    is_first: bool


def run_training(settings: TrainSettings, out: Path, *, say: Say = print) -> TrainOutcome:
    """Tune a backbone; started again it goes on where it was.

    Under `accelerate launch` every process calls it; the first one alone prepares data, prints and writes.

    Args:
        settings (`TrainSettings`): what to do.
        out (`Path`): folder for checkpoints, result and record; new, or of the same training.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Returns:
        `TrainOutcome`

    Raises:
        `GiqaError`: when data, backbone or folder cannot be used, samples are too long, or the loss is no number.
    """
    from ..backbones import find_backbone, load_backbone

    recipe = settings.tuned_by
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    try:
        device_batch, accumulated = split_batch(recipe, devices)
    except ValueError as error:
        raise DataError(str(error)) from error
    if recipe.kind == "qlora":
        need_bitsandbytes(f"the recipe {settings.recipe}")
    entry = find_backbone(settings.backbone)
    metric_name(settings.metric, frozenset((settings.task,) if settings.task else TASKS))
    check_settings(out, _settings_record(settings, recipe, entry))
    # First the trainer's configuration: it joins the processes of a distributed run.
    config = _config(settings, recipe, out)
    from accelerate import PartialState

    state = PartialState()
    say = say if state.is_main_process else _silent
    dtype = weights_dtype(recipe, on_cpu=config.use_cpu)
    if settings.checkpoint is None:
        device = None if config.use_cpu else str(config.device)
        check_room(entry, settings.recipe, settings.changes, devices, device)
    backbone = load_backbone(
        settings.backbone,
        checkpoint=settings.checkpoint,
        dtype=dtype,
        quantization="4bit" if recipe.kind == "qlora" else None,
        chat_template=settings.chat_template,
    )
    check_processor(backbone.processor)
    with state.local_main_process_first():  # the others find its work in the cache
        say(f"data: {settings.data}")  # which may have to be fetched or drawn first
        rows = load_rows(settings.data, settings.split, settings.limit)
        split = hold_out(rows, count=settings.eval_rows, share=settings.eval_share, seed=settings.seed)
        data = prepare(
            rows,
            split,
            backbone,
            task=settings.task,
            hidden=settings.hidden,
            max_tokens=settings.max_tokens,
            drop_too_long=settings.drop_too_long,
            say=say,
        )
    if data.evaluation is not None:
        config.metric_for_best_model = metric_name(settings.metric, data.tasks)
    if state.is_main_process:
        run = _record(settings, recipe, backbone, data, config)
        execution = {"devices": devices, "device_batch": device_batch, "accumulated": accumulated}
        claim_training(out, run, training_session(settings.arguments, execution))
    state.wait_for_everyone()
    say(
        f"recipe {settings.recipe}: {recipe.global_batch} rows a step = "
        f"{devices} (devices) x {device_batch} (at a time) x {accumulated} (times)"
    )
    source = settings.checkpoint or entry.checkpoint
    backbone.model.name_or_path = source  # which PEFT notes in an adapter; else a folder of the Hub's cache
    result = finished_training(out)
    if result is not None:
        say(f"this training is finished: {result.checkpoint}")
    else:
        if last := last_whole_checkpoint(out):
            say(f"going on from {last}")
        result = _tune(recipe, config, backbone, data, say)
    merged = None
    if settings.merge:
        merged = out / MERGED
        if state.is_main_process and not (merged / "config.json").exists():
            say("putting the adapter into the weights")
            merge(result.checkpoint, source, backbone.processor, merged, dtype=dtype)
        state.wait_for_everyone()
    if state.is_main_process:
        finish_training(out, _result(result, out, merged))
    return TrainOutcome(result, merged, state.is_main_process)


def _config(settings: TrainSettings, recipe: Recipe, out: Path) -> SFTConfig:
    """The trainer's configuration; the figure that decides is known when the held-out rows are."""
    evaluated = bool(settings.eval_rows) or settings.eval_share is not None
    every = min(1 / settings.saves, _NEARLY_ALL)
    return sft_config(
        recipe,
        out,
        seed=settings.seed,
        max_steps=settings.max_steps or -1,
        disable_tqdm=True,
        logging_steps=_LOGGED,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,  # the last one and the best one
        eval_strategy="steps" if evaluated else "no",
        eval_steps=every if evaluated else None,
        greater_is_better=True,
        load_best_model_at_end=evaluated and is_sharded(),
        ddp_timeout=_PATIENCE_S,
    )


def _tune(recipe: Recipe, config: SFTConfig, backbone: Any, data: Prepared, say: Say) -> TrainingResult:
    from .progress import EvaluationCallback, ProgressCallback

    peft_config = None
    if recipe.kind == "full":
        freeze(backbone.model, backbone.entry.frozen["full"])
    else:
        peft_config = lora_config(recipe, backbone)
    return train(
        backbone.model,
        backbone.processor,
        data.conversations,
        config,
        [ProgressCallback(Progress(say, "steps")), EvaluationCallback(say, config.metric_for_best_model)],
        peft_config=peft_config,
        evaluation=data.evaluation,
    )


def _record(
    settings: TrainSettings, recipe: Recipe, backbone: Any, data: Prepared, config: SFTConfig
) -> dict[str, Any]:
    """All that the run depends on."""
    known = _settings_record(settings, recipe, backbone.entry)
    return {
        **known,
        "checkpoint": backbone.identity,
        "data": {**known["data"], **data.told},
        "boxes": {**known["boxes"], "format": backbone.box_format.to_dict()},
        "evaluation": {**known["evaluation"], "metric": config.metric_for_best_model},
    }


def _settings_record(settings: TrainSettings, recipe: Recipe, entry: Any) -> dict[str, Any]:
    """What of the record is known before anything is loaded."""
    return {
        "backbone": entry.name,
        "entry": {
            "checkpoint": entry.checkpoint,
            "model_type": entry.model_type,
            "frozen": list(entry.frozen["full" if recipe.kind == "full" else "lora"]),
            "lora_targets": None if recipe.kind == "full" else entry.lora_targets,
        },
        "recipe": {"name": settings.recipe, **asdict(recipe)},
        "data": {
            "name": settings.data,
            "split": settings.split,
            "limit": settings.limit,
            "task": settings.task,
        },
        "boxes": {"hidden": settings.hidden},
        "evaluation": {"saves": settings.saves},
        "max_steps": settings.max_steps,
        "seed": settings.seed,
    }


def _result(result: TrainingResult, out: Path, merged: Path | None) -> dict[str, Any]:
    """What came of it, for the record."""
    step, loss = result.loss_curve[-1] if result.loss_curve else (None, None)
    return {
        "checkpoint": str(result.checkpoint.relative_to(out)),
        "steps": step,
        "last_loss": loss,
        "best_step": result.best_step,
        "evaluations": list(result.evaluations),
        "merged": None if merged is None else merged.name,
    }


def _silent(line: str) -> None:
    """What processes other than the first say."""
