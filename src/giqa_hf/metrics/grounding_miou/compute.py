"""Category-agnostic mIoU (paper Sec. 3.4 (3); the protocol of spec A6, where the paper is silent).

Predicted boxes are matched one to one with the true boxes of their sample, whatever their names. A sample
scores the sum of the IoU of its matched pairs over the number of its TRUE boxes, so a missed box counts 0 and
an extra box gains nothing. The value is the mean over the samples that have at least one true box.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum
from typing import Literal, NamedTuple, get_args

import numpy.typing as npt

from ..exact_sum import ExactSum
from ..matching import MatchingMethod, Matrix, check_method, match_checked
from ..overlaps import iter_overlaps

Normalise = Literal["truth", "matched"]
VERSION = 1
"""Raised by every change that changes a number; it stands in the signature."""


class GroundingMiou(NamedTuple):
    """mIoU with what it was computed from."""

    value: float | None
    """0..1; None without any true box, or without any predicted box (not available, not 0)."""
    samples: int
    """Samples seen."""
    scored: int
    """Samples with at least one true box: the mean is over these."""
    true_boxes: int
    """True boxes."""
    pred_boxes: int
    """Predicted boxes, on all samples."""
    matched: int
    """Pairs made (IoU above 0)."""


class MiouSums:
    """Running sums of mIoU: `add` a sample's IoU matrix, then ask for the `result`."""

    def __init__(self, matching: MatchingMethod = "hungarian", normalise: Normalise = "truth") -> None:
        check_method(matching)
        if normalise not in get_args(Normalise):
            raise ValueError(
                f"normalise: expected one of {', '.join(get_args(Normalise))}, got {normalise!r}"
            )
        self._matching: MatchingMethod = matching
        self._by_truth = normalise == "truth"
        self._total = ExactSum()
        self._samples = self._scored = self._true = self._pred = self._matched = 0

    def add(self, ious: Matrix) -> float:
        """Add a sample's IoU matrix, shape (predicted, true).

        Returns:
            `float`: the sample's score, 0 also where it has no true box.
        """
        n_pred, n_true = ious.shape
        self._samples += 1
        self._pred += n_pred
        if n_true == 0:
            return 0.0
        self._scored += 1
        self._true += n_true
        pairs = match_checked(ious, self._matching)
        if not pairs:
            return 0.0
        score = fsum([ious.item(pair) for pair in pairs]) / (n_true if self._by_truth else len(pairs))
        self._matched += len(pairs)
        self._total.add(score)
        return score

    def result(self, attempted: bool | None = None) -> GroundingMiou:
        """The value so far.

        Args:
            attempted (`bool`, *optional*): whether any prediction tried to write a box; a caller that also
                knows of unreadable boxes says so, because a model whose boxes are all malformed scores 0 and
                is not "not available". By default: whether any predicted box was added.
        """
        attempted = self._pred > 0 if attempted is None else attempted
        value = self._total.value / self._scored if self._scored and attempted else None
        return GroundingMiou(value, self._samples, self._scored, self._true, self._pred, self._matched)


def grounding_miou(
    pred_boxes: Sequence[npt.ArrayLike],
    true_boxes: Sequence[npt.ArrayLike],
    *,
    matching: MatchingMethod = "hungarian",
    normalise: Normalise = "truth",
) -> GroundingMiou:
    """Category-agnostic mIoU of a set of samples.

    Args:
        pred_boxes (`list` of arrays of shape (N, 4)): each sample's predicted `x1, y1, x2, y2`, N may be 0.
        true_boxes (`list` of arrays of shape (M, 4)): each sample's true boxes in the same unit, M may be 0.
        matching (`str`, *optional*, defaults to `"hungarian"`): `"hungarian"` or `"greedy"`, see
            `matching.match`.
        normalise (`str`, *optional*, defaults to `"truth"`): a sample's sum is divided by its number of true
            boxes; `"matched"` divides by its number of matched pairs, as GLaMM's evaluation does (with
            `"greedy"`), so missed boxes cost nothing as long as one is found.

    Returns:
        `GroundingMiou`: the value, 0..1 or None, and its counts.

    Raises:
        `ValueError`: on lists of unequal length, arrays that are no boxes, unknown options.

    Example (sample 1: IoU 1 of two true boxes, sample 2: nothing found, so (1/2 + 0) / 2):

    ```python
    >>> truth = [[[0, 0, 1, 1], [2, 2, 3, 3]], [[0, 0, 1, 1]]]
    >>> grounding_miou([[[0, 0, 1, 1]], []], truth).value
    0.25
    ```
    """
    sums = MiouSums(matching, normalise)
    for ious in iter_overlaps(pred_boxes, true_boxes):
        sums.add(ious)
    return sums.result()
