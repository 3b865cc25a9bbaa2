"""The pictures that the tests of this folder share."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photograph, 224 x 224 RGB. Read-only: a distortion that writes into its input fails loudly."""
    resized = Image.fromarray(data.astronaut()).resize((224, 224), Image.Resampling.BICUBIC)
    pixels = np.array(resized)
    pixels.setflags(write=False)
    return pixels


@pytest.fixture(scope="session")
def flat() -> np.ndarray:
    """Middle grey, 224 x 224: what a noise adds can be read off directly."""
    return np.full((224, 224, 3), 128, dtype=np.uint8)


@pytest.fixture
def point() -> np.ndarray:
    """A white dot of 5 x 5 pixels in the middle of 101 x 101 black ones: what a blur does can be read off."""
    pixels = np.zeros((101, 101, 3), dtype=np.uint8)
    pixels[48:53, 48:53] = 255
    return pixels
