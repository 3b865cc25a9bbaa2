"""The 12 families of synthetic distortion, severity 1 to 5, on a whole picture or inside a mask.

Importing this needs numpy and Pillow only. Blur, oversharpening, spatially correlated noise and a feathered
mask need scipy when they are used (`pip install "giqa-hf[synth]"`).
"""

from __future__ import annotations

from .apply import distort, pick
from .catalogue import DISTORTIONS, FAMILIES, SEVERITIES, Distortion, members
from .compose import box_mask, distort_region, ellipse_mask

__all__ = [
    "DISTORTIONS",
    "FAMILIES",
    "SEVERITIES",
    "Distortion",
    "box_mask",
    "distort",
    "distort_region",
    "ellipse_mask",
    "members",
    "pick",
]
