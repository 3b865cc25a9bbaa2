"""The card of a tuned model: metadata that the Hub reads, and what people should know, all of it from the run's files.

What an older record does not hold is "not recorded"; nothing is made up for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCardData

from ..backbones import checkpoint_identity
from ..builders.giqa_160k.statistics import cell, counted
from ..files import write_text
from ..training.run_record import read_training
from ..training.sft import EVALUATIONS, FINAL, LOSS_CURVE
from .base_licences import BASE_LICENCES
from .bench_figures import BenchFigures, eval_results, is_hub_id, read_bench

CARD = "README.md"
MISSING = "not recorded"
MERGED = "merged"
_CURVE_ROWS = 12
_TAGS = ["image-quality-assessment", "visual-grounding", "giqa"]


def model_card(
    run_folder: Path, bench_runs: Sequence[Path] = (), *, name: str | None = None, repo_id: str | None = None
) -> str:
    """The README.md of a training's result.

    Args:
        run_folder (`Path`): the folder of a training of `giqa train`.
        bench_runs (sequence of `Path`, *optional*): scored runs of `giqa bench` of its checkpoint.
        name (`str`, *optional*): of the model; that of the folder, if not given.
        repo_id (`str`, *optional*): of the Hub's repository that the card is for.

    Returns:
        `str`: Markdown behind YAML; everything that came from data or names is escaped.

    Raises:
        `GiqaError`: when the folder is of no training, or a run is of another model.
    """
    record = read_training(run_folder)
    final = run_folder / FINAL
    benches = [read_bench(folder, checkpoint_digests(run_folder)) for folder in bench_runs]
    is_adapter = (final / "adapter_config.json").exists()
    run = _mapping(record["run"])
    name = name or run_folder.resolve().name
    parts = [
        f"# {cell(name)}",
        _what(run, record, is_adapter),
        "## How to use\n\n" + _use(run, is_adapter, repo_id or "THIS_REPOSITORY"),
        "## Figures\n\n" + figures_text(benches),
        "## Training\n\n" + _training(run, record),
        "## Data\n\n" + _data(run),
        "## Course of the training\n\n"
        + _loss(_read(final / LOSS_CURVE))
        + "\n\n"
        + _evaluations(_read(final / EVALUATIONS)),
        "## Limits\n\n" + _limits(run, benches),
        "## Licence\n\n" + _licence(run),
    ]
    metadata = _metadata(name, run, benches, is_adapter)
    return f"---\n{metadata.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def write_model_card(run_folder: Path, bench_runs: Sequence[Path] = ()) -> Path:
    """Write the card beside the result's weights, and beside the merged ones where there are some.

    Args and errors are those of `model_card`.

    Returns:
        `Path`: of the card in `final/`.
    """
    text = model_card(run_folder, bench_runs)
    for folder in (FINAL, MERGED):
        if (run_folder / folder).is_dir():
            write_text(run_folder / folder / CARD, text)
    return run_folder / FINAL / CARD


def _metadata(
    name: str, run: Mapping[str, Any], benches: Sequence[BenchFigures], is_adapter: bool
) -> ModelCardData:
    licence = BASE_LICENCES.get(str(run.get("backbone")))
    options: dict[str, Any] = {} if licence else {"license_name": "unknown"}
    base, data = _base(run), _mapping(run.get("data")).get("name")
    if isinstance(data, str) and is_hub_id(data):
        options["datasets"] = [data]
    results = [result for bench in benches for result in eval_results(bench)]
    if results:
        options["eval_results"] = results
        options["model_name"] = name
        options["metrics"] = sorted({result.metric_type for result in results})
    return ModelCardData(
        language="en",
        license=licence.hub if licence else "other",
        library_name="peft" if is_adapter else "transformers",
        pipeline_tag="image-text-to-text",
        base_model=base if base is not None and is_hub_id(base) else None,
        tags=[*_TAGS, *(["lora"] if is_adapter else [])],
        **options,
    )


def _what(run: Mapping[str, Any], record: Mapping[str, Any], is_adapter: bool) -> str:
    kind = "An adapter (LoRA) for" if is_adapter else "A tuned version of"
    finished = _mapping(record.get("result")).get("finished")
    state = "" if finished else " **The training is not finished.**"
    return (
        f"{kind} {_told(_base(run))} that describes the quality of an image and answers questions about it, "
        "with boxes "
        "in its text, in the way of Grounding-IQA (arXiv 2411.17237). It was made with giqa_hf, by somebody "
        "else than "
        f"the paper's authors.{state}\n\n"
        f"Boxes: {_format_words(_mapping(run.get('boxes')).get('format'))}."
    )


def _use(run: Mapping[str, Any], is_adapter: bool, where: str) -> str:
    loading = f"model, processor = load_checkpoint({json.dumps(where)})"
    imports = "from giqa_hf.backbones import load_checkpoint"
    if is_adapter:
        base = json.dumps(_base(run) or "BASE_MODEL")
        imports = "from giqa_hf import load_backbone\nfrom peft import PeftModel"
        loading = (
            f"backbone = load_backbone({json.dumps(str(run.get('backbone')))}, checkpoint={base})\n"
            f"model, processor = PeftModel.from_pretrained(backbone.model, {json.dumps(where)}), backbone.processor"
        )
    return f"""```python
{imports}
from giqa_hf.benchmark import generate
from giqa_hf.images import read_image

{loading}
image = read_image("photo.jpg")
answers = generate(model, processor, [image], ["Describe the quality of this image. Mention positions."])
[read] = processor.post_process_grounded_generation(answers, [image.size])
print(read.text, read.phrases, read.boxes_px(*image.size))
```"""


def figures_text(benches: Sequence[BenchFigures]) -> str:
    """The figures of runs as Markdown: a table per run with its data, its intervals and its signature."""
    if not benches:
        return "Not benchmarked."
    parts = []
    for bench in benches:
        rows = ["| Figure | Value | 95 % interval |", "|---|---|---|"]
        for name, value in bench.figures.items():
            ends = bench.intervals.get(name)
            interval = MISSING if ends is None else " to ".join(_number(end) for end in ends)
            rows.append(
                f"| {cell(name)} | not available | |"
                if value is None
                else f"| {cell(name)} | {_number(value)} | {interval} |"
            )
        whose = "" if bench.is_of_it else " The run does not say of which checkpoint it is."
        size = MISSING if bench.rows is None else counted(bench.rows, "row")
        parts.append(
            f"On {cell(bench.data)}, split {_told(bench.split)} ({size}, SHA-256 of the rows "
            f"{_told(bench.rows_sha256)}).{whose} The judge stands in brackets; intervals are bootstrapped over "
            f"images.\n\n" + "\n".join(rows) + f"\n\nSignature: `{_code(bench.signature)}`"
        )
    return "\n\n".join(parts)


def _training(run: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    recipe = _mapping(run.get("recipe"))
    has_matrices = recipe.get("kind") != "full"
    unused = {"name", *(key for key in recipe if key.startswith("lora_") and not has_matrices)}
    entry, checkpoint = _mapping(run.get("entry")), _mapping(run.get("checkpoint"))
    sessions = [_mapping(one) for one in _list(record.get("sessions"))]
    last = sessions[-1] if sessions else {}
    execution = _mapping(last.get("execution"))
    pairs: list[tuple[str, Any]] = [
        ("backbone", run.get("backbone")),
        ("started from", checkpoint.get("name")),
        ("its revision or SHA-256", checkpoint.get("revision") or checkpoint.get("sha256")),
        ("recipe", recipe.get("name")),
        *((key.replace("_", " "), value) for key, value in recipe.items() if key not in unused),
        ("frozen", _listed(entry.get("frozen"))),
        ("seed", run.get("seed")),
        ("steps", _mapping(record.get("result")).get("steps")),
        ("devices", execution.get("devices")),
        ("starts", len(sessions) or None),
        ("command", _listed(last.get("arguments"), " ")),
    ]
    software = _mapping(last.get("software"))
    versions = ", ".join(f"{cell(str(name))} {cell(str(version))}" for name, version in software.items())
    return _table(pairs) + f"\n\nSoftware of the last start: {versions or MISSING}."


def _data(run: Mapping[str, Any]) -> str:
    data, boxes = _mapping(run.get("data")), _mapping(run.get("boxes"))
    held_out = _mapping(data.get("held_out"))
    pairs = [
        ("name", data.get("name")),
        ("split", data.get("split")),
        ("only the task", data.get("task") or ("all" if "task" in data else None)),
        ("rows", data.get("rows")),
        ("images", data.get("images")),
        ("fingerprint of the conversations (SHA-256)", data.get("fingerprint")),
        ("boxes", data.get("boxes")),
        ("boxes that the model does not see", _hidden(data, boxes)),
        ("longest sample, in tokens", data.get("longest")),
        ("samples left out as too long", _count(data.get("too_long"))),
        ("held-out rows", held_out.get("rows") if "held_out" in data or "rows" not in data else 0),
        ("held-out images", held_out.get("images") if "held_out" in data or "rows" not in data else 0),
    ]
    return _table(pairs)


def _loss(curve: Any) -> str:
    points = [(step, loss) for step, loss in curve] if isinstance(curve, list) else []
    if not points:
        return f"Loss: {MISSING}."
    every = -(-len(points) // _CURVE_ROWS)
    shown = points[::every]
    shown += [points[-1]] if shown[-1] != points[-1] else []
    rows = [f"| {int(step)} | {_number(loss)} |" for step, loss in shown]
    note = "" if every == 1 else f", one in {every} of {len(points)} logged points"
    return f"Training loss{note}:\n\n| Step | Loss |\n|---|---|\n" + "\n".join(rows)


def _evaluations(found: Any) -> str:
    told = [_mapping(one) for one in _list(_mapping(found).get("evaluations"))]
    if not told:
        return "Held-out figures: none were taken."
    names = list(dict.fromkeys(name for one in told for name in one if name not in ("step", "epoch")))
    rows = [
        f"| {cell(str(one.get('step')))} | " + " | ".join(_number(one.get(name)) for name in names) + " |"
        for one in told
    ]
    head = "| Step | " + " | ".join(cell(name) for name in names) + " |\n" + "|---" * (len(names) + 1) + "|\n"
    best = _mapping(found).get("best_step")
    chosen = "" if best is None else f" The weights are those of step {cell(str(best))}, the best one."
    return (
        f"Figures of GIQA-Bench on rows held out of the training, lexical judge.{chosen}\n\n{head}"
        + "\n".join(rows)
    )


def _limits(run: Mapping[str, Any], benches: Sequence[BenchFigures]) -> str:
    limits = [
        "It says what is wrong with a picture in the way of its training data; it gives no score and sees "
        "nothing that "
        "they do not speak of.",
        "Boxes are as coarse as their notation, and what the model's view of an image cuts off it cannot name.",
        "Descriptions and boxes can be wrong and sound sure. Do not use them alone to decide about people.",
    ]
    if str(run.get("backbone")) == "giqa-tiny":
        limits.append(
            "giqa-tiny knows a few photographs and a few hundred words; it is for trying the whole loop."
        )
    if not benches:
        limits.append("It was not benchmarked.")
    elif any("[lexical]" in name for bench in benches for name in bench.figures):
        limits.append(
            "Figures with [lexical] are of a judge of word lists; they are not comparable with a model's."
        )
    return "\n".join(f"- {limit}" for limit in limits)


def _licence(run: Mapping[str, Any]) -> str:
    licence = BASE_LICENCES.get(str(run.get("backbone")))
    words = licence.words if licence else f"The terms of the base model: {MISSING}."
    return (
        f"It stays under the terms of its base model, {_told(_base(run))}. {words} The rows that it was tuned on have "
        "licences of their own, in their column `license`."
    )


def _base(run: Mapping[str, Any]) -> str | None:
    """What the training started from, as the Hub calls it."""
    entry, checkpoint = _mapping(run.get("entry")), _mapping(run.get("checkpoint"))
    if "revision" in checkpoint and "name" in checkpoint:  # of a Hub repository
        return str(checkpoint["name"])
    named = entry.get("checkpoint")
    if isinstance(named, str) and is_hub_id(named) and not checkpoint:
        return named
    return str(checkpoint["name"]) if "name" in checkpoint else None


def checkpoint_digests(run_folder: Path) -> list[str]:
    """Digests of the result in the forms that it is kept in; an adapter by itself cannot be asked, and has none."""
    return [
        checkpoint_identity(str(folder.parent))["sha256"]
        for name in (FINAL, MERGED)
        if (folder := run_folder / name / "config.json").is_file()
    ]


def _hidden(data: Mapping[str, Any], boxes: Mapping[str, Any]) -> str | None:
    count = data.get("hidden_boxes")
    return None if count is None else f"{count} ({boxes.get('hidden') or MISSING})"


def _format_words(saved: Any) -> str:
    found = _mapping(saved)
    if not found:
        return MISSING
    extra = ", ".join(f"{name} {value}" for name, value in found.items() if name != "name")
    return cell(f"format {found.get('name')}" + (f" ({extra})" if extra else ""))


def _table(pairs: Sequence[tuple[str, Any]]) -> str:
    rows = [f"| {cell(str(name))} | {_told(value)} |" for name, value in pairs]
    return "| | |\n|---|---|\n" + "\n".join(rows)


def _told(value: Any) -> str:
    return MISSING if value is None else cell(str(value))


def _number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else "n/a"


def _count(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _listed(value: Any, between: str = ", ") -> str | None:
    return between.join(map(str, value)) or "nothing" if isinstance(value, list) else None


def _code(text: str) -> str:
    """For between backticks, on one line."""
    return "".join(c if c.isprintable() and c != "`" else "\ufffd" for c in text)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
