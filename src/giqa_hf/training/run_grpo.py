"""`giqa train BACKBONE --recipe grpo`: reinforcement learning on a model that can answer already, with its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..processing import Hidden
from ..progress import Progress, Say
from .adapters import freeze, lora_config
from .conversations import Task
from .grpo import GRPO_RECIPES, GrpoRecipe, grpo, grpo_config, grpo_rows
from .recipes import Recipe, has_accelerator
from .rewards import REWARDS
from .rows import load_rows
from .run import TrainOutcome
from .run_record import claim_training, finish_training, training_session
from .sft import TrainingResult, check_processor, finished_training


@dataclass(frozen=True)
class GrpoSettings:
    """What a reinforcement learning is to do.

    Args:
        backbone (`str`): a name out of `giqa_hf.backbones.BACKBONES`.
        data (`str`): see `load_rows`.
        checkpoint (`str`): folder or Hub id of the model to begin with: one after supervised fine-tuning.
        recipe (`str`, *optional*, defaults to `"grpo"`): a name out of `GRPO_RECIPES`.
        changes (`Mapping`, *optional*): fields of `GrpoRecipe` to change.
        lora_rank (`int`, *optional*): train an adapter of this rank, and no other weight.
        split (`str`, *optional*, defaults to `"train"`): of the data.
        limit (`int`, *optional*): only the first rows.
        task (`str`, *optional*): only rows of `"des"` or `"vqa"`.
        hidden (`str`, *optional*, defaults to `"drop"`): see `grpo_rows`.
        saves (`int`, *optional*, defaults to `10`): how often a checkpoint is saved.
        max_steps (`int`, *optional*): end after so many optimizer steps.
        seed (`int`, *optional*, defaults to `0`): of the order of rows and of the drawing of answers.
        chat_template (`str`, *optional*): for a checkpoint that has none.
        arguments (`tuple` of `str`, *optional*): the command, for the record.

    Raises:
        `DataError`: when an option cannot be.
    """

    backbone: str
    data: str
    checkpoint: str
    recipe: str = "grpo"
    changes: Mapping[str, Any] = field(default_factory=dict)
    lora_rank: int | None = None
    split: str = "train"
    limit: int | None = None
    task: Task | None = None
    hidden: Hidden = "drop"
    saves: int = 10
    max_steps: int | None = None
    seed: int = 0
    chat_template: str | None = None
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.recipe not in GRPO_RECIPES:
            raise DataError(f"recipe: expected one of {', '.join(GRPO_RECIPES)}, got {self.recipe!r}")
        for name in ("limit", "saves", "max_steps", "lora_rank"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name}: expected at least 1, got {value}")
        try:
            self.tuned_by  # noqa: B018  # made for its errors
        except (ValueError, TypeError) as error:
            raise DataError(str(error)) from error

    @property
    def tuned_by(self) -> GrpoRecipe:
        """The recipe with its changes."""
        return replace(GRPO_RECIPES[self.recipe], **self.changes)


def run_grpo(settings: GrpoSettings, out: Path, *, say: Say = print) -> TrainOutcome:
    """Tune a model by the bench's rewards; started again it goes on where it was.

    Under `accelerate launch` every process calls it; the first one alone prints and writes.

    Args:
        settings (`GrpoSettings`): what to do.
        out (`Path`): folder for checkpoints, result and record; new, or of the same training.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Returns:
        `TrainOutcome`

    Raises:
        `GiqaError`: when data, backbone or folder cannot be used, or the loss is no number.
    """
    from accelerate import PartialState

    from ..backbones import find_backbone, load_backbone
    from .progress import ProgressCallback

    entry = find_backbone(settings.backbone)
    try:  # first of all, since it joins the processes of a distributed run
        config = grpo_config(
            settings.tuned_by,
            out,
            seed=settings.seed,
            max_steps=settings.max_steps or -1,
            disable_tqdm=True,
            logging_steps=1,
            save_strategy="steps",
            save_steps=min(1 / settings.saves, 1 - 1e-9),  # transformers takes 1 for one step
            save_total_limit=1,
        )
    except ValueError as error:
        raise DataError(str(error)) from error
    state = PartialState()
    tell: Say = say if state.is_main_process else (lambda line: None)
    adapter = settings.lora_rank is not None
    backbone = load_backbone(
        settings.backbone,
        checkpoint=settings.checkpoint,
        dtype="bfloat16" if adapter and has_accelerator() else "float32",
        chat_template=settings.chat_template,
    )
    check_processor(backbone.processor)
    with state.local_main_process_first():  # the others find its work in the cache
        tell(f"data: {settings.data}")
        rows = load_rows(settings.data, settings.split, settings.limit)
        if settings.task is not None:
            rows = rows.select([n for n, task in enumerate(rows["task"][:]) if task == settings.task])
        if not len(rows):
            raise DataError(
                f"data: expected a row of task {settings.task} to tune on, found none; give more rows"
            )
        prompts = grpo_rows(rows, backbone, hidden=settings.hidden)
    if state.is_main_process:
        claim_training(
            out,
            _record(settings, backbone, prompts, entry),
            training_session(settings.arguments, {"devices": state.num_processes}),
        )
    state.wait_for_everyone()
    recipe = settings.tuned_by
    tell(f"recipe {settings.recipe}: {recipe.prompts} rows a step with {recipe.generations} answers each")
    result = finished_training(out)
    if result is not None:
        tell(f"this training is finished: {result.checkpoint}")
    else:
        freeze(backbone.model, entry.frozen["full"])
        peft_config = None
        if settings.lora_rank is not None:
            rank = settings.lora_rank
            peft_config = lora_config(
                Recipe(recipe.learning_rate, kind="lora", lora_rank=rank, lora_alpha=2 * rank), backbone
            )
            backbone.model.name_or_path = settings.checkpoint  # which PEFT notes in the adapter
        result = grpo(
            backbone.model,
            backbone.processor,
            prompts,
            config,
            peft_config=peft_config,
            callbacks=[ProgressCallback(Progress(tell, "steps"))],
        )
    if state.is_main_process:
        finish_training(out, _result(result, out))
    return TrainOutcome(result, None, state.is_main_process)


def _record(settings: GrpoSettings, backbone: Any, prompts: Any, entry: Any) -> dict[str, Any]:
    """All that the run depends on."""
    return {
        "backbone": entry.name,
        "entry": {
            "checkpoint": entry.checkpoint,
            "model_type": entry.model_type,
            "frozen": list(entry.frozen["full"]),
            "lora_targets": None if settings.lora_rank is None else entry.lora_targets,
        },
        "checkpoint": backbone.identity,
        "recipe": {
            "name": settings.recipe, **asdict(settings.tuned_by),
            "rewards": ", ".join(getattr(reward, "__name__", type(reward).__name__) for reward in REWARDS),
            **({} if settings.lora_rank is None else {"lora_rank": settings.lora_rank}),
        },
        "data": {
            "name": settings.data, "split": settings.split, "limit": settings.limit, "task": settings.task,
            "rows": prompts.num_rows, "images": len({row.partition(":")[2] for row in prompts["id"]}),
        },
        "boxes": {"format": backbone.box_format.to_dict(), "hidden": settings.hidden},
        "saves": settings.saves,
        "max_steps": settings.max_steps,
        "seed": settings.seed,
    }  # fmt: skip


def _result(result: TrainingResult, out: Path) -> dict[str, Any]:
    """What came of it, for the record."""
    step, loss = result.loss_curve[-1] if result.loss_curve else (None, None)
    return {"checkpoint": str(result.checkpoint.relative_to(out)), "steps": step, "last_loss": loss}
