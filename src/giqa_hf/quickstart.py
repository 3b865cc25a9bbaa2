"""The main job of Grounding-IQA in small: photographs → grounded dataset → tuning → GIQA-Bench → report.

Every stage leaves its result in the output folder, so an interrupted run goes on where it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import GiqaError
from .files import write_json
from .models.giqa_tiny import BASE
from .progress import Progress, Say
from .training.disk import explained_writing

ANSWER_TOKENS = 320
SHOWN_SAMPLES = 16
SETTINGS = "settings.json"
MADE = (
    "report.html",
    "metrics.json",
    "answers-after.json",
    "training",
    "answers-before.json",
    "data",
    SETTINGS,
)
"""Everything that a run leaves in its folder; the settings, by which we know the folder again, go last."""


@dataclass(frozen=True)
class Settings:
    """What a quickstart run depends on.

    Args:
        model (`str`): folder or Hub id of the checkpoint to tune.
        train_scenes (`int`, *optional*, defaults to `2800`): pictures to tune on; three rows each; even.
        test_scenes (`int`, *optional*, defaults to `100`): pictures to measure on, as many as GIQA-Bench has; even.
        seed (`int`, *optional*, defaults to `0`): of pictures, texts and training.

    Raises:
        `GiqaError`: for numbers that no run can have.
    """

    model: str = BASE
    train_scenes: int = 2800
    test_scenes: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("train_scenes", "test_scenes"):
            value = getattr(self, name)
            if value < 2 or value % 2:
                raise GiqaError(
                    f"{name}: expected an even number of at least 2 (as many Yes as No), got {value}"
                )
        if not 0 <= self.seed < 2**32:
            raise GiqaError(f"seed: expected a number from 0 to 2**32 - 1, got {self.seed}")


@dataclass(frozen=True)
class Outcome:
    """The figures before and after, as `giqa_bench` gives them, and where report and checkpoint are."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    report: Path
    checkpoint: Path


def quickstart(
    out: Path, settings: Settings | None = None, *, fresh: bool = False, say: Say = print
) -> Outcome:
    """Run the whole loop.

    Args:
        out (`Path`): folder for data, checkpoints, answers and the report.
        settings (`Settings`, *optional*): what to run.
        fresh (`bool`, *optional*, defaults to `False`): start anew instead of going on.
        say (`callable`, *optional*, defaults to `print`): takes the progress, a line at a time.

    Returns:
        `Outcome`

    Raises:
        `GiqaError`: when the folder holds something else, cannot be written, or the model cannot be loaded.
    """
    settings = settings or Settings()
    _check(out, settings, fresh)
    quiet()
    with explained_writing(out):
        return _run(out, settings, fresh, say)


def _run(out: Path, settings: Settings, fresh: bool, say: Say) -> Outcome:
    from .backbones import load_checkpoint

    # Before anything is removed or written: the user may have to mend it.
    model, processor = load_checkpoint(settings.model)
    if fresh:
        for name in MADE:
            _remove(out / name)
    write_json(out / SETTINGS, asdict(settings))

    say(f"[1/5] data: {settings.train_scenes} + {settings.test_scenes} pictures with spoiled objects")
    data = _load_data(out, settings)
    say(f"      {data['train'].num_rows} rows to tune on, {data['test'].num_rows} to measure on")

    say("[2/5] the model before tuning")
    before = _answers(out / "answers-before.json", model, processor, data["test"], say)

    say("[3/5] tuning with TRL")
    result = _train(out, settings, model, processor, data["train"], say)

    say("[4/5] the model after tuning")
    model, processor = load_checkpoint(str(result.checkpoint))
    after = _answers(out / "answers-after.json", model, processor, data["test"], say)

    say("[5/5] GIQA-Bench and the report")
    outcome = _report(out, settings, processor, data, result.loss_curve, before, after)
    say("")
    say(table({"before": outcome.before, "after": outcome.after}))
    say(f"\nreport: {outcome.report}\nmodel:  {outcome.checkpoint}")
    return outcome


def quiet() -> None:
    """Keep the libraries' own progress bars and notices out of ours."""
    import datasets
    import transformers

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    # transformers 5.23 has renamed an option that TRL sets by its old name, which older transformers need.
    warnings.filterwarnings("ignore", "`(is_)?gradient_checkpointing` is deprecated", FutureWarning)


def table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures as text, a row per metric; what cannot be told is "n/a"."""
    from .metrics.giqa_bench.compute import figures_of

    names = list(figures_of(next(iter(columns.values()))))
    width = max(len(name) for name in names)
    lines = [" " * width + "".join(f"{title:>12}" for title in columns)]
    for name in names:
        values = (column[name] for column in columns.values())
        digits = 2 if "BLEU" in name or "LLM-Score" in name else 4  # 0..100 those two, 0..1 the others
        cells = ("n/a" if value is None else f"{value:.{digits}f}" for value in values)
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def _check(out: Path, settings: Settings, fresh: bool) -> None:
    """See that the folder is ours: empty, or of a run, with the same settings unless it is to be made anew."""
    if out.exists() and not out.is_dir():
        raise GiqaError(f"{out}: expected a folder, found a file; choose another folder with --out")
    if not out.is_dir() or not any(out.iterdir()):
        return
    found = _read(out / SETTINGS)
    if not isinstance(found, dict) or found.keys() != asdict(settings).keys():
        raise GiqaError(
            f"{out}: expected an empty folder or an earlier quickstart, found other files; choose another --out"
        )
    differing = [
        f"{name} {found[name]} (now {value})"
        for name, value in asdict(settings).items()
        if found[name] != value
    ]
    if differing and not fresh:
        raise GiqaError(
            f"{out}: expected a run with the same settings, found one with {', '.join(differing)}; "
            "add --fresh to start anew, or choose another folder with --out"
        )


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _read(path: Path) -> Any:
    """The content of a JSON file, or `None` where there is none to read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _load_data(out: Path, settings: Settings) -> Any:
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError

    from .builders.synth.workers import draw_ahead

    folder = out / "data"
    options = {name: getattr(settings, name) for name in ("train_scenes", "test_scenes", "seed")}
    if settings.train_scenes > 1000 and not any(folder.rglob("dataset_info.json")):
        draw_ahead(folder, os.cpu_count() or 1, **options)
    try:
        return load_dataset("giqa-synth", **options, cache_dir=str(folder))
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, GiqaError):  # scikit-image is not installed
            raise error.__cause__ from None
        raise


def _answers(path: Path, model: Any, processor: Any, rows: Any, say: Say) -> list[str]:
    """The model's answers to all rows, from the file if an earlier run has finished them."""
    from .benchmark import generate
    from .training import to_conversations

    if (answers := _read(path)) is not None:
        return list(answers)
    prompts = [turns[0]["content"] for turns in to_conversations(rows, processor)["prompt"]]
    progress = Progress(say, "answers")
    answers = generate(
        model,
        processor,
        rows["image"],
        prompts,
        batch_size=50,
        max_new_tokens=ANSWER_TOKENS,
        progress=progress,
    )
    write_json(path, answers)
    return answers


def _train(out: Path, settings: Settings, model: Any, processor: Any, rows: Any, say: Say) -> Any:
    import torch

    from .training import TrainingResult, sft_config, to_conversations, train
    from .training.progress import ProgressCallback

    folder = out / "training"
    final = folder / "final"
    if (curve := _read(final / "loss_curve.json")) is not None:
        return TrainingResult(final, tuple((step, loss) for step, loss in curve), True)
    conversations = to_conversations(rows, processor)
    tower = getattr(model.model, "vision_tower", None)
    if tower is not None:
        tower.requires_grad_(False)  # as LLaVA-1.5 does (spec A7); and a third faster
    config = sft_config(
        "tiny", folder, seed=settings.seed, disable_tqdm=True,
        logging_steps=0.02, save_steps=100, save_total_limit=1,  # 0.02: fifty points of the curve, however long it is
        dataloader_pin_memory=torch.cuda.is_available(),
    )  # fmt: skip
    return train(model, processor, conversations, config, [ProgressCallback(Progress(say, "steps"))])


def _report(
    out: Path, settings: Settings, processor: Any, data: Any, curve: Any, before: list[str], after: list[str]
) -> Outcome:
    from .metrics.giqa_bench.compute import figures_of, giqa_bench
    from .report import ReportSample, write_report
    from .schema import grounded_of

    rows = data["test"]
    references = list(rows.remove_columns("image"))
    sizes = [(row["width"], row["height"]) for row in references]
    read = {
        name: processor.post_process_grounded_generation(answers, sizes)
        for name, answers in (("before", before), ("after", after))
    }
    scores = {name: giqa_bench(grounded, references) for name, grounded in read.items()}
    write_json(out / "metrics.json", scores)
    samples = [
        ReportSample(
            rows[i]["image"],
            grounded_of(references[i], "question"),
            grounded_of(references[i], "answer"),
            {name: grounded[i] for name, grounded in read.items()},
            references[i]["source"],
        )
        for i in _shown(references)
    ]
    figures = {name: figures_of(found) for name, found in scores.items()}
    path = out / "report.html"
    write_report(
        path,
        title="Grounding-IQA in small",
        summary=(
            "A small vision-language model learns to say what is wrong with a photo and where. It was tuned on "
            f"{data['train'].num_rows} rows of giqa-synth and measured on {len(references)} rows of held-out crops."
        ),
        metrics=figures,
        loss_curve=curve,
        samples=samples,
        facts=_facts(settings, scores["after"]),
        notes=(
            "The photographs are those that scikit-image ships; their objects were marked by hand, and everything "
            "said of them is true by construction.",
            "Train and test crops are different cuts, seeds and distortions, but they show the same few photographs: "
            "the figures say that the whole loop works, not how a model fares on photographs it has never seen.",
            "LLM-Score and Acc (W) were given by the deterministic lexical judge, as their names say; the paper's "
            "were given by Llama 3. Do not compare the two.",
        ),
    )
    return Outcome(scores["before"], scores["after"], path, out / "training" / "final")


def _shown(references: list[Any]) -> list[int]:
    """Rows for the report: alternately a description and a question, each of another picture."""
    des = [i for i, row in enumerate(references) if row["task"] == "des"]
    vqa = [i for i, row in enumerate(references) if row["task"] == "vqa"]
    half = SHOWN_SAMPLES // 2
    stride = max(1, len(des) // half)
    chosen_des = des[::stride][:half]
    chosen_vqa = vqa[stride // 2 :: max(1, len(vqa) // half)][:half]
    return [i for pair in zip(chosen_des, chosen_vqa, strict=False) for i in pair]


def _facts(settings: Settings, scores: Mapping[str, Any]) -> dict[str, str]:
    import platform

    import torch
    import transformers
    import trl

    from . import __version__

    model = "giqa-tiny base" if settings.model == BASE else settings.model
    return {
        "model": model,
        "data": f"giqa-synth, {settings.train_scenes} + {settings.test_scenes} pictures, seed {settings.seed}",
        "box format": "20 x 20 grid cells (paper Eq. 1), read with policy expand",
        "judge, similarity": f"{scores['settings']['judge']}, {scores['settings']['similarity']}",
        "software": (
            f"giqa_hf {__version__}, torch {torch.__version__}, transformers {transformers.__version__}, "
            f"trl {trl.__version__}, Python {platform.python_version()}"
        ),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "date": time.strftime("%Y-%m-%d"),
    }
