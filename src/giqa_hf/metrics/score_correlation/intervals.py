"""How far correlations could be chance: the bootstrap over photos, see `metrics.uncertainty`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..uncertainty import Interval, check_resamples, interval_of
from .compute import correlate, score_pairs

FIGURES = ("srcc", "plcc", "plcc_logistic", "krcc", "rmse", "rmse_logistic")


def score_intervals(
    predictions: Sequence[float | str | None],
    references: Sequence[float | str],
    *,
    logistic: bool = True,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Interval | None]:
    """The 95 % interval of every figure of `score_correlation`.

    Photos are drawn with replacement, as many as have a score, and every figure is computed anew, the logistic fitted
    anew. Opinions and scores of a photo stay together.

    Args:
        predictions (`list`): as in `score_correlation`.
        references (`list`): as in `score_correlation`.
        logistic (`bool`, *optional*, defaults to `True`): as in `score_correlation`; the fits take most of the time.
        seed (`int`, *optional*, defaults to `0`): of the draws; the same seed gives the same intervals.
        resamples (`int`, *optional*, defaults to `1000`): at least 100.

    Returns:
        `dict` of `str` to `Interval`: None where a figure cannot be told in more than half of the resamples.

    Raises:
        `ValueError`: on fewer than 100 resamples.
        `DataError`, `MissingExtraError`: as `score_correlation`.

    Example (0 to 49 beside themselves, five of them at the wrong end):

    ```python
    >>> scores = list(range(50))
    >>> opinions = [49 - score if score % 10 == 0 else score for score in scores]
    >>> low, high = score_intervals(scores, opinions, logistic=False)["srcc"]
    >>> 0.3 < low < 0.7 < high < 1
    True
    ```
    """
    check_resamples(resamples)
    scores, opinions, _ = score_pairs(predictions, references)
    curve = correlate(scores, opinions, logistic=logistic).logistic
    values = np.full((len(FIGURES), resamples), np.nan)
    draws = np.random.default_rng(seed)
    for number in range(resamples if len(scores) > 1 else 0):
        drawn = draws.integers(0, len(scores), len(scores))
        found = correlate(scores[drawn], opinions[drawn], logistic=curve is not None, near=curve)
        values[:, number] = [_or_nan(getattr(found, name)) for name in FIGURES]
    return {name: interval_of(own) for name, own in zip(FIGURES, values, strict=True)}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
