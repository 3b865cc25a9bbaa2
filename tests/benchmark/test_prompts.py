"""How a row is put to a model: as in training, or in clean words, or with a request for boxes in the model's own form."""

from __future__ import annotations

import pytest

from giqa_hf.benchmark.prompts import DESCRIBE, STYLES, prompt_of
from giqa_hf.errors import DataError
from giqa_hf.formats import FORMATS as ALL_FORMATS
from giqa_hf.formats import GiqaFormat, NormalizedFormat, format_from_dict, placed
from giqa_hf.frames import Frame
from giqa_hf.training.conversations import conversation
from tests.benchmark.tiny_bench import bench_rows

ROWS = bench_rows()
FORMATS = {
    "giqa": GiqaFormat(),
    "giqa, 40 x 40": GiqaFormat.from_dict({"cols": 40, "rows": 40}),
    "normalized": NormalizedFormat(),
}
FRAMES = {
    "the whole picture": lambda width, height: Frame.identity((width, height)),
    "padded to a square": lambda width, height: Frame.square_pad((width, height), 336),
}


@pytest.mark.parametrize("box_format", FORMATS.values(), ids=FORMATS)
@pytest.mark.parametrize("frame_of", FRAMES.values(), ids=FRAMES)
def test_giqa_is_word_for_word_what_training_shows(box_format, frame_of):
    asking = {**ROWS[0], "question": "Assess the image. Write positions."}  # one that spells the notation out
    for row in [*ROWS, asking]:
        trained = conversation(row, box_format, frame_of)["prompt"][0]["content"]
        assert prompt_of(row, "giqa", box_format, frame_of(row["width"], row["height"])) == trained


def test_giqa_by_hand():
    """The cup of photo 0: [0.1, 0.2, 0.5, 0.6] of a 120 x 80 picture."""
    whole = Frame.identity((120, 80))
    # 20 x 20: from column 2, row 4 (82) to column 9, row 11 (229).
    assert prompt_of(ROWS[1], "giqa", GiqaFormat(), whole) == "Is the [cup](<82,229>) sharp?"
    # Padded above and below by (120 - 80) / 2 = 20 of 120: y 0.2 -> (20 + 16) / 120 = 0.3, 0.6 -> (20 + 48) / 120 = 0.57.
    square = Frame.square_pad((120, 80), 336)
    assert (
        prompt_of(ROWS[1], "giqa", NormalizedFormat(), square) == "Is the [cup](<0.10,0.30,0.50,0.57>) sharp?"
    )
    asking = {**ROWS[0], "question": "Assess the image. Write positions."}
    asked = prompt_of(asking, "giqa", NormalizedFormat(), whole)
    assert asked == "Assess the image. Write positions as [name](<x1,y1,x2,y2>)."


def test_plain_has_no_boxes_and_asks_for_none():
    whole = Frame.identity((120, 80))
    assert prompt_of(ROWS[0], "plain", GiqaFormat(), whole) == DESCRIBE
    assert prompt_of(ROWS[1], "plain", GiqaFormat(), whole) == "Is the cup sharp?"


@pytest.mark.parametrize("name", ALL_FORMATS)
def test_grounding_shows_the_form_that_will_be_read(name):
    """In every family's form: the request's example is read back as the box that it shows."""
    frame = Frame.smart_resize((120, 80), 28, 3136, 12845056)
    asked = prompt_of(ROWS[3], "grounding", format_from_dict({"name": name}), frame)
    assert asked.startswith("What is dark? ")
    boxes = [
        r.boxes_norm for r in placed(format_from_dict({"name": name}), frame).box_format.read(asked).regions
    ]
    assert len(boxes) == 1 and abs(boxes[0] - [[0.2, 0.1, 0.6, 0.5]]).max() < 0.03


def test_another_style():
    with pytest.raises(DataError, match=f"expected one of {', '.join(STYLES)}, got 'shouting'"):
        prompt_of(ROWS[0], "shouting", GiqaFormat(), Frame.identity((120, 80)))
