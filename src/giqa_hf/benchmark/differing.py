"""How far two runs differ, image by image: the paired bootstrap of the figures that both have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import DataError
from ..metrics.giqa_bench.image_sums import ImageSums, compare_images
from ..metrics.signature import parse_signature
from ..metrics.uncertainty import PairedDifference
from .comparing import COLUMNS, MAKING, Comparison, Entry
from .record import IMAGE_SUMS


class RunDifference(NamedTuple):
    """What a run is better by than the first one."""

    name: str
    """Of the run."""
    figures: dict[str, PairedDifference | None]
    """By the key of a column; `None` where the two cannot be compared."""
    problem: str | None
    """Why nothing, or not everything, can be compared."""
    otherwise: str = ""
    """In what the answers were made or read otherwise than those of the first one."""


def differences_from_first(comparison: Comparison, folders: Sequence[Path]) -> list[RunDifference]:
    """The differences of every run from the first one of `folders`.

    A figure is compared where both runs have it and it stands on the same basis in both; one of a judge, where it has
    marked the same number of texts of every image in both.

    Args:
        comparison (`Comparison`): of the runs.
        folders (sequence of `Path`): of the runs, in the order of the comparison.
    """
    runs = [entry for entry in comparison.entries if not entry.is_published]
    if len(runs) < 2:
        return []
    first = read_image_sums(folders[0])
    found = []
    for run, folder in zip(runs[1:], folders[1:], strict=True):
        try:
            paired = compare_images(first, read_image_sums(folder))
        except DataError as error:
            found.append(RunDifference(run.name, {column.key: None for column in COLUMNS}, str(error)))
            continue
        same_basis = {column.key: run.basis[column.key] == runs[0].basis[column.key] for column in COLUMNS}
        figures = {column.key: paired[column.key] if same_basis[column.key] else None for column in COLUMNS}
        unmarked = [
            f"{column.task} {column.title}"
            for column in COLUMNS
            if column.kind == "judge" and same_basis[column.key] and figures[column.key] is None
            and None not in (run.figures[column.key], runs[0].figures[column.key])
        ]  # fmt: skip
        problem = (
            f"{', '.join(unmarked)}: not compared, for its judge failed on other texts than that of "
            f"{runs[0].name}"
        )
        found.append(
            RunDifference(run.name, figures, problem if unmarked else None, _otherwise(runs[0], run))
        )
    return found


def _otherwise(first: Entry, run: Entry) -> str:
    theirs, own = (parse_signature(str((entry.scores or {})["signature"])) for entry in (first, run))
    told = [
        f"{part} {own.get(part, 'not told')} where {first.name} has {theirs.get(part, 'not told')}"
        for part in MAKING
        if own.get(part) != theirs.get(part)
    ]
    return f"made or read otherwise, which a difference can come from: {'; '.join(told)}" if told else ""


def read_image_sums(folder: Path) -> ImageSums:
    """What every image added to a run's figures.

    Raises:
        `DataError`: when the folder has no such file, or a damaged one.
    """
    path = folder / IMAGE_SUMS
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: expected what every image added, found none that can be read ({error}); score the run again "
            f"with `giqa bench score {folder}`"
        ) from error
    return ImageSums.from_dict(data)
