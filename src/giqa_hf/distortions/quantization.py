"""Colour quantization: too few levels in each channel, so that smooth areas show bands (spec IQA-Spider B3).

The three functions differ in where they cut the 256 levels of a channel.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from .pixels import ImageArray


def otsu(image: ImageArray, classes: int) -> ImageArray:
    """Cut each channel into the ``classes`` ranges of least variance within (multi-level Otsu)."""
    return _by_channel(
        image, lambda channel: _mean_levels(channel, otsu_classes(_histogram(channel), classes))
    )


def histogram(image: ImageArray, bins: int) -> ImageArray:
    """Cut 0-255 into ``bins`` ranges of equal width.

    DepictQA also equalises the histogram here. That changes contrast, which is another label, so it is left
    out.
    """
    ranges = np.arange(256) * bins // 256
    return _by_channel(image, lambda channel: _mean_levels(channel, ranges))


def median_cut(image: ImageArray, colors: int) -> ImageArray:
    """Cut each channel by median cut, which gives often used levels narrower ranges (Pillow)."""
    return _by_channel(image, lambda channel: _pillow_median_cut(channel, colors))


def _by_channel(image: ImageArray, quantize: Callable[[ImageArray], ImageArray]) -> ImageArray:
    return np.stack([quantize(np.ascontiguousarray(image[..., index])) for index in range(3)], axis=-1)


def _histogram(channel: ImageArray) -> npt.NDArray[np.int64]:
    return np.bincount(channel.ravel(), minlength=256)


def _mean_levels(channel: ImageArray, class_of_level: npt.NDArray[np.int64]) -> ImageArray:
    """Show each sample as the mean of its class, given the class of each of the 256 levels."""
    counts = _histogram(channel)
    size = np.bincount(class_of_level, weights=counts)
    total = np.bincount(class_of_level, weights=counts * np.arange(256))
    mean = np.divide(total, size, out=np.zeros_like(total), where=size > 0)
    return np.rint(mean).astype(np.uint8)[class_of_level][channel]


def _pillow_median_cut(channel: ImageArray, colors: int) -> ImageArray:
    palette_image = Image.fromarray(channel).quantize(
        colors, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    return np.array(palette_image.convert("L"))


def otsu_classes(counts: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Exact multi-level Otsu over a histogram.

    Least variance within the classes is the largest sum over classes of (sum of levels)² / count. Dynamic
    programme over the levels that occur: best[k][j] = max over i of best[k-1][i] + gain(i, j), where gain is
    that of one class of the levels i <= level < j. It takes classes · 256² steps; trying all thresholds
    (scikit-image's threshold_multiotsu) takes 256^(classes - 1), too long already at 6 classes.

    Args:
        counts (`np.ndarray` of shape `(L,)`): how often each level occurs.
        classes (`int`): number of classes; fewer are used when fewer levels occur.

    Returns:
        `np.ndarray` of shape `(L,)`: class of each level, from 0, never falling.
    """
    present = np.flatnonzero(counts)
    number = len(present)
    classes = min(classes, number)
    weight = np.concatenate([[0.0], np.cumsum(counts[present], dtype=np.float64)])
    moment = np.concatenate([[0.0], np.cumsum(counts[present] * present, dtype=np.float64)])
    size = weight[None, :] - weight[:, None]
    gain = np.full_like(size, -np.inf)  # a class is not empty: only i < j counts
    np.divide((moment[None, :] - moment[:, None]) ** 2, size, out=gain, where=size > 0)

    best = gain[0]
    starts = np.zeros((classes, number + 1), dtype=np.int64)  # where the last class begins
    for k in range(1, classes):
        candidates = best[:, None] + gain
        starts[k] = candidates.argmax(axis=0)
        best = np.take_along_axis(candidates, starts[k][None, :], axis=0)[0]

    first_level = np.zeros(len(counts), dtype=np.int64)
    end = number
    for k in range(classes - 1, 0, -1):
        end = starts[k, end]
        first_level[present[end]] = 1
    return np.cumsum(first_level)
