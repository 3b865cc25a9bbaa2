from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.distortions import SEVERITIES, distort, members, tone
from giqa_hf.distortions.pixels import luma


def mean_saturation(image: np.ndarray) -> float:
    largest, smallest = image.max(axis=-1).astype(np.float64), image.min(axis=-1)
    return float(((largest - smallest) / np.maximum(largest, 1)).mean())


def mean_chroma(image: np.ndarray) -> float:
    return float(np.abs(image - luma(image)[..., None]).mean())


def mean_brightness(image: np.ndarray) -> float:
    return float(luma(image).mean())


def contrast(image: np.ndarray) -> float:
    return float(luma(image).std())


@pytest.mark.parametrize(
    ("family", "measure", "direction"),
    [
        ("brighten", mean_brightness, +1),
        ("darken", mean_brightness, -1),
        ("contrast_strengthen", contrast, +1),
        ("contrast_weaken", contrast, -1),
        ("saturate_strengthen", mean_chroma, +1),
        ("saturate_weaken", mean_saturation, -1),
        ("saturate_weaken", mean_chroma, -1),
    ],
)
def test_each_family_moves_its_measure_further_with_each_severity(
    family: str, measure: Callable[[np.ndarray], float], direction: int, photo: np.ndarray
) -> None:
    for distortion in members(family):
        values = [measure(photo)] + [
            measure(distort(photo, family, distortion.name, severity=severity, seed=0))
            for severity in SEVERITIES
        ]
        steps = np.diff(values) * direction
        assert (steps > 0).all(), f"{family}/{distortion.name}: {values}"


@pytest.mark.parametrize("name", ["scale", "stretch"])
@pytest.mark.parametrize("gamma", [0.4, 1.0, 3.0])  # a bright, a normal and a dark picture
def test_contrast_goes_the_right_way_on_bright_and_dark_pictures(
    name: str, gamma: float, photo: np.ndarray
) -> None:
    image = tone.rgb_gamma(photo, gamma)
    for severity in SEVERITIES:
        stronger = distort(image, "contrast_strengthen", name, severity=severity, seed=0)
        weaker = distort(image, "contrast_weaken", name, severity=severity, seed=0)
        assert contrast(weaker) < contrast(image) < contrast(stronger)


# name -> what it does to (h, s, v) of the standard library's conversion, and the function under test
HSV = {
    "shift up": (lambda h, s, v: (h, s, min(v + 0.3, 1)), lambda image: tone.hsv_shift(image, 0.3)),
    "shift down": (lambda h, s, v: (h, s, max(v - 0.3, 0)), lambda image: tone.hsv_shift(image, -0.3)),
    "gamma": (lambda h, s, v: (h, s, v**0.47), lambda image: tone.hsv_gamma(image, 0.47)),
    "saturate": (lambda h, s, v: (h, min(s * 3, 1), v), lambda image: tone.saturate_hsv(image, 3)),
    "desaturate": (lambda h, s, v: (h, s * 0.4, v), lambda image: tone.saturate_hsv(image, 0.4)),
}


@pytest.mark.parametrize("change", HSV)
@given(rgb=st.tuples(*[st.integers(0, 255)] * 3))
def test_hsv_functions_agree_with_a_real_conversion(change: str, rgb: tuple[int, int, int]) -> None:
    in_hsv, function = HSV[change]
    expected = colorsys.hsv_to_rgb(*in_hsv(*colorsys.rgb_to_hsv(*(value / 255 for value in rgb))))
    result = function(np.array([[rgb]], dtype=np.uint8))[0, 0]
    # 0.51: half a level of rounding, and what float32 adds to it
    assert np.abs(result - 255 * np.array(expected)).max() <= 0.51


@pytest.mark.parametrize("factor", [0.0, 0.4, 2.0])
def test_ycrcb_saturation_agrees_with_a_real_conversion(factor: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    red, green, blue = image.astype(np.float64).transpose(2, 0, 1)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    cr, cb = factor * 0.713267 * (red - y), factor * 0.564334 * (blue - y)
    expected = np.stack([y + 1.402 * cr, y - 0.714136 * cr - 0.344136 * cb, y + 1.772 * cb], axis=-1)
    result = tone.saturate_ycrcb(image, factor)
    assert np.abs(result - np.clip(expected, 0, 255)).max() <= 0.51


def test_a_grey_pixel_has_no_colour_to_strengthen() -> None:
    grey = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    for function in (tone.saturate_hsv, tone.saturate_ycrcb):
        assert np.array_equal(function(grey, 64), grey)


@pytest.mark.parametrize(
    ("function", "argument", "expected"),
    [
        # 0, 100 and 255, by hand
        (tone.rgb_shift, 0.1, [26, 126, 255]),  # + 25.5
        (tone.rgb_shift, -0.2, [0, 49, 204]),  # - 51
        (tone.rgb_gamma, 2.0, [0, 39, 255]),  # 100² / 255 = 39.2
        (tone.rgb_gamma, 0.5, [0, 160, 255]),  # sqrt(100 * 255) = 159.7
        (tone.contrast_scale, 0.5, [59, 109, 187]),  # mean 355 / 3 = 118.33; 59.17, 109.17, 186.67
    ],
)
def test_curves_by_hand(function: Callable[..., np.ndarray], argument: float, expected: list[int]) -> None:
    row = np.array([0, 100, 255], dtype=np.uint8).repeat(3).reshape(1, 3, 3)
    assert function(row, argument)[0, :, 0].tolist() == expected


def test_the_stretch_keeps_black_white_and_mean_and_is_steep_or_flat_there() -> None:
    # Mean 127.75: 192 is 64.25 above it of a room of 127.25, t = .505; 64 is 63.75 below it, t = -.499.
    row = np.array([0, 64, 192, 255], dtype=np.uint8).repeat(3).reshape(1, 4, 3)
    strong = tone.contrast_strengthen_stretch(row, 4)[0, :, 0].tolist()
    # tanh(4 * .505 / 2) / tanh(2) = .7658 / .9640 = .794: 127.75 + 127.25 * .794 = 228.8
    # tanh(4 * .499 / 2) / tanh(2) = .7606 / .9640 = .789: 127.75 - 127.75 * .789 = 27.0
    assert strong == [0, 27, 229, 255]
    weak = tone.contrast_weaken_stretch(row, 1)[0, :, 0].tolist()
    # tanh(.5) = .462: 127.75 - 127.75 * .462 = 68.7, 127.75 + 127.25 * .462 = 186.6
    # tanh(.505 / 2) = .247, tanh(.499 / 2) = .2445: 127.75 + 31.4 = 159.2, 127.75 - 31.2 = 96.5
    assert weak == [69, 97, 159, 187]
