"""Oversharpening and pixelation (spec IQA-Spider B3)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import filters
from .pixels import ImageArray, to_bytes

UNSHARP_RADIUS = 2
"""A 5 x 5 window."""

UNSHARP_SIGMA = 1.1
"""The Gaussian that belongs to 5 x 5 by OpenCV's rule, 0.3 (radius - 1) + 0.8."""


def unsharp(image: ImageArray, amount: float) -> ImageArray:
    """Add ``amount`` times the detail (picture minus its 5 x 5 blur): halos along edges, noise brought up."""
    values = image.astype(np.float32)
    detail = values - filters.gaussian(values, UNSHARP_SIGMA, radius=UNSHARP_RADIUS)
    return to_bytes(values + np.float32(amount) * detail)


def pixelate(image: ImageArray, scale: float) -> ImageArray:
    """Shrink to ``scale`` of each side by averaging, and grow again without smoothing: visible squares."""
    height, width = image.shape[:2]
    small_wh = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(image).resize(small_wh, Image.Resampling.BOX)
    return np.array(small.resize((width, height), Image.Resampling.NEAREST))
