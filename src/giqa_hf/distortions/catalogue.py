"""The table of all distortions: 12 families, 35 functions, five severities each (spec IQA-Spider B3).

The parameter values are those of DepictQA's DQ-495K. Where a function deviates from it, its docstring says
why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import blur, compression, detail, noise, quantization, tone
from .pixels import ImageArray

SEVERITIES = (1, 2, 3, 4, 5)
"""From slight to catastrophic."""


@dataclass(frozen=True)
class Distortion:
    """One way to distort a picture, at five severities.

    Attributes:
        family (`str`): one of `FAMILIES`, the label that a description names.
        name (`str`): name within the family.
        parameters (`tuple`): what the function gets at severity 1 to 5, one tuple of arguments each.
        function (`Callable`): `(image, *parameters[severity - 1]) -> image`, uint8 RGB of shape (H, W, 3).
        random (`bool`): whether the function also takes `rng=`, so that its result depends on the seed.
    """

    family: str
    name: str
    parameters: tuple[tuple[float, ...], ...]
    function: Callable[..., ImageArray]
    random: bool = False


def _each(*values: float) -> tuple[tuple[float, ...], ...]:
    """Parameters of a function with a single one."""
    return tuple((value,) for value in values)


DISTORTIONS: tuple[Distortion, ...] = (
    # sigma in pixels
    Distortion("blur", "gaussian", _each(1, 2, 3, 4, 5), blur.gaussian),
    # reach and sigma in pixels
    Distortion("blur", "motion", ((5, 3), (10, 5), (15, 7), (15, 9), (20, 12)), blur.motion, random=True),
    # sigma in pixels, shift in pixels, rounds
    Distortion(
        "blur",
        "glass",
        ((0.7, 1, 1), (0.9, 2, 1), (1.2, 2, 2), (1.4, 3, 2), (1.6, 4, 2)),
        blur.glass,
        random=True,
    ),
    # radius in pixels
    Distortion("blur", "lens", _each(2, 3, 4, 6, 8), blur.lens),
    # largest zoom factor
    Distortion("blur", "zoom", _each(1.03, 1.06, 1.10, 1.15, 1.21), blur.zoom),
    # largest shift in pixels
    Distortion("blur", "jitter", _each(1, 2, 3, 4, 5), blur.jitter, random=True),
    # sigma on the 0-1 scale, here and in the next three
    Distortion("noise", "gaussian_rgb", _each(0.05, 0.1, 0.15, 0.2, 0.25), noise.gaussian_rgb, random=True),
    # sigma of luma; chroma is that many times stronger
    Distortion(
        "noise",
        "gaussian_ycrcb",
        ((0.05, 1.0), (0.06, 1.45), (0.07, 1.9), (0.08, 2.35), (0.09, 2.8)),
        noise.gaussian_ycrcb,
        random=True,
    ),
    Distortion("noise", "speckle", _each(0.14, 0.21, 0.28, 0.35, 0.42), noise.speckle, random=True),
    Distortion(
        "noise",
        "spatially_correlated",
        _each(0.08, 0.11, 0.14, 0.18, 0.22),
        noise.spatially_correlated,
        random=True,
    ),
    # photons counted on white
    Distortion("noise", "poisson", _each(80, 60, 40, 25, 15), noise.poisson, random=True),
    # share of the samples
    Distortion("noise", "impulse", _each(0.01, 0.03, 0.05, 0.07, 0.10), noise.impulse, random=True),
    # libjpeg quality
    Distortion("compression", "jpeg", _each(25, 18, 12, 8, 5), compression.jpeg),
    # PSNR in dB
    Distortion("compression", "jpeg2000", _each(29, 27.5, 26, 24.5, 23), compression.jpeg2000),
    # shift on the 0-1 scale
    Distortion("brighten", "hsv_shift", _each(0.1, 0.2, 0.3, 0.4, 0.5), tone.hsv_shift),
    Distortion("brighten", "rgb_shift", _each(0.1, 0.15, 0.2, 0.27, 0.35), tone.rgb_shift),
    # exponent
    Distortion("brighten", "hsv_gamma", _each(0.7, 0.58, 0.47, 0.36, 0.25), tone.hsv_gamma),
    Distortion("brighten", "rgb_gamma", _each(0.8, 0.7, 0.6, 0.45, 0.3), tone.rgb_gamma),
    Distortion("darken", "hsv_shift", _each(-0.1, -0.2, -0.3, -0.4, -0.5), tone.hsv_shift),
    Distortion("darken", "rgb_shift", _each(-0.1, -0.15, -0.2, -0.27, -0.35), tone.rgb_shift),
    Distortion("darken", "hsv_gamma", _each(1.5, 1.8, 2.2, 2.7, 3.5), tone.hsv_gamma),
    Distortion("darken", "rgb_gamma", _each(1.4, 1.7, 2.1, 2.6, 3.2), tone.rgb_gamma),
    # factor on the distance from the mean
    Distortion("contrast_strengthen", "scale", _each(1.4, 1.7, 2.1, 2.6, 4.0), tone.contrast_scale),
    # gain of the logistic curve
    Distortion("contrast_strengthen", "stretch", _each(2, 4, 6, 8, 10), tone.contrast_strengthen_stretch),
    Distortion("contrast_weaken", "scale", _each(0.75, 0.6, 0.45, 0.3, 0.2), tone.contrast_scale),
    Distortion("contrast_weaken", "stretch", _each(1.0, 0.9, 0.8, 0.6, 0.4), tone.contrast_weaken_stretch),
    # factor on S, or on Cr and Cb
    Distortion("saturate_strengthen", "hsv", _each(3, 6, 12, 20, 64), tone.saturate_hsv),
    Distortion("saturate_strengthen", "ycrcb", _each(2, 3, 5, 8, 16), tone.saturate_ycrcb),
    Distortion("saturate_weaken", "hsv", _each(0.7, 0.55, 0.4, 0.2, 0.0), tone.saturate_hsv),
    Distortion("saturate_weaken", "ycrcb", _each(0.6, 0.4, 0.2, 0.1, 0.0), tone.saturate_ycrcb),
    # factor on the detail
    Distortion("oversharpen", "unsharp", _each(2, 2.8, 4, 6, 8), detail.unsharp),
    # scale of each side
    Distortion("pixelate", "pixelate", _each(0.5, 0.4, 0.3, 0.25, 0.2), detail.pixelate),
    # levels left in each channel
    Distortion("quantization", "otsu", _each(15, 11, 8, 5, 3), quantization.otsu),
    Distortion("quantization", "median_cut", _each(20, 15, 10, 6, 3), quantization.median_cut),
    Distortion("quantization", "histogram", _each(24, 16, 8, 6, 4), quantization.histogram),
)
"""All of them, family by family."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(distortion.family for distortion in DISTORTIONS))
"""The 12 families in the order of the spec."""


def members(family: str) -> tuple[Distortion, ...]:
    """The functions of one family, in the order of the table.

    Raises:
        ValueError: for a family that is not in `FAMILIES`.
    """
    found = tuple(distortion for distortion in DISTORTIONS if distortion.family == family)
    if not found:
        raise ValueError(f"Unknown distortion family {family!r}: expected one of {', '.join(FAMILIES)}.")
    return found
