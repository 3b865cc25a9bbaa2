"""Linear filters over a whole picture; the one door of this folder to scipy.

All of them continue the picture by mirroring it at its border, so that no dark or bright frame appears.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
import numpy.typing as npt

from ..errors import MissingExtraError
from .pixels import FloatArray


def _ndimage() -> ModuleType:
    try:
        from scipy import ndimage
    except ImportError as error:
        raise MissingExtraError("This distortion", "synth") from error
    module: ModuleType = ndimage
    return module


def gaussian(values: FloatArray, sigma: float, *, radius: int | None = None) -> FloatArray:
    """Gaussian blur of an (H, W, 3) picture; ``radius`` cuts the kernel there, else it ends at 4 sigma."""
    blurred: FloatArray = _ndimage().gaussian_filter(values, sigma, axes=(0, 1), radius=radius)
    return blurred


def box(values: FloatArray, width: int) -> FloatArray:
    """Mean over a ``width`` x ``width`` window of each channel."""
    averaged: FloatArray = _ndimage().uniform_filter(values, width, axes=(0, 1))
    return averaged


def convolve(values: FloatArray, kernel: FloatArray) -> FloatArray:
    """Convolve each channel with a square kernel of odd width.

    By FFT: a 17 x 17 disk has 225 taps, and the cost must not grow with them.
    """
    _ndimage()  # the error message about the extra; scipy.fft alone would fail without it
    from scipy import fft

    radius = kernel.shape[0] // 2
    height, width = values.shape[:2]
    # Channels first: the transforms then run over contiguous rows.
    planes = np.pad(values.transpose(2, 0, 1), ((0, 0), (radius, radius), (radius, radius)), mode="symmetric")
    shape = tuple(fft.next_fast_len(side, real=True) for side in planes.shape[1:])
    product = fft.rfft2(planes, shape) * fft.rfft2(kernel, shape)
    # Circular convolution wraps round into the first 2 * radius rows and columns only; they are cut off.
    whole = fft.irfft2(product, shape)[:, 2 * radius : 2 * radius + height, 2 * radius : 2 * radius + width]
    result: FloatArray = whole.transpose(1, 2, 0)
    return result


def depth_inside(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Euclidean distance in pixels from each pixel of the mask to the nearest one outside it (0 outside)."""
    depth: npt.NDArray[np.float64] = _ndimage().distance_transform_edt(mask)
    return depth
