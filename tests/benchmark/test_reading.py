"""In which frame and form a model's boxes are: declared, and never guessed."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.benchmark.reading import read_grounded, reading_of
from giqa_hf.errors import DataError
from giqa_hf.formats import GiqaFormat, NormalizedFormat, format_from_dict
from giqa_hf.frames import Frame
from giqa_hf.processing import load_grounding_processor
from tests.benchmark.tiny_bench import family


def test_the_processor_says_it():
    reading = reading_of(load_grounding_processor(family("padding"), NormalizedFormat(3)), None, None)
    assert reading.box_format == NormalizedFormat(3)
    assert reading.frame(120, 80) == Frame.square_pad((120, 80), 240)
    assert reading.settings() == {
        "format": {"name": "normalized", "decimals": 3},
        "frame": "of the processor",
    }


def test_what_is_declared_goes_before_the_processor():
    processor = load_grounding_processor(family("padding"))
    reading = reading_of(processor, "whole", "normalized")
    assert reading.box_format == NormalizedFormat() and reading.frame(120, 80) == Frame.identity((120, 80))


FORMATS = {
    "none: the paper's": (None, GiqaFormat()),
    "a name": ("normalized", NormalizedFormat()),
    "JSON": ('{"name": "giqa", "cols": 40, "rows": 40}', GiqaFormat.from_dict({"cols": 40, "rows": 40})),
}


@pytest.mark.parametrize("said, box_format", FORMATS.values(), ids=FORMATS)
def test_formats(said, box_format):
    assert reading_of(None, "whole", said).box_format == box_format


REFUSED = {
    "nothing": ((None, None, None), "give --processor MODEL, --frame whole"),
    "another frame": ((None, "round", None), "expected whole or square, got 'round'"),
    "another format": ((None, "whole", "circles"), "format: box format: expected name to be one of"),
    "half a JSON": ((None, "whole", '{"name":'), "format: "),
    "another parameter": ((None, "whole", '{"name": "giqa", "size": 4}'), "got size"),
    "a wrong parameter": ((None, "whole", '{"name": "giqa", "cols": "many"}'), "format: "),
}


@pytest.mark.parametrize("said, words", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be(said, words):
    with pytest.raises(DataError) as error:
        reading_of(*said)
    assert words in str(error.value)


def test_pixels_are_of_the_picture_that_the_model_sees():
    """120 x 80 resized to 112 x 84 (multiples of 28): 28 of 112 is 1/4, 42 of 84 is 1/2, whatever the original has."""
    frame = Frame.smart_resize((120, 80), 28, 3136, 12845056)
    assert frame.model_wh == (112, 84)
    text = 'The cup is sharp.\n[{"bbox_2d": [28, 42, 56, 63], "label": "cup"}]'
    (read,) = read_grounded(format_from_dict({"name": "qwen2_5_vl"}), [text], [frame])
    assert np.allclose(read.regions[0].boxes_norm, [[0.25, 0.5, 0.5, 0.75]])


def test_boxes_come_back_into_the_picture():
    """A 120 x 80 picture, padded by 20 of 120 above and below: y' 0.30 is (36 - 20) / 80 = 0.2, 0.50 is 40 / 80 = 0.5."""
    texts = ["The [cup](<0.1,0.3,0.5,0.5>).", "The [cup](<0.1,0.0,0.5,0.1>).", "no boxes"]
    frame = Frame.square_pad((120, 80), 336)
    read = read_grounded(NormalizedFormat(), texts, [frame] * 3)
    assert np.allclose(read[0].regions[0].boxes_norm, [[0.1, 0.2, 0.5, 0.5]])
    assert read[1].regions[0].box_statuses == ("degenerate",)  # wholly in the padding: 0.1 of 120 is above 20
    assert read[2].text == "no boxes" and not read[2].regions
    (whole,) = read_grounded(NormalizedFormat(), texts[:1], [Frame.identity((120, 80))])
    assert np.allclose(whole.regions[0].boxes_norm, [[0.1, 0.3, 0.5, 0.5]])
