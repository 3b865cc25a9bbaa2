"""What most annotators agree on, and what goes into another round."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.benchmark.humans import consensus
from giqa_hf.benchmark.humans.consensus import agreed_boxes
from giqa_hf.benchmark.humans.label_studio import Judgement, row_id
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.schema import validate_row

TEXT = "The cup and the plate."
CUP, PLATE = (4, 7), (16, 21)
BOX = [0.0, 0.0, 0.5, 0.5]
ROW = {
    "image_id": "a", "width": 10, "height": 10, "source": "s", "license": "l", "task": "des", "question_type": None,
    "question": "How?", "question_regions": [], "answer": TEXT,
    "answer_regions": [
        {"phrase": "cup", "span": [4, 7], "quality": "sharp", "effect": "positive", "boxes_norm": [[0.9, 0.9, 1.0, 1.0]]}
    ],
}  # fmt: skip


def judged(who, *regions, usable=True, problems=()):
    answer = GroundedText(TEXT, [Region(TEXT[a:b], (a, b), boxes) for (a, b), boxes in regions])
    return Judgement(row_id(ROW, 0), who, GroundedText("How?", []), answer, usable, problems)


def test_most_decide_names_and_medians_the_corners():
    found = consensus(
        [ROW],
        [
            judged("a", (CUP, [[0.0, 0.0, 0.5, 0.5]])),
            judged("b", (CUP, [[0.02, 0.0, 0.5, 0.52]]), (PLATE, [BOX])),  # the plate has one vote of three
            judged("c", (CUP, [[0.04, 0.02, 0.54, 0.5]])),
        ],
    )
    (row,) = found.rows
    validate_row(row)
    (region,) = row["answer_regions"]
    # x1: median of 0, 0.02, 0.04; y1 of 0, 0, 0.02; x2 of 0.5, 0.5, 0.54; y2 of 0.5, 0.52, 0.5.
    assert region["boxes_norm"] == [pytest.approx([0.02, 0.0, 0.5, 0.5])]
    assert (region["phrase"], region["quality"], region["effect"]) == ("cup", "sharp", "positive")
    assert (found.conflicts, found.unusable, found.waiting) == ([], [], [])


@pytest.mark.parametrize(
    ("judgements", "words"),
    [
        # Three boxes in three places: no majority.
        ([judged("a", (CUP, [[0, 0, 0.2, 0.2]])), judged("b", (CUP, [[0.4, 0.4, 0.6, 0.6]])),
          judged("c", (CUP, [[0.8, 0.8, 1, 1]]))], "boxes of 'cup' differ"),
        # Two of four mark the plate.
        ([judged("a", (CUP, [BOX]), (PLATE, [BOX])), judged("b", (CUP, [BOX]), (PLATE, [BOX])),
          judged("c", (CUP, [BOX])), judged("d", (CUP, [BOX]))], "as many mark 'plate' as not"),
        # Two of four find it unusable.
        ([judged("a", usable=False), judged("b", usable=False), judged("c"), judged("d")], "as many find it usable"),
        # One would have another text.
        ([judged("a", problems=("answer should read: X.",)), judged("b"), judged("c")], "answer should read: X."),
        # All mark it, nobody draws.
        ([judged(who, (CUP, [])) for who in "abc"], "boxes of 'cup' differ"),
    ],
)  # fmt: skip
def test_conflicts(judgements, words):
    found = consensus([ROW], judgements)
    assert found.rows == [] and any(words in conflict.what for conflict in found.conflicts)


def test_a_conflict_of_boxes_says_who_drew_what():
    drawn = [judged("ann", (CUP, [[0, 0, 0.2, 0.2]])), judged("ben", (CUP, [[0.4, 0.4, 0.6, 0.6]])), judged("cem", (CUP, []))]  # fmt: skip
    (conflict,) = consensus([ROW], drawn).conflicts
    assert conflict.votes == "ann: [0.0, 0.0, 0.2, 0.2], ben: [0.4, 0.4, 0.6, 0.6], cem: no box"


def test_rows_that_wait_and_rows_that_go():
    assert consensus([ROW], [judged("a"), judged("b")]).waiting == ["000000:a"]
    out = consensus([ROW], [judged("a", usable=False), judged("b", usable=False), judged("c")])
    assert out.unusable == ["000000:a"] and out.rows == []


def test_the_order_of_annotators_changes_nothing():
    drawn = [
        judged("a", (CUP, [[0, 0, 0.5, 0.5]])),
        judged("b", (CUP, [[0, 0, 0.6, 0.5]])),
        judged("c", (CUP, [[0, 0, 0.4, 0.5]])),
    ]
    assert consensus([ROW], drawn).rows == consensus([ROW], drawn[::-1]).rows


def test_agreed_boxes_of_a_name_with_several():
    left, right = np.array([0.0, 0.0, 0.4, 1.0]), np.array([0.6, 0.0, 1.0, 1.0])
    stray = np.array([0.45, 0.4, 0.55, 0.6])
    boxes, tied = agreed_boxes(
        [(0, left), (0, right), (1, right), (1, left), (2, left), (2, stray)], voters=3
    )
    # Left has three votes, right two, the stray one.
    assert boxes.tolist() == [left.tolist(), right.tolist()] and tied == []


def test_one_annotator_cannot_outvote_the_others_with_many_boxes():
    boxes, _ = agreed_boxes([(0, np.array(BOX))] * 5, voters=3)
    assert len(boxes) == 0
