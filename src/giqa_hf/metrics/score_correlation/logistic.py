"""The four-parameter logistic that maps a model's scores onto opinion scores before PLCC and RMSE are taken.

f(x) = (b1 - b2) / (1 + exp(-(x - b3) / |b4|)) + b2, fitted by least squares: what VQEG's reports on quality metrics
use, and the literature on image quality after them. A model need not know the scale of the opinions, nor be linear in
it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import MissingExtraError

LEAST_PAIRS = 5
"""A curve of four parameters goes through any four points, so fewer than five say nothing about it."""

_WIDTHS = (
    0.25,
    1.0,
    4.0,
)  # of the start, in standard deviations: the usual one, and two that are nearly straight
_MOST_STEPS = 2000
_MOST_STEPS_NEAR = 200
"""From a start that is known to be close; what has not ended by then (a few drawn points) is as flat as it gets."""


class Logistic(NamedTuple):
    """A fitted curve; `b1` and `b2` are its ends on the scale of the opinions, `b3` and `b4` on the model's."""

    b1: float
    b2: float
    b3: float
    b4: float
    """More than 0."""

    def __call__(self, scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The scores on the scale of the opinions."""
        return _curve(np.array(self), scores)


def fit_logistic(
    scores: npt.NDArray[np.float64], opinions: npt.NDArray[np.float64], *, near: Logistic | None = None
) -> Logistic | None:
    """The logistic with the least squared error.

    Both lists are standardised first, so that the fit does not depend on their scales. It starts from the ends and the
    middle of the opinions, rising or falling as they correlate, with three widths, and keeps the best end; the widest
    start is nearly a straight line, so the result is no worse than a linear fit.

    Args:
        scores (`float64 array` of shape (N,)): of the model, finite, not constant.
        opinions (`float64 array` of shape (N,)): finite, not constant.
        near (`Logistic`, *optional*): the only start, where the answer is known to be close, as in a resample.

    Returns:
        `Logistic`, or None below 5 pairs and where no start leads to an end.

    Raises:
        `MissingExtraError`: when scipy is not installed.
    """
    try:
        from scipy.optimize import least_squares
    except ImportError:
        raise MissingExtraError("the logistic fit of PLCC", "models") from None
    if len(scores) < LEAST_PAIRS:
        return None
    x_mean, x_std = float(scores.mean()), float(scores.std())
    y_mean, y_std = float(opinions.mean()), float(opinions.std())
    x, y = (scores - x_mean) / x_std, (opinions - y_mean) / y_std
    high, low = (y.max(), y.min()) if x @ y >= 0 else (y.min(), y.max())
    if near is not None:
        ends = (near.b1 - y_mean) / y_std, (near.b2 - y_mean) / y_std
        most = _MOST_STEPS_NEAR
        starts = [np.array([*ends, (near.b3 - x_mean) / x_std, near.b4 / x_std])]
    else:
        most = _MOST_STEPS
        # A wide curve shows only its middle between the scores, so its ends lie farther out.
        reaches = [(max(1.0, 2.0 * width), width) for width in _WIDTHS]
        starts = [np.array([high * reach, low * reach, 0.0, width]) for reach, width in reaches]
    best, best_cost = None, np.inf
    for start in starts:
        found = least_squares(lambda b: _curve(b, x) - y, start, method="lm", max_nfev=most)
        if np.isfinite(found.x).all() and found.x[3] != 0 and found.cost < best_cost:
            best, best_cost = found.x, found.cost
    if best is None:
        return None
    return Logistic(
        float(best[0] * y_std + y_mean),
        float(best[1] * y_std + y_mean),
        float(best[2] * x_std + x_mean),
        float(abs(best[3]) * x_std),
    )


def _curve(b: npt.NDArray[np.float64], x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # |b4|, and no further than exp can go; 1 / (1 + exp(700)) is 0 anyhow.
    steps = np.clip((x - b[2]) / max(abs(float(b[3])), 1e-300), -700.0, 700.0)
    value: npt.NDArray[np.float64] = (b[0] - b[1]) / (1.0 + np.exp(-steps)) + b[1]
    return value
