"""Box notation in a text: what is one or its remains, and what only looks like it."""

from __future__ import annotations

import pytest

from giqa_hf.formats import FORMATS, giqa, normalized, placed
from giqa_hf.formats.notation import boxes_in
from giqa_hf.frames import Frame
from giqa_hf.grounded_text import GroundedText, Region

CUP = GroundedText("The cup is sharp.", [Region("cup", (4, 7), [[0.1, 0.2, 0.5, 0.6], [0.5, 0.5, 1.0, 1.0]])])

BOXES = [
    giqa.write(CUP),
    giqa.write(CUP, space=True),
    normalized.write(CUP),
    "The [cup](0.3,0.4,0.6,0.5) is sharp.",
    "The [cup] ([0.3, 0.4, 0.6, 0.5]) is sharp.",
    "The cup <35, 319> is sharp.",
    "The cup [12, 30, 40, 50] is sharp.",
    "The cup (12 30 40 50) is sharp.",
    "The cup {12, 30, 40, 50} is sharp.",
    "The cup (12, 30), (40, 50) is sharp.",
    "The cup [12, 30] [40, 50] is sharp.",
    "The cup at (0.12, 0.3) is sharp.",
    "<ref>cup</ref><box>(12,30),(40,50)</box>",  # Qwen-VL
    "<|object_ref_start|>cup<|object_ref_end|> is sharp.",  # Qwen2-VL
    "<|det|>",  # DeepSeek-VL2
    "cup<loc_12><loc_30>",  # Florence-2
    "<loc0012><loc0030> cup",  # PaliGemma
    "<phrase>cup</phrase><object><patch_index_0044>",  # Kosmos-2
    '{"bbox_2d": [12, 30, 40, 50], "label": "cup"}',
    "The cup, x1=12, y1=30, is sharp.",
    "The cup (xmin: 0.1) is sharp.",
    "The ] cup]<<<10,33191, is",  # remains, as a collapsed model writes them
    "[cup]<35,319>",
    "[cup](<a,b>)",
    "The [cup](<",
]


@pytest.mark.parametrize("text", BOXES)
def test_boxes(text):
    assert boxes_in(text)


@pytest.mark.parametrize("name", FORMATS)
def test_what_every_form_here_writes(name):
    form, _ = placed(FORMATS[name](), Frame.identity((640, 480)))
    assert boxes_in(form.write(CUP)) and not boxes_in(CUP.text)


PLAIN = [
    "", "The cup is sharp.", "Taken at f/2.8, 1/60 s, ISO (100, 200).", "The colour is (255, 0, 0).",
    "The [red] (old) car is 2 < 3 m long.", "The cup (1, 2 and 3) is sharp.", "Score: 3.5/5, 4:3, 1920 x 1080.",
    "The <b>cup</b> is sharp, 3 <5, ISO 3 < 5, 2.", "A box of 12, 30, 40 and 50 cups.", "See [the note](note.txt).", "x = 3 or so.",
    "The sign reads 10, 20, 30, 40.", "Noise (20 %), blur (30 %).",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_no_boxes(text):
    assert boxes_in(text) is None


@pytest.mark.parametrize("part", ["(", "[1 ", "(1," + " " * 50, "](", "<", "( 1 1 1", " ", "1 ", "\n;"])
def test_it_is_linear_in_the_text(part):
    """A million characters take seconds where time is quadratic 10 times over; this one needs no clock to hang."""
    boxes_in(part * (400_000 // len(part)))
