"""The Hub's files for benchmarks: `eval.yaml` of a benchmark, `.eval_results/*.yaml` of a model.

An entry of results has one value, so each figure is a task of its own, under the name that `metric_type` gives it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DataError
from .bench_figures import BenchFigures, metric_type

EVAL = "eval.yaml"
RESULTS = ".eval_results"
WRITTEN = f"{RESULTS}/*--*-giqa_bench_*.yaml"
"""The paths of `result_files`, whatever benchmark and figure they are of: owner--name-metric_type."""
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
        benches (sequence of `BenchFigures`): its runs. One that does not say of which checkpoint it is has no part in
            them: nothing there would tell a reader so.
        dataset_id (`str`): the benchmark's repository on the Hub. A run knows its data by a name that may be a
            folder's, so it has to be said.
        source_url (`str`, *optional*): where the run's own files can be seen.

    Returns:
        `dict`: YAML by path, a file per figure that is available.

    Raises:
        `DataError`: when the runs are of different rows, so that not all are of that benchmark, or two have the same
            figure.
    """
    files: dict[str, str] = {}
    found_in: dict[str, BenchFigures] = {}
    benches = [bench for bench in benches if bench.is_of_it]
    for bench in benches:
        if bench.rows_sha256 != benches[0].rows_sha256:
            raise DataError(
                f"--bench-dataset {dataset_id}: expected runs on the rows of one benchmark, found those of "
                f"{benches[0].folder} ({_rows(benches[0])}) and of {bench.folder} ({_rows(bench)}); give the runs on "
                "that benchmark only"
            )
        for figure, value in bench.figures.items():
            if value is not None:
                entry = _entry(bench, dataset_id, figure, value, source_url)
                path = f"{RESULTS}/{dataset_id.replace('/', '--')}-{metric_type(figure)}.yaml"
                if (other := found_in.setdefault(path, bench)) is not bench or path in files:
                    raise DataError(
                        f"--bench-dataset {dataset_id}: expected each figure from one run, found {figure} in "
                        f"{other.folder} and in {bench.folder}; give one of the two, or leave --bench-dataset out to "
                        "have both in the card"
                    )
                # JSON is YAML, and needs no care for what a name may hold.
                files[path] = f"- {json.dumps(entry, ensure_ascii=False)}\n"
    return files


def _rows(bench: BenchFigures) -> str:
    return f"{bench.data}, SHA-256 {str(bench.rows_sha256)[:12]}"


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
