"""Lists of opinion scores as Q-Bench and Q-Align publish them: a JSON list of {"img_path", "gt_score"} (spec D3)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...corpora.json_stream import stream_json_lines, stream_json_list
from ...corpora.label_file import open_text
from ...corpora.photos import PhotoFolder
from ...errors import DataError
from .compute import as_score


class ScoreLabel(NamedTuple):
    """The opinion score of one photo."""

    image: str
    """Path of the photo, relative to the folder of its corpus, with forward slashes."""
    score: float
    """On the scale of the list: 1..5 in most, 0..100 in some."""


def read_score_labels(
    path: Path | str, *, image_key: str = "img_path", score_key: str = "gt_score"
) -> list[ScoreLabel]:
    """Read a list of opinion scores.

    Args:
        path (`Path` or `str`): a JSON list, JSON lines where the name ends in .jsonl, or a table with a head and
            commas where it ends in .csv, such as KonIQ-10k's.
        image_key (`str`, *optional*, defaults to `"img_path"`): field with the path of the photo.
        score_key (`str`, *optional*, defaults to `"gt_score"`): field with the score, a number or a string such as
            `"2.82 "`.

    Returns:
        `list` of `ScoreLabel`, in the order of the file. `PhotoFolder(root).find(label.image)` leads to a photo.

    Raises:
        `DataError`: on a file that cannot be read, and on a record that is none, lacks a field, has a score that is no
            finite number, a path that leads out of its folder, or the path of an earlier one; it names the record.
    """
    path = Path(path)
    photos = PhotoFolder(path.parent)
    found: dict[str, float] = {}
    for number, record in enumerate(_records(path)):
        where = f"{path}, record {number}"
        if not isinstance(record, dict):
            raise DataError(
                f"{where}: expected an object with {image_key} and {score_key}, got {record!r:.80}"
            )
        for key in (image_key, score_key):
            if key not in record:
                raise DataError(f"{where}: expected a field {key}, found {sorted(map(str, record))!r:.200}")
        image = record[image_key]
        if not isinstance(image, str) or not image.strip():
            raise DataError(f"{where}, field {image_key}: expected the path of a photo, got {image!r:.80}")
        place = photos.check(image.strip())
        if place.problem:
            raise DataError(f"{where}, field {image_key}: {place.problem} ({place.detail})")
        if place.path in found:
            raise DataError(
                f"{where}, field {image_key}: expected each photo once, found {image!r:.200} again"
            )
        score = as_score(record[score_key], f"{where}, field {score_key}")
        assert score is not None  # it may not miss
        found[place.path] = score
    if not found:
        raise DataError(
            f"{path}: expected records with {image_key} and {score_key}, found none; check the file"
        )
    return [ScoreLabel(*item) for item in found.items()]


def _records(path: Path) -> Iterator[Any]:
    if path.suffix == ".csv":
        yield from _table_rows(path)
        return
    if path.suffix != ".jsonl":
        yield from stream_json_list(path)
        return
    for line in stream_json_lines(path):
        if line.fault is not None:
            raise DataError(f"{path}, line {line.number}: expected a JSON object, found none ({line.fault})")
        yield line.value


def _table_rows(path: Path) -> Iterator[Any]:
    with open_text(path) as file:
        try:
            for row in csv.DictReader(file, strict=True):
                # Cells beyond the head, and a line that ends too soon, are not guessed at.
                yield {key: value for key, value in row.items() if key is not None and value is not None}
        except csv.Error as error:
            raise DataError(f"{path}: expected a table with commas, found none ({error})") from error
