"""The grid of Grounding-IQA: a box as two cell indices (paper Sec. 3.2, Eq. 1 and 2).

The image is cut into `cols` (the paper's n) by `rows` (m) cells, numbered row by row from 0 in the upper-left
corner to `cols * rows - 1` in the lower-right one. A box is `(left, right)`: the cell of its upper-left corner and
the cell of its lower-right corner. A cell owns its upper and left edge; a lower-right corner that lies exactly on
an edge belongs to the cell before it, because that is where the inside of the box is, and x = 1 or y = 1 to the
last cell. All index arithmetic is on integers: 0.35 * 20 is not 7 in floating point, so a coordinate within 1e-9
of an edge is on that edge.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from .boxes import Boxes, area, as_boxes, check_norm, paired_iou

Policy = Literal["expand", "paper", "edges"]
Cells = npt.NDArray[np.int64]

MAX_SIDE = 1000
_BLOCK = 16384  # rows; 20 arrays of it fit into a second-level cache
_SNAP = 1e-9  # of a cell per `cols` or `rows`: far above rounding (1e-13), far below any real coordinate


class Ceiling(NamedTuple):
    """What precision a grid costs on given boxes, before any model errs."""

    mean_iou: float
    """Mean IoU of a box with its own decoded cells, 0..1."""
    zero_area_share: float
    """Share of boxes that decode to zero area, 0..1."""
    below_half_share: float
    """Share of boxes whose IoU with their decoded cells is under 0.5, 0..1."""
    box_count: int
    """Number of boxes measured."""


@dataclass(frozen=True)
class Grid:
    """A grid of `cols` x `rows` cells over the whole image; 20 x 20 in the paper.

    Args:
        cols (`int`, *optional*, defaults to `20`): cells along the width, n in Eq. 1; 1 to 1000.
        rows (`int`, *optional*, defaults to `20`): cells along the height, m in Eq. 1; 1 to 1000.

    Example:

    ```python
    >>> Grid().encode([[0.75, 0.0, 1.0, 0.8]]).tolist()
    [[15, 319]]
    >>> Grid().decode([[15, 319]], policy="paper").tolist()
    [[0.775, 0.025, 0.975, 0.775]]
    ```
    """

    cols: int = 20
    rows: int = 20

    def __post_init__(self) -> None:
        for name, value in (("cols", self.cols), ("rows", self.rows)):
            whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
            if not whole or not 1 <= value <= MAX_SIDE:
                raise ValueError(f"Grid: expected {name} from 1 to {MAX_SIDE}, got {value!r}")

    def __len__(self) -> int:
        return self.cols * self.rows

    def encode(self, boxes_norm: npt.ArrayLike) -> Cells:
        """Cells of the corners of each box (Eq. 1, with the floors that it needs to mean anything).

        Args:
            boxes_norm (`array` of shape (N, 4)): normalised `x1, y1, x2, y2`, ordered, within 0..1.

        Returns:
            `int64 array` of shape (N, 2): `left, right`, 0 .. `cols * rows - 1`; right is never left of or above left.

        Raises:
            `ValueError`: on NaN, reversed or outside corners; it names the first such box.
        """
        boxes = as_boxes(boxes_norm)
        cells = np.empty((len(boxes), 2), dtype=np.int64)
        for block in _blocks(len(boxes)):
            # Columns laid side by side, so that every step below runs over one contiguous stretch of memory.
            x1, y1, x2, y2 = np.ascontiguousarray(boxes[block].T)
            if not (_in_order(x1, x2) & _in_order(y1, y2)).all():
                check_norm(boxes)  # raises, and names the first wrong one
            first_column, last_column = _first_and_last(x1, x2, self.cols)
            first_row, last_row = _first_and_last(y1, y2, self.rows)
            cells[block, 0] = first_row * self.cols + first_column
            cells[block, 1] = last_row * self.cols + last_column
        return cells

    def decode(self, cells: npt.ArrayLike, policy: Policy = "expand") -> Boxes:
        """Boxes of cell pairs.

        Args:
            cells (`int array` of shape (N, 2)): `left, right` as `encode` gives them.
            policy (`str`, *optional*, defaults to `"expand"`):
                `"paper"` is Eq. 2 to the letter: corners at the centres of their cells, so a box inside one row or
                column of cells has zero area. `"expand"` is Eq. 2, except that such a box takes the outer edges of
                its cells (both axes), as Kosmos-2 does. `"edges"` takes the outer edges always.

        Returns:
            `float64 array` of shape (N, 4): normalised boxes. `encode` of them gives `cells` back.

        Raises:
            `ValueError`: on indices that are no integers, outside the grid, or whose right cell lies left of or
            above the left one; it names the first such pair.
        """
        if policy not in get_args(Policy):
            raise ValueError(f"policy: expected one of {', '.join(get_args(Policy))}, got {policy!r}")
        pairs = _as_pairs(cells)
        boxes = np.empty((len(pairs), 4))
        sides = 2.0 * np.array([self.cols, self.rows, self.cols, self.rows])
        for block in _blocks(len(pairs)):
            left, right = pairs[block, 0], pairs[block, 1]
            rows = pairs[block] // self.cols
            columns = pairs[block] - rows * self.cols
            height, width = rows[:, 1] - rows[:, 0], columns[:, 1] - columns[:, 0]
            # One negative number among these makes their bitwise or negative.
            if (left | (len(self) - 1 - right) | height | width).min() < 0:
                raise ValueError(self._complaint(pairs))
            # Twice the corner in cell units: whole numbers until the one division, so that equal cells give
            # equal floats.
            corners = boxes[block]
            corners[:, 0::2] = columns
            corners[:, 1::2] = rows
            corners *= 2.0
            if policy == "edges":
                corners[:, 2:] += 2.0
            else:
                corners += 1.0
                if policy == "expand":
                    flat = (height * width == 0)[:, None]
                    corners[:, :2] -= flat
                    corners[:, 2:] += flat
            corners /= sides
        return boxes

    def ceiling(self, boxes_norm: npt.ArrayLike, policy: Policy = "expand") -> Ceiling:
        """What this grid costs on `boxes_norm` (N, 4): a perfect model still loses this much. NaN for no boxes."""
        boxes = check_norm(boxes_norm)
        if len(boxes) == 0:
            return Ceiling(float("nan"), float("nan"), float("nan"), 0)
        decoded = self.decode(self.encode(boxes), policy)
        ious = paired_iou(boxes, decoded)
        return Ceiling(
            float(ious.mean()), float((area(decoded) <= 0).mean()), float((ious < 0.5).mean()), len(boxes)
        )

    def _complaint(self, pairs: Cells) -> str:
        rows, columns = np.divmod(pairs, self.cols)
        wrong = ((pairs < 0) | (pairs >= len(self))).any(axis=1)
        wrong |= (rows[:, 1] < rows[:, 0]) | (columns[:, 1] < columns[:, 0])
        row = int(np.flatnonzero(wrong)[0])
        return (
            f"cells[{row}]: expected 0 <= left, right < {len(self)} with right neither left of nor above left "
            f"in the {self.cols}x{self.rows} grid, got {pairs[row].tolist()}"
        )


def _blocks(count: int) -> Iterator[slice]:
    """Slices that cover `count` rows; what is computed on one stays in the processor's cache."""
    return (slice(start, start + _BLOCK) for start in range(0, count, _BLOCK))


def _in_order(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Whether 0 <= low <= high <= 1; NaN is not."""
    return np.asarray((low >= 0.0) & (low <= high) & (high <= 1.0))


def _first_and_last(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64], count: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Along one axis of `count` cells, the first and the last cell of each stretch, as whole floats."""
    snap = _SNAP * count
    first = np.minimum(np.floor(low * count + snap), count - 1)
    last = np.maximum(np.ceil(high * count - snap) - 1, first)
    return first, last


def _as_pairs(cells: npt.ArrayLike) -> Cells:
    pairs = np.asarray(cells)
    if pairs.size == 0:
        return np.zeros((0, 2), dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise ValueError(
            f"cells: expected integers of shape (N, 2), got {pairs.dtype} of shape {pairs.shape}"
        )
    return pairs.astype(np.int64, copy=False)
