"""How far a figure could be chance: the bootstrap over images.

Questions about one image share the image, so images are drawn, not rows: as many as there are, with replacement, a
thousand times, and every figure is computed anew from the sums of the drawn images. The 2.5th and the 97.5th
percentile are the 95 % interval (Efron & Tibshirani 1993, chapter 13). Two runs on the same images are compared by
the same draws of both: what makes an image hard for both runs cancels out of their difference.

A figure needs nothing but sums over images, so a resample is one product of a matrix of how often each image was
drawn with the matrix of the images' sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from .matching import Matrix

Figures: TypeAlias = Callable[[Matrix], Mapping[str, npt.NDArray[Any]]]
"""From sums of shape (R, K) to R values of each figure, NaN where it cannot be told."""

LEVEL = 0.95
LEAST_RESAMPLES = 100  # 2.5 % of fewer is not two draws
_DRAWN_AT_ONCE = 2_000_000  # 16 MB of whole numbers


class Interval(NamedTuple):
    """Where a figure lies in 95 % of the resamples."""

    low: float
    """The 2.5th percentile, in the figure's unit."""
    high: float
    """The 97.5th percentile."""


class PairedDifference(NamedTuple):
    """What the second run is better by, with its uncertainty."""

    difference: float
    """Second minus first, in the figure's unit."""
    low: float
    """Lower end of the 95 % interval of the difference."""
    high: float
    """Upper end."""
    p: float
    """Two-sided: twice the share of resamples on the rarer side of 0, where a difference of 0 is on both sides,
    at most 1. Neither run counts as the one expected to be better."""


def bootstrap_intervals(
    sums: Matrix, figures: Figures, *, seed: int = 0, resamples: int = 1000
) -> dict[str, Interval | None]:
    """The 95 % interval of every figure.

    Args:
        sums (`array` of shape (N, K)): of each image, what the figures are computed from.
        figures (`callable`): from sums of shape (R, K) to an array of shape (R,) by name, NaN where it cannot be told.
        seed (`int`, *optional*, defaults to `0`): of the draws; the same seed gives the same intervals.
        resamples (`int`, *optional*, defaults to `1000`): at least 100.

    Returns:
        `dict` of `str` to `Interval`: None with fewer than two images, and where the figure cannot be told in more
        than half of the resamples. Resamples in which it cannot are left out, e.g. those without any Why question.

    Raises:
        `ValueError`: on fewer than 100 resamples, or sums that are no matrix.

    Example (100 images, half of them right: 0.5 plus and minus about 1.96 * 0.5 / sqrt(100) = 0.098):

    ```python
    >>> right = np.repeat([[1.0, 1.0], [0.0, 1.0]], 50, axis=0)
    >>> found = bootstrap_intervals(right, lambda sums: {"share": sums[:, 0] / sums[:, 1]})
    >>> [round(end, 2) for end in found["share"]]
    [0.4, 0.6]
    ```
    """
    values = _resampled([_checked(sums, resamples)], figures, seed, resamples)
    return {name: interval_of(value) if len(sums) > 1 else None for name, (value,) in values.items()}


def paired_bootstrap(
    first: Matrix, second: Matrix, figures: Figures, *, seed: int = 0, resamples: int = 1000
) -> dict[str, PairedDifference | None]:
    """How the second run differs from the first on the same images.

    Args:
        first (`array` of shape (N, K)): sums of the first run, one row per image.
        second (`array` of shape (N, K)): sums of the second run, the same images in the same order.
        figures (`callable`): as in `bootstrap_intervals`.
        seed (`int`, *optional*, defaults to `0`): of the draws.
        resamples (`int`, *optional*, defaults to `1000`): at least 100.

    Returns:
        `dict` of `str` to `PairedDifference`: None as in `bootstrap_intervals`.

    Raises:
        `ValueError`: on fewer than 100 resamples, or sums of different shapes.
    """
    one, other = _checked(first, resamples), _checked(second, resamples)
    if one.shape != other.shape:
        raise ValueError(f"expected sums of the same images, got shapes {one.shape} and {other.shape}")
    whole = [figures(sums.sum(axis=0, keepdims=True)) for sums in (one, other)]
    found: dict[str, PairedDifference | None] = {}
    for name, (a, b) in _resampled([one, other], figures, seed, resamples).items():
        drawn = b - a
        interval = interval_of(drawn) if len(one) > 1 else None
        difference = float(whole[1][name][0] - whole[0][name][0])
        if interval is None or not np.isfinite(difference):
            found[name] = None
            continue
        drawn = drawn[np.isfinite(drawn)]
        rarer = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
        # One is added above and below: the run that was measured is a draw too, and no p is 0.
        p = min(1.0, 2 * (rarer + 1) / (len(drawn) + 1))
        found[name] = PairedDifference(difference, *interval, float(p))
    return found


def check_resamples(resamples: int) -> None:
    """Raise `ValueError` when there are too few resamples to cut 2.5 % off at both ends."""
    if isinstance(resamples, bool) or not isinstance(resamples, int) or resamples < LEAST_RESAMPLES:
        raise ValueError(
            f"resamples: expected a whole number of at least {LEAST_RESAMPLES}, got {resamples!r:.80}"
        )


def _checked(sums: Matrix, resamples: int) -> Matrix:
    check_resamples(resamples)
    if sums.ndim != 2:
        raise ValueError(f"sums: expected a matrix with one row per image, got shape {sums.shape}")
    return sums


def _resampled(
    runs: list[Matrix], figures: Figures, seed: int, resamples: int
) -> dict[str, list[npt.NDArray[np.float64]]]:
    """Per figure one array of `resamples` values for each run, all from the same draws."""
    blocks: list[list[Mapping[str, npt.NDArray[Any]]]] = [
        [figures(drawn @ sums) for sums in runs] for drawn in _draws(len(runs[0]), seed, resamples)
    ]
    names = blocks[0][0] if blocks else {}
    return {
        name: [np.concatenate([block[run][name] for block in blocks]) for run in range(len(runs))]
        for name in names
    }


def _draws(images: int, seed: int, resamples: int) -> Iterator[Matrix]:
    """How often each image was drawn, shape (some resamples, images), block after block."""
    generator = np.random.default_rng(seed)
    at_once = max(1, _DRAWN_AT_ONCE // max(1, images))
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        if images == 0:
            yield np.zeros((rows, 0))
            continue
        drawn = generator.integers(0, images, (rows, images))
        drawn += np.arange(rows)[:, None] * images
        yield np.bincount(drawn.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def interval_of(values: npt.NDArray[np.float64]) -> Interval | None:
    """The 95 % interval of a figure from its value in every resample, NaN where it could not be told."""
    known = values[np.isfinite(values)]
    if len(known) * 2 < len(values):
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
