"""The paper's ablations, one command each: the same model tuned in several ways, each measured by the same benchmark.

An arm is a checkpoint tuned with one thing changed: how boxes are written, which rows it sees, how many. All arms of an
ablation start from the same weights and have the same recipe and seed. Started again, it goes on where it was.

On giqa-synth with giqa-tiny they run on a CPU. There they show that the switches work and what they cost; how a model
of seven billion parameters fares is another question, and the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ..benchmark.published import TableName
from ..benchmark.record import claim, session
from ..benchmark.run import RunSettings, run_benchmark
from ..benchmark.scoring import score_run
from ..errors import DataError
from ..formats import BoxFormat, GiqaFormat, NormalizedFormat
from ..grid import Grid
from ..models.giqa_tiny import BASE
from ..progress import Progress, Say
from .conversations import to_conversations
from .recipes import RECIPES, sft_config
from .sft import train

SYNTH: Final = "giqa-synth"
_WHOLE: Final = tuple(name for name, recipe in RECIPES.items() if recipe.kind == "full")  # no adapters here
_ANSWER_TOKENS = 320  # of giqa-tiny, whose context is 1024


@dataclass(frozen=True)
class Arm:
    """A checkpoint with one thing changed.

    Args:
        name (`str`): of its run.
        box_format (`BoxFormat`, *optional*, defaults to `GiqaFormat()`): how boxes are written and read.
        task (`str`, *optional*): only rows of `"des"` or `"vqa"`; without one, of both.
        share (`float`, *optional*, defaults to `1.0`): of the pictures, with all their rows; the first ones.
        tuned (`bool`, *optional*, defaults to `True`): `False` for the checkpoint as it is.
        rows (`str`, *optional*): a dataset folder of its own to tune on.
    """

    name: str
    box_format: BoxFormat = field(default_factory=GiqaFormat)
    task: str | None = None
    share: float = 1.0
    tuned: bool = True
    rows: str | None = None


@dataclass(frozen=True)
class Ablation:
    """What is compared.

    Args:
        says (`str`): in one sentence.
        arms (`tuple` of `Arm`): in the order of the table; empty where the user has to bring the rows.
        published (`str`, *optional*): the paper's table of it.
    """

    says: str
    arms: tuple[Arm, ...]
    published: TableName | None = None


_BASELINE = Arm("Baseline", tuned=False)
ABLATIONS: Mapping[str, Ablation] = MappingProxyType(
    {
        "boxes": Ablation("Boxes as the detector gave them, or refined (rows of one's own)", (), "table_2a"),
        "coordinates": Ablation(
            "Boxes as corners with two decimals, or as two cells of a 20 x 20 grid",
            (
                _BASELINE,
                Arm("Norm-Coord", NormalizedFormat(), task="des"),
                Arm("Disc-Coord", task="des"),
            ),
            "table_2b",
        ),
        "tasks": Ablation(
            "Descriptions alone, questions alone, or both",
            (_BASELINE, Arm("Only-DES", task="des"), Arm("Only-VQA", task="vqa"), Arm("GIQA-160K")),
            "table_3",
        ),
        "grid": Ablation(
            "Cells of a grid from 10 x 10 to 100 x 100",
            tuple(Arm(f"{n} x {n}", GiqaFormat(Grid(n, n))) for n in (10, 20, 30, 40, 50, 100)),
        ),
        "data": Ablation(
            "An eighth of the pictures, a quarter, a half, all of them",
            (_BASELINE, *(Arm(f"{share:.1%}", share=share) for share in (0.125, 0.25, 0.5, 1.0))),
        ),
    }
)


@dataclass(frozen=True)
class AblationSettings:
    """What all arms have in common.

    Args:
        name (`str`): one of `ABLATIONS`.
        model (`str`, *optional*): the checkpoint that every arm starts from; giqa-tiny's base by default.
        rows (`str`, *optional*, defaults to `"giqa-synth"`): what is tuned on: it, or a dataset folder with a split
            train.
        bench (`str`, *optional*, defaults to `"giqa-synth"`): what is measured on, see `load_bench_data`.
        train_scenes (`int`, *optional*, defaults to `2800`): pictures of giqa-synth to tune on.
        recipe (`str`, *optional*, defaults to `"tiny"`): one of `RECIPES` that trains all weights.
        seed (`int`, *optional*, defaults to `0`): of giqa-synth's train pictures and of the training.
        limit (`int`, *optional*): only the first rows of the benchmark.
        own_arms (`tuple` of pairs): names and dataset folders to tune on, instead of the ablation's own arms.

    Raises:
        `DataError`: when an option cannot be.
    """

    name: str
    model: str = BASE
    rows: str = SYNTH
    bench: str = SYNTH
    train_scenes: int = 2800
    recipe: str = "tiny"
    seed: int = 0
    limit: int | None = None
    own_arms: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        for name, value, choices in (("ablation", self.name, ABLATIONS), ("recipe", self.recipe, _WHOLE)):
            if value not in choices:
                raise DataError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
        if self.train_scenes < 2 or self.train_scenes % 2:
            raise DataError(f"train scenes: expected an even number of at least 2, got {self.train_scenes}")
        if not self.arms:
            raise DataError(
                f"ablation {self.name}: expected rows of one's own for each arm, found none; build them with giqa "
                "annotate, once as it is and once with --set filter.threshold=0 --set merge.area_threshold=0 --set "
                "merge.overlap_threshold=1, and giqa dataset build; then give --arm Raw-Box=FOLDER --arm Ref-Box=FOLDER"
            )
        names = [arm.name for arm in self.arms]
        if bad := [name for name in names if not name.strip() or "/" in name or names.count(name) > 1]:
            raise DataError(f"arm: expected names that differ and can be a folder's, got {bad[0]!r}")

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of the ablation, or one's own."""
        return tuple(Arm(name, rows=rows) for name, rows in self.own_arms) or ABLATIONS[self.name].arms


def run_ablation(settings: AblationSettings, out: Path, *, say: Say = print) -> list[Path]:
    """Tune and measure every arm.

    Args:
        settings (`AblationSettings`): what to do.
        out (`Path`): folder of the ablation, new or of the same one.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Returns:
        `list` of `Path`: the scored runs, in the order of the arms, for `compare_runs`.

    Raises:
        `GiqaError`: when model or data cannot be used, or the folder holds something else.
    """
    arms = [asdict(replace(arm, box_format=arm.box_format.to_dict())) for arm in settings.arms]  # type: ignore[arg-type]  # for JSON
    claim(out, {**asdict(settings), "arms": arms}, session({}))
    runs = []
    for number, arm in enumerate(settings.arms, start=1):
        say(f"[{number}/{len(settings.arms)}] {arm.name}")
        checkpoint = _tuned(settings, arm, out, say) if arm.tuned else settings.model
        run = out / "runs" / arm.name
        run_benchmark(
            RunSettings(
                model=checkpoint,
                data=settings.bench,
                limit=settings.limit,
                batch_size=50,
                max_new_tokens=_ANSWER_TOKENS,
            ),
            run,
            say=say,
        )
        score_run(run)
        runs.append(run)
    return runs


def _tuned(settings: AblationSettings, arm: Arm, out: Path, say: Say) -> str:
    """The arm's checkpoint, tuned unless an earlier start has done it."""
    import torch

    from ..backbones import load_checkpoint
    from .progress import ProgressCallback

    folder = out / "checkpoints" / arm.name
    if (folder / "final" / "loss_curve.json").exists():  # what `train` writes last
        return str(folder / "final")
    model, processor = load_checkpoint(settings.model)
    processor.box_format = arm.box_format
    rows = arm_rows(_rows_of(settings, arm, out), arm)
    say(f"      {rows.num_rows} rows to tune on")
    tower = getattr(model.model, "vision_tower", None)
    if tower is not None:
        tower.requires_grad_(False)  # as LLaVA-1.5 does (spec A7)
    config = sft_config(
        settings.recipe, folder, seed=settings.seed, disable_tqdm=True, logging_steps=0.02, save_steps=100,
        save_total_limit=1, dataloader_pin_memory=torch.cuda.is_available(),
    )  # fmt: skip
    conversations = to_conversations(rows, processor)
    callbacks = [ProgressCallback(Progress(say, "steps"))]
    return str(train(model, processor, conversations, config, callbacks).checkpoint)


def arm_rows(rows: Any, arm: Arm) -> Any:
    """The rows of a dataset that an arm is tuned on.

    Args:
        rows (`datasets.Dataset`): of the schema.
        arm (`Arm`): its `task` and `share` are what counts.

    Raises:
        `DataError`: when none is left.
    """
    images = list(dict.fromkeys(rows["image_id"]))
    kept = set(images[: round(len(images) * arm.share)])
    columns: Sequence[tuple[str, str]] = list(zip(rows["image_id"], rows["task"], strict=True))
    places = [n for n, (image, task) in enumerate(columns) if image in kept and arm.task in (None, task)]
    if not places:
        raise DataError(f"arm {arm.name}: expected at least one row to tune on, found none; give more rows")
    return rows.select(places)


def _rows_of(settings: AblationSettings, arm: Arm, out: Path) -> Any:
    from datasets import load_dataset

    source = arm.rows or settings.rows
    if source != SYNTH:
        try:
            return load_dataset(str(Path(source).expanduser()), split="train")
        except Exception as error:  # whatever opening somebody's folder raises is about that folder
            raise DataError(
                f"{source}: expected a dataset folder with a split train, found none that can be opened "
                f"({(str(error) or type(error).__name__).splitlines()[0].rstrip('.')}); check the path"
            ) from error
    options = {"train_scenes": settings.train_scenes, "test_scenes": 0, "seed": settings.seed}
    return load_dataset(SYNTH, split="train", cache_dir=str(out / "data"), **options)
