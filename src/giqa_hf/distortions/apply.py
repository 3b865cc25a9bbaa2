"""Distort a whole picture."""

from __future__ import annotations

from typing import overload

import numpy as np
from PIL import Image

from .catalogue import SEVERITIES, Distortion, members
from .pixels import ImageArray


def pick(family: str, name: str | None = None, *, seed: int) -> Distortion:
    """Find a distortion, or draw one of its family.

    `distort` with the same arguments uses the same one; call this to write down which.

    Args:
        family (`str`): one of `FAMILIES`.
        name (`str`, *optional*): a function of that family; drawn from the seed when not given.
        seed (`int`): not negative.

    Returns:
        `Distortion`: the entry of `DISTORTIONS`.

    Raises:
        ValueError: for an unknown family or name (the message lists those that exist), or a bad seed.

    Example:
        >>> pick("compression", "jpeg", seed=0).parameters
        ((25,), (18,), (12,), (8,), (5,))
    """
    candidates = members(family)
    choice_seed, _ = _seeds(seed)
    if name is None:
        return candidates[int(np.random.default_rng(choice_seed).integers(len(candidates)))]
    for distortion in candidates:
        if distortion.name == name:
            return distortion
    names = ", ".join(distortion.name for distortion in candidates)
    raise ValueError(f"Unknown distortion {name!r} in family {family!r}: expected one of {names}.")


@overload
def distort(
    image: ImageArray, family: str, name: str | None = None, *, severity: int, seed: int
) -> ImageArray: ...
@overload
def distort(
    image: Image.Image, family: str, name: str | None = None, *, severity: int, seed: int
) -> Image.Image: ...
def distort(
    image: ImageArray | Image.Image, family: str, name: str | None = None, *, severity: int, seed: int
) -> ImageArray | Image.Image:
    """Distort a whole picture (spec IQA-Spider B3).

    Args:
        image (`np.ndarray` or `PIL.Image.Image`): uint8 RGB of shape (H, W, 3), or Pillow in mode RGB or L.
        family (`str`): one of `FAMILIES`.
        name (`str`, *optional*): a function of that family; drawn from the seed when not given, see `pick`.
        severity (`int`): 1 (slight) to 5 (catastrophic).
        seed (`int`): not negative; equal arguments give equal pixels. Functions without chance ignore it.

    Returns:
        `np.ndarray` or `PIL.Image.Image`: the distorted picture, the kind and size that came in; a Pillow
        image is RGB. The input is not changed.

    Raises:
        ValueError: for a picture of another kind, an unknown family or name, a severity outside 1-5, a bad
            seed.

    Example:
        >>> import numpy as np
        >>> grey = np.full((4, 4, 3), 100, dtype=np.uint8)
        >>> distort(grey, "brighten", "rgb_shift", severity=1, seed=0)[0, 0].tolist()
        [126, 126, 126]
    """
    if isinstance(image, Image.Image):
        pixels = distort(rgb_pixels(image), family, name, severity=severity, seed=seed)
        return Image.fromarray(pixels)
    check_image(image)
    check_severity(severity)
    distortion = pick(family, name, seed=seed)
    parameters = distortion.parameters[severity - 1]
    if not distortion.random:
        return distortion.function(image, *parameters)
    # The choice of the function has a seed of its own: naming the one that was drawn changes no pixel.
    _, pixel_seed = _seeds(seed)
    return distortion.function(image, *parameters, rng=np.random.default_rng(pixel_seed))


def check_image(image: ImageArray) -> None:
    """Raise `ValueError` unless the array is uint8 of shape (H, W, 3) with at least one pixel."""
    if not isinstance(image, np.ndarray):
        raise ValueError(
            f"Cannot distort a {type(image).__name__}: "
            "expected a uint8 array of shape (H, W, 3) or a Pillow image."
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"Cannot distort an array of shape {image.shape} and type {image.dtype}: "
            "expected uint8 RGB of shape (H, W, 3) with at least one pixel; "
            "make three channels of a grey one with np.stack([grey] * 3, -1)."
        )


def check_severity(severity: int) -> None:
    """Raise `ValueError` unless the severity is a whole number from 1 to 5."""
    whole = isinstance(severity, int | np.integer) and not isinstance(severity, bool)
    if not whole or severity not in SEVERITIES:
        raise ValueError(
            f"Bad severity {severity!r}: expected a whole number from 1 (slight) to 5 (catastrophic)."
        )


def rgb_pixels(image: Image.Image) -> ImageArray:
    """The (H, W, 3) pixels of a Pillow image in mode RGB or L; `ValueError` for any other mode."""
    if image.mode not in ("RGB", "L"):
        # Flattening transparency or 16 bits is a decision for the caller, not for a distortion.
        raise ValueError(
            f"Cannot distort a Pillow image in mode {image.mode!r}: expected RGB or L; convert it first."
        )
    return np.array(image.convert("RGB"))


def _seeds(seed: int) -> list[np.random.SeedSequence]:
    """Two independent seeds from one: for the choice of the function, and for its pixels."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"Bad seed {seed!r}: expected a whole number, 0 or more.")
    return np.random.SeedSequence(int(seed)).spawn(2)
