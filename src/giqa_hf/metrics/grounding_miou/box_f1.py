"""Precision, recall and F1 of boxes: what mIoU and Tag-Recall do not charge for, too many boxes, is charged here.

A predicted box is right when it is one of the most one-to-one pairs with IoU > 0.5 that its sample allows, whatever
its name; every other predicted box is wrong, also in a sample without true boxes. The boxes of all samples are
pooled, as detection does it: P = right / predicted, R = right / true, F1 = 2 right / (predicted + true). The
threshold is that of Tag-Recall, strict, so Tag-Recall pooled over all tags can never exceed R.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy.typing as npt

from ..matching import STRICT_MARGIN, Matrix, most_pairs
from ..overlaps import iter_overlaps


class BoxF1(NamedTuple):
    """Precision, recall and F1 of boxes with what they were computed from."""

    precision: float | None
    """0..1; None without any true box, or without any predicted box (not available, not 0)."""
    recall: float | None
    """0..1; None as `precision`."""
    f1: float | None
    """0..1; None as `precision`."""
    true_boxes: int
    """True boxes."""
    pred_boxes: int
    """Predicted boxes, on all samples."""
    found: int
    """Pairs: predicted boxes that are right, true boxes that are found."""


class BoxSums:
    """Running sums of `BoxF1`: `add` a sample's IoU matrix, then ask for the `result`."""

    def __init__(self, iou_threshold: float = 0.5) -> None:
        if not 0.0 <= iou_threshold < 1.0:
            raise ValueError(f"iou_threshold: expected a number from 0 to below 1, got {iou_threshold!r}")
        self._min_iou = iou_threshold + STRICT_MARGIN
        self._true = self._pred = self._found = 0

    def add(self, ious: Matrix) -> int:
        """Add a sample's IoU matrix, shape (predicted, true).

        Returns:
            `int`: the pairs found in it.
        """
        n_pred, n_true = ious.shape
        self._pred += n_pred
        self._true += n_true
        found = most_pairs(ious > self._min_iou) if n_pred and n_true else 0
        self._found += found
        return found

    def result(self, attempted: bool | None = None) -> BoxF1:
        """The value so far; `attempted` as in `MiouSums.result`: unreadable boxes only give 0, not None."""
        attempted = self._pred > 0 if attempted is None else attempted
        if not attempted or self._true == 0:
            return BoxF1(None, None, None, self._true, self._pred, self._found)
        return BoxF1(
            self._found / self._pred if self._pred else 0.0,
            self._found / self._true,
            2 * self._found / (self._pred + self._true),
            self._true, self._pred, self._found,
        )  # fmt: skip


def box_f1(
    pred_boxes: Sequence[npt.ArrayLike], true_boxes: Sequence[npt.ArrayLike], *, iou_threshold: float = 0.5
) -> BoxF1:
    """Precision, recall and F1 of the boxes of a set of samples.

    Args:
        pred_boxes (`list` of arrays of shape (N, 4)): each sample's predicted `x1, y1, x2, y2`, N may be 0.
        true_boxes (`list` of arrays of shape (M, 4)): each sample's true boxes in the same unit, M may be 0.
        iou_threshold (`float`, *optional*, defaults to `0.5`): a pair's IoU must be above it.

    Returns:
        `BoxF1`: three values, 0..1 or None, and the counts.

    Raises:
        `ValueError`: on lists of unequal length, arrays that are no boxes, an unknown threshold.

    Example (one of two true boxes found, two of three predicted boxes wrong: 1/3, 1/2, 2 / (3 + 2)):

    ```python
    >>> found = box_f1([[[0, 0, 1, 1], [0, 0, 1, 1], [8, 8, 9, 9]]], [[[0, 0, 1, 1], [2, 2, 3, 3]]])
    >>> found.precision, found.recall, found.f1
    (0.3333333333333333, 0.5, 0.4)
    ```
    """
    sums = BoxSums(iou_threshold)
    for ious in iter_overlaps(pred_boxes, true_boxes):
        sums.add(ious)
    return sums.result()
