from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from giqa_hf.distortions import SEVERITIES, detail, distort


def test_unsharp_raises_detail_with_each_severity(photo: np.ndarray) -> None:
    def edges(image: np.ndarray) -> float:
        return float(ndimage.laplace(image.mean(axis=-1)).var())

    values = [edges(photo)] + [
        edges(distort(photo, "oversharpen", severity=severity, seed=0)) for severity in SEVERITIES
    ]
    assert (np.diff(values) > 0).all(), values


def test_unsharp_draws_a_halo_two_pixels_wide_along_an_edge() -> None:
    edge = np.full((9, 12, 3), 100, dtype=np.uint8)
    edge[:, 6:] = 150
    row = detail.unsharp(edge, 2.0)[4, :, 0].astype(int)
    # A 5 x 5 window sees the edge from columns 4 ... 7 only: darker before, brighter behind, flat elsewhere.
    assert row[:4].tolist() == [100] * 4
    assert row[8:].tolist() == [150] * 4
    assert row[5] < row[4] < 100
    assert row[6] > row[7] > 150


def test_unsharp_arithmetic_by_hand() -> None:
    # exp(-x² / (2 * 1.1²)) at 0, 1, 2: 1, .6615, .1915; sum of 5 taps 2.706, weights .3695 .2445 .0708.
    edge = np.full((9, 12, 3), 100, dtype=np.uint8)
    edge[:, 6:] = 150
    row = detail.unsharp(edge, 2.0)[4, :, 0]
    # Column 5 sees taps +1 and +2 behind the edge: blur 100 + 50 * .3153 = 115.8; 100 - 2 * 15.8 = 68.5.
    # Column 4 sees tap +2: blur 103.5; 100 - 7.1 = 92.9. Columns 6 and 7 mirror them about 125.
    assert row[4:8].tolist() == pytest.approx([93, 68, 182, 157], abs=1)


@pytest.mark.parametrize("severity", SEVERITIES)
def test_pixelate_makes_squares_of_the_mean_colour(severity: int) -> None:
    scale = (0.5, 0.4, 0.3, 0.25, 0.2)[severity - 1]
    photo = np.random.default_rng(0).integers(0, 256, (200, 100, 3), dtype=np.uint8)
    result = distort(photo, "pixelate", severity=severity, seed=0)
    # Rows and columns repeat, except where a new square begins: 200 * scale and 100 * scale of them.
    new_rows = (np.abs(np.diff(result.astype(int), axis=0)).sum(axis=(1, 2)) > 0).sum() + 1
    new_columns = (np.abs(np.diff(result.astype(int), axis=1)).sum(axis=(0, 2)) > 0).sum() + 1
    assert (new_rows, new_columns) == (round(200 * scale), round(100 * scale))


def test_a_square_is_the_mean_of_its_pixels() -> None:
    image = np.array([[10, 20, 0, 0], [30, 40, 0, 8]], dtype=np.uint8)[..., None].repeat(3, axis=-1)
    # (10 + 20 + 30 + 40) / 4 = 25, (0 + 0 + 0 + 8) / 4 = 2
    assert detail.pixelate(image, 0.5)[..., 1].tolist() == [[25, 25, 2, 2]] * 2


def test_pixelate_of_an_odd_size_keeps_the_size() -> None:
    assert distort(Image.new("RGB", (7, 3)), "pixelate", severity=5, seed=0).size == (7, 3)
