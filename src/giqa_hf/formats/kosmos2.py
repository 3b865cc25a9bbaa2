"""Kosmos-2: `<phrase>a tower</phrase><object><patch_index_0024><patch_index_0831></object>`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..grid import Grid
from ..grounded_text import GroundedText
from ._bracketed import Verdict
from ._saved import ModelFormat
from ._scale import Found
from ._tagged import Grammar, read_tagged, write_tagged
from .giqa import judge_cells

_DELIMITER = "</delimiter_of_multi_objects/>"
_CUT = r"<[a-z_0-9/]*+\Z"  # a token that the end of the text cuts
_PATCH = re.compile(rf"<patch_index_([0-9]++)>|{_DELIMITER}|(?P<cut>{_CUT})")
_PATCHES = rf"(?:<patch_index_[0-9]++>|{_DELIMITER}|\s++)*+"
_GRID = Grid(32, 32)
_judge_cells = judge_cells(_GRID)


def _patch_groups(text: str, start: int, end: int) -> Iterator[Found]:
    """Two patches in a row are a box; a delimiter or the end leaves a single one alone."""
    first: re.Match[str] | None = None
    for patch in _PATCH.finditer(text, start, end):
        if patch["cut"]:
            yield Found(None, "truncated", (patch.start() if first is None else first.start(), end))
            return
        if patch[1] is None:
            if first is not None:
                yield Found(None, "bad_arity", first.span())
            first = None
        elif first is None:
            first = patch
        else:
            yield Found((first[1], patch[1]), "", (first.start(), patch.end()))
            first = None
    if first is not None:
        yield Found(None, "truncated" if first.end() == len(text) else "bad_arity", first.span())


_BARE = rf"patch_index_[0-9]++>{_PATCHES}(?:{_CUT})?+"
_GRAMMAR = Grammar(
    phrase=("<phrase>", "</phrase>"),
    boxes=("<object>", "</object>"),
    body=rf"{_PATCHES}(?:{_CUT})?+",
    bare=("<", _BARE, _BARE),
    groups=_patch_groups,
    silent=("<grounding>", "<image>", "</image>", "<s>", "</s>", "<pad>", _DELIMITER),
    blank_inside=True,
)


@dataclass(frozen=True)
class Kosmos2Format(ModelFormat):
    """Kosmos-2's patches of a 32 x 32 grid, `<phrase>a tower</phrase><object><patch_index_0024>...</object>`.

    - Order: upper-left patch, lower-right patch; row by row, 0 .. 1023, four digits. Several boxes of a phrase
      stand in one `<object>`, with `</delimiter_of_multi_objects/>` between them.
    - Rounding: as `Grid` does; read back at the patches' centres, at their outer edges where both lie in one
      row or column.
    - Frame: the image squashed to 224 x 224.
    - Certain: transformers' own Kosmos-2 processor, which reads what this writes (peers.md 4.1).

    The blank before a phrase is written within its tags, as in the data of the model. A leading `<grounding>`
    and the tokens of the image and of the sentence are left out when reading.
    """

    name: ClassVar[str] = "kosmos2"
    notation: ClassVar[str] = "<phrase>name</phrase><object><patch_index_FIRST><patch_index_LAST></object>"
    unit: ClassVar[str] = "patches 0000 to 1023 of a 32 x 32 grid, row by row"

    def write(self, grounded: GroundedText) -> str:
        """See `BoxFormat.write`."""
        texts = []
        for region in grounded.regions:
            pairs = _GRID.encode(region.boxes_norm).tolist()
            patches = [f"<patch_index_{left:04d}><patch_index_{right:04d}>" for left, right in pairs]
            texts.append(f"<object>{_DELIMITER.join(patches)}</object>" if patches else "")
        return write_tagged(grounded, _GRAMMAR, texts)

    def read(self, text: str) -> GroundedText:
        """See `BoxFormat.read`."""
        return read_tagged(text, _GRAMMAR, _judge)


def _judge(numbers: tuple[str, ...]) -> Verdict | None:
    verdict = _judge_cells(numbers)
    if verdict is None:
        return None
    (box,) = _GRID.decode([verdict.numbers]).tolist()
    return Verdict(tuple(box), verdict.status)
