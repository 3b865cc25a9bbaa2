from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.distortions import SEVERITIES, distort, members, noise


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", [d.name for d in members("noise")])
def test_noise_has_mean_zero_and_grows(name: str, flat: np.ndarray) -> None:
    added = [
        distort(flat, "noise", name, severity=severity, seed=1).astype(np.float64) - flat
        for severity in SEVERITIES
    ]
    # Clipping at 0 and 255 is symmetric about 127.5; the other half level comes from that.
    assert max(abs(field.mean()) for field in added) < 1.0
    strengths = [field.std() for field in added]
    assert strengths == sorted(strengths)


# On grey 128 a small sigma is not clipped, and 150,528 samples give a standard deviation to within 0.5 %.


def test_gaussian_rgb_has_its_sigma_and_independent_channels(
    flat: np.ndarray, rng: np.random.Generator
) -> None:
    added = noise.gaussian_rgb(flat, 0.05, rng=rng).astype(np.float64) - flat
    assert added.std() == pytest.approx(0.05 * 255, rel=0.02)
    assert np.corrcoef(added.reshape(-1, 3).T)[0, 1] == pytest.approx(0, abs=0.02)


def test_gaussian_ycrcb_has_its_sigmas_on_luma_and_chroma(flat: np.ndarray, rng: np.random.Generator) -> None:
    added = noise.gaussian_ycrcb(flat, 0.04, 2.0, rng=rng).astype(np.float64) - flat
    red, green, blue = added.reshape(-1, 3).T
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    assert y.std() == pytest.approx(0.04 * 255, rel=0.03)
    # BT.601: Cr = (R - Y) / 1.402, Cb = (B - Y) / 1.772
    assert ((red - y) / 1.402).std() == pytest.approx(0.08 * 255, rel=0.03)
    assert ((blue - y) / 1.772).std() == pytest.approx(0.08 * 255, rel=0.03)


def test_speckle_is_proportional_to_the_light(flat: np.ndarray, rng: np.random.Generator) -> None:
    assert noise.speckle(flat, 0.14, rng=rng).std() == pytest.approx(0.14 * 128, rel=0.02)
    assert not noise.speckle(np.zeros_like(flat), 0.42, rng=rng).any()


def test_spatially_correlated_noise_is_a_3_x_3_mean(flat: np.ndarray, rng: np.random.Generator) -> None:
    added = noise.spatially_correlated(flat, 0.14, rng=rng).astype(np.float64) - flat
    # The mean of 9 has a third of the sigma; neighbouring windows share 6 of 9 samples, those 3 apart none.
    assert added.std() == pytest.approx(0.14 * 255 / 3, rel=0.03)
    neighbours = {
        step: np.corrcoef(added[:, :-step].ravel(), added[:, step:].ravel())[0, 1] for step in (1, 3)
    }
    assert neighbours[1] == pytest.approx(6 / 9, abs=0.03)
    assert neighbours[3] == pytest.approx(0, abs=0.03)


def test_spatially_correlated_noise_does_not_blur_the_picture(
    photo: np.ndarray, rng: np.random.Generator
) -> None:
    assert np.array_equal(noise.spatially_correlated(photo, 0.0, rng=rng), photo)


@pytest.mark.parametrize("photons", [80, 15])
def test_poisson_counts_photons(photons: float, rng: np.random.Generator) -> None:
    dim = np.full((224, 224, 3), 51, dtype=np.uint8)  # a fifth of white
    result = noise.poisson(dim, photons, rng=rng)
    # Mean count photons / 5 = its variance; a photon is 255 / photons levels.
    assert result.mean() == pytest.approx(51, rel=0.01)
    assert result.std() == pytest.approx(np.sqrt(photons / 5) * 255 / photons, rel=0.02)


def test_impulse_sets_its_share_to_black_and_white(flat: np.ndarray, rng: np.random.Generator) -> None:
    result = noise.impulse(flat, 0.10, rng=rng)
    assert set(np.unique(result)) == {0, 128, 255}
    assert (result == 0).mean() == pytest.approx(0.05, abs=0.003)
    assert (result == 255).mean() == pytest.approx(0.05, abs=0.003)
