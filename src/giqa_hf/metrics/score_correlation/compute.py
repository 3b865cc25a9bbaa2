"""Score-based image quality assessment: a model's scores beside mean opinion scores (the paper's supplement, Q-Bench).

SRCC asks for the order only and is the figure to look at first. PLCC asks for a straight line, and once more after a
four-parameter logistic, because a model need not know the scale of the opinions. KRCC counts pairs. RMSE is in the
unit of the opinions: it means something only where the scores are on their scale, or after the logistic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from .correlations import LEAST_PAIRS, Numbers, kendall, pearson, spearman
from .logistic import Logistic, fit_logistic

VERSION = 1
"""Of the metric; a change of code that changes a number raises it."""


class ScoreCorrelation(NamedTuple):
    """Correlations of scores with opinions; each None where it cannot be told."""

    srcc: float | None
    """Spearman's rank correlation, -1..1."""
    plcc: float | None
    """Pearson's linear correlation, -1..1."""
    plcc_logistic: float | None
    """Pearson's after the logistic; at least 0 wherever the fit turns a falling relation round, so see the sign of
    `srcc`."""
    krcc: float | None
    """Kendall's tau-b, -1..1."""
    rmse: float | None
    """Root mean squared difference of scores and opinions as they are."""
    rmse_logistic: float | None
    """The same after the logistic."""
    logistic: Logistic | None
    """The fitted curve."""
    pairs: int
    """Scores that were compared."""
    missing: int
    """Images that the model gave no score (None, NaN); they are in none of the figures."""


def score_correlation(
    predictions: Sequence[float | str | None], references: Sequence[float | str], *, logistic: bool = True
) -> ScoreCorrelation:
    """Compare a model's scores with mean opinion scores.

    Args:
        predictions (`list` of `float`, `str` or None): the model's scores on any scale, higher for better; None or NaN
            where it gave none.
        references (`list` of `float` or `str`): one opinion score each. Strings are read as numbers, blanks around them
            are left out: lists of Q-Bench hold `"2.82 "`.
        logistic (`bool`, *optional*, defaults to `True`): whether to fit the logistic, which takes scipy; without it
            `plcc_logistic` and `rmse_logistic` are None.

    Returns:
        `ScoreCorrelation`: below 3 pairs no figure has a value; for a constant list the correlations have none; below
            5 pairs those after the logistic have none.

    Raises:
        `DataError`: on lists of unequal length and on entries that are no finite numbers; it names the entry.
        `MissingExtraError`: when the logistic is wanted and scipy is not installed.

    Example (ranks (1, 2, 3, 4) and (1, 3, 2, 4): 1 - 6 * (0 + 1 + 1 + 0) / (4 * 15) = 0.8):

    ```python
    >>> found = score_correlation([0.1, 0.2, 0.3, 0.4], ["1.0", "3.0 ", "2.0", "4.0"])
    >>> round(found.srcc, 6), found.pairs, found.missing
    (0.8, 4, 0)
    ```
    """
    pairs = score_pairs(predictions, references)
    return correlate(pairs.scores, pairs.opinions, pairs.missing, logistic=logistic)


class ScorePairs(NamedTuple):
    """Scores beside opinions, of the photos that have a score."""

    scores: Numbers
    opinions: Numbers
    missing: int
    """Photos without a score."""


def score_pairs(predictions: Sequence[float | str | None], references: Sequence[float | str]) -> ScorePairs:
    """The numbers in two lists; arguments and errors as in `score_correlation`."""
    if len(predictions) != len(references):
        raise DataError(
            f"expected one score per opinion, got {len(predictions)} predictions and {len(references)} references"
        )
    scored = [as_score(value, f"predictions[{i}]", may_miss=True) for i, value in enumerate(predictions)]
    truths = [as_score(value, f"references[{i}]") for i, value in enumerate(references)]
    kept = [i for i, score in enumerate(scored) if score is not None]
    scores = np.array([scored[i] for i in kept], dtype=np.float64)
    opinions = np.array([truths[i] for i in kept], dtype=np.float64)
    return ScorePairs(scores, opinions, len(scored) - len(kept))


def correlate(
    scores: Numbers,
    opinions: Numbers,
    missing: int = 0,
    *,
    logistic: bool = True,
    near: Logistic | None = None,
) -> ScoreCorrelation:
    """`score_correlation` of finite numbers; `near`, a curve to start the fit from, as in `fit_logistic`."""
    if len(scores) < LEAST_PAIRS:
        return ScoreCorrelation(None, None, None, None, None, None, None, len(scores), missing)
    plcc = pearson(scores, opinions)
    curve = fit_logistic(scores, opinions, near=near) if logistic and plcc is not None else None
    fitted = None if curve is None else curve(scores)
    return ScoreCorrelation(
        srcc=spearman(scores, opinions),
        plcc=plcc,
        plcc_logistic=None if fitted is None else pearson(fitted, opinions),
        krcc=kendall(scores, opinions),
        rmse=_rmse(scores, opinions),
        rmse_logistic=None if fitted is None else _rmse(fitted, opinions),
        logistic=curve,
        pairs=len(scores),
        missing=missing,
    )


def as_score(value: object, where: str, *, may_miss: bool = False) -> float | None:
    """A score as a number: finite, or from a string with blanks around it.

    Args:
        value (`float`, `int`, `str` or None): as a list or a model has it.
        where (`str`): what to call it in an error.
        may_miss (`bool`, *optional*, defaults to `False`): whether None and NaN stand for "no score".

    Returns:
        `float`, or None for no score.

    Raises:
        `DataError`: on anything else.
    """
    if may_miss and value is None:
        return None
    number: float | None = None
    if isinstance(value, (str, int, float, np.integer, np.floating)) and not isinstance(value, bool):
        try:
            number = float(value)  # takes blanks around a number
        except (ValueError, OverflowError):  # no number; an integer beyond all floats
            number = None
        if isinstance(value, str) and "_" in value:  # float("1_0") is 10 in Python and nowhere else
            number = None
    if may_miss and number is not None and math.isnan(number):
        return None
    if number is None or not math.isfinite(number):
        raise DataError(f"{where}: expected a finite number, or one as a string, got {value!r:.80}")
    return number


def _rmse(first: Numbers, second: Numbers) -> float | None:
    scale = float(np.abs(first - second).max())
    if scale == 0 or not math.isfinite(scale):
        return 0.0 if scale == 0 else None
    return scale * math.sqrt(float(np.mean(((first - second) / scale) ** 2)))
