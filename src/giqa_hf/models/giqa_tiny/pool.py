"""The scenes that giqa-tiny's base learns from, drawn once: shards of pixels, patch labels and lessons in words."""

from __future__ import annotations

import json
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...builders.synth.scenes import make_scene
from ...files import atomic_write, write_json
from ...grid import Grid
from .architecture import IMAGE_SIDE_PX
from .labels import PatchLabels, patch_labels
from .lessons import checks, judgements, turns

SEED = 20261121
SHARD = 1000
LESSONS = (*4 * (turns,), *6 * (judgements,), *10 * (checks,))
"""What is said of each scene; every time round it comes with one of them."""


def build_pool(work: Path, scenes: int) -> None:
    """Draw the scenes on all cores; shards that are there already stay as they are."""
    shards = range(math.ceil(scenes / SHARD))
    with ProcessPoolExecutor() as pool:
        for shard, _ in enumerate(pool.map(build_shard, [work] * len(shards), shards), start=1):
            print(f"scenes {shard * SHARD}/{scenes}", flush=True)


def build_shard(work: Path, shard: int) -> None:
    """Draw one shard; its lessons are written last, so that a shard that has them is whole."""
    if _file(work, "lessons", shard).exists():
        return
    grid, rng = Grid(), np.random.default_rng([SEED, shard])
    side = (IMAGE_SIDE_PX, IMAGE_SIDE_PX)
    pixels = np.empty((SHARD, *side, 3), dtype=np.uint8)
    texts, labels = [], []
    for index in range(SHARD):
        scene = make_scene("train", rng)
        pixels[index] = np.asarray(scene.image.resize(side, Image.Resampling.BICUBIC))
        labels.append(patch_labels(scene))
        texts.append([lesson(scene, rng, grid) for lesson in LESSONS])
    np.save(_file(work, "pixels", shard), pixels)
    np.savez(_file(work, "labels", shard), **PatchLabels.stack(labels)._asdict())
    write_json(_file(work, "lessons", shard), texts)


def shards_of(work: Path) -> list[int]:
    """The numbers of the shards in a folder."""
    return sorted(int(path.stem.removeprefix("lessons-")) for path in work.glob("lessons-*.json"))


def read_pixels(work: Path, shard: int) -> npt.NDArray[np.uint8]:
    """Squashed pictures, shape (SHARD, side, side, 3), mapped from the file."""
    return np.asanyarray(np.load(_file(work, "pixels", shard), mmap_mode="r"))


def read_labels(work: Path, shard: int) -> PatchLabels:
    """The patch labels of a shard's pictures."""
    return PatchLabels(**np.load(_file(work, "labels", shard)))


def read_lessons(work: Path, shard: int) -> list[list[list[list[str]]]]:
    """Per scene its lessons; a lesson is a list of (request, answer)."""
    return list(json.loads(_file(work, "lessons", shard).read_text()))


def write_features(work: Path, shard: int, features: npt.NDArray[np.float16]) -> None:
    """Keep what the finished tower sees in a shard's pictures."""
    with atomic_write(_file(work, "features", shard)) as file:
        np.save(file, features)


def read_features(work: Path, shard: int) -> npt.NDArray[np.float16] | None:
    """What `write_features` has kept, shape (SHARD, patches, width), mapped from the file; `None` before that."""
    path = _file(work, "features", shard)
    return np.asanyarray(np.load(path, mmap_mode="r")) if path.exists() else None


def normalised(raw: npt.NDArray[np.uint8]) -> Any:
    """Pixels (B, H, W, 3) as the processor hands them to the tower: a tensor (B, 3, H, W), CLIP's mean and spread."""
    import torch
    from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

    mean = np.array(OPENAI_CLIP_MEAN, dtype=np.float32)
    std = np.array(OPENAI_CLIP_STD, dtype=np.float32)
    return torch.from_numpy((raw.astype(np.float32) / 255 - mean) / std).permute(0, 3, 1, 2).contiguous()


def _file(work: Path, kind: str, shard: int) -> Path:
    suffix = {"lessons": "json", "labels": "npz"}.get(kind, "npy")
    return work / f"{kind}-{shard:03d}.{suffix}"
