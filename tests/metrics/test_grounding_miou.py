"""mIoU: worked cases, None against 0, what extra boxes and order do."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.metrics.grounding_miou.compute import grounding_miou

UNIT = [0.0, 0.0, 1.0, 1.0]
LEFT = [0.0, 0.0, 0.5, 1.0]  # IoU with UNIT 0.5 / 1
FAR = [5.0, 5.0, 6.0, 6.0]
SMALL = [0.0, 0.0, 0.5, 0.5]  # IoU with UNIT 0.25, with LEFT 0.25 / 0.5 = 0.5


@pytest.mark.parametrize(
    ("pred", "true", "by_truth", "by_matched"),
    [
        ([[UNIT]], [[UNIT]], 1.0, 1.0),  # perfect
        ([[LEFT]], [[UNIT]], 0.5, 0.5),  # 0.5 / 1
        ([[UNIT]], [[UNIT, FAR]], 0.5, 1.0),  # (1 + 0) / 2 true; / 1 matched
        ([[UNIT, FAR]], [[UNIT]], 1.0, 1.0),  # the extra box is not counted
        ([[UNIT, UNIT]], [[UNIT, FAR]], 0.5, 1.0),  # one predicted box cannot be used twice, nor help twice
        ([[FAR]], [[UNIT]], 0.0, 0.0),  # wrong: 0, not None
        ([[UNIT], []], [[UNIT], [UNIT]], 0.5, 0.5),  # (1 + 0) / 2 samples
        ([[UNIT], [FAR]], [[UNIT], []], 1.0, 1.0),  # the second sample has no truth: not in the mean
        # truth UNIT, LEFT; predicted SMALL, LEFT: SMALL-UNIT .25 + LEFT-LEFT 1 = 1.25 beats .5 + .5; 1.25 / 2
        ([[SMALL, LEFT]], [[UNIT, LEFT]], 0.625, 0.625),
    ],
)
def test_by_hand(pred, true, by_truth, by_matched):
    assert grounding_miou(pred, true).value == pytest.approx(by_truth)
    assert grounding_miou(pred, true, normalise="matched").value == pytest.approx(by_matched)


def test_greedy_can_be_worse():
    # Intervals on a line (height 1). Truth A 0..10, B 6..14. Predicted p 1..11, q 0..4.
    # p-A 9/11 = .818, p-B 5/13 = .385, q-A 4/10 = .4, q-B 0.
    # greedy: p-A, and q is left with B: .818 / 2 = .409; exact: p-A and nothing .818 against p-B + q-A .785.
    box = {name: [a, 0.0, b, 1.0] for name, a, b in (("A", 0, 10), ("B", 6, 14), ("p", 1, 11), ("q", 0, 4))}
    pred, true = [[box["p"], box["q"]]], [[box["A"], box["B"]]]
    assert grounding_miou(pred, true).value == pytest.approx(9 / 11 / 2)
    # q 0..6: q-A 6/10 = .6; exact: p-B + q-A = .385 + .6 = .985 > .818, greedy still takes p-A first.
    pred = [[box["p"], [0.0, 0.0, 6.0, 1.0]]]
    assert grounding_miou(pred, true).value == pytest.approx((5 / 13 + 0.6) / 2)
    assert grounding_miou(pred, true, matching="greedy").value == pytest.approx(9 / 11 / 2)


@pytest.mark.parametrize(
    ("pred", "true", "value"),
    [
        ([], [], None),  # no sample
        ([[UNIT]], [[]], None),  # no truth
        ([[]], [[UNIT]], None),  # no box in any prediction: not available
        ([[], [FAR]], [[UNIT], []], 0.0),  # a box somewhere: it can write boxes, and found nothing
    ],
)
def test_none_is_not_zero(pred, true, value):
    assert grounding_miou(pred, true).value == value


def test_counts():
    found = grounding_miou([[UNIT, FAR], [UNIT], []], [[UNIT], [], [UNIT, FAR]])
    assert found == (0.5, 3, 2, 3, 3, 1)  # value (1 + 0) / 2, samples, scored, true, predicted, matched


boxes = st.builds(
    lambda x, y, w, h: [x / 8, y / 8, (x + w) / 8, (y + h) / 8],
    *[st.integers(0, 6)] * 2,
    *[st.integers(1, 4)] * 2,
)
samples = st.lists(
    st.tuples(st.lists(boxes, max_size=4), st.lists(boxes, max_size=4)), min_size=1, max_size=6
)


@settings(max_examples=100, deadline=None)
@given(samples, st.sampled_from(["hungarian", "greedy"]), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_wrong_boxes_gain_nothing(pairs, matching, draw: random.Random):
    value = grounding_miou([p for p, _ in pairs], [t for _, t in pairs], matching=matching).value
    order = draw.sample(range(len(pairs)), len(pairs))
    shuffled = grounding_miou(
        [pairs[i][0] for i in order], [pairs[i][1] for i in order], matching=matching
    ).value
    assert shuffled == (value if value is None else pytest.approx(value, abs=1e-12))
    if value is not None:
        assert 0.0 <= value <= 1.0
        more = grounding_miou([[FAR, *p] for p, _ in pairs], [t for _, t in pairs], matching=matching).value
        assert more == pytest.approx(value, abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(samples)
def test_the_truth_itself_scores_one(pairs):
    truth = [true for _, true in pairs]
    assert grounding_miou(truth, truth).value == (pytest.approx(1.0) if any(truth) else None)


def test_refusals():
    with pytest.raises(ValueError, match="normalise: expected one of truth, matched, got 'pred'"):
        grounding_miou([], [], normalise="pred")
    with pytest.raises(ValueError, match="matching: expected one of hungarian, greedy, got None"):
        grounding_miou([], [], matching=None)
    with pytest.raises(ValueError, match=r"pred_boxes\[0\]"):
        grounding_miou([np.zeros((2, 3))], [[]])
