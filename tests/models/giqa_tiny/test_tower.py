"""The tower's start from cosines, and its pool."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from giqa_hf.builders.synth.scenes import make_scene
from giqa_hf.models.giqa_tiny.architecture import (
    IMAGE_SIDE_PX,
    PATCH_PX,
    WIDTH,
    make_processor,
    train_tokenizer,
)
from giqa_hf.models.giqa_tiny.pool import normalised
from giqa_hf.models.giqa_tiny.tower import cosine_filters, start_from_cosines


@pytest.fixture(scope="module")
def squashed():
    scenes = [make_scene("train", np.random.default_rng([5, number])) for number in range(12)]
    side = (IMAGE_SIDE_PX, IMAGE_SIDE_PX)
    return scenes, np.stack([np.asarray(s.image.resize(side, Image.Resampling.BICUBIC)) for s in scenes])


def test_cosines_are_orthonormal_and_two_of_eight_are_coloured():
    filters = cosine_filters(WIDTH, PATCH_PX).reshape(WIDTH, -1)
    assert np.allclose(filters @ filters.T, np.eye(WIDTH), atol=1e-12)
    grey = np.abs(filters.reshape(WIDTH, 3, -1) @ np.ones(PATCH_PX**2)).sum(
        1
    )  # only constant patterns sum to much
    assert np.count_nonzero(grey > 1e-9) == 3  # one constant pattern per colour axis
    spans_colours = np.ptp(filters.reshape(WIDTH, 3, -1), axis=1).max(1) > 1e-9
    assert spans_colours.sum() == WIDTH // 4


def test_every_pattern_starts_with_the_same_spread(squashed):
    from transformers import CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=1, num_attention_heads=6,
        image_size=IMAGE_SIDE_PX, patch_size=PATCH_PX,
    )  # fmt: skip
    tower = CLIPVisionModel(config)
    start_from_cosines(tower, squashed[1])
    with torch.inference_mode():
        answers = tower.embeddings.patch_embedding(normalised(squashed[1]))
    spread = answers.transpose(0, 1).flatten(1).std(dim=1)
    assert torch.allclose(spread, torch.full((WIDTH,), 0.5), atol=1e-3)


def test_pixels_are_those_of_the_processor(squashed):
    scenes, pixels = squashed
    processor = make_processor(train_tokenizer(["words"]))
    images = [scene.image for scene in scenes]
    theirs = processor.image_processor(images, return_tensors="pt")["pixel_values"]
    assert torch.allclose(normalised(pixels), theirs, atol=1e-5)
