"""Corners as numbers of a text: on which scale they are written, and what a number that was read means.

A scale is declared by the format that holds it. Nothing here looks at numbers to find out what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..boxes import Boxes, as_boxes, check_norm
from ..grounded_text import Issue, Region
from ._bracketed import Verdict

Judge = Callable[[tuple[str, ...]], Verdict | None]
"""From the numbers of one box, in the order x1, y1, x2, y2, to what they mean; `None` where out of range."""

NUMBER = r"[-+]?+(?>(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][-+]?+[0-9]++)?+)"
TOLERANCE = 0.02  # of a side: so far outside a corner may lie and still be moved onto the rim
_SNAP = 1e-6  # of a step: k / steps * steps may come out just below k


class Found(NamedTuple):
    """A box of a text, or what should have been one."""

    numbers: tuple[str, ...] | None
    """Its numbers as they stand; `None` where there are too many or too few."""
    status: str
    """Of the issue when it has no numbers: `bad_arity` or `truncated`."""
    span: tuple[int, int]
    """Where it stands in the source string."""


@dataclass(frozen=True)
class Scale:
    """How a coordinate within the model's picture is written.

    Args:
        steps_wh (`tuple` of two `float`): what the whole width and the whole height are, e.g. `(1000, 1000)`.
        last_wh (`tuple` of two `float`, *optional*): the greatest number that is written; the steps if not given.
        decimals (`int`, *optional*, defaults to `0`): digits behind the point.
        down (`bool`, *optional*, defaults to `False`): cut off what is behind the last digit, else round.
        centre (`bool`, *optional*, defaults to `False`): a number is a bin, and stands for its centre.
    """

    steps_wh: tuple[float, float]
    last_wh: tuple[float, float] | None = None
    decimals: int = 0
    down: bool = False
    centre: bool = False

    def write(self, boxes_norm: Boxes) -> list[list[str]]:
        """The numbers of boxes (N, 4), a list of four each; `ValueError` on boxes that are none."""
        boxes = check_norm(boxes_norm) + 0.0  # which makes of -0.0 a plain zero
        numbers = boxes * np.array([*self.steps_wh, *self.steps_wh])
        if not self.decimals:
            numbers = np.floor(numbers + _SNAP) if self.down else np.rint(numbers)
        last_wh = self.last_wh or self.steps_wh
        numbers = np.minimum(numbers, np.array([*last_wh, *last_wh]))
        return [[f"{number:.{self.decimals}f}" for number in row] for row in numbers.tolist()]

    def judge(self, numbers: tuple[str, ...]) -> Verdict | None:
        """A box as normalised coordinates, with `ok`, `clipped` or `swapped`; `None` out of range."""
        shift = 0.5 if self.centre else 0.0
        width, height = self.steps_wh
        last = self.last_wh if self.centre and self.last_wh else self.steps_wh
        given = [float(number) for number in numbers]
        for value, steps, greatest in zip(given, (width, height) * 2, last * 2, strict=True):
            if not -TOLERANCE * steps <= value <= greatest + TOLERANCE * steps:
                return None
        inside = [
            min(max(value, 0.0), greatest) + 0.0 for value, greatest in zip(given, last * 2, strict=True)
        ]
        x1, y1, x2, y2 = (
            (value + shift) / steps for value, steps in zip(inside, (width, height) * 2, strict=True)
        )
        if x1 > x2 or y1 > y2:
            return Verdict((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), "swapped")
        return Verdict((x1, y1, x2, y2), "ok" if inside == given else "clipped")


def judged(found: Sequence[Found], text: str, judge: Judge, issues: list[Issue]) -> list[Verdict]:
    """The verdicts on the boxes that can be read; the others go behind `issues`, with their leftovers of `text`."""
    verdicts = []
    for numbers, status, (start, end) in found:
        verdict = None if numbers is None else judge(numbers)
        if verdict is None:
            issues.append(
                Issue("out_of_range" if numbers is not None else status, text[start:end], (start, end))
            )
        else:
            verdicts.append(verdict)
    return verdicts


def region_of(phrase: str, span: tuple[int, int], verdicts: Sequence[Verdict]) -> Region:
    """A region with its boxes; each has the gravest of its statuses: `duplicate`, `degenerate`, its verdict's."""
    seen: set[tuple[float, ...]] = set()
    statuses = []
    for (x1, y1, x2, y2), status in verdicts:
        if (x1, y1, x2, y2) in seen:
            statuses.append("duplicate")
        else:
            statuses.append("degenerate" if x1 >= x2 or y1 >= y2 else status)
            seen.add((x1, y1, x2, y2))
    return Region(phrase, span, as_boxes([verdict.numbers for verdict in verdicts]), tuple(statuses))
