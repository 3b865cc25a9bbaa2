"""The figures of finished benchmark runs, for the card of the model that they are of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import EvalResult

from ..benchmark.record import SCORES, read_record
from ..errors import GiqaError

_TASK = "image-text-to-text"
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)


class BenchFigures(NamedTuple):
    """What a run found."""

    data: str
    """Name of the data, a folder's last part."""
    split: str | None
    rows: int | None
    rows_sha256: str | None
    figures: Mapping[str, float | None]
    """By name, with the judge in brackets behind those that it had a hand in; `None` is "not available"."""
    intervals: Mapping[str, Sequence[float] | None]
    """Ends of the 95 % intervals, by name."""
    signature: str
    is_of_it: bool
    """Whether the run says that it is of this checkpoint; one of predictions from elsewhere cannot."""
    folder: Path
    """Of the run."""
    date: str | None = None
    """When it was last started, in ISO 8601."""


def read_bench(folder: Path, checkpoints: Sequence[str]) -> BenchFigures:
    """The figures of a run.

    Args:
        folder (`Path`): of a run of `giqa bench` that is scored.
        checkpoints (sequence of `str`): digests of the files of the card's checkpoint, in any form that it is kept in.

    Raises:
        `GiqaError`: when it is no such run, or one of another model.
    """
    record = read_record(folder)
    run = record["run"]
    try:
        scores = json.loads((folder / SCORES).read_text(encoding="utf-8"))
        figures, signature = dict(scores["figures"]), str(scores["signature"])
    except (OSError, ValueError, KeyError, TypeError):
        raise GiqaError(
            f"{folder}: expected a run with scores, found no {SCORES} of it; run giqa bench score first"
        ) from None
    model = _mapping(run.get("model"))
    by_us = _mapping(run.get("backend")).get("name") in ("transformers", "vllm")
    is_of_it = by_us and model.get("sha256") in checkpoints
    if by_us and not is_of_it:
        raise GiqaError(
            f"{folder}: expected a run of the checkpoint that the card is of, found one of {model.get('name')!r} with "
            "other files; give the runs of this checkpoint"
        )
    data = _mapping(run.get("data"))
    return BenchFigures(
        Path(str(data.get("name") or "unknown")).name,
        data.get("split"),
        data.get("rows"),
        data.get("rows_sha256"),
        figures,
        dict(scores.get("intervals") or {}),
        signature,
        is_of_it,
        folder,
        _started(record),
    )


def eval_results(bench: BenchFigures) -> list[EvalResult]:
    """The figures as a card's `model-index` has them; those that are not available are left out."""
    return [
        EvalResult(
            task_type=_TASK,
            task_name="Grounding-IQA",
            dataset_type=bench.data,
            dataset_name=bench.data,
            dataset_split=bench.split,
            dataset_revision=bench.rows_sha256,
            metric_type=metric_type(name),
            metric_name=name,
            metric_value=value,
            metric_args={"signature": bench.signature},
        )
        for name, value in bench.figures.items()
        if value is not None
    ]


def metric_type(name: str) -> str:
    """A figure's name as an identifier.

    ```python
    >>> metric_type("VQA Acc (W)[lexical]")
    'giqa_bench_vqa_acc_w_lexical'
    ```
    """
    return "giqa_bench_" + re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def is_hub_id(name: str) -> bool:
    """Whether a name is of a repository on the Hub, and not of a folder here."""
    return _HUB_ID.fullmatch(name) is not None and not Path(name).exists()


def _started(record: Mapping[str, Any]) -> str | None:
    sessions = record.get("sessions")
    last = sessions[-1] if isinstance(sessions, list) and sessions else None
    started = _mapping(last).get("started")
    # The offset as ISO 8601 has it: +0000 is +00:00 there.
    return re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", started) if isinstance(started, str) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
