from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from giqa_hf.distortions import DISTORTIONS, FAMILIES, SEVERITIES, Distortion, distort, members, pick
from giqa_hf.errors import MissingExtraError

every_distortion = pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda d: f"{d.family}-{d.name}")


def apply(image: np.ndarray, distortion: Distortion, severity: int, seed: int = 7) -> np.ndarray:
    return distort(image, distortion.family, distortion.name, severity=severity, seed=seed)


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a.astype(np.float64) - b) ** 2)))


@every_distortion
def test_kind_and_size_stay_and_distance_grows_with_severity(
    distortion: Distortion, photo: np.ndarray
) -> None:
    results = [apply(photo, distortion, severity) for severity in SEVERITIES]
    for result in results:
        assert (result.shape, result.dtype) == (photo.shape, np.uint8)
    distances = [rmse(result, photo) for result in results]
    # Without exception among the 35; the least is quantization/histogram at severity 1, about 3 of 255.
    assert distances[0] > 2
    assert all(later > earlier for earlier, later in pairwise(distances)), distances


@every_distortion
def test_equal_arguments_give_equal_pixels_and_the_seed_counts_only_where_there_is_chance(
    distortion: Distortion, photo: np.ndarray
) -> None:
    state = np.random.get_state()[1].copy()  # the global generator must not be used either
    first = apply(photo, distortion, 3, seed=1)
    assert np.array_equal(first, apply(photo, distortion, 3, seed=1))
    assert np.array_equal(first, apply(photo, distortion, 3, seed=2)) != distortion.random
    assert np.array_equal(state, np.random.get_state()[1])


@every_distortion
@pytest.mark.parametrize(
    "shape",
    [
        (1, 1),  # nothing to filter
        (1, 2),
        (2, 1),
        (3, 5),  # smaller than any kernel
        (1, 40),  # a line
    ],
)
def test_tiny_pictures_work(distortion: Distortion, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    black = np.zeros((*shape, 3), dtype=np.uint8)
    white = np.full((*shape, 3), 255, dtype=np.uint8)
    for image in (noise, black, white):
        for severity in (1, 5):
            with np.errstate(all="raise"):
                result = apply(image, distortion, severity)
            assert (result.shape, result.dtype) == (image.shape, np.uint8)


def test_a_flat_picture_is_changed_by_noise_and_tone_only(flat: np.ndarray) -> None:
    untouched = {d.family for d in DISTORTIONS if rmse(apply(flat, d, 5), flat) <= 1}
    assert untouched == {
        # nothing to smear, no edge, no colour, one level
        "blur", "compression", "oversharpen", "pixelate", "quantization",
        # no distance from the mean, no distance from grey
        "contrast_strengthen", "contrast_weaken", "saturate_strengthen", "saturate_weaken",
    }  # fmt: skip


def test_a_pillow_image_comes_back_as_one_with_the_same_pixels(photo: np.ndarray) -> None:
    result = distort(Image.fromarray(photo), "noise", "impulse", severity=2, seed=3)
    assert isinstance(result, Image.Image)
    assert result.mode == "RGB"
    assert np.array_equal(np.array(result), distort(photo, "noise", "impulse", severity=2, seed=3))


def test_a_grey_pillow_image_becomes_rgb() -> None:
    result = distort(Image.new("L", (3, 2), 100), "brighten", "rgb_shift", severity=1, seed=0)
    # 100 + 0.1 * 255 = 125.5, rounded up
    assert (result.mode, result.size, result.getpixel((0, 0))) == ("RGB", (3, 2), (126, 126, 126))


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_name_one_is_drawn_and_naming_it_changes_nothing(family: str, photo: np.ndarray) -> None:
    small = photo[:32, :32]
    drawn = [pick(family, seed=seed) for seed in range(60)]
    assert set(drawn) == set(members(family))
    for seed in range(3):
        unnamed = distort(small, family, severity=2, seed=seed)
        assert np.array_equal(unnamed, distort(small, family, drawn[seed].name, severity=2, seed=seed))


GREY = np.zeros((4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("image", "family", "name", "severity", "seed", "message"),
    [
        (GREY, "fog", None, 1, 0, "'fog'.*blur, noise, compression"),  # not a family
        (GREY, "blur", "jpeg", 1, 0, "'jpeg' in family 'blur'.*gaussian, motion, glass"),  # of another family
        (GREY, "blur", None, 0, 0, "severity 0"),  # severity 0 is the clean picture, not a distortion
        (GREY, "blur", None, 6, 0, "severity 6"),
        (GREY, "blur", None, 2.5, 0, "severity 2.5"),  # no grade in between
        (GREY, "blur", None, True, 0, "severity True"),
        (GREY, "blur", None, 1, -1, "seed -1"),
        (GREY, "blur", None, 1, None, "seed None"),  # would be another picture at each call
        (GREY[..., 0], "blur", None, 1, 0, r"shape \(4, 4\).*np.stack"),  # grey
        (GREY.astype(np.float32), "blur", None, 1, 0, "type float32"),
        (np.zeros((4, 4, 4), np.uint8), "blur", None, 1, 0, r"shape \(4, 4, 4\)"),  # RGBA
        (GREY[:0], "blur", None, 1, 0, "at least one pixel"),
        (GREY.tolist(), "blur", None, 1, 0, "a list"),
        (Image.new("RGBA", (4, 4)), "blur", None, 1, 0, "mode 'RGBA'"),
    ],
)
def test_bad_arguments_are_refused_by_value(
    image: object, family: str, name: str | None, severity: object, seed: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        distort(image, family, name, severity=severity, seed=seed)


def test_numpy_integers_are_whole_numbers_too(photo: np.ndarray) -> None:
    image = photo[:16, :16]
    expected = distort(image, "noise", "poisson", severity=2, seed=5)
    result = distort(image, "noise", "poisson", severity=np.int64(2), seed=np.int64(5))
    assert np.array_equal(result, expected)


def test_importing_needs_numpy_and_pillow_only() -> None:
    code = (
        "import sys, giqa_hf.distortions; "
        "print([name for name in ('scipy', 'skimage', 'torch') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_without_scipy_the_error_names_the_extra_and_the_rest_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    for name in ("gaussian", "motion"):  # a filter of scipy.ndimage, and a convolution by scipy.fft
        with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[synth\]"'):
            distort(GREY, "blur", name, severity=1, seed=0)
    assert distort(GREY, "compression", "jpeg", severity=1, seed=0).shape == GREY.shape
