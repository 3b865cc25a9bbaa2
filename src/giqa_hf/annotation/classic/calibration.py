"""From the level of a map to the probability that a viewer names the quality: one logistic curve per sense.

Fitted on crops of giqa-synth's train split (never its test split) by `benchmarks/measure_classic.py --fit`: the boxes
of objects that were spoiled in the way of the sense against the boxes of objects that were not. The photos are the
few of giqa-synth, so the curves say what is usual for them, not for all photography.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from .vocabulary import Sense

CALIBRATION_VERSION = "1"


class Logistic(NamedTuple):
    """P = 1 / (1 + exp(-slope * (level - middle)))."""

    middle: float
    slope: float


CURVES: Mapping[str, Logistic] = {
    "clear": Logistic(0.440, 7.5),  # 367 against 47 crops
    "blurry": Logistic(0.263, -30.3),  # 47 against 367 crops
    "noisy": Logistic(0.099, 30.4),  # 29 against 367 crops
    "noise-free": Logistic(0.099, -30.4),  # 367 against 29 crops
    "overexposed": Logistic(0.138, 8.7),  # 32 against 367 crops
    "dark": Logistic(0.314, 8.5),  # 40 against 367 crops
    "bright": Logistic(0.320, 11.1),  # 367 against 40 crops
    "washed out": Logistic(0.473, 19.6),  # 36 against 367 crops
    "high in contrast": Logistic(0.280, 16.8),  # 367 against 36 crops
    "harsh": Logistic(0.419, 4.6),  # 47 against 367 crops
    "vivid": Logistic(0.124, 14.1),  # 367 against 33 crops
    "oversaturated": Logistic(0.351, 11.5),  # 30 against 367 crops
    "faded": Logistic(0.124, -14.1),  # 33 against 367 crops
    "overcompressed": Logistic(0.110, 9.3),  # 29 against 367 crops
    "pixelated": Logistic(0.294, 43.0),  # 42 against 367 crops
    "banded": Logistic(0.254, 57.7),  # 21 against 367 crops
    "oversharpened": Logistic(0.638, 24.2),  # 29 against 367 crops
}
"""By the adjective of the sense."""


def probability(sense: Sense, level: float) -> float:
    """How likely a region whose map is at this level on average is called what the sense says, 0..1.

    Raises:
        `KeyError`: for a sense that no map shows.
    """
    curve = CURVES[sense.adjective]
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, curve.slope * (level - curve.middle)))))
