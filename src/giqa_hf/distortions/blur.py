"""Blur: gaussian, motion, glass, lens, zoom and jitter (spec IQA-Spider B3).

Every function keeps objects where they are (kernels are symmetric, shifts have mean zero), so that a mask
drawn on the clean picture still fits.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import filters
from .pixels import FloatArray, ImageArray, to_bytes


def gaussian(image: ImageArray, sigma: float) -> ImageArray:
    """Defocus with a Gaussian point spread of ``sigma`` pixels."""
    return to_bytes(filters.gaussian(image.astype(np.float32), sigma))


def motion(image: ImageArray, radius: int, sigma: float, *, rng: np.random.Generator) -> ImageArray:
    """Camera shake along a straight line of random angle.

    The trace reaches ``radius`` pixels to both sides and fades as a Gaussian of ``sigma`` pixels.
    """
    angle = rng.uniform(-np.pi / 2, np.pi / 2)
    return to_bytes(filters.convolve(image.astype(np.float32), _trace_kernel(radius, sigma, angle)))


def _trace_kernel(radius: int, sigma: float, angle: float) -> FloatArray:
    """A line through the middle of a (2 radius + 1)² kernel, drawn with bilinear weights."""
    # Four steps a pixel: with one, a diagonal line would be a row of separate dots.
    along = np.linspace(-radius, radius, 8 * radius + 1)
    weight = np.exp(-0.5 * (along / sigma) ** 2)
    x, y = radius + along * np.cos(angle), radius + along * np.sin(angle)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    kernel = np.zeros(
        (2 * radius + 2, 2 * radius + 2)
    )  # one spare row and column for the right and lower neighbours
    for right in (0, 1):
        for lower in (0, 1):
            share = (1 - abs(x - left - right)) * (1 - abs(y - top - lower))
            np.add.at(kernel, (top + lower, left + right), weight * share)
    kernel = kernel[:-1, :-1]
    normalized: FloatArray = (kernel / kernel.sum()).astype(np.float32)
    return normalized


def glass(
    image: ImageArray, sigma: float, shift: int, iterations: int, *, rng: np.random.Generator
) -> ImageArray:
    """A pane of frosted glass: a little blur, pixels scattered at random up to ``shift``, the blur again."""
    scattered = to_bytes(filters.gaussian(image.astype(np.float32), sigma))
    for _ in range(iterations):
        scattered = jitter(scattered, shift, rng=rng)
    return to_bytes(filters.gaussian(scattered.astype(np.float32), sigma))


def lens(image: ImageArray, radius: int) -> ImageArray:
    """Defocus of a round aperture: the mean over a disk of ``radius`` pixels, with a soft rim."""
    offset = np.arange(-radius - 1, radius + 2)
    distance = np.hypot(offset[:, None], offset[None, :])
    disk = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    return to_bytes(filters.convolve(image.astype(np.float32), (disk / disk.sum()).astype(np.float32)))


ZOOM_STEP = 0.02


def zoom(image: ImageArray, largest: float) -> ImageArray:
    """The lens zooms in during exposure: mean of views of the centre, from 1x to ``largest`` (excluded)."""
    height, width = image.shape[:2]
    picture = Image.fromarray(image)
    factors = np.arange(1.0, largest, ZOOM_STEP)
    total = image.astype(np.float32)
    for factor in factors[1:]:
        margin_x, margin_y = (width - width / factor) / 2, (height - height / factor) / 2
        view = picture.resize(
            (width, height),
            Image.Resampling.BILINEAR,
            box=(margin_x, margin_y, width - margin_x, height - margin_y),
        )
        total += np.asarray(view)
    return to_bytes(total / len(factors))


def jitter(image: ImageArray, shift: int, *, rng: np.random.Generator) -> ImageArray:
    """Each pixel shows a neighbour at most ``shift`` rows and columns away, drawn independently."""
    height, width = image.shape[:2]
    offsets = rng.integers(-shift, shift + 1, size=(2, height, width), dtype=np.int32)
    rows = np.clip(np.arange(height, dtype=np.int32)[:, None] + offsets[0], 0, height - 1)
    columns = np.clip(np.arange(width, dtype=np.int32)[None, :] + offsets[1], 0, width - 1)
    scattered: ImageArray = image.reshape(-1, 3).take(rows * width + columns, axis=0)
    return scattered
