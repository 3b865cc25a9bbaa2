"""The crop judge of the profile `classic`: the measures of the maps, taken on the crop alone.

The paper asks Q-Instruct "Is the image quality <T_q>?" (Algorithm 1). Here the level of the quality's map, averaged
over the crop, goes through the logistic curve of its sense (`calibration`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from .calibration import CALIBRATION_VERSION, probability
from .lexicon import read_quality
from .maps import MAPS_VERSION, PhotoMaps


class MapJudge:
    """A `CropJudge` by measures; no model, the same answer on every machine."""

    def yes_probability(self, crops: Sequence[Image.Image], qualities: Sequence[str]) -> list[float | None]:
        """The probability that a viewer calls each crop what its quality says.

        Args:
            crops (`sequence` of `PIL.Image.Image`): upright RGB.
            qualities (`sequence` of `str`): T_q of each.

        Returns:
            `list`: numbers in 0..1; `None` where the quality is not in the lexicon, or no map shows it.
        """
        return [self._one(crops[i], quality) for i, quality in enumerate(qualities)]

    def settings(self) -> dict[str, Any]:
        """The method and the versions of its formulas and calibration."""
        return {
            "profile": "classic",
            "method": "map level of the crop",
            "maps": MAPS_VERSION,
            "calibration": CALIBRATION_VERSION,
        }

    def _one(self, crop: Image.Image, quality: str) -> float | None:
        sense = read_quality(quality)
        if sense is None or sense.measure is None:
            return None
        return round(probability(sense, float(PhotoMaps(crop, is_crop=True).map(sense.measure).mean())), 6)
