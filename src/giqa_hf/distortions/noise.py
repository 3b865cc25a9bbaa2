"""Noise: gaussian in RGB and YCrCb, speckle, spatially correlated, Poisson and impulse (spec IQA-Spider B3).

Standard deviations are on the 0-1 scale of the published table. Each function draws from the generator
that it gets.
"""

from __future__ import annotations

import numpy as np

from . import filters
from .pixels import FloatArray, ImageArray, to_bytes


def _normal(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> FloatArray:
    field: FloatArray = rng.standard_normal(shape, dtype=np.float32)
    field *= np.float32(255.0 * sigma)
    return field


def gaussian_rgb(image: ImageArray, sigma: float, *, rng: np.random.Generator) -> ImageArray:
    """Sensor noise: independent Gaussian noise on each channel."""
    return to_bytes(image + _normal(rng, image.shape, sigma))


def gaussian_ycrcb(
    image: ImageArray, sigma_luma: float, chroma_ratio: float, *, rng: np.random.Generator
) -> ImageArray:
    """Coloured noise: Gaussian on Y, Cr and Cb, ``chroma_ratio`` times stronger on the two colour planes.

    YCrCb -> RGB is linear, so the noise is turned into RGB and the picture itself is left where it is.
    """
    y = _normal(rng, image.shape[:2], sigma_luma)
    cr = _normal(rng, image.shape[:2], sigma_luma * chroma_ratio)
    cb = _normal(rng, image.shape[:2], sigma_luma * chroma_ratio)
    # ITU-R BT.601, full range, the matrix of JPEG.
    noise = np.stack([y + 1.402 * cr, y - 0.714136 * cr - 0.344136 * cb, y + 1.772 * cb], axis=-1)
    return to_bytes(image + noise)


def speckle(image: ImageArray, sigma: float, *, rng: np.random.Generator) -> ImageArray:
    """Multiplicative noise, as in radar and ultrasound: none on black, most on white."""
    return to_bytes(image * (1.0 + _normal(rng, image.shape, sigma / 255.0)))


def spatially_correlated(image: ImageArray, sigma: float, *, rng: np.random.Generator) -> ImageArray:
    """Blotchy noise: Gaussian noise averaged over 3 x 3 pixels.

    Only the noise is averaged. DepictQA averages the noisy picture, which adds the same noise but blurs the
    picture too; a sample that is labelled "noise" should not be blurred.
    """
    return to_bytes(image + filters.box(_normal(rng, image.shape, sigma), 3))


def poisson(image: ImageArray, photons: float, *, rng: np.random.Generator) -> ImageArray:
    """Shot noise: a white sample counts ``photons`` on average, so fewer photons are more noise."""
    counts = rng.poisson(image * (photons / 255.0))
    return to_bytes(counts.astype(np.float32) * np.float32(255.0 / photons))


def impulse(image: ImageArray, amount: float, *, rng: np.random.Generator) -> ImageArray:
    """Dead and hot samples: a share ``amount`` of all samples becomes 0 or 255, half each."""
    draw = rng.random(image.shape, dtype=np.float32)
    noisy = image.copy()
    noisy[draw < amount / 2] = 0
    noisy[draw >= 1 - amount / 2] = 255
    return noisy
