from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.distortions import (
    DISTORTIONS,
    Distortion,
    box_mask,
    distort,
    distort_region,
    ellipse_mask,
)


@pytest.mark.parametrize("feather_px", [0.0, 6.0])
@pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda d: f"{d.family}-{d.name}")
def test_outside_nothing_changes_and_inside_it_is_the_distorted_whole(
    distortion: Distortion, feather_px: float, photo: np.ndarray
) -> None:
    mask = ellipse_mask((60, 40, 180, 200), (224, 224))
    whole = distort(photo, distortion.family, distortion.name, severity=4, seed=9)
    result = distort_region(
        photo, mask, distortion.family, distortion.name, severity=4, seed=9, feather_px=feather_px
    )
    assert np.array_equal(result[~mask], photo[~mask])
    # At depth 6 + 1 the soft rim ends: an ellipse 8 px smaller on each side is at full strength.
    core = mask if feather_px == 0 else ellipse_mask((68, 48, 172, 192), (224, 224))
    assert np.array_equal(result[core], whole[core])
    assert (result != photo).any()


def test_jpeg_in_a_region_has_the_blocks_of_the_whole_picture(photo: np.ndarray) -> None:
    # A region that begins off the 8 x 8 grid: encoding the cut-out alone would put the blocks elsewhere.
    mask = box_mask((3, 5, 103, 77), (224, 224))
    whole = distort(photo, "compression", "jpeg", severity=5, seed=0)
    cut_out = distort(photo[5:77, 3:103], "compression", "jpeg", severity=5, seed=0)
    result = distort_region(photo, mask, "compression", "jpeg", severity=5, seed=0)
    assert np.array_equal(result[5:77, 3:103], whole[5:77, 3:103])
    assert not np.array_equal(result[5:77, 3:103], cut_out)


def test_the_feather_ramps_up_inside_the_mask() -> None:
    row = np.full((1, 7, 3), 100, dtype=np.uint8)
    mask = np.array([[False, True, True, True, True, True, False]])
    result = distort_region(row, mask, "brighten", "rgb_shift", severity=5, seed=0, feather_px=2)
    # 100 + 0.35 * 255 = 189.25 -> 189; depths 1 2 3 2 1, strengths 1/3 2/3 1 2/3 1/3:
    # 100 + 89 / 3 = 129.7 and 100 + 178 / 3 = 159.3
    assert result[0, :, 0].tolist() == [100, 130, 159, 189, 159, 130, 100]


def test_the_border_of_the_picture_is_no_rim() -> None:
    row = np.full((1, 4, 3), 100, dtype=np.uint8)
    mask = np.array([[True, True, False, False]])
    result = distort_region(row, mask, "brighten", "rgb_shift", severity=5, seed=0, feather_px=1)
    # depths 2 1: strengths 2/2 1/2; 100 + 89/2 = 144.5 -> 145
    assert result[0, :, 0].tolist() == [189, 145, 100, 100]


@pytest.mark.parametrize("feather_px", [0.0, 10.0])
def test_a_full_mask_is_the_whole_picture(feather_px: float, photo: np.ndarray) -> None:
    result = distort_region(
        photo, np.ones((224, 224), bool), "blur", severity=2, seed=4, feather_px=feather_px
    )
    assert np.array_equal(result, distort(photo, "blur", severity=2, seed=4))


def test_a_pillow_image_comes_back_as_one(photo: np.ndarray) -> None:
    mask = box_mask((0, 0, 50, 50), (224, 224))
    result = distort_region(Image.fromarray(photo), mask, "pixelate", severity=5, seed=0)
    assert isinstance(result, Image.Image)
    assert np.array_equal(np.array(result), distort_region(photo, mask, "pixelate", severity=5, seed=0))


IMAGE = np.zeros((3, 4, 3), dtype=np.uint8)
FULL = np.ones((3, 4), dtype=bool)


@pytest.mark.parametrize(
    ("mask", "arguments", "message"),
    [
        (FULL.T, {}, r"shape \(4, 3\).*\(3, 4\)"),  # width and height swapped
        (FULL[..., None], {}, r"shape \(3, 4, 1\)"),
        (FULL.astype(np.uint8), {}, "type uint8.*mask > 0"),  # 0/255 as saved in a PNG
        (FULL.tolist(), {}, "type list"),
        (~FULL, {}, "Empty mask"),
        (FULL, {"feather_px": -1.0}, "feather_px -1.0"),
        (FULL, {"feather_px": float("nan")}, "feather_px nan"),
        (FULL, {"severity": 6}, "severity 6"),
        (FULL, {"family": "fog"}, "'fog'.*blur"),
    ],
)
def test_bad_arguments_are_refused_by_value(mask: object, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        distort_region(IMAGE, mask, **{"family": "blur", "severity": 1, "seed": 0, **arguments})


@pytest.mark.parametrize(
    ("box_px", "expected"),
    [
        ((1, 0, 3, 1), ["0110", "0000", "0000"]),  # whole pixels
        ((0, 0, 4, 3), ["1111", "1111", "1111"]),  # everything
        ((-9, 1, 99, 2), ["0000", "1111", "0000"]),  # over the border
        ((1.4, 0, 2.6, 3), ["0110", "0110", "0110"]),  # holds the centres 1.5 and 2.5
        ((1.6, 0, 2.4, 3), ["0000", "0000", "0000"]),  # holds no centre
        ((7, 7, 9, 9), ["0000", "0000", "0000"]),  # beside the picture
    ],
)
def test_a_box_mask_holds_the_pixels_whose_centre_it_holds(
    box_px: tuple[float, ...], expected: list[str]
) -> None:
    mask = box_mask(box_px, (4, 3))
    assert mask.dtype == np.bool_
    assert ["".join(map(str, row)) for row in mask.astype(int).tolist()] == expected


def test_an_ellipse_fills_pi_over_four_of_its_box() -> None:
    mask = ellipse_mask((20, 30, 180, 130), (200, 150))
    assert mask.shape == (150, 200)
    # pi / 4 * 160 * 100 = 12566
    assert mask.sum() == pytest.approx(12566, rel=0.005)
    rows, columns = np.nonzero(mask)
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (20, 180, 30, 130)


@given(st.integers(-5, 15), st.integers(1, 15), st.integers(1, 15))
def test_two_boxes_that_share_an_edge_share_no_pixel(x: int, left: int, right: int) -> None:
    shared = x + left
    a = box_mask((x, 0, shared, 8), (12, 8))
    b = box_mask((shared, 0, shared + right, 8), (12, 8))
    both = box_mask((x, 0, shared + right, 8), (12, 8))
    assert not (a & b).any()
    assert np.array_equal(a | b, both)


@pytest.mark.parametrize("make", [box_mask, ellipse_mask])
@pytest.mark.parametrize(
    ("box_px", "image_wh", "message"),
    [
        ((3, 0, 1, 2), (4, 3), "x1 < x2"),  # reversed
        ((1, 2, 3, 2), (4, 3), "y1 < y2"),  # no height
        ((0, 0, float("nan"), 1), (4, 3), "Bad box"),
        ((0, 0, 1), (4, 3), "x1, y1, x2, y2"),  # three numbers
        ((0, 0, 1, 1), (0, 3), r"image_wh \(0, 3\)"),
    ],
)
def test_bad_boxes_are_refused_by_value(
    make: object, box_px: tuple[float, ...], image_wh: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(box_px, image_wh)
