from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from giqa_hf.distortions import DISTORTIONS, SEVERITIES, compression, distort


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg_is_what_pillow_saves_at_that_quality(severity: int, photo: np.ndarray) -> None:
    quality = (25, 18, 12, 8, 5)[severity - 1]
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality)  # 4:2:0 is Pillow's default
    expected = np.array(Image.open(buffer))
    assert np.array_equal(distort(photo, "compression", "jpeg", severity=severity, seed=0), expected)


def test_jpeg_shows_its_8_x_8_blocks(photo: np.ndarray) -> None:
    steps = np.abs(np.diff(compression.jpeg(photo, 5).astype(int).mean(axis=-1), axis=1)).mean(axis=0)
    at_block_border = np.arange(1, 224) % 8 == 0
    assert steps[at_block_border].mean() > 1.5 * steps[~at_block_border].mean()


@pytest.mark.parametrize("severity", SEVERITIES)
def test_jpeg2000_reaches_its_psnr(severity: int, photo: np.ndarray) -> None:
    result = distort(photo, "compression", "jpeg2000", severity=severity, seed=0)
    # The encoder aims at the value from below: rounding and clipping cost up to half a decibel.
    assert psnr(result, photo) == pytest.approx((29, 27.5, 26, 24.5, 23)[severity - 1], abs=0.5)


def test_a_pillow_without_openjpeg_is_named(photo: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda feature: feature != "jpg_2000")
    with pytest.raises(ValueError, match="OpenJPEG"):
        distort(photo, "compression", "jpeg2000", severity=1, seed=0)


def test_channels_keep_their_order() -> None:
    red = np.zeros((32, 32, 3), dtype=np.uint8)
    red[..., 0] = 220
    for distortion in DISTORTIONS:
        if distortion.family in ("darken", "saturate_weaken"):
            continue  # severity 5 leaves black or grey
        result = distort(red, distortion.family, distortion.name, severity=1, seed=0)
        means = result.reshape(-1, 3).mean(axis=0)
        assert means[0] > max(means[1:]) + 60, f"{distortion.family}/{distortion.name}: {means}"
