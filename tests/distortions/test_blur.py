from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from giqa_hf.distortions import SEVERITIES, blur, distort, filters, members


def spread(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (x, y) and 2 x 2 covariance of the light in a picture."""
    light = image[..., 0].astype(np.float64)
    rows, columns = np.indices(light.shape)
    points = np.stack([columns.ravel(), rows.ravel()])
    return np.average(points, axis=1, weights=light.ravel()), np.cov(points, aweights=light.ravel(), ddof=0)


def detail(image: np.ndarray) -> float:
    return float(ndimage.laplace(image.mean(axis=-1)).var())


@pytest.mark.parametrize("name", [d.name for d in members("blur")])
def test_detail_falls_with_severity(name: str, photo: np.ndarray) -> None:
    details = [detail(distort(photo, "blur", name, severity=severity, seed=1)) for severity in SEVERITIES]
    if name == "jitter":
        # The exception: scattered pixels lose the shape of things, and make a rough surface of it.
        assert details[0] > detail(photo)
    else:
        assert details[0] < 0.6 * detail(photo)
        assert details[4] < details[0]


@pytest.mark.parametrize("name", [d.name for d in members("blur")])
def test_light_is_kept_and_does_not_move(name: str, point: np.ndarray) -> None:
    centres = [spread(distort(point, "blur", name, severity=3, seed=seed))[0] for seed in range(20)]
    # Jitter at severity 3 draws from -3 ... 3, a variance of 4. The mean over 25 bright pixels has a standard
    # deviation of 0.4, and that of 20 such pictures 0.09: 0.3 is more than three of them.
    assert np.mean(centres, axis=0) == pytest.approx([50, 50], abs=0.3)


def test_gaussian_has_the_variance_that_its_sigma_says(point: np.ndarray) -> None:
    _, covariance = spread(blur.gaussian(point, 3.0))
    # A 5 px box has variance (25 - 1) / 12 = 2, and variances add: 2 + 9.
    assert np.diag(covariance) == pytest.approx([11, 11], rel=0.05)
    assert covariance[0, 1] == pytest.approx(0, abs=0.05)


def test_lens_is_a_flat_disk() -> None:
    dot = np.zeros((41, 41, 3), dtype=np.uint8)
    dot[18:23, 18:23] = 255
    disk = blur.lens(dot, 8)[..., 0].astype(int)
    # 25 * 255 / (pi * 8²) = 31.7 where the whole dot is under the disk
    assert disk[20, 20] == disk[16, 20] == disk[20, 25] == 32
    # The dot ends 2 px from its centre, the disk half a pixel beyond 8.
    assert disk[20, 20 + 10] > 0
    assert disk[20, 20 + 11] == 0


def test_motion_is_a_line_of_random_angle(point: np.ndarray) -> None:
    angles = []
    for seed in range(6):
        result = blur.motion(point, 15, 7.0, rng=np.random.default_rng(seed))
        lengths, axes = np.linalg.eigh(spread(result)[1])
        # Across the line only the dot itself: variance 2. Along it a Gaussian of sigma 7, cut at 15 px
        # (2.14 sigma keeps 0.83 of the variance): 2 + 0.83 * 49 = 43.
        assert lengths == pytest.approx([2, 43], rel=0.15)
        angles.append(round(float(np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))) % 180))
    assert len(set(angles)) == 6


def test_glass_scatters_no_further_than_it_says(point: np.ndarray) -> None:
    result = blur.glass(point, 0.7, 4, 2, rng=np.random.default_rng(0))[..., 0]
    rows, columns = np.nonzero(result)
    # Two rounds of 4 px, and twice sigma 0.7 cut at 4 sigma (3 px), beyond the dot, which ends at 52.
    assert max(abs(rows - 50).max(), abs(columns - 50).max()) <= 2 + 2 * 4 + 2 * 3


def test_jitter_shows_neighbours_within_the_shift() -> None:
    ramp = np.zeros((60, 60, 3), dtype=np.uint8)
    ramp[..., 0] = np.arange(60)[None, :]
    ramp[..., 1] = np.arange(60)[:, None]
    moved = blur.jitter(ramp, 3, rng=np.random.default_rng(0)).astype(int) - ramp
    # Away from the border each of -3 ... 3 occurs, in both directions, and nothing else.
    assert np.unique(moved[5:-5, 5:-5, 0]).tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert np.unique(moved[5:-5, 5:-5, 1]).tolist() == [-3, -2, -1, 0, 1, 2, 3]


def test_zoom_leaves_the_centre_sharp_and_smears_the_rim(photo: np.ndarray) -> None:
    difference = np.abs(blur.zoom(photo, 1.21).astype(int) - photo).mean(axis=-1)
    centre, rim = difference[104:120, 104:120].mean(), difference.copy()
    rim[40:-40, 40:-40] = np.nan
    assert centre < 0.5 * np.nanmean(rim)


def test_convolve_is_the_plain_convolution_with_a_mirrored_border() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 255, (23, 31, 3)).astype(np.float32)
    kernel = rng.uniform(0, 1, (7, 7)).astype(np.float32)  # not symmetric: a flipped kernel would be seen
    expected = np.stack(
        [ndimage.convolve(values[..., channel], kernel, mode="reflect") for channel in range(3)], axis=-1
    )
    assert filters.convolve(values, kernel) == pytest.approx(expected, rel=1e-4)
