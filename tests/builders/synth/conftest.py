"""Scenes that the tests of this folder share, and their clean twin worked out anew."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from PIL import Image

from giqa_hf.builders.synth import scenes as synth_scenes
from giqa_hf.builders.synth.photos import load_photo
from giqa_hf.builders.synth.scenes import Scene, SceneObject, make_scene
from giqa_hf.distortions import box_mask, ellipse_mask

COUNTS = {"train": 36, "test": 24}


@lru_cache(maxsize=1)
def _drawn() -> dict[str, list[Scene]]:
    return {
        split: [make_scene(split, np.random.default_rng([7, number])) for number in range(count)]
        for split, count in COUNTS.items()
    }


@pytest.fixture(scope="session")
def scenes_by_split() -> dict[str, list[Scene]]:
    """36 scenes of the train split and 24 of the bench."""
    return _drawn()


@pytest.fixture(scope="session")
def all_scenes() -> list[Scene]:
    """The scenes of both splits in one list."""
    return [scene for part in _drawn().values() for scene in part]


def _clean_pixels(scene: Scene) -> np.ndarray:
    """The crop without any distortion, from the photograph, the window and the size of the picture."""
    crop = load_photo(scene.photo.name).resize(
        scene.image.size, Image.Resampling.BICUBIC, box=scene.window_px
    )
    if scene.mirrored:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(crop)


def _mask(scene: Scene, thing: SceneObject) -> np.ndarray:
    """The pixels that a thing fills."""
    width, height = scene.image.size
    shape = ellipse_mask if thing.shape == "ellipse" else box_mask
    return np.any(
        [shape(box, (width, height)) for box in thing.boxes_norm * [width, height, width, height]], axis=0
    )


@pytest.fixture(scope="session")
def clean_pixels():
    """Function: scene -> (H, W, 3) uint8."""
    return _clean_pixels


@pytest.fixture(scope="session")
def mask_of():
    """Function: scene, thing -> (H, W) bool."""
    return _mask


@pytest.fixture
def fast_distortions(monkeypatch):
    """Distortions that cost nothing and can be seen, for hundreds of scenes at whose pixels nobody looks."""

    def inverted(pixels, mask, family, *, severity, seed):
        return np.where(mask[..., None], 255 - pixels, pixels)

    monkeypatch.setattr(synth_scenes, "distort_region", inverted)
    monkeypatch.setattr(synth_scenes, "MIN_VISIBLE_RMS", 0.0)
