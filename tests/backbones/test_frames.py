"""A box followed through each backbone's processor to its pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from giqa_hf.backbones.chat import chat_prompt
from giqa_hf.grounded_text import GroundedText, Region
from tests.backbones.loaded import NAMES, loaded
from tests.make_tiny_backbones import tiny_backbone

SIZES = {"landscape": (640, 427), "portrait": (333, 517), "tiny": (24, 18), "square": (300, 300)}


def seen_by(backbone, image):
    """The green channel (H, W) that the model sees, as the processor normalises it."""
    processor = backbone.processor
    out = processor(images=[[image]], text=[chat_prompt(processor, "?")], return_tensors="np")
    pixels = out["pixel_values"]
    if "image_grid_thw" in out:  # Qwen: patches (rows/2, cols/2, 2, 2, channel, time, p, p) back to a picture
        _, rows, cols = out["image_grid_thw"][0]
        side = processor.image_processor.patch_size
        blocks = pixels.reshape(rows // 2, cols // 2, 2, 2, 3, 2, side, side)[:, :, :, :, 1, 0]
        return blocks.transpose(0, 2, 4, 1, 3, 5).reshape(rows * side, cols * side)
    return pixels[0][0][1] if pixels.ndim == 5 else pixels[0][1]  # LLaVA-1.6: the whole view comes first


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_a_painted_rectangle_is_where_the_frame_and_the_text_say(name, shape):
    backbone = loaded(name)
    width, height = SIZES[shape]
    # In the first tenth of the width: a centre crop of a landscape picture would cut it away.
    left, top, right, bottom = (
        round(width * 0.04),
        round(height * 0.4),
        round(width * 0.3),
        round(height * 0.9),
    )
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((255, 255, 0), (left, top, right, bottom))
    seen = seen_by(backbone, image)

    frame = backbone.frame(width, height)
    assert frame.model_wh == (seen.shape[1], seen.shape[0])
    assert frame.visible_norm == pytest.approx((0, 0, 1, 1))  # nothing of an image is hidden from any of them
    box = [left / width, top / height, right / width, bottom / height]
    # Normalised, green is -1.75 in red, 2.07 in yellow and 0 in the padding, which has the mean colour.
    rows, cols = np.nonzero(seen > 1)
    found = np.array([cols.min(), rows.min(), cols.max() + 1, rows.max() + 1])
    blur = max(1.0, *frame.scale_xy)  # enlarging spreads an edge over more than a pixel
    slack = 1.0 + 0.5 * (blur - 1)
    np.testing.assert_allclose(found, frame.to_model_px([box])[0], atol=slack)

    # The text that the model is tuned on names cells of that same picture.
    grounded = GroundedText("A cup.", [Region("cup", (2, 5), [box])])
    text = backbone.processor.render_grounded(grounded, (width, height))
    [read] = backbone.box_format.read(text).regions
    cell = np.array([*frame.model_wh, *frame.model_wh]) / 20
    in_picture_px = read.boxes_norm[0] * np.array([*frame.model_wh, *frame.model_wh])
    assert (np.abs(in_picture_px - found) <= cell / 2 + slack).all()  # a corner is its cell's centre

    # And what it answers comes back to the image.
    [answer] = backbone.processor.post_process_grounded_generation([text], [(width, height)])
    cell_of_image = cell / np.array([*frame.scale_xy, *frame.scale_xy]) / [width, height, width, height]
    assert (np.abs(answer.boxes_norm[0] - box) <= cell_of_image / 2 + 1e-9).all()


def test_the_public_processor_of_llava_hides_it():
    """So the test above shows what the image policy is for: a sixth of the width is lost on either side."""
    from transformers import AutoProcessor

    from giqa_hf import Frame

    plain = AutoProcessor.from_pretrained(tiny_backbone("llava-1.5-7b"))
    frame = Frame.from_processor(plain, 640, 427)
    assert frame.visible_norm[0] == pytest.approx(
        15 / 95
    )  # 640 x 427 becomes 95 x 64, of which 15 px are cut
    assert frame.hides([[0.04, 0.4, 0.3, 0.9]]).tolist() == [False]
    assert frame.hides([[0.04, 0.4, 0.2, 0.9]]).tolist() == [True]
