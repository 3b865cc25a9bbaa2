"""Crops: which pixels they hold, how small ones grow, and that they are cut one at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.annotation.refinement.judge import Crops, crop_box


def ruler(width, height):
    """A picture whose pixels say where they are: red is x, green is y."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x, y, 0 * x], axis=-1).astype(np.uint8))


def extent_px(crop):
    """Where a crop of the ruler was: x1, y1, x2, y2, the second corner exclusive."""
    pixels = np.asarray(crop).astype(int)
    (x1, y1, _), (x2, y2, _) = pixels[0, 0], pixels[-1, -1]
    assert crop.size == (x2 + 1 - x1, y2 + 1 - y1)
    return (x1, y1, x2 + 1, y2 + 1)


@pytest.mark.parametrize(
    ("box", "min_side", "extent"),
    [
        ((0, 0, 1, 1), 32, (0, 0, 200, 100)),
        ((0.1, 0.2, 0.6, 0.7), 32, (20, 20, 120, 70)),  # .1 * 200 = 20, .2 * 100 = 20, 120, 70
        ((0.101, 0.201, 0.599, 0.699), 32, (20, 20, 120, 70)),  # 20.2 and 20.1 down, 119.8 and 69.9 up
        ((0.35, 0.07, 0.7, 0.57), 32, (70, 7, 140, 57)),  # .07 * 100 is 7.000000000000001, .57 * 100 is 56.99...
        # 10 x 20 about (105, 50) becomes 32 x 32: 105 - 16 = 89, 50 - 16 = 34
        ((0.5, 0.4, 0.55, 0.6), 32, (89, 34, 121, 66)),
        # 2 px wide about x = 1: moved to the left rim; 60 px high: as it is
        ((0, 0.2, 0.01, 0.8), 32, (0, 20, 32, 80)),
        # likewise at the lower right corner: 200 - 32, 100 - 32
        ((0.99, 0.99, 1, 1), 32, (168, 68, 200, 100)),
        # less than a pixel
        ((0.5, 0.5, 0.5001, 0.5001), 1, (100, 50, 101, 51)),
        # the photo is less than 150 px high: all of its height
        ((0.5, 0.4, 0.55, 0.6), 150, (30, 0, 180, 100)),  # x: 105 - 75 = 30
    ],
)  # fmt: skip
def test_which_pixels(box, min_side, extent):
    assert extent_px(crop_box(ruler(200, 100), box, min_side_px=min_side)) == extent


sides = st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted).filter(lambda side: side[0] < side[1])


@given(sides, sides, st.integers(1, 90), st.integers(1, 90), st.integers(1, 60))
def test_a_crop_holds_its_box_and_is_large_enough(x, y, width, height, min_side):
    x1, y1, x2, y2 = extent_px(crop_box(ruler(width, height), (x[0], y[0], x[1], y[1]), min_side_px=min_side))
    assert x1 <= x[0] * width + 1e-6 and x[1] * width - 1e-6 <= x2
    assert y1 <= y[0] * height + 1e-6 and y[1] * height - 1e-6 <= y2
    assert min(min_side, width) <= x2 - x1 <= width and min(min_side, height) <= y2 - y1 <= height


class Counting:
    """A photo that counts how often it was cut."""

    width, height, cuts = 200, 100, 0

    def crop(self, extent):
        self.cuts += 1
        return extent


def test_crops_are_cut_when_they_are_asked_for():
    photo = Counting()
    crops = Crops([photo] * 900, [(0.0, 0.0, 0.5, 0.5)] * 900, 32)
    batch = crops[100:108]
    assert len(crops) == 900 and len(batch) == 8 and photo.cuts == 0
    assert batch[-1] == (0, 0, 100, 50) and photo.cuts == 1
    assert len(list(batch)) == 8 and photo.cuts == 9


def test_crops_keep_photo_and_box_together():
    images = [ruler(100, 100), ruler(200, 50)]
    crops = Crops(images, [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)], 1)
    assert [extent_px(crop) for crop in crops] == [(0, 0, 50, 100), (100, 0, 200, 50)]
    assert [extent_px(crop) for crop in crops[1:]] == [(100, 0, 200, 50)]
    with pytest.raises(IndexError):
        crops[2]
