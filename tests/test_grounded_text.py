"""Grounded text: what it refuses, when two are equal, and what it hands out."""

from __future__ import annotations

import json

import numpy as np
import pytest

from giqa_hf.grounded_text import BOX_STATUSES, READABLE_STATUSES, GroundedText, Issue, Region

TEXT = "The tower and two candles."
TOWER = (4, 9)
CANDLES = (18, 25)
BOX = [0.1, 0.2, 0.3, 0.4]
OTHER = [0.5, 0.5, 0.9, 1.0]


def tower(**changes) -> Region:
    return Region(**{"phrase": "tower", "span": TOWER, "boxes_norm": np.array([BOX]), **changes})


def candles(**changes) -> Region:
    return Region(**{"phrase": "candles", "span": CANDLES, "boxes_norm": np.array([BOX, OTHER]), **changes})


@pytest.mark.parametrize(
    ("regions", "says"),
    [
        # a span that holds another text
        ([tower(span=(3, 8))], r"region 'tower': its span \(3, 8\) holds ' towe' instead"),
        ([tower(phrase="Tower")], "holds 'tower' instead"),  # the case counts
        # outside of the text
        ([tower(span=(22, 27))], r"inside the text \(0\.\.26\), got \(22, 27\)"),
        ([tower(span=(-22, -17))], r"inside the text .*got \(-22, -17\)"),  # a Python slice would take it
        ([Region("candles.", (18, 999))], "inside the text"),  # a slice would cut it and compare equal
        ([tower(span=(9, 4))], "inside the text"),  # reversed
        # order and overlap
        ([candles(), tower()], r"region 'tower': expected regions in reading order .*start >= 25.*\(4, 9\)"),
        ([tower(), tower()], "without overlap"),
        ([Region("The tower", (0, 9)), tower()], r"start >= 9.*got span \(4, 9\)"),  # one within another
        ([Region("The tow", (0, 7)), Region("ower", (5, 9))], "without overlap"),
    ],
)
def test_a_region_that_does_not_fit_is_named(regions, says):
    with pytest.raises(ValueError, match=says):
        GroundedText(TEXT, regions)


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("", []),
        (TEXT, []),
        (TEXT, [tower(), candles()]),
        (TEXT, [tower(boxes_norm=[])]),  # a phrase without a box
        ("ab", [Region("a", (0, 1)), Region("b", (1, 2))]),  # neighbours may touch
        ("ab", [Region("", (0, 0)), Region("ab", (0, 2)), Region("", (2, 2))]),  # empty phrases at either end
        ("🏯 塔", [Region("🏯", (0, 1)), Region("塔", (2, 3))]),  # spans count characters, not bytes
        ("a\nb](<1,2>)", [Region("a\nb](<1,2>)", (0, 11))]),  # any characters
    ],
)
def test_what_it_takes(text, regions):
    assert [r.phrase for r in GroundedText(text, regions).regions] == [r.phrase for r in regions]


def test_statuses_are_one_per_box():
    assert tower().box_statuses == ("ok",)
    assert candles(statuses=("clipped", "duplicate")).box_statuses == ("clipped", "duplicate")
    with pytest.raises(ValueError, match=r"region 'candles': expected one status per box \(2\), got 1"):
        candles(statuses=("ok",))
    assert set(READABLE_STATUSES) < set(BOX_STATUSES)
    assert set(BOX_STATUSES) - set(READABLE_STATUSES) == {"out_of_range", "bad_arity", "truncated"}


@pytest.mark.parametrize("boxes", [[BOX], (BOX,), np.array([BOX])])
def test_boxes_are_an_array_of_rows(boxes):
    region = tower(boxes_norm=boxes)
    assert region.boxes_norm.shape == (1, 4)
    assert region.boxes_norm.tolist() == [BOX]
    with pytest.raises(ValueError, match=r"expected shape \(N, 4\)"):
        tower(boxes_norm=[[0.1, 0.2, 0.3]])
    with pytest.raises(ValueError, match=r"expected shape \(N, 4\)"):
        tower(boxes_norm=np.array(BOX))


def test_a_region_of_its_own_has_no_boxes_and_shares_none():
    one, two = Region("a", (0, 1)), Region("a", (0, 1))
    assert one.boxes_norm.shape == (0, 4)
    assert one.boxes_norm is not two.boxes_norm


@pytest.mark.parametrize(
    "other",
    [
        GroundedText(TEXT.upper(), []),
        GroundedText(TEXT, [tower()]),
        GroundedText(TEXT, [tower(), candles(boxes_norm=[BOX])]),  # a box less
        GroundedText(TEXT, [tower(), candles(boxes_norm=[OTHER, BOX])]),  # another order of boxes
        GroundedText(
            TEXT, [tower(boxes_norm=[[0.1 + 1e-12, 0.2, 0.3, 0.4]]), candles()]
        ),  # exactly means exactly
        GroundedText(TEXT, [tower(statuses=("clipped",)), candles()]),
        GroundedText(TEXT, [tower(quality="blurred"), candles()]),
        GroundedText(TEXT, [tower(effect="negative"), candles()]),
        GroundedText(TEXT, [tower(), candles()], [Issue("truncated", "(<1", (0, 3))]),
        TEXT,
        None,
    ],
)
def test_not_equal(other):
    assert GroundedText(TEXT, [tower(), candles()]) != other


def test_equal():
    one = GroundedText(TEXT, [tower(), candles()], [Issue("bad_arity", "<1>", (9, 12))])
    two = GroundedText(TEXT, [tower(), candles()], [Issue("bad_arity", "<1>", (9, 12))])
    assert one == two
    # no statuses and all "ok" say the same
    assert GroundedText(TEXT, [tower(statuses=("ok",))]) == GroundedText(TEXT, [tower()])
    assert Region("a", (0, 1)) != "a"


def test_all_boxes_with_their_phrases_in_reading_order():
    grounded = GroundedText(TEXT, [tower(), Region("two", (14, 17)), candles()])
    assert grounded.boxes_norm.tolist() == [BOX, BOX, OTHER]
    assert grounded.phrases == ["tower", "candles", "candles"]  # "two" has no box
    assert GroundedText(TEXT).boxes_norm.shape == (0, 4)
    assert GroundedText(TEXT).phrases == []


def test_pixels_are_x_by_the_width_and_y_by_the_height():
    grounded = GroundedText(TEXT, [tower()])
    np.testing.assert_allclose(grounded.boxes_px(200, 50), [[20, 10, 60, 20]])
    assert GroundedText(TEXT).boxes_px(200, 50).shape == (0, 4)


def test_map_boxes_changes_boxes_only_and_leaves_the_original():
    grounded = GroundedText(
        TEXT, [tower(statuses=("clipped",), quality="blurred", effect="negative"), candles()],
        [Issue("truncated", "(<1", (0, 3))],
    )  # fmt: skip
    halved = grounded.map_boxes(lambda boxes: boxes / 2)
    np.testing.assert_allclose(halved.boxes_norm, grounded.boxes_norm / 2)
    assert grounded.boxes_norm.tolist() == [BOX, BOX, OTHER]
    assert halved.map_boxes(lambda boxes: boxes * 2) == grounded  # texts, statuses, quality and issues kept
    with pytest.raises(ValueError, match="one status per box"):
        grounded.map_boxes(lambda boxes: boxes[:0])


def test_to_dict_is_plain_json():
    grounded = GroundedText(
        TEXT, [tower(statuses=("clipped",), quality="blurred", effect="negative"), candles()],
        [Issue("bad_arity", "<1>", (9, 12))],
    )  # fmt: skip
    assert json.loads(json.dumps(grounded.to_dict())) == {
        "text": TEXT,
        "regions": [
            {
                "phrase": "tower",
                "span": [4, 9],
                "boxes_norm": [BOX],
                "statuses": ["clipped"],
                "quality": "blurred",
                "effect": "negative",
            },
            {
                "phrase": "candles",
                "span": [18, 25],
                "boxes_norm": [BOX, OTHER],
                "statuses": ["ok", "ok"],
                "quality": None,
                "effect": None,
            },
        ],
        "issues": [{"status": "bad_arity", "raw": "<1>", "span": [9, 12]}],
    }
