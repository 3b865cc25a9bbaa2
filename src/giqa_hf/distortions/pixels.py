"""The arithmetic on pixels that several families share: rounding back to bytes, luma, look-up tables."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

ImageArray = npt.NDArray[np.uint8]
"""An RGB picture, (H, W, 3), 0-255."""

FloatArray = npt.NDArray[np.float32]
"""A picture or one plane of it, still on the 0-255 scale."""

LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Share of R, G and B in the luma Y of ITU-R BT.601, the Y of JPEG and of YCrCb."""

LEVELS = np.arange(256, dtype=np.float64) / 255.0
"""The 256 byte values on the 0-1 scale, on which the parameter tables are written."""


def to_bytes(values: npt.NDArray[np.floating]) -> ImageArray:
    """Round to the nearest byte and clip to 0-255 (truncating would darken everything by half a level)."""
    # +0.5 and a cast is rounding for the positive values that the clip leaves, at half the cost of np.rint.
    result: ImageArray = (np.clip(values, 0.0, 255.0) + 0.5).astype(np.uint8)
    return result


def luma(image: ImageArray) -> FloatArray:
    """Luma Y of each pixel, (H, W), 0-255."""
    plane: FloatArray = image.astype(np.float32) @ LUMA_WEIGHTS
    return plane


def mean_luma(image: ImageArray) -> float:
    """Mean luma of the picture on the 0-1 scale: the pivot about which contrast is changed."""
    channel_means = image.reshape(-1, 3).mean(axis=0)
    return float(channel_means @ LUMA_WEIGHTS) / 255.0


def apply_curve(image: ImageArray, curve: npt.NDArray[np.float64]) -> ImageArray:
    """Send every sample of all three channels through one tone curve: 256 output levels on the 0-1 scale."""
    return to_bytes(curve * 255.0)[image]
