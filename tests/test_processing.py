"""The mixin on real processors of transformers: through the frame and back, saved and loaded."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from transformers import (
    AutoProcessor,
    CLIPImageProcessorPil,
    LlavaImageProcessorPil,
    LlavaNextImageProcessorPil,
    LlavaNextProcessor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from giqa_hf.formats import GiqaFormat, NormalizedFormat
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText, Issue, Region
from giqa_hf.processing import GroundingProcessorMixin, ground_processor, load_grounding_processor


class GiqaLlavaProcessor(GroundingProcessorMixin, LlavaProcessor):
    """What a user writes."""


def tokenizer():
    from tokenizers import Tokenizer, models

    words = Tokenizer(models.WordLevel({"<unk>": 0, "<image>": 1, "a": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", additional_special_tokens=["<image>"]
    )


def llava(image_processor, cls=GiqaLlavaProcessor):
    return cls(
        image_processor,
        tokenizer(),
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template="{{ messages }}",
    )


SQUARE = {"height": 160, "width": 160}


def squashing():
    return llava(CLIPImageProcessorPil(size=SQUARE, do_center_crop=False))


def padding():
    return llava(LlavaImageProcessorPil(size=SQUARE, do_center_crop=False, do_pad=True))


def cropping():
    # 640 x 480 -> 256 x 192, of which x = 32 .. 224 is kept: 0.125 .. 0.875 of the width.
    return llava(CLIPImageProcessorPil(size={"shortest_edge": 192}, crop_size={"height": 192, "width": 192}))


def tower(*boxes):
    return GroundedText("The tower is sharp.", [Region("tower", (4, 9), np.array(boxes).reshape(-1, 4))])


def test_squashing_changes_nothing():
    # 0.25 * 20 = 5, 0.75 * 20 = 15: cells (5, 5) and (14, 14) -> 5 * 20 + 5 and 14 * 20 + 14
    assert squashing().render_grounded(tower([0.25, 0.25, 0.75, 0.75]), (640, 480)) == (
        "The [tower](<105,294>) is sharp."
    )


def test_padding_is_written_and_taken_away_again():
    processor = padding()
    processor.box_format = NormalizedFormat()
    # 400 x 200 in a square of 400: y = 0 -> 100 / 400, y = 0.5 -> 200 / 400
    written = processor.render_grounded(tower([0.0, 0.0, 0.5, 0.5]), (400, 200))
    assert written == "The [tower](<0.00,0.25,0.50,0.50>) is sharp."
    [back] = processor.post_process_grounded_generation([written], [(400, 200)])
    assert back == tower([0.0, 0.0, 0.5, 0.5])
    np.testing.assert_array_equal(back.boxes_px(400, 200), [[0, 0, 200, 100]])


def test_what_a_model_says_of_the_padding():
    processor = padding()
    processor.box_format = NormalizedFormat()
    # The image is y = 0.25 .. 0.75 of the square.
    text = "[a](<0,0,1,0.5>,<0,0,1,0.2>,<0.5,0.5,0.1,0.75>,<0,0,1,0.5>,<0,0,7,1>)"
    [back] = processor.post_process_grounded_generation([text], [(400, 200)])
    # half in padding: cut at the rim; all in padding: nothing is left; reversed; again; no place at all
    np.testing.assert_allclose(
        back.regions[0].boxes_norm,
        [[0, 0, 1, 0.5], [0, 0, 1, 0], [0.1, 0.5, 0.5, 1], [0, 0, 1, 0.5]],
        atol=1e-12,
    )
    assert back.regions[0].statuses == ("clipped", "degenerate", "swapped", "duplicate")
    assert back.issues == [Issue("out_of_range", "<0,0,7,1>", (59, 68))]
    assert back.text == "a"


@pytest.mark.parametrize("wh", [(640, 480), (333, 517), (300, 300)], ids=str)
@pytest.mark.parametrize("make", [squashing, padding, cropping])
def test_visible_cells_survive(make, wh):
    """Boxes of cells of the model's picture come back in the original."""
    processor = make()
    frame = processor.frame(*wh)
    cells = [
        [left, left + 21 * step] for left in range(0, 380, 37) for step in (1, 5) if left + 21 * step < 400
    ]
    ordered = [pair for pair in cells if pair[1] % 20 > pair[0] % 20]
    boxes = frame.to_image_norm(Grid().decode(ordered, "edges"))
    visible = boxes[((boxes >= 0) & (boxes <= 1)).all(axis=1)]
    assert len(visible) >= 5
    processor.box_format = GiqaFormat(policy="edges")
    written = processor.render_grounded(tower(*visible), wh)
    [back] = processor.post_process_grounded_generation([written], [wh])
    np.testing.assert_allclose(back.regions[0].boxes_norm, visible, atol=1e-9)


def test_hidden_boxes_are_told_dropped_or_kept():
    processor = cropping()
    # x = 0.125 .. 0.875 is seen: nothing of the first box and of the last one, all of the second.
    grounded = GroundedText(
        "A tower, a wall.",
        [
            Region("tower", (2, 7), [[0.0, 0.0, 0.1, 0.5], [0.25, 0.0, 0.5, 0.5]], quality="blurred"),
            Region("wall", (11, 15), [[0.9, 0.0, 1.0, 1.0]]),
        ],
    )
    with pytest.raises(
        ValueError, match=r"region 'tower': .* box \[0.0, 0.0, 0.1, 0.5\], got 0% of it in sight; .*'drop'"
    ):
        processor.render_grounded(grounded, (640, 480))
    # (0.25 - 0.125) / 0.75 * 20 = 3.33: column 3; (0.5 - 0.125) / 0.75 * 20 = 10: column 9; rows 0 and 9
    dropped = processor.render_grounded(grounded, (640, 480), hidden="drop")
    assert dropped == "A [tower](<3,189>), a wall."
    kept = processor.render_grounded(grounded, (640, 480), hidden="keep")
    assert kept == "A [tower](<0,180>,<3,189>), a [wall](<19,399>)."
    with pytest.raises(ValueError, match="hidden: expected one of error, drop, keep, got 'hide'"):
        processor.render_grounded(grounded, (640, 480), hidden="hide")


@pytest.mark.parametrize("box", [[0.5, 0.1, 1.5, 0.2], [0.5, 0.1, 0.2, 0.2], [float("nan"), 0, 1, 1]])
def test_boxes_that_are_none_are_refused(box):
    with pytest.raises(ValueError, match=r"boxes_norm\[0\]: expected finite"):
        cropping().render_grounded(tower(box), (640, 480), hidden="keep")


def test_a_box_that_is_half_seen_is_cut_to_the_picture():
    # x = 0 .. 0.25, seen from 0.125: columns 0 .. (0.125 / 0.75 * 20 = 3.33) -> 3
    assert (
        cropping().render_grounded(tower([0.0, 0.0, 0.25, 1.0]), (640, 480))
        == "The [tower](<0,383>) is sharp."
    )


def test_a_region_without_boxes_stays_one():
    assert cropping().render_grounded(tower(), (640, 480), hidden="drop") == "The [tower]() is sharp."


def test_saved_and_loaded(tmp_path):
    processor = padding()
    processor.box_format = GiqaFormat(Grid(40, 30), policy="paper", space=True)
    processor.save_pretrained(tmp_path)
    loaded = GiqaLlavaProcessor.from_pretrained(tmp_path)
    assert type(loaded) is GiqaLlavaProcessor
    assert loaded.box_format == processor.box_format
    assert loaded.frame(640, 480) == processor.frame(640, 480)
    assert (loaded.patch_size, loaded.chat_template) == (16, "{{ messages }}")
    assert GiqaLlavaProcessor.from_pretrained(tmp_path, box_format=NormalizedFormat()).box_format == (
        NormalizedFormat()
    )
    # saving the loaded one gives the same file
    loaded.save_pretrained(tmp_path / "again")
    again = (tmp_path / "again" / "processor_config.json").read_text()
    assert json.loads(again) == json.loads((tmp_path / "processor_config.json").read_text())


def test_auto_processor_loads_the_folder_as_the_plain_one(tmp_path):
    padding().save_pretrained(tmp_path)
    plain = AutoProcessor.from_pretrained(tmp_path)
    assert type(plain) is LlavaProcessor
    assert plain.patch_size == 16


def test_any_processor_can_be_grounded(tmp_path):
    plain = llava(LlavaImageProcessorPil(size=SQUARE, do_center_crop=False, do_pad=True), cls=LlavaProcessor)
    grounding = ground_processor(plain, NormalizedFormat(3))
    assert isinstance(grounding, LlavaProcessor)
    assert not hasattr(plain, "render_grounded")
    written = "The [tower](<0.000,0.250,0.500,0.500>) is sharp."
    grounding.save_pretrained(tmp_path)
    for one in (
        grounding,
        copy.deepcopy(grounding),
        pickle.loads(pickle.dumps(grounding)),
        ground_processor(grounding),
        load_grounding_processor(tmp_path),
    ):
        assert one.box_format == NormalizedFormat(3)
        assert one.render_grounded(tower([0.0, 0.0, 0.5, 0.5]), (400, 200)) == written
    assert ground_processor(grounding, GiqaFormat()).box_format == GiqaFormat()
    assert grounding.box_format == NormalizedFormat(3)
    assert load_grounding_processor(tmp_path, GiqaFormat()).box_format == GiqaFormat()
    assert type(AutoProcessor.from_pretrained(tmp_path)) is LlavaProcessor


def test_a_plain_folder_loads_with_the_papers_form(tmp_path):
    image_processor = LlavaNextImageProcessorPil(size={"shortest_edge": 160}, crop_size=SQUARE)
    LlavaNextProcessor(image_processor, tokenizer(), patch_size=16).save_pretrained(tmp_path)
    processor = load_grounding_processor(tmp_path)
    assert isinstance(processor, LlavaNextProcessor)
    assert processor.box_format == GiqaFormat()
    # The base view squashes: an image twice as wide as high changes nothing.
    assert (
        processor.render_grounded(tower([0.0, 0.0, 0.5, 0.5]), (400, 200)) == "The [tower](<0,189>) is sharp."
    )


def test_it_still_processes_images():
    from PIL import Image

    out = padding()(images=Image.new("RGB", (40, 30)), text="<image> a", return_tensors="np")
    # (160 / 16)^2 = 100 patches, plus the class token, less it again ("default"), plus the word
    assert out["input_ids"].shape == (1, 101)


@pytest.mark.parametrize(
    ("texts", "image_sizes", "message"),
    [
        ("[a](<1,22>)", [(4, 3)], "expected a list of strings, got one string"),
        (["a", "b"], [(4, 3)], r"expected one \(width, height\) per text \(2\), got 1"),
        (["a"], [(0, 3)], "expected image_wh to be two whole numbers of at least 1"),
    ],
)
def test_wrong_arguments_are_told(texts, image_sizes, message):
    with pytest.raises(ValueError, match=message):
        squashing().post_process_grounded_generation(texts, image_sizes)


@pytest.mark.parametrize("box_format", ["giqa", GiqaFormat, None])
def test_a_box_format_must_be_one(box_format):
    with pytest.raises(ValueError, match="expected a format such as GiqaFormat"):
        squashing().box_format = box_format


def test_the_module_needs_no_transformers():
    check = (
        "import sys, giqa_hf.processing; sys.exit('transformers' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
