"""The Hub's files for benchmarks: `eval.yaml` of a benchmark, `.eval_results/*.yaml` of a model.

An entry of results has one value, so each figure is a task of its own, under the name that `metric_type` gives it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .bench_figures import BenchFigures, metric_type

EVAL = "eval.yaml"
RESULTS = ".eval_results"
FIGURES = (
    "DES mIoU", "DES Tag-Recall", "DES BLEU@4", "DES LLM-Score", "VQA mIoU", "VQA Tag-Recall", "VQA Acc (Y)",
    "VQA Acc (W)", "VQA Acc (Total)",
)  # fmt: skip
"""Those of the paper's Tab. 5."""
_JUDGED = ("DES LLM-Score", "VQA Acc (W)", "VQA Acc (Total)")


def eval_yaml(name: str, config: str, split: str, judge: str = "lexical") -> str:
    """The `eval.yaml` in the root of a benchmark's repository.

    Args:
        name (`str`): of the benchmark.
        config (`str`): configuration of its rows.
        split (`str`): their split.
        judge (`str`, *optional*, defaults to `"lexical"`): the judge of the figures that need one. The task of
            inspect_ai in `benchmark.inspect_task`, which the file names as the framework, has the lexical one.

    Returns:
        `str`: YAML; a benchmark's page on the Hub lists the tasks in it once Hugging Face has allowed the dataset.
    """
    figures = [f"{figure}[{judge}]" if figure in _JUDGED else figure for figure in FIGURES]
    lines = [
        f"name: {json.dumps(name)}",
        "description: >-",
        "  Grounded image quality assessment: descriptions and questions, scored for what is said and where its "
        "boxes are.",
        "evaluation_framework: inspect-ai",
        "tasks:",
    ]
    for figure in figures:
        lines += [
            f"- id: {metric_type(figure)}",
            f"  config: {json.dumps(config)}",
            f"  split: {json.dumps(split)}",
        ]
    return "\n".join(lines) + "\n"


def result_files(
    benches: Sequence[BenchFigures], dataset_id: str, source_url: str | None = None
) -> dict[str, str]:
    """A model's results as the Hub reads them, by their paths in its repository.

    Args:
        benches (sequence of `BenchFigures`): its runs.
        dataset_id (`str`): the benchmark's repository on the Hub. A run knows its data by a name that may be a
            folder's, so it has to be said.
        source_url (`str`, *optional*): where the run's own files can be seen.

    Returns:
        `dict`: YAML by path, a file per figure that is available.
    """
    files: dict[str, str] = {}
    for bench in benches:
        for figure, value in bench.figures.items():
            if value is not None:
                entry = _entry(bench, dataset_id, figure, value, source_url)
                stem = f"{dataset_id.replace('/', '--')}-{metric_type(figure)}"
                # JSON is YAML, and needs no care for what a name may hold.
                files[f"{RESULTS}/{stem}.yaml"] = f"- {json.dumps(entry, ensure_ascii=False)}\n"
    return files


def _entry(
    bench: BenchFigures, dataset_id: str, figure: str, value: float, source_url: str | None
) -> Mapping[str, Any]:
    ends = bench.intervals.get(figure)
    interval = "" if ends is None else f"95 % interval {ends[0]:.4f} to {ends[1]:.4f}; "
    rows = "" if bench.rows is None else f"{bench.rows} rows; "
    entry: dict[str, Any] = {
        "dataset": {"id": dataset_id, "task_id": metric_type(figure)},
        "value": value,
        "notes": f"{figure}; {interval}{rows}{bench.signature}",
    }
    if bench.date is not None:
        entry["date"] = bench.date
    if source_url is not None:
        entry["source"] = {"url": source_url, "name": "giqa bench"}
    return entry
