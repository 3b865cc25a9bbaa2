"""Box-Merge, lines 10 to 20 of the paper's Algorithm 1: many small or overlapping boxes of one object become few.

What the paper leaves open is an option here, with how certain its default is (spec A4).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from ... import boxes as bx

Coverage = Literal["min_area", "iou", "second"]
Touch = Literal["closed", "open"]
Rule = Literal["touching", "overlapping"]


class Merged(NamedTuple):
    """Where a box went, and why."""

    into: int
    """Row of the input: the box that took it in; that one is never taken in itself."""
    rule: Rule
    """`"touching"`: R[i] was small and touched it; `"overlapping"`: their coverage was over the threshold."""
    score: float
    """The number that decided it: the area of R[i] just before, or the coverage of the two."""


class MergeResult(NamedTuple):
    """What Box-Merge left."""

    boxes_norm: bx.Boxes
    """The boxes R that are left, shape (M, 4), grown around what they took in, in the order of the input."""
    merged_into: tuple[Merged | None, ...]
    """One for each box of the input; `None` for those that are left."""


def merge_boxes(
    boxes_norm: npt.ArrayLike,
    *,
    area_threshold: float = 0.256,
    overlap_threshold: float = 0.95,
    coverage: Coverage = "min_area",
    touch: Touch = "closed",
    symmetric: bool = False,
) -> MergeResult:
    """Box-Merge, as printed.

    R[i] takes in every later R[j] with

        area(R[i]) < T_a and is-touch(R[i], R[j])   or   coverage-ratio(R[i], R[j]) > T_o

    ("and" binds before "or"). R[i] becomes the smallest box around both at once, R[j] leaves, and j stays: the boxes
    before j are not asked again, although R[i] has grown. So the result depends on the order of the boxes, and a
    second pass may merge more. That merging is enclosing is not in the paper (spec A4: Ferret's and MDETR's way).

    Args:
        boxes_norm (`array` of shape (N, 4)):
            normalised x1, y1, x2, y2, in the order in which i and j go over them; the pipeline's is the detector's,
            best score first (the paper is silent).
        area_threshold (`float`, *optional*, defaults to `0.256`):
            T_a, of the image's area (certain: paper Sec. 3.2, "normalized").
        overlap_threshold (`float`, *optional*, defaults to `0.95`):
            T_o (certain: paper Sec. 3.2, 95 %).
        coverage (`str`, *optional*, defaults to `"min_area"`):
            the coverage ratio: shared area over the smaller area (`"min_area"`; likely, it is how Q-Ground of the same
            authors' circle measures agreement), over the union (`"iou"`), or over the area of R[j] (`"second"`). Not in
            the paper.
        touch (`str`, *optional*, defaults to `"closed"`):
            whether a common edge or corner is touching (`"closed"`; a guess that agrees with the paper's Fig. 5), or
            only a common area is (`"open"`).
        symmetric (`bool`, *optional*, defaults to `False`):
            whether R[j] too must be smaller than T_a to be taken in by touch. The algorithm as printed asks only R[i]
            (certain), so that a small box takes in a large one, but not the other way round.

    Returns:
        `MergeResult`

    Raises:
        `ValueError`: on boxes that are none inside the image, or an unknown option.

    Example:

    ```python
    >>> result = merge_boxes([[0.1, 0.1, 0.3, 0.3], [0.3, 0.1, 0.5, 0.3], [0.8, 0.8, 0.9, 0.9]])
    >>> result.boxes_norm.tolist()
    [[0.1, 0.1, 0.5, 0.3], [0.8, 0.8, 0.9, 0.9]]
    >>> result.merged_into[1].into, result.merged_into[1].rule
    (0, 'touching')
    ```
    """
    if coverage not in get_args(Coverage):
        raise ValueError(f"coverage: expected one of {', '.join(get_args(Coverage))}, got {coverage!r}")
    if touch not in get_args(Touch):
        raise ValueError(f"touch: expected one of {', '.join(get_args(Touch))}, got {touch!r}")
    left = bx.check_norm(boxes_norm).copy()  # R
    rows = list(range(len(left)))  # of the input, for each box of R
    merged: list[Merged | None] = [None] * len(left)
    i = 0
    while i < len(left):
        j = i + 1
        while j < len(left):
            # Line 13 for all the rest at once: R[i] stays as it is up to the first that it takes in.
            one, rest = left[i : i + 1], left[j:]
            area = float(bx.area(one)[0])
            touching = _touching(one, rest, touch) & (area < area_threshold)
            if symmetric:
                touching &= bx.area(rest) < area_threshold
            ratio = _coverage_ratio(one, rest, coverage)
            hits = np.flatnonzero(touching | (ratio > overlap_threshold))
            if len(hits) == 0:
                break
            hit = int(hits[0])
            j += hit
            by_touch = bool(touching[hit])
            score = area if by_touch else float(ratio[hit])
            merged[rows[j]] = Merged(rows[i], "touching" if by_touch else "overlapping", score)
            left[i] = bx.enclosing(left[[i, j]])
            left = np.delete(left, j, axis=0)
            del rows[j]
        i += 1
    return MergeResult(left, tuple(merged))


def _touching(one: bx.Boxes, rest: bx.Boxes, touch: Touch) -> npt.NDArray[np.bool_]:
    """is-touch of one box (1, 4) with the rest (M, 4): shape (M,)."""
    if touch == "closed":
        return np.asarray(bx.touches(one, rest)[0])
    return np.asarray(bx.intersection(one, rest)[0] > 0)


def _coverage_ratio(one: bx.Boxes, rest: bx.Boxes, coverage: Coverage) -> npt.NDArray[np.float64]:
    """coverage-ratio of one box (1, 4) with the rest (M, 4): shape (M,); 0 where there is no area to share."""
    if coverage == "min_area":
        return np.asarray(bx.coverage(one, rest)[0])
    if coverage == "iou":
        return np.asarray(bx.iou(one, rest)[0])
    shared, areas = bx.intersection(one, rest)[0], bx.area(rest)
    return np.asarray(np.divide(shared, areas, out=np.zeros_like(shared), where=areas > 0))
