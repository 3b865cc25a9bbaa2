"""Norm-Coord, the form that the paper compares its grid with (Tab. 2b): `[tower](<0.75,0.05,1.00,0.80>)`.

Four normalised corner coordinates `x1,y1,x2,y2`, two decimals in the paper (21 tokens a box under a tokenizer
that splits digits). The grammar, the escapes and the statuses are those of `_bracketed`; here a number is a
decimal fraction. Corners that lie outside 0..1 by no more than `tolerance` are moved onto the rim
(`clipped`); farther out the box is an `out_of_range` issue. Reversed corners are put in order, x and y each
for itself (`swapped`).
"""

from __future__ import annotations

from ..boxes import as_boxes, check_norm
from ..grounded_text import GroundedText
from ._bracketed import Verdict, box_pattern, read_bracketed, write_bracketed

MOST_DECIMALS = 6
_BOX = box_pattern(r"[-+]?(?>[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)", count=4)


def write(grounded: GroundedText, *, decimals: int = 2) -> str:
    """Write boxes as four normalised coordinates, rounded half to even.

    Args:
        grounded (`GroundedText`): boxes normalised, in the frame that the model sees.
        decimals (`int`, *optional*, defaults to `2`): digits behind the point, 1 to 6.

    Returns:
        `str`: what `read` turns into the same text, phrases and spans, and boxes off by the rounding at most.

    Raises:
        `ValueError`: on boxes with NaN, with reversed corners or outside 0..1; on `decimals` out of range.

    Example:

    ```python
    >>> tower = Region("tower", (4, 9), [[0.75, 0.05, 1.0, 0.8]])
    >>> write(GroundedText("The tower is sharp.", [tower]))
    'The [tower](<0.75,0.05,1.00,0.80>) is sharp.'
    ```
    """
    check_decimals(decimals)
    # Adding 0.0 makes of -0.0 a plain zero.
    boxes = (check_norm(grounded.boxes_norm) + 0.0).tolist() if grounded.regions else []
    box_texts = ["<" + ",".join(f"{value:.{decimals}f}" for value in box) + ">" for box in boxes]
    return write_bracketed(grounded, box_texts, ",")


def read(text: str, *, tolerance: float = 0.02) -> GroundedText:
    """Read a text with boxes as four normalised coordinates; never raises, whatever the text.

    Args:
        text (`str`): anything, such as what a model wrote.
        tolerance (`float`, *optional*, defaults to `0.02`):
            how far outside 0..1 a coordinate may lie and still be clipped; two units of the last decimal.

    Returns:
        `GroundedText`: clean text, regions with a status per box, and the unreadable boxes as issues.

    Example:

    ```python
    >>> grounded = read("The [tower](<0.75, .05, 1.01, 0.8>) is sharp.")
    >>> grounded.regions[0].boxes_norm.tolist(), grounded.regions[0].statuses
    ([[0.75, 0.05, 1.0, 0.8]], ('clipped',))
    ```
    """
    low, high = -tolerance, 1.0 + tolerance

    def judge(numbers: tuple[str, ...]) -> Verdict | None:
        given = tuple(map(float, numbers))
        if not (low <= min(given) and max(given) <= high):
            return None
        x1, y1, x2, y2 = inside = tuple(min(max(v, 0.0), 1.0) + 0.0 for v in given)
        if x1 > x2 or y1 > y2:
            return Verdict((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), "swapped")
        return Verdict(inside, "ok" if inside == given else "clipped")

    return read_bracketed(text, _BOX, judge, as_boxes)


def check_decimals(decimals: int) -> None:
    """Refuse a number of decimals that is no whole number from 1 to 6, with a `ValueError`."""
    if not isinstance(decimals, int) or isinstance(decimals, bool) or not 1 <= decimals <= MOST_DECIMALS:
        raise ValueError(f"decimals: expected a whole number from 1 to {MOST_DECIMALS}, got {decimals!r}")
