"""A row as its texts and a flat list of marks, as tools with one rectangle per annotation hold it, and back.

A mark is one box of one phrase, or a phrase without a box. Marks of the same field, span and region number are one
region; their boxes stand in the order of the marks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..boxes import Boxes
from ..errors import DataError
from ..schema import TEXT_FIELDS, validate_row
from . import checks

Row = Mapping[str, Any]

BASE = ("image_id", "width", "height", "source", "license", "task", "question_type", "question", "answer")
"""The columns of a row beside its picture and its regions."""
UNKNOWN = "unknown"
"""Source and licence of a row that does not say them: such a row is not published."""


class Mark(NamedTuple):
    """One box of a phrase, or a phrase that has none."""

    field: str
    """`"question"` or `"answer"`."""
    span: tuple[int, int]
    phrase: str
    box_norm: list[float] | None
    """`x1, y1, x2, y2`, normalised by the upright picture."""
    quality: str | None = None
    effect: str | None = None
    region: int | None = 0
    """Number of the region in its text; it keeps regions apart that name the same span. `None` where nobody has said
    it: the region of that span."""


def marks_of(row: Row) -> list[Mark]:
    """The marks of a row, in reading order."""
    found = []
    for field in TEXT_FIELDS:
        for number, region in enumerate(row[f"{field}_regions"]):
            start, end = region["span"]
            boxes: Iterable[list[float] | None] = [[float(v) for v in box] for box in region["boxes_norm"]]
            for box in boxes or [None]:
                found.append(
                    Mark(
                        field,
                        (start, end),
                        region["phrase"],
                        box,
                        region.get("quality"),
                        region.get("effect"),
                        number,
                    )
                )
    return found


def attributes_of(mark: Mark) -> dict[str, Any]:
    """What a form says of a box beside its place."""
    return {
        "field": mark.field,
        "start": mark.span[0],
        "end": mark.span[1],
        "phrase": mark.phrase,
        "quality": mark.quality,
        "effect": mark.effect,
        "region": mark.region,
    }


def mark_from(attributes: Mapping[str, Any], box_norm: list[float] | None, where: str) -> Mark:
    """The mark that `attributes_of` has described.

    Raises:
        `DataError`: when something is missing.
    """
    return Mark(
        checks.text(attributes, "field", where),
        (checks.whole(attributes, "start", where), checks.whole(attributes, "end", where)),
        checks.text(attributes, "phrase", where),
        box_norm,
        checks.optional_text(attributes, "quality", where),
        checks.optional_text(attributes, "effect", where),
        None if attributes.get("region") is None else checks.whole(attributes, "region", where),
    )


def base_of(row: Row) -> dict[str, Any]:
    """A row without picture and regions."""
    return {name: row[name] for name in BASE}


def row_of(base: Mapping[str, Any], marks: Iterable[Mark], image: Any, where: str) -> dict[str, Any]:
    """The row that a base and marks are of, validated.

    Args:
        base (`Mapping`): as `base_of` gives it; source and license may be missing.
        marks (iterable of `Mark`): in any order of phrases.
        image (`Any`): the picture's cell, `{"bytes", "path"}` or `None`.
        where (`str`): what a message calls the row.

    Raises:
        `DataError`: when they make no row of the schema.
    """
    row: dict[str, Any] = {
        "image": image,
        "source": UNKNOWN,
        "license": UNKNOWN,
        "task": "des",
        "question_type": None,
    }
    row |= {name: base[name] for name in BASE if name in base}
    groups: dict[tuple[str, tuple[int, int], int], list[Mark]] = {}
    for mark in sorted(marks, key=lambda mark: mark.region is None):  # these join the others
        if mark.field not in TEXT_FIELDS:
            raise DataError(
                f"{where}: expected a phrase of the field question or answer, found {mark.field!r:.60}"
            )
        known = (key for key in groups if key[:2] == (mark.field, mark.span))
        key = next(known, None) if mark.region is None else None
        groups.setdefault(key or (mark.field, mark.span, mark.region or 0), []).append(mark)
    for field in TEXT_FIELDS:
        row[f"{field}_regions"] = [
            {
                "phrase": found[0].phrase,
                "span": list(span),
                "quality": found[0].quality,
                "effect": found[0].effect,
                "boxes_norm": [mark.box_norm for mark in found if mark.box_norm is not None],
            }
            for (of, span, _), found in sorted(groups.items(), key=lambda item: item[0])
            if of == field
        ]
    validate_row(row, where)
    return row


def to_px(box_norm: list[float], width: int, height: int) -> list[float]:
    """A box in pixels of the upright picture, `x1, y1, x2, y2`."""
    x1, y1, x2, y2 = box_norm
    return [x1 * width, y1 * height, x2 * width, y2 * height]


def to_norm(box_px: list[float], width: int, height: int, where: str) -> list[float]:
    """A box in pixels back as shares of the picture.

    People draw a little over the rim, and sums of floats end a little behind it: up to a pixel is cut off.

    Raises:
        `DataError`: for a box that lies further outside, has its corners reversed, or belongs to no picture.
    """
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise DataError(f"{where}: expected a picture of at least one pixel a side, found {width} x {height}")
    sides = np.array([width, height, width, height], dtype=np.float64)
    box: Boxes = np.asarray(box_px, dtype=np.float64)
    inside = np.clip(box, 0.0, sides)
    if not np.isfinite(box).all() or (np.abs(box - inside) > 1.0).any() or (inside[:2] > inside[2:]).any():
        raise DataError(
            f"{where}: expected a box x1, y1, x2, y2 inside the picture of {width} x {height} pixels, found "
            f"{[float(v) for v in box]}; mend it in the tool that it is from"
        )
    return [float(v) for v in inside / sides]
