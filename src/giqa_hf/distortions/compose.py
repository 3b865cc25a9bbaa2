"""Distort a picture inside a mask only, and the two simple masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from . import filters
from .apply import check_image, distort, rgb_pixels
from .pixels import ImageArray, to_bytes

Mask = npt.NDArray[np.bool_]
"""(H, W): True where the picture is to be distorted."""


@overload
def distort_region(
    image: ImageArray,
    mask: Mask,
    family: str,
    name: str | None = None,
    *,
    severity: int,
    seed: int,
    feather_px: float = 0.0,
) -> ImageArray: ...
@overload
def distort_region(
    image: Image.Image,
    mask: Mask,
    family: str,
    name: str | None = None,
    *,
    severity: int,
    seed: int,
    feather_px: float = 0.0,
) -> Image.Image: ...
def distort_region(
    image: ImageArray | Image.Image,
    mask: Mask,
    family: str,
    name: str | None = None,
    *,
    severity: int,
    seed: int,
    feather_px: float = 0.0,
) -> ImageArray | Image.Image:
    """Distort a picture inside a mask (spec IQA-Spider B3, last paragraph).

    The whole picture is distorted and then laid over the clean one through the mask. A filter that saw the
    masked part only would leave a rim of its own along the border of the mask. So a blurred region may show a
    little of what lies beside it, as under a real lens.

    Args:
        image (`np.ndarray` or `PIL.Image.Image`): uint8 RGB of shape (H, W, 3), or Pillow in mode RGB or L.
        mask (`np.ndarray` of `bool`, shape `(H, W)`): True where to distort; at least one pixel.
        family (`str`): one of `FAMILIES`.
        name (`str`, *optional*): a function of that family; drawn from the seed when not given, see `pick`.
        severity (`int`): 1 (slight) to 5 (catastrophic).
        seed (`int`): not negative; equal arguments give equal pixels.
        feather_px (`float`, *optional*, defaults to `0.0`): width in pixels of the soft rim, which lies
            inside the mask; a region thinner than twice that never reaches full strength. The border of the
            picture is not a rim.

    Returns:
        `np.ndarray` or `PIL.Image.Image`: the kind and size that came in. Outside the mask every pixel is
        that of the input, bit by bit.

    Raises:
        ValueError: as `distort`, and for a mask of another shape or type, an empty mask, a bad `feather_px`.

    Example:
        >>> import numpy as np
        >>> grey = np.full((2, 2, 3), 100, dtype=np.uint8)
        >>> left = np.array([[True, False], [True, False]])
        >>> distort_region(grey, left, "brighten", "rgb_shift", severity=1, seed=0)[..., 0].tolist()
        [[126, 100], [126, 100]]
    """
    if isinstance(image, Image.Image):
        pixels = rgb_pixels(image)
        return Image.fromarray(
            distort_region(pixels, mask, family, name, severity=severity, seed=seed, feather_px=feather_px)
        )
    check_image(image)
    _check_mask(mask, image)
    if not (np.isfinite(feather_px) and feather_px >= 0):
        raise ValueError(f"Bad feather_px {feather_px!r}: expected a finite number of pixels, 0 or more.")
    distorted = distort(image, family, name, severity=severity, seed=seed)
    # Without any clean pixel there is no rim, and no distance to it.
    if feather_px == 0 or mask.all():
        return np.where(mask[..., None], distorted, image)
    # The outermost pixel of the mask has depth 1 and gets 1 / (feather_px + 1): full strength at 0 px.
    strength = np.minimum(filters.depth_inside(mask) / (feather_px + 1.0), 1.0)[..., None]
    return to_bytes(image + strength * (distorted.astype(np.float64) - image))


def box_mask(box_px: Sequence[float], image_wh: tuple[int, int]) -> Mask:
    """Mask of the pixels whose centre lies in a box.

    Args:
        box_px (`Sequence[float]` of length 4): x1, y1, x2, y2 in pixels; may reach over the border.
        image_wh (`tuple[int, int]`): width and height of the picture.

    Returns:
        `np.ndarray` of `bool`, shape `(H, W)`. Empty for a box that lies beside the picture or between pixel
        centres; `distort_region` refuses such a mask.

    Raises:
        ValueError: for a box that is not four finite numbers in order, or a picture without pixels.

    Example:
        >>> box_mask((1, 0, 3, 1), (4, 2)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    x1, y1, x2, y2 = _checked_box(box_px)
    x, y = _centres(image_wh)
    # Half open: of two boxes that share an edge, one has each pixel.
    return ((y >= y1) & (y < y2))[:, None] & ((x >= x1) & (x < x2))[None, :]


def ellipse_mask(box_px: Sequence[float], image_wh: tuple[int, int]) -> Mask:
    """Mask of the pixels whose centre lies in the ellipse inscribed in a box.

    Arguments, result and errors are those of `box_mask`.

    Example:
        >>> ellipse_mask((0, 0, 4, 4), (4, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 0]]
    """
    x1, y1, x2, y2 = _checked_box(box_px)
    x, y = _centres(image_wh)
    across = (2 * x - x1 - x2) / (x2 - x1)
    down = (2 * y - y1 - y2) / (y2 - y1)
    return down[:, None] ** 2 + across[None, :] ** 2 <= 1.0


def _checked_box(box_px: Sequence[float]) -> tuple[float, float, float, float]:
    box = np.asarray(box_px, dtype=np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError(f"Bad box {box_px!r}: expected x1, y1, x2, y2 in pixels with x1 < x2 and y1 < y2.")
    x1, y1, x2, y2 = box.tolist()
    return x1, y1, x2, y2


def _centres(image_wh: tuple[int, int]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """X of the centre of each column, y of the centre of each row."""
    width, height = image_wh
    if width < 1 or height < 1:
        raise ValueError(f"Bad image_wh {image_wh!r}: expected a width and a height of at least one pixel.")
    return np.arange(width, dtype=np.float64) + 0.5, np.arange(height, dtype=np.float64) + 0.5


def _check_mask(mask: Mask, image: ImageArray) -> None:
    height, width = image.shape[:2]
    expected = f"expected a boolean array of shape ({height}, {width}), the (H, W) of the picture"
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        kind = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise ValueError(f"Bad mask of type {kind}: {expected}; for a grey one write mask > 0.")
    if mask.shape != (height, width):
        raise ValueError(f"Bad mask of shape {mask.shape}: {expected}.")
    if not mask.any():
        raise ValueError(
            "Empty mask: no pixel is True, so there is nothing to distort; leave the picture clean instead."
        )
