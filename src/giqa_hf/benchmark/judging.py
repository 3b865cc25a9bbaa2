"""What the judge did in a run: its marks, its failures, and how far its own readings of one text lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import GiqaError
from .comparing import COLUMNS, Column, Entry

_BY_TASK = {column.task.removeprefix("GIQA-").lower(): column for column in COLUMNS if column.kind == "judge"}
_BY_TASK["vqa"] = next(column for column in COLUMNS if column.key == "VQA Acc (W)")  # Acc (Total) is mixed


class Judging(NamedTuple):
    """The judge's work on the texts of one task."""

    column: Column
    """The figure that its marks make: LLM-Score or Acc (W)."""
    marks: tuple[int, ...]
    """How often it gave 0, 1, 2, 3 and 4."""
    problems: Mapping[str, int]
    """How many readings came to nothing, by reason."""
    runs: tuple[float | None, ...]
    """The figure of each reading by itself, in the figure's unit."""
    spread: float | None
    """Standard deviation of `runs`; None below two."""
    self_agreement: float | None
    """Krippendorff's alpha (ordinal) between the readings."""


def judging_of(run: Entry) -> list[Judging]:
    """By task; empty without a judge, and for scores of a version that did not keep it.

    Raises:
        `GiqaError`: when a file of scores has something else there.
    """
    found: Mapping[str, Any] = (run.scores or {}).get("judging") or {}
    try:
        return [_read(found[task], column) for task, column in _BY_TASK.items() if task in found]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GiqaError(
            f"{run.name}: expected what the judge did as `giqa bench score` writes it, found something else ({error}); "
            "score the run again"
        ) from error


def _read(found: Mapping[str, Any], column: Column) -> Judging:
    return Judging(
        column,
        tuple(int(number) for number in found["marks"]),
        {str(problem): int(number) for problem, number in found["problems"].items()},
        tuple(_number(value) for value in found["runs"]),
        _number(found["spread"]),
        _number(found["self_agreement"]),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def repeated_judging(run: Entry) -> list[Judging]:
    """Those tasks whose texts were read several times, and whose spread can therefore be told."""
    return [one for one in judging_of(run) if len(one.runs) > 1]
