"""How annotators agree; every number worked by hand."""

from __future__ import annotations

import pytest

from giqa_hf.benchmark.humans import Judgement, agreement
from giqa_hf.grounded_text import GroundedText, Region

TEXT = "The cup and the plate."
CUP, PLATE = (4, 7), (16, 21)


def judgement(who, *regions, usable=True, problems=(), row="1"):
    answer = GroundedText(TEXT, [Region(TEXT[a:b], (a, b), boxes) for (a, b), boxes in regions])
    return Judgement(row, who, GroundedText("How?", []), answer, usable, problems)


def test_the_documented_example():
    found = agreement(
        [
            judgement("a", (CUP, [[0, 0, 0.5, 0.5]])),
            judgement("b", (CUP, [[0, 0, 0.5, 0.25]]), (PLATE, [[0.5, 0.5, 1, 1]])),
        ]
    )
    # IoU of cup: 0.125 / 0.25. F1: 2 * 1 / (1 + 2).
    assert found.box_iou == pytest.approx(0.5) and found.tag_f1 == pytest.approx(2 / 3)
    assert (found.usable, found.texts, found.rows, found.annotators, found.pairs) == (1.0, 1.0, 1, 2, 1)


def test_a_box_that_only_one_drew_counts_zero():
    first = judgement("a", (CUP, [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]]))
    assert agreement([first, judgement("b", (CUP, [[0, 0, 0.5, 0.5]]))]).box_iou == pytest.approx((1 + 0) / 2)


def test_three_annotators_are_three_pairs():
    same = [judgement(who, (CUP, [[0, 0, 0.5, 0.5]])) for who in "ab"]
    third = judgement("c", (PLATE, [[0, 0, 0.5, 0.5]]), usable=True)
    found = agreement([*same, third])
    # F1: a with b 1, a with c 0, b with c 0. Boxes are compared only under names that both marked: 1.
    assert found.pairs == 3 and found.tag_f1 == pytest.approx(1 / 3) and found.box_iou == 1.0


def test_verdicts_and_wishes():
    wish = ("answer should read: The cup.",)
    found = agreement([judgement("a"), judgement("b", problems=wish), judgement("c", usable=False)])
    # Verdicts: a = b; c differs from both. Texts: a and c wish nothing, b does.
    assert found.usable == pytest.approx(1 / 3) and found.texts == pytest.approx(1 / 3)
    assert found.box_iou is None and found.tag_f1 is None  # nothing was marked


def test_nothing_to_compare():
    found = agreement([judgement("a"), judgement("b", row="2")])
    assert found.pairs == 0 and found.usable is None and found.rows == 2
