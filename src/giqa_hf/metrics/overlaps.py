"""IoU of predicted with true boxes for many samples at once: numpy's cost per call is paid once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized

import numpy as np
import numpy.typing as npt

from ..boxes import Boxes, as_boxes, paired_iou
from .matching import Matrix

SAMPLES_AT_ONCE = 1024
_PAIRS_AT_ONCE = 100_000  # about 20 MB of intermediate arrays


def overlaps(
    pred_boxes: Boxes, pred_counts: Sequence[int], true_boxes: Boxes, true_counts: Sequence[int]
) -> Iterator[Matrix]:
    """The IoU matrix of sample after sample.

    Args:
        pred_boxes (`array` of shape (sum of `pred_counts`, 4)): the predicted boxes of all samples, in order.
        pred_counts (`list` of `int`): how many of them belong to each sample.
        true_boxes (`array` of shape (sum of `true_counts`, 4)): likewise, in the same unit.
        true_counts (`list` of `int`): likewise; as many numbers as `pred_counts`.

    Returns:
        Iterator of arrays of shape (predicted, true), one per sample.
    """
    rows, cols = np.array(pred_counts, dtype=np.int64), np.array(true_counts, dtype=np.int64)
    first_row, first_col = np.cumsum(rows) - rows, np.cumsum(cols) - cols
    ends = np.cumsum(rows * cols)
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        # As many samples as stay within the limit, and at least one.
        stop = max(start + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")))
        block = slice(start, stop)
        sizes = rows[block] * cols[block]
        sample = np.repeat(np.arange(start, stop), sizes)  # of each pair
        within = before + np.arange(len(sample)) - (ends[block] - sizes)[sample - start]
        row, col = np.divmod(within, cols[sample])
        flat = paired_iou(pred_boxes[first_row[sample] + row], true_boxes[first_col[sample] + col])
        cut = before
        for n_rows, n_cols, end in zip(
            pred_counts[block], true_counts[block], ends[block].tolist(), strict=True
        ):
            yield flat[cut - before : end - before].reshape(n_rows, n_cols)
            cut = end
        start = stop


def iter_overlaps(
    pred_boxes: Sequence[npt.ArrayLike], true_boxes: Sequence[npt.ArrayLike]
) -> Iterator[Matrix]:
    """The IoU matrix (predicted, true) of sample after sample, from one list of boxes each.

    Raises:
        `ValueError`: when the two lists differ in length, or an entry is not a list of boxes; it names the
            sample.
    """
    if len(pred_boxes) != len(true_boxes):
        raise ValueError(
            f"expected one list of true boxes per list of predicted boxes, "
            f"got {len(pred_boxes)} predicted and {len(true_boxes)} true"
        )
    for start in range(0, len(pred_boxes), SAMPLES_AT_ONCE):
        stop = min(start + SAMPLES_AT_ONCE, len(pred_boxes))
        preds = [_boxes(pred_boxes[i], f"pred_boxes[{i}]") for i in range(start, stop)]
        trues = [_boxes(true_boxes[i], f"true_boxes[{i}]") for i in range(start, stop)]
        yield from overlaps(
            np.concatenate(preds), [len(p) for p in preds], np.concatenate(trues), [len(t) for t in trues]
        )


def _boxes(value: npt.ArrayLike, where: str) -> Boxes:
    try:
        return as_boxes(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def check_samples(boxes: Sequence[npt.ArrayLike], name: str) -> None:
    """Refuse boxes that are none: a metric would count them as missed, and nobody would see why.

    Args:
        boxes (`list` of arrays of shape (N, 4)): `x1, y1, x2, y2` of each sample, in any unit.
        name (`str`): of the argument, for the message.

    Raises:
        `ValueError`: on a number that is not finite, or reversed corners; it names sample and box.
    """
    for number, own in enumerate(boxes):
        rows = as_boxes(own)
        wrong = ~np.isfinite(rows).all(axis=1) | (rows[:, :2] > rows[:, 2:]).any(axis=1)
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{name}[{number}], box {place}: expected finite x1 <= x2 and y1 <= y2, got {rows[place].tolist()}; "
                "leave out what could not be read, so that it counts as no box"
            )


def absent_boxes(pred_boxes: Sequence[Sized], true_boxes: Sequence[Sized]) -> int:
    """True boxes of samples without any predicted box: of these nobody can say that they were put wrongly."""
    return sum(len(true) for pred, true in zip(pred_boxes, true_boxes, strict=True) if not len(pred))


def check_units(predictions: Sequence[npt.ArrayLike], references: Sequence[npt.ArrayLike]) -> None:
    """Refuse predictions in pixels where the truth is in shares of the image: their IoU is near 0 whatever they say.

    Args:
        predictions (`list` of arrays of shape (N, 4)): `x1, y1, x2, y2` of each sample.
        references (`list` of arrays of shape (N, 4)): likewise.

    Raises:
        `ValueError`: where all true corners lie within 0..1 and most predicted boxes reach beyond 2.
    """
    true = as_boxes([box for own in references for box in as_boxes(own)])
    if not len(true) or true.max() > 1.0 or true.min() < 0.0:
        return
    beyond = [bool(np.abs(box).max() > 2.0) for own in predictions for box in as_boxes(own)]
    if beyond and sum(beyond) > len(beyond) / 2:
        raise ValueError(
            f"predictions: expected boxes in the unit of the references, shares of the image from 0 to 1, found "
            f"{sum(beyond)} of {len(beyond)} beyond 2; divide pixels by width and height"
        )
