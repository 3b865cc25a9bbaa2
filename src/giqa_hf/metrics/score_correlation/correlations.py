"""Pearson's, Spearman's and Kendall's correlation, on numpy alone; None where there is none, never NaN.

Ties share the mean of their ranks (Spearman) and are taken out of the denominator (Kendall's tau-b). A constant list
has no order to follow and a correlation with it no value.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Numbers: TypeAlias = npt.NDArray[np.float64]
LEAST_PAIRS = 3
"""Two points always lie on a line: a correlation of fewer than three pairs says nothing."""


def pearson(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Pearson's linear correlation (PLCC), -1..1; None below 3 pairs and for a constant list.

    By hand: (1, 2, 3) and (1, 3, 2) have the deviations (-1, 0, 1) and (-1, 1, 0): 1 / sqrt(2 * 2).

    ```python
    >>> pearson([1, 2, 3], [1, 3, 2])
    0.5
    ```
    """
    a, b = _pairs(first, second)
    if len(a) < LEAST_PAIRS or _constant(a) or _constant(b):
        return None
    a, b = _unit_deviations(a), _unit_deviations(b)
    return _within(float(a @ b) / math.sqrt(float(a @ a) * float(b @ b)))


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Spearman's rank correlation (SRCC): Pearson's on ranks; None below 3 pairs and for a constant list.

    ```python
    >>> spearman([1, 10, 100], [5, 6, 7])
    1.0
    ```
    """
    a, b = _pairs(first, second)
    return pearson(ranks(a), ranks(b))


def kendall(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Kendall's tau-b (KRCC), in O(n log n); None below 3 pairs and for a constant list.

    (concordant - discordant) / sqrt(pairs not tied in the first * pairs not tied in the second). By hand: (1, 2, 3)
    and (1, 3, 2) order two of three pairs alike: (2 - 1) / sqrt(3 * 3).

    ```python
    >>> round(kendall([1, 2, 3], [1, 3, 2]), 6)
    0.333333
    ```
    """
    a, b = _pairs(first, second)
    if len(a) < LEAST_PAIRS or _constant(a) or _constant(b):
        return None
    _, a_ids = np.unique(a, return_inverse=True)
    _, b_ids = np.unique(b, return_inverse=True)
    # In the order of a, and of b where a ties, pairs that tie in either are no inversions.
    discordant = _inversions(b_ids[np.lexsort((b_ids, a_ids))])
    pairs = len(a) * (len(a) - 1) // 2
    a_ties, b_ties = _tied_pairs(a_ids), _tied_pairs(b_ids)
    both_ties = _tied_pairs(np.unique(np.stack((a_ids, b_ids)), axis=1, return_inverse=True)[1].ravel())
    concordant = pairs - a_ties - b_ties + both_ties - discordant
    return _within((concordant - discordant) / math.sqrt((pairs - a_ties) * (pairs - b_ties)))


def ranks(values: npt.ArrayLike) -> Numbers:
    """Ranks from 1; ties share the mean of theirs.

    ```python
    >>> ranks([30, 10, 20, 20]).tolist()
    [4.0, 1.0, 2.5, 2.5]
    ```
    """
    _, ids, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean: Numbers = (last - (counts - 1) / 2)[ids]
    return mean


def _pairs(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[Numbers, Numbers]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"expected two lists of one length, got the shapes {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("expected finite numbers, got NaN or infinity among them")
    return a, b


def _constant(values: Numbers) -> bool:
    # By the values themselves: the deviations of a constant 0.1 from its computed mean need not be 0.
    return bool(values.min() == values.max())


def _unit_deviations(values: Numbers) -> Numbers:
    """Deviations from the mean, all within 1, so that no square leaves the range of a float.

    They are divided by powers of two, which is exact: ranks stay what they are.
    """
    scaled = np.ldexp(values, -_exponent(values))
    deviations = scaled - scaled.mean()
    unit: Numbers = np.ldexp(deviations, -_exponent(deviations))
    return unit


def _exponent(values: Numbers) -> int:
    return int(np.frexp(np.abs(values).max())[1])


def _within(value: float) -> float:
    """Rounding may carry a perfect correlation to 1.0000000000000002."""
    return max(-1.0, min(1.0, value))


def _tied_pairs(ids: npt.NDArray[np.intp]) -> int:
    counts = np.bincount(ids).astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _inversions(ids: npt.NDArray[np.intp]) -> int:
    """How many pairs stand in falling order: a merge sort, all merges of one level at once."""
    top = int(ids.max()) + 1
    width, found = 1, 0
    size = 1 << max(len(ids) - 1, 1).bit_length()
    blocks = np.concatenate([ids, np.full(size - len(ids), top)])  # padded by what inverts nothing
    while width < size:
        halves = blocks.reshape(-1, 2, width)
        offset = np.arange(len(halves))[:, None] * (top + 1)
        left, right = (halves[:, 0] + offset).ravel(), (halves[:, 1] + offset).ravel()
        not_above = np.searchsorted(left, right, side="right") - np.repeat(
            np.arange(len(halves)) * width, width
        )
        found += int((width - not_above).sum())
        blocks = np.sort(blocks.reshape(-1, 2 * width), axis=1).ravel()
        width *= 2
    return found
