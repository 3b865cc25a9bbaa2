"""Tag-Recall and its default similarity: thresholds, names, matching, None against 0."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.boxes import iou
from giqa_hf.metrics.tag_recall.compute import tag_recall
from giqa_hf.metrics.tag_recall.similarity import lexical_similarity

UNIT = [0.0, 0.0, 1.0, 1.0]
LEFT = [0.0, 0.0, 0.5, 1.0]  # IoU with UNIT exactly 0.5
MOST = [0.0, 0.0, 0.6, 1.0]  # IoU with UNIT 0.6, with LEFT 0.5 / 0.6 = 0.83
FAR = [5.0, 5.0, 6.0, 6.0]


@pytest.mark.parametrize(
    ("pred", "true", "value"),
    [
        # 2 * shared / (total + total), the head noun weighs 2, other words 1
        ("cup", "cup", 1.0),
        ("the cup", "cup", 1.0),  # articles go
        ("The Cups", "cup", 1.0),  # case, plural
        ("people", "a person", 1.0),  # irregular plural
        ("the boxes", "box", 1.0),  # -es
        ("houses", "house", 1.0),  # an e that belongs to the word
        ("old men's hats", "old man hat", 2 * 4 / (4 + 4)),  # possessive: old 1, man 1, hat 2
        ("coffee cup", "cup", 2 * 2 / (3 + 2)),  # 0.8
        ("white coffee cup", "cup", 2 * 2 / (4 + 2)),  # 0.67, where plain word F1 has 0.5
        ("man in a blue coat", "man", 2 * 2 / (4 + 2)),  # the head is before the preposition
        ("left man", "right man", 2 * 2 / (3 + 3)),  # 0.67: the box has to tell them apart
        ("dog house", "dog", 2 * 1 / (3 + 2)),  # 0.4: dog weighs 1 in one, 2 in the other; the smaller counts
        ("coffee cup", "coffee table", 2 * 1 / (3 + 3)),  # 0.33
        ("cup", "cat", 0.0),
        ("cup", "", 0.0),  # nothing is like no name
        ("the", "the", 1.0),  # a name of nothing but an article is kept
        ("🐕", "🐕 ", 1.0),  # no words: the same sign
        ("🐕", "🐈", 0.0),
        ("Hündin", "HÜNDIN", 1.0),  # case-folding beyond ASCII
        ("犬", "犬", 1.0),
    ],
)
def test_lexical_similarity(pred, true, value):
    assert lexical_similarity([pred], [true])[0, 0] == pytest.approx(value)
    assert lexical_similarity([true], [pred])[0, 0] == pytest.approx(value)  # symmetric


def test_lexical_similarity_shape():
    assert lexical_similarity([], ["a"]).shape == (0, 1)
    assert lexical_similarity(["cup", "cat"], ["cat", "dog", "cup"]).tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize(
    ("pred", "true", "macro", "micro"),
    [
        # (boxes, names) of each sample
        ([([UNIT], ["cup"])], [([UNIT], ["the cup"])], 1.0, 1.0),  # perfect
        ([([UNIT], ["cat"])], [([UNIT], ["cup"])], 0.0, 0.0),  # right place, wrong name
        ([([FAR], ["cup"])], [([UNIT], ["cup"])], 0.0, 0.0),  # right name, wrong place
        ([([LEFT], ["cup"])], [([UNIT], ["cup"])], 0.0, 0.0),  # IoU of exactly 0.5 is not above 0.5
        ([([MOST], ["cup"])], [([UNIT], ["cup"])], 1.0, 1.0),  # 0.6 is
        ([([UNIT], ["red cup"])], [([UNIT], ["red car"])], 0.0, 0.0),  # 2 * 1 / (3 + 3) = 0.33
        ([([UNIT, UNIT], ["cup", "cup"])], [([UNIT], ["cup"])], 1.0, 1.0),  # a repeated box finds it once
        ([([UNIT], ["cup"])], [([UNIT, UNIT], ["cup", "cup"])], 0.5, 0.5),  # and one box finds one of two
        # one phrase, two boxes: two tags of one name, of which one is found
        ([([UNIT], ["candles"])], [([UNIT, FAR], ["candles", "candles"])], 0.5, 0.5),
        # samples of 1 and 3 tags, 1 and 0 found: macro (1 + 0) / 2, micro 1 / 4
        (
            [([UNIT], ["cup"]), ([], [])],
            [([UNIT], ["cup"]), ([UNIT, FAR, LEFT], ["a", "b", "c"])],
            0.5,
            0.25,
        ),
        # a sample without truth is in neither
        ([([UNIT], ["cup"]), ([UNIT], ["cup"])], [([UNIT], ["cup"]), ([], [])], 1.0, 1.0),
    ],
)
def test_by_hand(pred, true, macro, micro):
    found = tag_recall(*zip(*pred, strict=True), *zip(*true, strict=True))
    assert (found.value, found.micro) == (pytest.approx(macro), pytest.approx(micro))


def test_as_many_pairs_as_possible():
    # Truth A = UNIT, B = LEFT, all named cup. p = MOST: A .6, B .83. q = LEFT: A .5 (not above), B 1.
    # The only way to find both is p-A and q-B, although p's best is B.
    found = tag_recall([[MOST, LEFT]], [["cup", "cup"]], [[UNIT, LEFT]], [["cup", "cup"]])
    assert found.value == 1.0
    # Two pairs come before one better pair: p = A (IoU 1), but only p-B and q-A (5 / 15 each) find both.
    a, b, p, q = ([x, 0, x + 10, 1] for x in (0, 5, 0, -5))
    found = tag_recall([[p, q]], [["cup"] * 2], [[a, b]], [["cup"] * 2], iou_threshold=0.3)
    assert found.value == 1.0
    # Highest IoU first can also be inadmissible by name: it must not end the search.
    found = tag_recall([[UNIT, MOST]], [["cat", "cup"]], [[UNIT]], [["cup"]])
    assert found.value == 1.0


def test_grid_rounding_does_not_lift_exact_half():
    # 7 of 14 columns of the grid: 0.35 / 0.7, exactly 1/2 on paper, and 0.5000000000000001 in floats
    a, b = [0.0, 0.0, 0.35, 0.1], [0.0, 0.0, 0.7, 0.1]
    assert iou(np.array([a]), np.array([b]))[0, 0] > 0.5
    assert tag_recall([[a]], [["cup"]], [[b]], [["cup"]]).value == 0.0


@pytest.mark.parametrize(
    ("pred", "true", "value"),
    [([], [], None), ([[]], [[UNIT]], None), ([[UNIT]], [[]], None), ([[FAR]], [[UNIT]], 0.0)],
)
def test_none_is_not_zero(pred, true, value):
    names = [[["cup"] * len(own) for own in side] for side in (pred, true)]
    assert tag_recall(pred, names[0], true, names[1]).value == value


def test_similarity_is_pluggable_and_checked():
    same = tag_recall(
        [[UNIT]], [["cat"]], [[UNIT]], [["cup"]], similarity=lambda a, b: np.ones((len(a), len(b)))
    )
    assert same.value == 1.0
    half = tag_recall([[UNIT]], [["x"]], [[UNIT]], [["x"]], similarity=lambda a, b: np.full((1, 1), 0.5))
    assert half.value == 0.0  # exactly 0.5 is not above 0.5
    with pytest.raises(ValueError, match=r"sample 0: similarity: expected an array of shape \(1, 1\)"):
        tag_recall([[UNIT]], [["x"]], [[UNIT]], [["x"]], similarity=lambda a, b: np.ones(3))
    with pytest.raises(ValueError, match="similarity: expected a function"):
        tag_recall([], [], [], [], similarity="bert")
    with pytest.raises(ValueError, match="iou_threshold: expected a number from 0 to below 1, got 50"):
        tag_recall([], [], [], [], iou_threshold=50)
    with pytest.raises(ValueError, match="sample 0: expected one name per box"):
        tag_recall([[UNIT]], [[]], [[UNIT]], [["x"]])
    with pytest.raises(ValueError, match="got 1 pred_boxes, 0 pred_names"):
        tag_recall([[UNIT]], [], [[UNIT]], [["x"]])


tags = st.lists(
    st.tuples(
        st.builds(lambda x, w: [x / 10, 0.0, (x + w) / 10, 1.0], st.integers(0, 5), st.integers(1, 5)),
        st.sampled_from(["cup", "coffee cup", "cat", "the cat"]),
    ),
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(tags, tags), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_wrong_boxes_gain_nothing(pairs, draw):
    def recall(pairs):
        pred, true = zip(*pairs, strict=True)
        return tag_recall(
            [[b for b, _ in own] for own in pred],
            [[n for _, n in own] for own in pred],
            [[b for b, _ in own] for own in true],
            [[n for _, n in own] for own in true],
        )

    value = recall(pairs).value
    mixed = [(draw.sample(p, len(p)), draw.sample(t, len(t))) for p, t in draw.sample(pairs, len(pairs))]
    assert recall(mixed).value == (value if value is None else pytest.approx(value, abs=1e-12))
    if value is not None:
        assert 0.0 <= value <= 1.0
        wrong = [([(FAR, "cup"), (UNIT, "zebra"), *p], t) for p, t in pairs]
        assert recall(wrong).value == pytest.approx(value, abs=1e-12)
    truth = recall([(t, t) for _, t in pairs])
    assert truth.value == (pytest.approx(1.0) if any(t for _, t in pairs) else None)
