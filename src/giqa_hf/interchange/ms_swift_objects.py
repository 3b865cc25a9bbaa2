"""ms-swift's rows back: `<ref-object>` and `<bbox>` stand for the next entries of `objects`.

A `<bbox>` belongs to the `<ref-object>` that it stands behind, with nothing but blanks and commas between them. One
that stands alone has no phrase here, and is counted. Read a line at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import DataError
from . import checks
from .chat import chat_records, pairs_of, picture_of
from .inlet import Inlet
from .marks import Mark, row_of, to_norm
from .ms_swift import BBOX, REF

_MARK = re.compile(f"{REF}|{BBOX}")
_BETWEEN = re.compile(r"[\s,]*+")


class _Objects:
    """The lists of a record, taken entry by entry."""

    def __init__(self, record: Mapping[str, Any], base: Mapping[str, Any], where: str) -> None:
        objects = checks.record(record.get("objects") or {}, f"{where}, objects")
        self.where = where
        self._refs, self._boxes = (self._list(objects, name) for name in ("ref", "bbox"))
        kind = objects.get("bbox_type") or "real"
        if kind not in ("real", "norm1"):
            raise DataError(f"{where}: expected bbox_type real or norm1, found {kind!r:.60}")
        self._size = (base["width"], base["height"]) if kind == "real" else (1, 1)

    def phrase(self) -> str:
        return checks.text({"phrase": self._next(self._refs, "ref")}, "phrase", f"{self.where}, objects.ref")

    def box(self) -> list[float]:
        at = f"{self.where}, objects.bbox"
        width, height = self._size
        x1, y1, x2, y2 = checks.numbers(self._next(self._boxes, "bbox"), 4, "a box", at)
        if (width, height) == (1, 1):  # shares: as a picture of 1000 x 1000, where the rim is a pixel wide
            return to_norm([v * 1000 for v in (x1, y1, x2, y2)], 1000, 1000, at)
        return to_norm([x1, y1, x2, y2], width, height, at)

    def _list(self, objects: Mapping[str, Any], name: str) -> Iterator[Any]:
        value = objects.get(name) or []
        if not isinstance(value, list):
            raise DataError(f"{self.where}: expected a list objects.{name}, found {value!r:.80}")
        return iter(value)

    def _next(self, values: Iterator[Any], name: str) -> Any:
        for value in values:
            return value
        raise DataError(f"{self.where}: expected an entry of objects.{name} for every mark, found too few")


def read(inlet: Inlet) -> Iterator[dict[str, Any]]:
    """Read rows; see the module.

    Raises:
        `DataError`: naming the line that is not as it should be.
    """
    for where, record in chat_records(inlet.path):
        base, cell = picture_of(record, inlet, where)
        objects = _Objects(record, base, where)
        for asked, answered in pairs_of(record, where):
            base["question"], in_question = _text(asked, "question", objects, inlet)
            base["answer"], in_answer = _text(answered, "answer", objects, inlet)
            yield row_of(base, in_question + in_answer, cell, where)


def _text(text: str, field: str, objects: _Objects, inlet: Inlet) -> tuple[str, list[Mark]]:
    """A text whose marks are words again, and its marks."""
    parts: list[str] = []
    marks: list[Mark] = []
    length = end_before = regions = 0
    open_phrase: tuple[tuple[int, int], str] | None = None
    for found in _MARK.finditer(text):
        between = text[end_before : found.start()]
        if found[0] == REF:
            phrase = objects.phrase()
            parts += [between, phrase]
            length += len(between)
            open_phrase = ((length, length + len(phrase)), phrase)
            length += len(phrase)
            regions += 1
        elif open_phrase is not None and _BETWEEN.fullmatch(between):
            marks.append(Mark(field, *open_phrase, objects.box(), region=regions))
        else:
            objects.box()
            inlet.notes["boxes without a phrase, left out"] += 1
            parts.append(between)
            length += len(between)
            open_phrase = None
        end_before = found.end()
    return "".join([*parts, text[end_before:]]), marks
