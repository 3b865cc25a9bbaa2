"""Brightness, contrast and saturation, each strengthened and weakened (spec IQA-Spider B3).

None of them needs a colour space conversion: changing the V of HSV scales R, G and B by one factor, changing
its S or the Cr and Cb of YCrCb moves them along the line to the grey of that pixel. The results are those of
the conversion, without its rounding and its cost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .pixels import LEVELS, ImageArray, apply_curve, luma, mean_luma, to_bytes

# --- brightness ------------------------------------------------------------


def rgb_shift(image: ImageArray, amount: float) -> ImageArray:
    """Add ``amount`` (share of the full range, negative darkens) to R, G and B: also washes colours out."""
    return apply_curve(image, LEVELS + amount)


def rgb_gamma(image: ImageArray, gamma: float) -> ImageArray:
    """Raise R, G and B to the power ``gamma``: below 1 brightens, above 1 darkens."""
    return apply_curve(image, LEVELS**gamma)


def hsv_shift(image: ImageArray, amount: float) -> ImageArray:
    """Add ``amount`` to the V of HSV; hue and saturation stay."""
    return _with_value(image, np.clip(LEVELS + amount, 0.0, 1.0))


def hsv_gamma(image: ImageArray, gamma: float) -> ImageArray:
    """Raise the V of HSV to the power ``gamma``; hue and saturation stay."""
    return _with_value(image, LEVELS**gamma)


def _with_value(image: ImageArray, new_value: npt.NDArray[np.float64]) -> ImageArray:
    """Replace V = max(R, G, B) by ``new_value[V]`` (0-1): R, G and B all grow by the factor new V / V."""
    # Black has no hue: scaled up it is the grey new_value[0], hence the separate case.
    factor = np.divide(new_value, LEVELS, out=np.zeros_like(LEVELS), where=LEVELS > 0).astype(np.float32)
    value = _largest(image)
    brightened = to_bytes(image * factor[value][..., None])
    if new_value[0] > 0:
        brightened[value == 0] = to_bytes(new_value[:1] * 255.0)[0]
    return brightened


def _largest(image: ImageArray) -> ImageArray:
    # np.max over an axis of length 3 is ten times slower.
    return np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])


def _smallest(image: ImageArray) -> ImageArray:
    return np.minimum(np.minimum(image[..., 0], image[..., 1]), image[..., 2])


# --- contrast ------------------------------------------------------------


def contrast_scale(image: ImageArray, factor: float) -> ImageArray:
    """Scale the distance of every sample from the mean luma by ``factor``."""
    mean = mean_luma(image)
    return apply_curve(image, mean + (LEVELS - mean) * factor)


def contrast_strengthen_stretch(image: ImageArray, gain: float) -> ImageArray:
    """S-curve about the mean luma: steep there, with black, white and the mean left in place."""
    return _logistic_stretch(image, gain, top=float(np.tanh(gain / 2)))


def contrast_weaken_stretch(image: ImageArray, gain: float) -> ImageArray:
    """Flat S-curve about the mean luma: slope ``gain`` / 2 there, black and white are not reached."""
    return _logistic_stretch(image, gain, top=1.0)


def _logistic_stretch(image: ImageArray, gain: float, top: float) -> ImageArray:
    """Logistic curve in t, where t = -1 is black, 0 the mean and 1 white.

    tanh(gain t / 2) = 2 logistic(gain t) - 1, so its slope at the mean is gain / 2, over ``top``.

    DepictQA writes 1 / (1 + (mean / x)^gain), whose slope is gain / 2 too where the mean is 1/2. Any other
    mean it moves to 1/2: a picture labelled "contrast" would change in brightness, and a bright one would
    even lose contrast at gain 2. This curve has neither fault.
    """
    mean = mean_luma(image)
    distance = LEVELS - mean
    room = np.where(distance < 0, mean, 1.0 - mean)
    # A mean of exactly 0 or 1 is a black or white picture: no room, and nothing to stretch.
    t = np.divide(distance, room, out=np.zeros_like(LEVELS), where=room > 0)
    return apply_curve(image, mean + room * np.tanh(gain * t / 2) / top)


# --- saturation ------------------------------------------------------------


def saturate_hsv(image: ImageArray, factor: float) -> ImageArray:
    """Multiply the S of HSV by ``factor`` (clipped at 1); hue and V stay."""
    value = _largest(image).astype(np.float32)[..., None]
    spread = value - _smallest(image)[..., None]
    # S = spread / V, so S may grow by V / spread at most. A grey pixel (spread 0) has no colour at all.
    allowed = np.divide(value, spread, out=np.full_like(value, np.inf), where=spread > 0)
    return to_bytes(value - (value - image) * np.minimum(np.float32(factor), allowed))


def saturate_ycrcb(image: ImageArray, factor: float) -> ImageArray:
    """Multiply Cr and Cb by ``factor``; the luma stays, except where a channel is clipped."""
    grey = luma(image)[..., None]
    return to_bytes(grey + (image - grey) * np.float32(factor))
