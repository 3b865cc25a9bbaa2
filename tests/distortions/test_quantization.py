from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_multiotsu

from giqa_hf.distortions import SEVERITIES, distort, quantization


@pytest.mark.parametrize(
    ("name", "levels"),
    [("otsu", (15, 11, 8, 5, 3)), ("median_cut", (20, 15, 10, 6, 3)), ("histogram", (24, 16, 8, 6, 4))],
)
def test_each_channel_is_left_with_its_number_of_levels(
    name: str, levels: tuple[int, ...], photo: np.ndarray
) -> None:
    for severity in SEVERITIES:
        result = distort(photo, "quantization", name, severity=severity, seed=0)
        for channel in range(3):
            # The photograph uses all of 0-255, so no class is empty.
            assert len(np.unique(result[..., channel])) == levels[severity - 1]


@pytest.mark.parametrize("name", ["otsu", "histogram", "median_cut"])
def test_order_and_mean_brightness_stay(name: str, photo: np.ndarray) -> None:
    result = distort(photo, "quantization", name, severity=3, seed=0)
    for channel in range(3):
        before, after = photo[..., channel].ravel(), result[..., channel].ravel()
        assert (np.diff(after[np.argsort(before, kind="stable")].astype(int)) >= 0).all()
        assert after.mean() == pytest.approx(before.mean(), abs=1.5)


def cost(counts: np.ndarray, class_of_level: np.ndarray) -> float:
    """Sum of squared distances to the class means."""
    levels = np.arange(len(counts))
    total = 0.0
    for label in np.unique(class_of_level):
        weights = counts[class_of_level == label]
        if weights.sum():
            mean = np.average(levels[class_of_level == label], weights=weights)
            total += float((weights * (levels[class_of_level == label] - mean) ** 2).sum())
    return total


def test_otsu_by_hand() -> None:
    # Levels 0, 1, 5, 9 with 2, 1, 1, 3 samples. Two classes: {0 1} {5 9} costs 2/3 + 12 = 12.67,
    # {0 1 5} {9} costs 25 + 1 - 36/4 = 17. Three: {0 1} {5} {9} costs 2/3.
    counts = np.array([2, 1, 0, 0, 0, 1, 0, 0, 0, 3])
    assert quantization.otsu_classes(counts, 2).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert quantization.otsu_classes(counts, 3).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_otsu_uses_fewer_classes_where_fewer_levels_occur() -> None:
    assert quantization.otsu_classes(np.array([0, 4, 0, 9]), 15).max() == 1
    assert quantization.otsu_classes(np.array([0, 4, 0, 0]), 15).max() == 0


@settings(max_examples=60)
@given(counts=st.lists(st.integers(0, 9), min_size=4, max_size=9).filter(any), classes=st.integers(1, 4))
def test_otsu_finds_what_trying_everything_finds(counts: list[int], classes: int) -> None:
    histogram = np.array(counts)
    levels = np.arange(len(histogram))
    least = min(
        cost(histogram, np.searchsorted(np.array(cuts), levels, side="right"))
        for number in range(classes)
        for cuts in combinations(levels[1:].tolist(), number)
    )
    assert cost(histogram, quantization.otsu_classes(histogram, classes)) == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_otsu_agrees_with_scikit_image(classes: int, photo: np.ndarray) -> None:
    counts = np.bincount(photo[..., 1].ravel(), minlength=256)
    thresholds = threshold_multiotsu(hist=(counts, np.arange(256)), classes=classes)
    theirs = np.searchsorted(thresholds, np.arange(256), side="left")  # their classes end with the threshold
    ours = quantization.otsu_classes(counts, classes)
    assert cost(counts, ours) <= cost(counts, theirs) * (1 + 1e-9)
    assert cost(counts, ours) == pytest.approx(cost(counts, theirs), rel=1e-3)


def test_histogram_cuts_at_equal_widths_and_shows_the_mean() -> None:
    row = np.array([0, 10, 63, 64, 200, 255], dtype=np.uint8).repeat(3).reshape(1, 6, 3)
    # 4 bins of 64 levels: {0 10 63} mean 24.3, {64}, {200 255} mean 227.5 -> 228 (rint, to even)
    assert quantization.histogram(row, 4)[0, :, 2].tolist() == [24, 24, 24, 64, 228, 228]


def test_a_picture_of_few_levels_stays_as_it_is() -> None:
    image = np.array([[[0, 7, 255], [90, 7, 0]]], dtype=np.uint8)
    assert np.array_equal(quantization.otsu(image, 3), image)
    assert np.array_equal(quantization.median_cut(image, 3), image)
