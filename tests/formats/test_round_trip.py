"""Writing and reading back is the identity, for any text: one row per format, the same properties for all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from giqa_hf.formats import BoxFormat, GiqaFormat, NormalizedFormat
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText, Region

FORMATS: list[BoxFormat] = [
    GiqaFormat(),
    GiqaFormat(policy="paper"),
    GiqaFormat(policy="edges", space=True),
    GiqaFormat(Grid(7, 13)),
    GiqaFormat(Grid(1000, 1000)),
    GiqaFormat(Grid(1, 1)),
    NormalizedFormat(),
    NormalizedFormat(decimals=6),
]

# What the grammar is made of comes often; anything else that Unicode has comes too.
syntax = list("[]()<>\\,; \n3-.x")
fragments = ["](<1,2>)", "[x](<1,2>)", "]()", "\\[", "]\\(", "](", "](<", "[1]", "[a](http://x)"]
scripts = ["😀", "קשת", "e\u0301", "\u2028", "\x00"]
nasty = st.lists(st.sampled_from(syntax + fragments + scripts), max_size=8).map("".join)
texts = st.one_of(nasty, st.text(max_size=12))


def boxes_of(box_format: BoxFormat, corners: list[tuple[float, float, float, float]]) -> np.ndarray:
    """Boxes that the format can hold exactly: sent through it once."""
    ordered = np.sort(np.array(corners).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    if isinstance(box_format, GiqaFormat):
        return box_format.grid.decode(box_format.grid.encode(ordered), box_format.policy)
    assert isinstance(box_format, NormalizedFormat)
    return np.round(ordered, box_format.decimals)


unit = st.floats(0.0, 1.0)
parts = st.lists(st.tuples(texts, texts, st.lists(st.tuples(unit, unit, unit, unit), max_size=3)), max_size=4)


def build(box_format: BoxFormat, drawn, last: str) -> GroundedText:
    text, regions = "", []
    for plain, phrase, corners in drawn:
        start = len(text) + len(plain)
        text += plain + phrase
        regions.append(Region(phrase, (start, len(text)), boxes_of(box_format, corners)))
    return GroundedText(text + last, regions)


@pytest.mark.parametrize("box_format", FORMATS, ids=repr)
@settings(max_examples=150, deadline=None)
@given(drawn=parts, last=texts)
@example(drawn=[("a[\\", "x", [])], last="")  # an open bracket, and a backslash that touches the tag
@example(drawn=[("", "[[\\", []), ("\\\\", "]\\", [])], last="\\")  # backslashes at every border
@example(drawn=[("](", "a", []), ("](<", "b", [])], last="](")  # rears of tags, cut off by a tag, by the end
@example(drawn=[("[", "](<1,2>)", []), ("", "", []), ("", "", [])], last="[\\[x]\\\\(<1,2>)")
def test_read_inverts_write(box_format, drawn, last):
    grounded = build(box_format, drawn, last)
    back = box_format.read(box_format.write(grounded))
    assert back.text == grounded.text
    assert [(r.phrase, r.span) for r in back.regions] == [(r.phrase, r.span) for r in grounded.regions]
    for mine, own in zip(back.regions, grounded.regions, strict=True):
        np.testing.assert_array_equal(mine.boxes_norm, own.boxes_norm)  # exactly, not nearly
        assert set(mine.box_statuses) <= {"ok", "duplicate", "degenerate"}
    assert back.issues == []


@pytest.mark.parametrize("box_format", [GiqaFormat(), NormalizedFormat()], ids=repr)
@settings(max_examples=300, deadline=None)
@given(text=texts)
def test_any_text_is_read_and_what_was_read_survives(box_format, text):
    grounded = box_format.read(text)  # never raises
    for issue in grounded.issues:
        start, end = issue.span
        assert text[start:end] == issue.raw != ""
        assert issue.status in ("out_of_range", "bad_arity", "truncated")
    again = box_format.read(box_format.write(grounded))
    assert again.text == grounded.text
    assert [(r.phrase, r.span) for r in again.regions] == [(r.phrase, r.span) for r in grounded.regions]


@pytest.mark.parametrize("box_format", [GiqaFormat(), NormalizedFormat()], ids=repr)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "Noise level 3 (high) [1], see [a](http://x) and [b](<http://y>).",  # links and notes
        "arr[0](x) = C:\\dir\\[old]",  # backslashes, also one that touches a bracket
        "Note positions as [label](<x, y>).",  # the paper's own hint in questions
        "\\[x^2\\] \\(y\\) a<b c>d (<1,2>)",  # LaTeX, comparisons, a box without a tag
        "ends with [open",
        "[[[(((<<<",
    ],
)
def test_ordinary_text_is_written_and_read_as_it_stands(box_format, text):
    assert box_format.write(GroundedText(text)) == text
    assert box_format.read(text) == GroundedText(text)


@pytest.mark.parametrize(
    ("grounded", "written"),
    [
        # what would read as a tag gets one backslash, in front of its parenthesis
        (GroundedText("[x](<1,2>)"), "[x]\\(<1,2>)"),
        (GroundedText("f[0]()"), "f[0]\\()"),
        (GroundedText("see [x]("), "see [x]\\("),
        # a backslash that is there already is kept, and one is added
        (GroundedText("[x]\\(<1,2>)"), "[x]\\\\(<1,2>)"),
        # brackets inside a phrase; the backslash of "\d" is harmless and stays single
        (GroundedText("a[0]\\d", [Region("a[0]\\d", (0, 6))]), "[a\\[0\\]\\d]()"),
        # a backslash at the phrase's end and one that touches the tag are doubled
        (GroundedText("\\t\\", [Region("t\\", (1, 3))]), "\\\\[t\\\\]()"),
        # in front of a tag "](" is no rear of a tag, at the end of the text it is one
        (GroundedText("](t](", [Region("t", (2, 3))]), "]([t]()]\\("),
    ],
)
def test_escapes_are_few_and_exactly_these(grounded, written):
    assert GiqaFormat().write(grounded) == written
    assert GiqaFormat().read(written) == grounded
