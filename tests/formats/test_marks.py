"""What counts as an attempt at a box, readable or not, of whatever form."""

from __future__ import annotations

import pytest

from giqa_hf.formats import FORMATS, GiqaFormat, placed
from giqa_hf.formats.marks import tries_boxes
from giqa_hf.frames import Frame
from giqa_hf.grounded_text import GroundedText, Region


@pytest.mark.parametrize("name", FORMATS)
def test_every_form_that_is_written_here_is_an_attempt(name):
    grounded = GroundedText("The cup is dark.", [Region("cup", (4, 7), [[0.1, 0.2, 0.5, 0.6]])])
    form, _ = placed(FORMATS[name](), Frame.identity((640, 480)))
    assert tries_boxes(form.write(grounded)) and not tries_boxes(grounded.text)


@pytest.mark.parametrize(
    "text",
    [
        "The ] coffee]<<<10,33191, is",  # a collapsed model's
        "cup <35,319>",
        "[cup]<35,319>",
        "[cup](35,319)",
        "[cup](<a,b>)",
        "[cup](<",
    ],
)
def test_remains_of_the_papers_form_are_an_attempt(text):
    assert not len(GiqaFormat().read(text).boxes_norm)
    assert tries_boxes(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes.",
        "The left third (about 200 pixels) is dark [1], the rest [2] (see 3) is not.",
        "f/2.8, 1/60 s, 3 < 5, an <unusual> sight at (10, 20)",
    ],
)
def test_numbers_and_brackets_of_plain_words_are_none(text):
    assert not tries_boxes(text)
