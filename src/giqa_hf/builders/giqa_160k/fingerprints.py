"""What a photo is known by: its bytes, its pixels, and how it looks."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...images import read_image

_SIDE = 64  # the picture is brought down to 64 x 64 grey levels, and its lowest frequencies are looked at
_AXIS = 23
_FREQUENCIES = sorted(((v, u) for v in range(_AXIS) for u in range(_AXIS)), key=lambda f: (sum(f), f[0]))
_ROWS, _COLUMNS = np.array(_FREQUENCIES[1:257]).T  # without the first, the mean
_COSINES = np.cos(np.pi * np.arange(_AXIS)[:, None] * (2 * np.arange(_SIDE)[None, :] + 1) / (2 * _SIDE))
_FLAT = 1.0  # grey levels of 255: what varies less shows nothing to know it by


class Look(NamedTuple):
    """How a photo looks, as bits that hardly change when it is compressed, resized, brightened or blurred."""

    coarse: int
    """64 bits: the 64 lowest frequencies. For finding candidates."""
    fine: int
    """256 bits: the 256 lowest ones. For making sure of a candidate."""


class Fingerprint(NamedTuple):
    """What a photo is known by."""

    sha256: str
    """Of the file's bytes."""
    pixels_sha256: str
    """Of width, height and the upright 8-bit RGB pixels: the same for a lossless copy in another format."""
    look: Look | None
    """See `perceptual_hash`."""
    width: int
    """Of the upright photo, in pixels."""
    height: int


def fingerprint(data: bytes) -> Fingerprint:
    """The fingerprint of an encoded photo.

    Args:
        data (`bytes`): the content of a picture file.

    Raises:
        `ImageError`: when it cannot be decoded.
    """
    image = read_image(data)
    pixels = hashlib.sha256(f"{image.width}x{image.height} RGB\0".encode())
    pixels.update(image.tobytes())
    return Fingerprint(
        hashlib.sha256(data).hexdigest(), pixels.hexdigest(), perceptual_hash(image), *image.size
    )


def perceptual_hash(image: Image.Image) -> Look | None:
    """The look of a photo as bits: two copies of it differ in few, two unrelated photos in about half.

    The photo is brought down to 64 x 64 grey levels, without its aspect ratio, and cosine transformed (DCT-II). Each
    of its lowest frequencies other than the mean gives one bit: whether it is above their median. So half of the bits
    are set. To this measure a crop of a tenth, a mirror image and a turned photo are other photos.

    Args:
        image (`PIL.Image.Image`): an upright RGB picture.

    Returns:
        `Look` or `None`: `None` for a picture of one grey level, which looks like any other such one.
    """
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    grey: npt.NDArray[np.float64] = np.asarray(small, dtype=np.float64)
    if grey.std() < _FLAT:
        return None
    spectrum = (_COSINES @ grey @ _COSINES.T)[_ROWS, _COLUMNS]
    return Look(_above_median(spectrum[:64]), _above_median(spectrum))


def _above_median(values: npt.NDArray[np.float64]) -> int:
    """One bit per value, the first one lowest."""
    bits = np.packbits(values > np.median(values), bitorder="little")
    return int.from_bytes(bits.tobytes(), "little")
