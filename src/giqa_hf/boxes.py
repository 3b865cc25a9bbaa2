"""Arithmetic on boxes: float64 arrays of shape (N, 4), `x1, y1, x2, y2`, in any one unit.

The upper-left corner comes first, x grows to the right and y downwards. Unless a function says otherwise the
unit is free: normalised boxes (`boxes_norm`, 0..1 of the image's width and height) or pixels (`boxes_px`).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Boxes: TypeAlias = npt.NDArray[np.float64]


def as_boxes(value: npt.ArrayLike) -> Boxes:
    """Return `value` as a float64 array of shape (N, 4); an empty sequence gives shape (0, 4).

    Raises:
        `ValueError`: when `value` is not a list of rows of four numbers.
    """
    try:
        boxes = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"boxes: expected rows of four numbers x1, y1, x2, y2, got {value!r:.120}") from None
    if boxes.size == 0 and boxes.shape != (0, 4):
        if boxes.ndim == 2 and boxes.shape[0] > 0:
            raise ValueError(f"boxes: expected shape (N, 4), got {boxes.shape}")
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected shape (N, 4), got {boxes.shape}")
    return boxes


def area(boxes: Boxes) -> npt.NDArray[np.float64]:
    """Areas, shape (N,), in the square of the boxes' unit; a reversed box counts as empty."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def intersection(a: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """Areas shared by every box of `a` (N, 4) with every box of `b` (M, 4): shape (N, M)."""
    upper_left = np.maximum(a[:, None, :2], b[None, :, :2])
    lower_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(lower_right - upper_left, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def iou(a: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """Intersection over union of every pair: shape (N, M), in 0..1; two empty boxes have IoU 0."""
    shared = intersection(a, b)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def touches(a: Boxes, b: Boxes) -> npt.NDArray[np.bool_]:
    """Which boxes of `a` (N, 4) share at least a point with which of `b` (M, 4): shape (N, M).

    The boxes are closed: a common edge or a common corner is enough.
    """
    upper_left = np.maximum(a[:, None, :2], b[None, :, :2])
    lower_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray((upper_left <= lower_right).all(axis=-1))


def coverage(a: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """Shared area over the area of the smaller box, of every pair: shape (N, M), in 0..1.

    It is 1 where one box lies inside the other, and 0 where one of the two has no area.
    """
    shared = intersection(a, b)
    smaller = np.minimum(area(a)[:, None], area(b)[None, :])
    return np.asarray(np.divide(shared, smaller, out=np.zeros_like(shared), where=smaller > 0))


def paired_iou(a: Boxes, b: Boxes) -> npt.NDArray[np.float64]:
    """IoU of row i of `a` with row i of `b`, both (N, 4): shape (N,)."""
    if a.shape != b.shape:
        raise ValueError(f"paired_iou: expected two arrays of one shape, got {a.shape} and {b.shape}")
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0.0)
    shared = sides[:, 0] * sides[:, 1]
    union = area(a) + area(b) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def clip(boxes: Boxes, width: float = 1.0, height: float = 1.0) -> Boxes:
    """Boxes cut to the window 0..`width` by 0..`height`, same shape; outside ones become empty at the rim."""
    return np.clip(boxes, 0.0, np.array([width, height, width, height]))


def enclosing(boxes: Boxes) -> Boxes:
    """The smallest box around all of `boxes`, shape (4,).

    Raises:
        `ValueError`: for no boxes, around which there is no box.
    """
    if len(boxes) == 0:
        raise ValueError("enclosing: expected at least one box, got none")
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def check_norm(boxes_norm: npt.ArrayLike) -> Boxes:
    """Return normalised boxes as (N, 4), or say which one is not a box inside the image.

    Raises:
        `ValueError`: on NaN or infinity, on reversed corners, on corners outside 0..1; it names the first such row.
    """
    boxes = as_boxes(boxes_norm)
    wrong = ~((boxes >= 0.0) & (boxes <= 1.0)).all(axis=1)  # NaN compares false, so it is wrong here too
    wrong |= ~(boxes[:, :2] <= boxes[:, 2:]).all(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"boxes_norm[{row}]: expected finite 0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1, "
            f"got {boxes[row].tolist()}; swap reversed corners, clip to the image, divide pixels by width and height"
        )
    return boxes
