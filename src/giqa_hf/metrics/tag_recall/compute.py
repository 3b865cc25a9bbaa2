"""Tag-Recall (paper Sec. 3.4 (3); averaging and matching from spec A6).

A true tag, one box with its name, is found when a predicted box has IoU > 0.5 with it and a name similarity >
0.5, both strictly, and each predicted box finds at most one. A phrase with several boxes is several tags of
one name. The matching makes as many admissible pairs as there can be, so the order of boxes cannot lose one.
The value is the mean of each sample's recall over the samples with at least one true box; `micro` pools all
tags instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..exact_sum import ExactSum
from ..matching import STRICT_MARGIN, Matrix, most_pairs
from ..overlaps import iter_overlaps
from .similarity import BatchSimilarity, Similarity, lexical_similarity

VERSION = 1
"""Raised by every change that changes a number; it stands in the signature."""


class TagRecall(NamedTuple):
    """Tag-Recall with what it was computed from."""

    value: float | None
    """Macro, 0..1; None without any true box, or without any predicted box (not available, not 0)."""
    micro: float | None
    """Found tags over all tags, 0..1; None as `value`."""
    samples: int
    """Samples seen."""
    scored: int
    """Samples with at least one true box: the mean is over these."""
    true_tags: int
    """True boxes."""
    pred_tags: int
    """Predicted boxes, on all samples."""
    found: int
    """True positives."""


class TagRecallSums:
    """Running sums of Tag-Recall: `add` a sample's IoU matrix and names, then ask for the `result`."""

    def __init__(
        self,
        similarity: Similarity | None = None,
        iou_threshold: float = 0.5,
        similarity_threshold: float = 0.5,
    ) -> None:
        for name, value in (("iou_threshold", iou_threshold), ("similarity_threshold", similarity_threshold)):
            if not 0.0 <= value < 1.0:
                raise ValueError(f"{name}: expected a number from 0 to below 1, got {value!r}")
        if similarity is not None and not callable(similarity):
            raise ValueError(
                f"similarity: expected a function from two lists of names to an array, got {similarity!r:.80}"
            )
        self._similarity: Similarity = lexical_similarity if similarity is None else similarity
        self._min_iou = iou_threshold + STRICT_MARGIN
        self._min_similarity = similarity_threshold + STRICT_MARGIN
        self._total = ExactSum()
        self._samples = self._scored = self._true = self._pred = self._found = 0

    def prepare(self, names: Iterable[str]) -> None:
        """Tell a similarity that is faster with many names at once which ones will come."""
        if isinstance(self._similarity, BatchSimilarity):
            self._similarity.prepare(names)

    def add(self, ious: Matrix, pred_names: list[str], true_names: list[str]) -> float:
        """Add a sample: IoU matrix of shape (predicted, true) and one name per row and per column.

        Returns:
            `float`: the sample's recall, 0 also where it has no true box.
        """
        n_pred, n_true = ious.shape
        if (len(pred_names), len(true_names)) != (n_pred, n_true):
            raise ValueError(
                f"expected one name per box ({n_pred} predicted, {n_true} true), "
                f"got {len(pred_names)} and {len(true_names)} names"
            )
        self._samples += 1
        self._pred += n_pred
        if n_true == 0:
            return 0.0
        self._scored += 1
        self._true += n_true
        found = self._found_tags(ious, pred_names, true_names)
        self._found += found
        recall: float = found / n_true
        self._total.add(recall)
        return recall

    def result(self, attempted: bool | None = None) -> TagRecall:
        """The value so far; `attempted` as in `MiouSums.result`."""
        attempted = self._pred > 0 if attempted is None else attempted
        known = self._scored > 0 and attempted
        return TagRecall(
            self._total.value / self._scored if known else None,
            self._found / self._true if known else None,
            self._samples, self._scored, self._true, self._pred, self._found,
        )  # fmt: skip

    def _found_tags(self, ious: Matrix, pred_names: list[str], true_names: list[str]) -> int:
        near = ious > self._min_iou
        rows = sorted(set(near.nonzero()[0].tolist()))
        if not rows:
            return 0
        # Only the boxes that lie right are asked for their names: 500 boxes elsewhere cost nothing.
        names = [pred_names[row] for row in rows]
        alike = np.asarray(self._similarity(names, true_names))
        if alike.shape != (len(names), len(true_names)):
            raise ValueError(
                f"similarity: expected an array of shape {(len(names), len(true_names))} for "
                f"{len(names)} and {len(true_names)} names, got shape {alike.shape}"
            )
        return most_pairs(near[rows] & (alike > self._min_similarity))


def tag_recall(
    pred_boxes: Sequence[npt.ArrayLike],
    pred_names: Sequence[Sequence[str]],
    true_boxes: Sequence[npt.ArrayLike],
    true_names: Sequence[Sequence[str]],
    *,
    similarity: Similarity | None = None,
    iou_threshold: float = 0.5,
    similarity_threshold: float = 0.5,
) -> TagRecall:
    """Tag-Recall of a set of samples.

    Args:
        pred_boxes (`list` of arrays of shape (N, 4)): each sample's predicted `x1, y1, x2, y2`, N may be 0.
        pred_names (`list` of `list` of `str`): one name per predicted box.
        true_boxes (`list` of arrays of shape (M, 4)): each sample's true boxes in the same unit, M may be 0.
        true_names (`list` of `list` of `str`): one name per true box.
        similarity (`callable`, *optional*, defaults to `lexical_similarity`):
            from N and M names to an (N, M) array.
        iou_threshold (`float`, *optional*, defaults to `0.5`): a pair's IoU must be above it.
        similarity_threshold (`float`, *optional*, defaults to `0.5`): its name similarity must be above it.

    Returns:
        `TagRecall`: the macro value, 0..1 or None, micro, and the counts.

    Raises:
        `ValueError`: on lists of unequal length, arrays that are no boxes, a similarity of the wrong shape.

    Example (the first box has the right name, the second the wrong one: 1 of 2):

    ```python
    >>> boxes = [[[0, 0, 1, 1], [2, 2, 3, 3]]]
    >>> tag_recall(boxes, [["the cup", "a dog"]], boxes, [["cup", "cat"]]).value
    0.5
    ```
    """
    if not len(pred_boxes) == len(pred_names) == len(true_boxes) == len(true_names):
        raise ValueError(
            f"expected four lists of one length, got {len(pred_boxes)} pred_boxes, "
            f"{len(pred_names)} pred_names, {len(true_boxes)} true_boxes, {len(true_names)} true_names"
        )
    sums = TagRecallSums(similarity, iou_threshold, similarity_threshold)
    sums.prepare(name for names in (*pred_names, *true_names) for name in names)
    for number, ious in enumerate(iter_overlaps(pred_boxes, true_boxes)):
        try:
            sums.add(ious, list(pred_names[number]), list(true_names[number]))
        except ValueError as error:
            raise ValueError(f"sample {number}: {error}") from None
    return sums.result()
