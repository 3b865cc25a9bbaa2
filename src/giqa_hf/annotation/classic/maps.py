"""Local quality maps of a photo: where it is sharp, noisy, bright, rich in contrast, colourful, blocky.

All maps are float arrays of one fixed working size, in 0..1, from formulas of the literature that need no training:

* sharpness: how much fine there is beside coarse detail. With d_k the local RMS of the difference-of-Gaussians band
  from k to 2k px (Burt & Adelson 1983): (d1 + 1.5) / (d1 + d2 + d4 + 5). Blur takes the fine band first; the ratio does
  not depend on contrast, and the constants let it be 0.3, as on a sharp edge, where there is nothing to see.
* detail: log(1 + d½) on a scale of 0..1; how much fine detail there is at all.
* noise: Immerkaer's (1996) second difference, which is blind to straight edges and slopes, on Y, Cb and Cr; locally the
  25th percentile of small windows, since texture and edges are somewhere weak, and noise is everywhere.
* brightness: local mean of luma Y (BT.601).
* highlights, shadows: local mean of clip((Y - 160) / 80) and of clip((90 - Y) / 90): soft shares of what is near white
  and near black.
* contrast: local RMS contrast (Peli 1990), the standard deviation of Y over windows of 1/12 of the long side.
* veil: (local mean of the smallest channel / that of the largest) * (1 - contrast); after the dark channel (He, Sun &
  Tang 2009), which a veil of haze or flare lifts.
* saturation: local mean chroma in CIELAB, divided by 100.
* blockiness: mean absolute difference of luma across the lines of the 8-px grid over that beside them (Wang, Bovik
  & Evans 2000), measured on the untouched pixels.
* steps: share of pixels that equal their neighbour exactly among windows with contrast: pixelation and banding.
"""

from __future__ import annotations

import math
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...errors import MissingExtraError
from .vocabulary import Measure

Plane = npt.NDArray[np.float32]

MAPS_VERSION = "1"
"""Of the formulas; it stands in the manifest."""
VIEW_PX = 512
"""Long side at which sharpness, brightness, contrast and saturation are measured; smaller photos stay as they are."""
FINE_PX = 2048
"""Long side up to which noise, blocks and steps are measured on untouched pixels; larger photos are reduced by a whole
factor, which divides the 8-px grid of JPEG by it."""
MAP_PX = 128
"""Long side of a map."""
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


class PhotoMaps:
    """The maps of one photo, each made when it is first asked for.

    Args:
        image (`PIL.Image.Image`): the upright RGB photo, of any size.
        is_crop (`bool`, *optional*, defaults to `False`): whether it was cut out of a photo: then the 8-px grid, which
            begins in a photo's corner, may begin anywhere.

    Raises:
        `MissingExtraError`: when scipy or scikit-image is not installed.
    """

    def __init__(self, image: Image.Image, *, is_crop: bool = False) -> None:
        try:
            import scipy.ndimage
            import skimage.color  # noqa: F401  # only whether it is there
        except ImportError:
            raise MissingExtraError('the profile "classic"', "annotate") from None
        self._ndimage = scipy.ndimage
        self._image = image
        self._is_crop = is_crop
        self.image_wh = image.size
        self.map_wh = _fitted(image.size, MAP_PX)

    def map(self, measure: Measure) -> Plane:
        """The map of a measure, shape (H, W) with (W, H) = `map_wh`, in 0..1."""
        found: Plane = getattr(self, measure)
        return found

    @cached_property
    def sharpness(self) -> Plane:
        """Fine beside coarse detail; 0.3 where there is neither."""
        _, d1, d2, d4 = self._bands
        return self._pooled((d1 + 1.5) / (d1 + d2 + d4 + 5))

    @cached_property
    def detail(self) -> Plane:
        """How much fine detail there is, on a log scale: 0 is none, 1 an RMS of 32 grey levels."""
        return self._pooled(np.clip(np.log1p(self._bands[0]) / np.float32(math.log(33)), 0, 1))

    @cached_property
    def noise(self) -> Plane:
        """Standard deviation of the noise of the strongest channel, in units of 64 grey levels."""
        red, _, blue = np.moveaxis(self._fine, -1, 0)
        luma = self._fine @ _LUMA
        kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32) / 6
        planes = (luma, (blue - luma) * np.float32(0.564), (red - luma) * np.float32(0.713))
        levels = []
        for plane in planes:
            # Immerkaer: sigma = sqrt(pi / 2) * mean |I * N|, with N as above.
            residual = np.abs(self._ndimage.convolve(plane, kernel, mode="reflect"))
            levels.append(self._quiet(residual) * math.sqrt(math.pi / 2))
        return self._pooled(np.clip(np.maximum.reduce(levels) / 64, 0, 1))

    @cached_property
    def brightness(self) -> Plane:
        """Mean luma."""
        return self._pooled(self._view_luma / 255)

    @cached_property
    def highlights(self) -> Plane:
        """Soft share of pixels near white."""
        return self._pooled(np.clip((self._view_luma - 160) / 80, 0, 1))

    @cached_property
    def shadows(self) -> Plane:
        """Soft share of pixels near black."""
        return self._pooled(np.clip((90 - self._view_luma) / 90, 0, 1))

    @cached_property
    def contrast(self) -> Plane:
        """Local RMS contrast, in units of 80 grey levels."""
        sigma = max(self._view_luma.shape) / 24
        mean = self._blur(self._view_luma, sigma)
        variance = self._blur(self._view_luma**2, sigma) - mean**2
        return self._pooled(np.clip(np.sqrt(np.maximum(variance, 0)) / 80, 0, 1))

    @cached_property
    def veil(self) -> Plane:
        """How much of a veil lies over it: grey and flat."""
        window = max(self._view_luma.shape) / 40
        least = self._blur(self._view.min(axis=-1), window)
        most = self._blur(self._view.max(axis=-1), window)
        return np.asarray(self._pooled(least / (most + 10)) * (1 - self.contrast))

    @cached_property
    def saturation(self) -> Plane:
        """Chroma in CIELAB, in units of 100."""
        from skimage.color import rgb2lab

        lab = rgb2lab(self._view / np.float32(255))
        return self._pooled(np.clip(np.hypot(lab[..., 1], lab[..., 2]) / 100, 0, 1).astype(np.float32))

    @cached_property
    def blockiness(self) -> Plane:
        """How much stronger the differences across the 8-px grid are than those beside it; 0 is no grid."""
        luma = self._fine @ _LUMA
        period = max(8 // self._fine_factor, 2)
        lines, beside = [], []
        for axis in (0, 1):
            step = np.abs(np.diff(luma, axis=axis, append=np.take(luma, [-1], axis=axis)))
            place = np.arange(luma.shape[axis]) % period
            phase = self._grid_phase(step, axis, period) if self._is_crop else period - 1
            on_grid = np.expand_dims(place == phase, 1 - axis)
            lines.append(self._mean(np.where(on_grid, step, 0)) * period)
            beside.append(self._mean(np.where(on_grid, 0, step)) * (period / (period - 1)))
        ratio = (lines[0] + lines[1] + 1) / (beside[0] + beside[1] + 1)
        return self._pooled(np.clip((ratio - 1) / 3, 0, 1))

    def _grid_phase(self, step: Plane, axis: int, period: int) -> int:
        """Where the lines of the grid lie in a crop.

        It is the phase whose differences exceed those beside them most often; clipping keeps edges of things out of it.
        """
        beside = (np.roll(step, 1, axis=axis) + np.roll(step, -1, axis=axis)) / 2
        excess = np.clip(step - beside, -2, 2).mean(axis=1 - axis)
        sums = [excess[phase::period].mean() if len(excess) > phase else -2.0 for phase in range(period)]
        return int(np.argmax(sums))

    @cached_property
    def steps(self) -> Plane:
        """Share of pixels equal to their right and lower neighbour where there is contrast."""
        luma = self._fine @ _LUMA
        flat = np.zeros(luma.shape, dtype=np.float32)
        for axis in (0, 1):
            same = (np.diff(self._fine, axis=axis) == 0).all(axis=-1)
            pad = [(0, 0), (0, 0)]
            pad[axis] = (0, 1)
            flat += np.pad(same, pad) / np.float32(2)
        mean = self._mean(luma)
        spread = np.sqrt(np.maximum(self._mean(luma**2) - mean**2, 0))
        return self._pooled(self._mean(flat) * np.clip(spread / 12, 0, 1))

    @cached_property
    def _view(self) -> Plane:
        size = _fitted(self.image_wh, VIEW_PX)
        view = (
            self._image
            if size == self.image_wh
            else self._image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
        )
        return np.asarray(view, dtype=np.float32)

    @cached_property
    def _view_luma(self) -> Plane:
        return self._view @ _LUMA

    @cached_property
    def _fine_factor(self) -> int:
        return max(1, math.ceil(max(self.image_wh) / FINE_PX))

    @cached_property
    def _fine(self) -> Plane:
        factor = self._fine_factor
        return np.asarray(self._image if factor == 1 else self._image.reduce(factor), dtype=np.float32)

    @cached_property
    def _bands(self) -> tuple[Plane, Plane, Plane, Plane]:
        """Local RMS of four bands of detail, from fine (0.5 to 1 px) to coarse (4 to 8 px), in grey levels."""
        levels = [self._blur(self._view_luma, sigma) for sigma in (0.5, 1, 2, 4, 8)]
        window = max(self._view_luma.shape) / 40
        half, d1, d2, d4 = (
            np.sqrt(self._blur((fine - coarse) ** 2, window)) for fine, coarse in pairwise(levels)
        )
        return half, d1, d2, d4

    def _blur(self, plane: Plane, sigma: float) -> Plane:
        return np.asarray(self._ndimage.gaussian_filter(plane, sigma, mode="reflect", truncate=3.0))

    def _mean(self, plane: Plane) -> Plane:
        """Means over windows of two cells of the map."""
        side = max(3, 2 * round(max(plane.shape) / MAP_PX), 2 * 8 // self._fine_factor + 1)
        return np.asarray(self._ndimage.uniform_filter(plane.astype(np.float32), side, mode="reflect"))

    def _quiet(self, residual: Plane) -> Plane:
        """A low percentile of the means of small windows around each pixel: noise without texture and edges."""
        small = self._ndimage.uniform_filter(residual, 5, mode="reflect")
        reach = max(5, round(max(residual.shape) / 32) | 1)
        stride = max(1, reach // 8)
        thinned = small[::stride, ::stride]
        quiet = self._ndimage.percentile_filter(thinned, 25, size=max(3, reach // stride | 1), mode="reflect")
        return np.asarray(
            np.repeat(np.repeat(quiet, stride, 0), stride, 1)[: residual.shape[0], : residual.shape[1]]
        )

    def _pooled(self, plane: npt.NDArray[Any]) -> Plane:
        """The plane at the size of a map, by means over areas."""
        picture = Image.fromarray(np.ascontiguousarray(plane, dtype=np.float32))
        return np.asarray(picture.resize(self.map_wh, Image.Resampling.BOX), dtype=np.float32)


def _fitted(image_wh: tuple[int, int], long_side: int) -> tuple[int, int]:
    scale = min(1.0, long_side / max(image_wh))
    return max(1, round(image_wh[0] * scale)), max(1, round(image_wh[1] * scale))
