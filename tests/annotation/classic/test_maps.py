"""The quality maps: what each shows on pictures whose quality is known by construction."""

from __future__ import annotations

import io
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from giqa_hf.annotation.classic.maps import MAP_PX, PhotoMaps
from giqa_hf.annotation.classic.vocabulary import Measure
from giqa_hf.builders.synth.photos import load_photo


def flat(level: int | tuple[int, int, int], wh: tuple[int, int] = (256, 192)) -> Image.Image:
    return Image.new("RGB", wh, (level,) * 3 if isinstance(level, int) else level)


def halves(left: Image.Image, right: Image.Image) -> Image.Image:
    picture = left.copy()
    picture.paste(right.crop((left.width // 2, 0, left.width, left.height)), (left.width // 2, 0))
    return picture


def means(picture: Image.Image, measure: str) -> tuple[float, float]:
    """Of the left and the right part, without the seam."""
    plane = PhotoMaps(picture).map(measure)
    width = plane.shape[1]
    return float(plane[:, : width * 3 // 8].mean()), float(plane[:, width * 5 // 8 :].mean())


def bike() -> Image.Image:
    return load_photo("motorcycle_left.png").resize((256, 192))


def noisy(picture: Image.Image, sigma: float) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, sigma, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, subsampling=0)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def pixelated(picture: Image.Image) -> Image.Image:
    small = picture.resize((picture.width // 4, picture.height // 4), Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


DAMAGED = {
    # measure: (what is done to the right half, whether its map rises)
    "sharpness": (lambda p: p.filter(ImageFilter.GaussianBlur(4)), False),
    "detail": (lambda p: p.filter(ImageFilter.UnsharpMask(2, 400, 0)), True),
    "noise": (lambda p: noisy(p, 25), True),
    "brightness": (lambda p: p.point(lambda v: v // 2), False),
    "highlights": (lambda p: p.point(lambda v: min(255, v + 90)), True),
    "shadows": (lambda p: p.point(lambda v: v // 3), True),
    "contrast": (lambda p: p.point(lambda v: 128 + (v - 128) // 4), False),
    "veil": (lambda p: Image.blend(p, flat(200), 0.7), True),
    "saturation": (lambda p: p.convert("L").convert("RGB"), False),
    "blockiness": (lambda p: jpeg(p, 5), True),
    "steps": (pixelated, True),
}


def test_every_measure_has_a_row():
    assert set(DAMAGED) == set(get_args(Measure))


@pytest.mark.parametrize("measure", DAMAGED)
def test_damage_to_one_half_shows_there_and_only_there(measure):
    damage, rises = DAMAGED[measure]
    left, right = means(bike(), measure)
    left_after, right_after = means(halves(bike(), damage(bike())), measure)
    assert left_after == pytest.approx(left, abs=0.03)
    assert right_after > right + 0.05 if rises else right_after < right - 0.05


EXACT = {
    # what is known without looking: (picture, measure, its level)
    "mid grey": (flat(102), "brightness", 102 / 255),
    "white": (flat(255), "highlights", 1.0),  # (255 - 160) / 80, cut at 1
    "grey 200": (flat(200), "highlights", 0.5),  # (200 - 160) / 80
    "grey 45": (flat(45), "shadows", 0.5),  # (90 - 45) / 90
    "grey has no colour": (flat(77), "saturation", 0.0),
    "red": (flat((255, 0, 0)), "saturation", 1.0),  # CIELAB chroma 104.6, cut at 100
    "nothing to see": (flat(77), "sharpness", 1.5 / 5),
    "no detail": (flat(77), "detail", 0.0),
    "no grid": (flat(77), "blockiness", 0.0),  # (0 + 1) / (0 + 1) - 1
    "flat is no step": (flat(77), "steps", 0.0),  # all neighbours are equal, but there is no contrast
    "no noise": (flat(128), "noise", 0.0),
}


@pytest.mark.parametrize("picture, measure, level", EXACT.values(), ids=EXACT)
def test_known_levels(picture, measure, level):
    assert PhotoMaps(picture).map(measure) == pytest.approx(level, abs=2e-3)


@pytest.mark.parametrize("sigma", [8, 16, 32])
def test_the_noise_map_gives_the_standard_deviation(sigma):
    noise = np.random.default_rng(1).normal(0, sigma, (192, 256, 1)).repeat(3, axis=2)  # grey noise
    picture = Image.fromarray(np.clip(128 + noise, 0, 255).astype(np.uint8))
    found = float(PhotoMaps(picture).noise.mean()) * 64
    # A low percentile of the means of 5 x 5 windows: below sigma, but not by more than a fifth.
    assert 0.8 * sigma < found < sigma


def test_the_grid_of_a_crop_is_found_wherever_it_begins():
    damaged = jpeg(bike(), 5)
    whole = float(PhotoMaps(damaged).blockiness.mean())
    crop = damaged.crop((3, 5, 243, 181))  # its grid begins at (5, 3)
    lost = float(PhotoMaps(crop).blockiness.mean())
    found = float(PhotoMaps(crop, is_crop=True).blockiness.mean())
    assert found == pytest.approx(whole, rel=0.15) and lost < 0.3 * whole


@given(st.tuples(st.integers(1, 90), st.integers(1, 90)), st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=15, deadline=None)
def test_all_maps_of_all_sizes_are_finite_and_in_range(wh, seed, is_crop):
    pixels = np.random.default_rng(seed).integers(0, 256, (wh[1], wh[0], 3), dtype=np.uint8)
    maps = PhotoMaps(Image.fromarray(pixels), is_crop=is_crop)
    for measure in get_args(Measure):
        plane = maps.map(measure)
        assert plane.shape == (maps.map_wh[1], maps.map_wh[0]) and plane.dtype == np.float32
        assert np.isfinite(plane).all() and plane.min() >= 0 and plane.max() <= 1


def test_a_large_photo_is_measured_at_a_bounded_size():
    maps = PhotoMaps(flat(90, (5000, 50)))
    assert maps.map_wh == (MAP_PX, 1)  # 50 * 128 / 5000 = 1.28
    assert maps._fine.shape[:2] == (17, 1667)  # a factor of ceil(5000 / 2048) = 3, rounded up
    assert maps.map("steps").shape == (1, MAP_PX)
