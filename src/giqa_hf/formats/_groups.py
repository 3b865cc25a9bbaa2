"""Boxes written as bracketed numbers: `[[1, 2, 3, 4], [5, 6, 7, 8]]`, `(1,2),(3,4)`, `[.1,.2,.3,.4;.5,.6,.7,.8]`.

A group is what stands between two innermost brackets, or between them and a semicolon. A group of four numbers
is a box, and so are two groups of two in a row (the corners). Every other group is a fault of its own and
spoils nothing beside it. A group that is not closed is read all the same if it has its four numbers, except at
the end of the text, where its last number may have been cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ._scale import NUMBER, Found

NUMBERS_ONLY = r"[-+0-9.,;()\[\]\s]*+"
"""The characters that such boxes are made of."""
_GROUP = re.compile(rf"([\[(]?+)\s*+({NUMBER}(?:\s*+,?+\s*+{NUMBER})*+)\s*+,?+\s*+([\])]?+)")
_NUMBER = re.compile(NUMBER)


def number_groups(text: str, start: int, end: int) -> Iterator[Found]:
    """The boxes in `text[start:end]`, in order, with a fault for each group that is none."""
    corner: tuple[tuple[str, ...], int, int] | None = None
    for match in _GROUP.finditer(text, start, end):
        numbers = tuple(_NUMBER.findall(match[2]))
        first, last = match.start(), match.end()
        is_cut = last == len(text) and not match[3]
        if len(numbers) == 2 and not is_cut:
            if corner is None:
                corner = (numbers, first, last)
            else:
                yield Found(corner[0] + numbers, "", (corner[1], last))
                corner = None
            continue
        if corner is not None and is_cut and len(numbers) <= 2:  # the end cuts the second corner
            first, corner = corner[1], None
        elif corner is not None:
            yield Found(None, "bad_arity", corner[1:])
            corner = None
        if is_cut and (match[1] or len(numbers) != 4 or first != match.start()):
            yield Found(None, "truncated", (first, last))
        elif len(numbers) == 4:
            yield Found(numbers, "", (first, last))
        else:
            yield Found(None, "bad_arity", (first, last))
    if corner is not None:
        at_end = not text[corner[2] :].strip(" ,\n") if end == len(text) else False
        yield Found(None, "truncated" if at_end else "bad_arity", corner[1:])
