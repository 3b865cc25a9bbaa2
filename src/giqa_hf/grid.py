"""The grid of Grounding-IQA: a box as two cell indices (paper Sec. 3.2, Eq. 1 and 2).

The image is cut into `cols` (the paper's n) by `rows` (m) cells, numbered row by row from 0 in the upper-left
corner to `cols * rows - 1` in the lower-right one. A box is `(left, right)`: the cell of its upper-left corner and
the cell of its lower-right corner. A cell owns its upper and left edge; a lower-right corner that lies exactly on
an edge belongs to the cell before it, because that is where the inside of the box is, and x = 1 or y = 1 to the
last cell. All index arithmetic is on integers: 0.35 * 20 is not 7 in floating point, so a coordinate within 1e-9
of an edge is on that edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from .boxes import Boxes, area, check_norm, paired_iou

Policy = Literal["expand", "paper", "edges"]
Cells = npt.NDArray[np.int64]

MAX_SIDE = 1000
_SNAP = 1e-9  # of a cell per `cols` or `rows`: far above rounding (1e-13), far below any real coordinate


class Ceiling(NamedTuple):
    """What precision a grid costs on given boxes, before any model errs."""

    mean_iou: float
    """Mean IoU of a box with its own decoded cells, 0..1."""
    zero_area_share: float
    """Share of boxes that decode to zero area, 0..1."""
    below_half_share: float
    """Share of boxes whose IoU with their decoded cells is under 0.5, 0..1."""
    count: int
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
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SIDE:
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
        scaled = check_norm(boxes_norm) * np.array([self.cols, self.rows, self.cols, self.rows])
        last = np.array([self.cols - 1, self.rows - 1])
        snap = _SNAP * np.array([self.cols, self.rows])
        first_cell = np.minimum(np.floor(scaled[:, :2] + snap).astype(np.int64), last)
        last_cell = np.ceil(scaled[:, 2:] - snap).astype(np.int64) - 1
        last_cell = np.maximum(last_cell, first_cell)
        return np.stack([self._index(first_cell), self._index(last_cell)], axis=1)

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
        pairs = self._check_cells(cells)
        rows, cols = np.divmod(pairs, self.cols)
        first = np.stack([cols[:, 0], rows[:, 0]], axis=1)
        last = np.stack([cols[:, 1], rows[:, 1]], axis=1)
        # Twice the corner in cell units: integers until the one division, so that equal cells give equal floats.
        if policy == "edges":
            upper_left, lower_right = 2 * first, 2 * last + 2
        else:
            upper_left, lower_right = 2 * first + 1, 2 * last + 1
            if policy == "expand":
                flat = (first == last).any(axis=1, keepdims=True)
                upper_left, lower_right = upper_left - flat, lower_right + flat
        sides = 2.0 * np.array([self.cols, self.rows, self.cols, self.rows])
        return np.concatenate([upper_left, lower_right], axis=1) / sides

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

    def _index(self, column_row: Cells) -> Cells:
        return np.asarray(column_row[:, 1] * self.cols + column_row[:, 0])

    def _check_cells(self, cells: npt.ArrayLike) -> Cells:
        pairs = np.asarray(cells)
        if pairs.size == 0:
            return np.zeros((0, 2), dtype=np.int64)
        if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
            raise ValueError(
                f"cells: expected integers of shape (N, 2), got {pairs.dtype} of shape {pairs.shape}"
            )
        pairs = pairs.astype(np.int64)
        wrong = ((pairs < 0) | (pairs >= len(self))).any(axis=1)
        rows, cols = np.divmod(pairs, self.cols)
        wrong |= (rows[:, 1] < rows[:, 0]) | (cols[:, 1] < cols[:, 0])
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"cells[{row}]: expected 0 <= left, right < {len(self)} with right neither left of nor above left "
                f"in the {self.cols}x{self.rows} grid, got {pairs[row].tolist()}"
            )
        return pairs
