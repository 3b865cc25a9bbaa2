"""Pictures equal to the original's to the bit, in all three modes, and frames that say where a place went."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from giqa_hf import Frame
from giqa_hf.models.mplug_owl2 import MPLUGOwl2ImageProcessor
from tests.models.mplug_owl2.parity import GOLDEN, facts, stored

MODES = ["pad", "resize", "plain"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("side", [56, 448])
def test_pixels_are_those_of_the_original(mode, side):
    processor = MPLUGOwl2ImageProcessor(size=side, crop_size=side, image_aspect_ratio=mode)
    pixels = processor(Image.open(GOLDEN / "landscape.png"), return_tensors="pt").pixel_values
    expected = facts("preprocess")["results"][f"landscape.{mode}.{side}"]["sha256"]
    assert hashlib.sha256(pixels.numpy().tobytes()).hexdigest() == expected
    if side == 56:
        assert torch.equal(pixels, stored("preprocess")[f"landscape.{mode}"])


def by_hand(image, mode, side):
    """The README's steps with Pillow alone."""
    width, height = image.size
    long, short = max(image.size), min(image.size)
    if mode == "pad":
        square = Image.new("RGB", (long, long), (122, 116, 104))
        square.paste(image, ((long - width) // 2, (long - height) // 2))
        image = square
    elif mode == "resize":
        image = image.resize((long, long), Image.Resampling.BICUBIC)
    else:
        width, height = (
            (side, int(side * long / short)) if width < height else (int(side * long / short), side)
        )
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    pixels = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64) * (1 / 255)
    mean, deviation = (
        np.array(facts("preprocess")["processor"][key], np.float32) for key in ("image_mean", "image_std")
    )
    return ((pixels.astype(np.float32) - mean) / deviation).transpose(2, 0, 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wh", [(52, 83), (41, 120), (64, 64), (200, 31), (500, 700)])
def test_pictures_of_other_shapes(mode, wh):
    """Portraits among them; 83 - 52 = 31 and 120 - 41 = 79 are odd, so the smaller half of the rest goes in front."""
    pixels = np.random.default_rng(0).integers(0, 256, (wh[1], wh[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    processor = MPLUGOwl2ImageProcessor(size=56, crop_size=56, image_aspect_ratio=mode)
    np.testing.assert_array_equal(processor(image).pixel_values[0], by_hand(image, mode, 56))


def test_the_released_file_loads_and_pads(tmp_path):
    """Its sizes are plain numbers: the shortest edge, and a square crop."""
    old = facts("preprocess")["processor"] | {"feature_extractor_type": "CLIPFeatureExtractor"}
    processor = MPLUGOwl2ImageProcessor.from_dict(old)
    assert dict(processor.size) == {"shortest_edge": 448}
    assert dict(processor.crop_size) == {"height": 448, "width": 448}
    assert processor.image_aspect_ratio == "pad"
    processor.image_aspect_ratio = "resize"
    processor.save_pretrained(tmp_path)
    assert MPLUGOwl2ImageProcessor.from_pretrained(tmp_path).to_dict() == processor.to_dict()


def test_a_mode_that_there_is_not_is_refused_wherever_it_comes_from():
    message = "image_aspect_ratio: expected one of pad, resize, plain, got 'stretch'"
    image = Image.new("RGB", (8, 8))
    with pytest.raises(ValueError, match=message):
        MPLUGOwl2ImageProcessor(image_aspect_ratio="stretch")
    processor = MPLUGOwl2ImageProcessor()
    with pytest.raises(ValueError, match=message):
        processor(image, image_aspect_ratio="stretch")
    processor.image_aspect_ratio = "stretch"
    with pytest.raises(ValueError, match=message):
        processor(image)
    with pytest.raises(ValueError, match=message):
        processor.frame(8, 8)


def test_the_mode_of_one_call():
    image = Image.open(GOLDEN / "landscape.png")
    processor = MPLUGOwl2ImageProcessor(size=56, crop_size=56)
    pixels = processor([image, image], image_aspect_ratio="plain", return_tensors="pt").pixel_values
    assert torch.equal(pixels, stored("preprocess")["landscape.plain"].repeat(2, 1, 1, 1))


# A white rectangle x1 y1 x2 y2 on black, in pixels, of an image w x h, followed through the processor.
PAINTED = [
    ((120, 80), (30, 20, 80, 60)),  # wider than high
    ((80, 120), (20, 40, 60, 90)),  # higher than wide
    ((101, 64), (40, 10, 70, 50)),  # odd rest of 37
    ((64, 64), (8, 16, 56, 40)),  # a square, in which all three modes agree
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("image_wh, box", PAINTED)
def test_a_rectangle_is_where_the_frame_says(mode, image_wh, box):
    width, height = image_wh
    painted = np.zeros((height, width, 3), dtype=np.uint8)
    painted[box[1] : box[3], box[0] : box[2]] = 255
    processor = MPLUGOwl2ImageProcessor(image_aspect_ratio=mode)
    pixels = processor(Image.fromarray(painted), return_tensors="np").pixel_values[0]
    # Half way between black (-1.79) and white (1.93) of the first channel; padding (0.0) lies on the dark side of 1.
    ys, xs = np.nonzero(pixels[0] > 1.0)
    found = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    frame = Frame.from_processor(processor, width, height)
    box_norm = np.array(box) / [width, height, width, height]
    expected = np.clip(frame.to_model_px([box_norm])[0], 0, 448)
    assert frame.model_wh == (448, 448)
    assert np.abs(found - expected).max() <= 3  # bicubic edges, where one pixel became up to seven


def test_frames_of_the_three_modes():
    # 83 x 52: padded to 83, behind 15 rows above ((83 - 52) // 2); 56 / 83 model pixels per pixel
    for mode, scale, offset in [
        ("pad", (56 / 83, 56 / 83), (0.0, 15 * 56 / 83)),
        ("resize", (56 / 83, 56 / 52), (0.0, 0.0)),
        # 52 becomes 56 and 83 becomes int(56 * 83 / 52) = 89, of which (89 - 56) // 2 = 16 are cut off in front
        ("plain", (89 / 83, 56 / 52), (-16.0, 0.0)),
    ]:
        processor = MPLUGOwl2ImageProcessor(size=56, crop_size=56, image_aspect_ratio=mode)
        frame = Frame.from_processor(processor, 83, 52)
        assert frame.scale_xy == pytest.approx(scale) and frame.offset_xy == pytest.approx(offset)


@pytest.mark.parametrize(
    "options",
    [
        {"do_resize": False},
        {"do_center_crop": False},
        {"crop_size": 224},
        {"size": {"height": 448, "width": 448}},
    ],
)
def test_a_frame_that_is_not_known_is_refused(options):
    with pytest.raises(ValueError, match="expected do_resize, do_center_crop"):
        MPLUGOwl2ImageProcessor(**options).frame(80, 60)
