"""Precision, recall and F1 of boxes: worked cases, 500 boxes, and what wrong boxes and order do."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.metrics.grounding_miou.box_f1 import box_f1

UNIT = [0.0, 0.0, 1.0, 1.0]
LEFT = [0.0, 0.0, 0.5, 1.0]  # IoU with UNIT 0.5 / 1
MOST = [0.0, 0.0, 0.6, 1.0]  # IoU with UNIT 0.6, with LEFT 0.5 / 0.6 = 0.83
FAR = [5.0, 5.0, 6.0, 6.0]


@pytest.mark.parametrize(
    ("pred", "true", "precision", "recall", "f1"),
    [
        ([[UNIT]], [[UNIT]], 1, 1, 1),  # perfect
        ([[LEFT]], [[UNIT]], 0, 0, 0),  # IoU of exactly 0.5 is not above 0.5
        ([[MOST]], [[UNIT]], 1, 1, 1),  # 0.6 is
        ([[UNIT, UNIT]], [[UNIT]], 1 / 2, 1, 2 / 3),  # said twice, right once: 2 * 1 / (2 + 1)
        ([[UNIT]], [[UNIT, FAR]], 1, 1 / 2, 2 / 3),  # missed one
        # MOST fits both, LEFT only LEFT: MOST-UNIT and LEFT-LEFT are two pairs, whatever comes first
        ([[MOST, LEFT]], [[LEFT, UNIT]], 1, 1, 1),
        # boxes on a sample without truth are wrong: 1 of 3 right, 2 * 1 / (3 + 1)
        ([[UNIT], [UNIT, FAR]], [[UNIT], []], 1 / 3, 1, 1 / 2),
        ([[], [FAR]], [[UNIT], []], 0, 0, 0),  # writes boxes, and none is right
        ([[UNIT]], [[]], None, None, None),  # no truth
        ([[]], [[UNIT]], None, None, None),  # never wrote a box
        ([], [], None, None, None),
        # pooled over samples, not averaged: 2 of 4 predicted, 2 of 3 true, 4 / 7
        ([[UNIT], [UNIT, FAR, FAR]], [[UNIT], [UNIT, LEFT]], 1 / 2, 2 / 3, 4 / 7),
    ],
)
def test_by_hand(pred, true, precision, recall, f1):
    assert box_f1(pred, true)[:3] == pytest.approx((precision, recall, f1), nan_ok=True)


def test_five_hundred_boxes_cost_something():
    # Random boxes all over the picture do find the true one, as they do in harnesses that keep the best box.
    draw = random.Random(0)
    guesses = []
    for _ in range(500):
        x, y = sorted(draw.random() for _ in range(2)), sorted(draw.random() for _ in range(2))
        guesses.append([x[0], y[0], x[1], y[1]])
    found = box_f1([guesses], [[[0.2, 0.2, 0.6, 0.7]]])
    assert found.recall == 1.0
    assert found.precision == 1 / 500 and found.f1 == 2 / 501


def test_counts_and_threshold():
    assert box_f1([[MOST, FAR]], [[UNIT]])[3:] == (1, 2, 1)
    assert box_f1([[MOST]], [[UNIT]], iou_threshold=0.6).found == 0
    with pytest.raises(ValueError, match="iou_threshold: expected a number from 0 to below 1, got 1"):
        box_f1([], [], iou_threshold=1)


boxes = st.builds(
    lambda x, y, w, h: [x / 8, y / 8, (x + w) / 8, (y + h) / 8],
    *[st.integers(0, 6)] * 2,
    *[st.integers(1, 4)] * 2,
)
samples = st.lists(
    st.tuples(st.lists(boxes, max_size=4), st.lists(boxes, max_size=4)), min_size=1, max_size=5
)


@settings(max_examples=60, deadline=None)
@given(samples, st.randoms(use_true_random=False))
def test_order_changes_nothing_and_a_wrong_box_never_raises(pairs, draw):
    found = box_f1(*zip(*pairs, strict=True))
    mixed = [(draw.sample(p, len(p)), draw.sample(t, len(t))) for p, t in draw.sample(pairs, len(pairs))]
    assert box_f1(*zip(*mixed, strict=True)) == found  # whole numbers: not even the last bit
    if found.f1 is None:
        return
    place = draw.randrange(len(pairs))
    more = box_f1(*zip(*[(p + [FAR] * (i == place), t) for i, (p, t) in enumerate(pairs)], strict=True))
    assert more.precision < found.precision or found.precision == 0
    assert more.f1 < found.f1 or found.f1 == 0
    assert more.recall == found.recall


@settings(max_examples=40, deadline=None)
@given(samples)
def test_the_truth_itself_scores_one(pairs):
    truth = [true for _, true in pairs]
    assert box_f1(truth, truth)[:3] == ((1.0, 1.0, 1.0) if any(truth) else (None, None, None))
