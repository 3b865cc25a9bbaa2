"""Every reader takes time linear in the length of the text: models repeat themselves without end."""

from __future__ import annotations

import pytest

from giqa_hf.formats import (
    FerretFormat,
    Florence2Format,
    InternVLFormat,
    Kosmos2Format,
    PaliGemmaFormat,
    Qwen3VLFormat,
    ShikraFormat,
)
from giqa_hf.grounded_text import GroundedText

# One format for each reader; the paper's own is in test_giqa.py.
READERS = {
    ShikraFormat(): [
        "[0.1,0.2;",
        "[0.1,0.2,0.3,0.4] and ",
        "a [",
        "[\\0.1,",
        "[[0.1,0.2,0.3,0.4],",
        "[ [ ",
    ],
    FerretFormat(): ["[1,2,3,4", "[1,", "((("],
    InternVLFormat(): ["<ref>", "</ref>", "<box>[[1,2,", "(1,2),", "[[1,2,3,4],", "<ref>a </ref>", "<\\"],
    Kosmos2Format(): ["<phrase>", "<object><patch_index_0001>", "<patch_index_0001> ", "<"],
    Qwen3VLFormat(): [
        "{",
        '{"a":[',
        '{"box":{',
        '"box":"a",',
        '{"box":["1","2",',
        '"',
        '{"bbox_2d":[1,2,3,4]},',
        "[1,2,3,4],",
        "[1 ",
        '{"label":"a",',
        '{"a":(1,',
        "dog [1] ",
        "\\",
    ],
    PaliGemmaFormat(): ["<loc0001>", "<loc0001> a ; ", "; ", "\\\n"],
    Florence2Format(): ["a<loc_1>", "<loc_1>", "\n", "\\\n"],
}


@pytest.mark.parametrize(
    ("box_format", "unit"), [(box_format, unit) for box_format, units in READERS.items() for unit in units]
)
def test_every_repetition_is_read_in_linear_steps(box_format, unit):
    """A quadratic reader in Python would need minutes for each of these: 40,000 characters."""
    text = unit * (40_000 // len(unit))
    assert len(box_format.read(text).text) <= len(text) + len(text) // 4  # labels have commas between them
    assert box_format.read(box_format.write(GroundedText(text))).text == text


@pytest.mark.parametrize("unit", ["[1] ", "dog [1] ", "[1], ", "(1, "])
def test_brackets_behind_a_box_are_read_in_linear_steps(unit):
    """Each looks at what stands before it, up to the box; 800,000 characters took 226 s when all of that was cut."""
    box = '{"bbox_2d":[1,2,3,4],"label":"a"} '
    grounded = Qwen3VLFormat().read(box + unit * (800_000 // len(unit)))
    assert [len(region.boxes_norm) for region in grounded.regions] == [1]
