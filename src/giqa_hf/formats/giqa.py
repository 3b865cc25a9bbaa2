"""The paper's form: boxes as pairs of cell indices, `[tower](<35,319>)`, `[candles](<33,354>,<22,324>)`.

The paper's figure (Fig. 5) prints a space behind each comma; its token counts (9 for `<221,399>` under a
tokenizer that splits digits) only add up without one. So the writer writes none unless asked, and the reader
takes both. The grammar, the escapes and the statuses are those of `_bracketed`; here a number is a whole one.
A box whose index lies outside the grid is an `out_of_range` issue, and nothing is invented for it. Where the
second corner lies left of or above the first one, the box is reordered, column and row each for itself, and
has the status `swapped`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..boxes import Boxes
from ..grid import Grid, Policy
from ..grounded_text import GroundedText
from ._bracketed import Verdict, box_pattern, read_bracketed, write_bracketed

_BOX = box_pattern("[-+]?[0-9]++", count=2)
_MOST_DIGITS = 18  # more than any index of the largest grid; `int` refuses thousands of digits


def write(grounded: GroundedText, grid: Grid = Grid(), *, space: bool = False) -> str:  # noqa: B008 (frozen)
    """Write boxes as cell indices (paper Eq. 1).

    Args:
        grounded (`GroundedText`): boxes normalised, in the frame that the model sees.
        grid (`Grid`, *optional*, defaults to `Grid()`): 20 x 20 as in the paper.
        space (`bool`, *optional*, defaults to `False`): `<35, 319>, <4, 40>`, as the paper's figure has it.

    Returns:
        `str`: what `read` turns into the same text, phrases, spans and cells.

    Raises:
        `ValueError`: on boxes with NaN, with reversed corners or outside 0..1.

    Example:

    ```python
    >>> tower = Region("tower", (4, 9), [[0.75, 0.05, 1.0, 0.8]])
    >>> write(GroundedText("The tower is sharp.", [tower]))
    'The [tower](<35,319>) is sharp.'
    ```
    """
    comma = ", " if space else ","
    cells = grid.encode(grounded.boxes_norm).tolist() if grounded.regions else []
    return write_bracketed(grounded, [f"<{left}{comma}{right}>" for left, right in cells], comma)


def read(text: str, grid: Grid = Grid(), *, policy: Policy = "expand") -> GroundedText:  # noqa: B008 (frozen)
    """Read a text with boxes as cell indices (paper Eq. 2); never raises, whatever the text.

    Args:
        text (`str`): anything, such as what a model wrote.
        grid (`Grid`, *optional*, defaults to `Grid()`): the grid that the indices belong to.
        policy (`str`, *optional*, defaults to `"expand"`): how cells become boxes, see `Grid.decode`.

    Returns:
        `GroundedText`: clean text, regions with a status per box, and the unreadable boxes as issues.

    Example:

    ```python
    >>> grounded = read("The [tower] (< 35, 319 >, <7>) is sharp.")
    >>> grounded.text, grounded.regions[0].span, grounded.regions[0].boxes_norm.tolist()
    ('The tower is sharp.', (4, 9), [[0.775, 0.075, 0.975, 0.775]])
    >>> grounded.issues
    [Issue(status='bad_arity', raw='<7>', span=(26, 29))]
    ```
    """

    def decode(cells: list[tuple[float, ...]]) -> Boxes:
        return grid.decode(cells, policy)

    return read_bracketed(text, _BOX, judge_cells(grid), decode)


def judge_cells(grid: Grid) -> Callable[[tuple[str, ...]], Verdict | None]:
    """What two cell indices mean on `grid`: ordered cells and a status, `None` for indices that it has not."""
    cols, count = grid.cols, len(grid)

    def judge(numbers: tuple[str, ...]) -> Verdict | None:
        if len(numbers[0]) > _MOST_DIGITS or len(numbers[1]) > _MOST_DIGITS:
            return None
        left, right = int(numbers[0]), int(numbers[1])
        if not (0 <= left < count and 0 <= right < count):
            return None
        left_column, right_column = left % cols, right % cols
        if left <= right and left_column <= right_column:
            return Verdict((left, right), "ok")
        first_row, last_row = sorted((left // cols, right // cols))
        first_column, last_column = sorted((left_column, right_column))
        return Verdict((first_row * cols + first_column, last_row * cols + last_column), "swapped")

    return judge
