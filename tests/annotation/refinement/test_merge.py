"""Box-Merge: worked by hand, and against the paper's pseudo-code written out line by line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.annotation.refinement.merge import merge_boxes

T_A, T_O = 0.256, 0.95


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def shared(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def is_touch(a, b):
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def coverage_ratio(a, b):
    smaller = min(area(a), area(b))
    return shared(a, b) / smaller if smaller > 0 else 0.0


def merge(a, b):
    return [min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])]


def is_merged(a, b):
    """Line 13."""
    return (area(a) < T_A and is_touch(a, b)) or coverage_ratio(a, b) > T_O


def algorithm_1(boxes):
    """Lines 10 to 20, as printed."""
    r = [list(box) for box in boxes]
    i = 0
    while i < len(r):
        j = i + 1
        while j < len(r):
            if is_merged(r[i], r[j]):
                r[i] = merge(r[i], r[j])
                del r[j]
            else:
                j = j + 1
        i = i + 1
    return r


@st.composite
def boxes_norm(draw, most=12, steps=20):
    """Boxes with corners on a grid, so that they often touch, lie in each other, are equal or have no area."""
    pairs = st.tuples(st.integers(0, steps), st.integers(0, steps)).map(sorted)
    rows = draw(st.lists(st.tuples(pairs, pairs), max_size=most))
    return [[x[0] / steps, y[0] / steps, x[1] / steps, y[1] / steps] for x, y in rows]


A, B, C = [0.0, 0.0, 0.1, 0.1], [0.1, 0.0, 0.2, 0.1], [0.2, 0.0, 0.3, 0.1]  # a row, edge on edge, 0.01 each


@pytest.mark.parametrize(
    ("boxes", "left"),
    [
        ([], []),
        ([A], [A]),
        # A takes B: [0, 0, .2, .1]; that touches C
        ([A, B, C], [[0, 0, 0.3, 0.1]]),
        # A and C are apart (.1 < .2); B joins A, and the grown A touches C, but j is not reset: C stays
        ([A, C, B], [[0, 0, 0.2, 0.1], C]),
        # C takes B: [.1, 0, .3, .1]; that touches A
        ([C, B, A], [[0, 0, 0.3, 0.1]]),
        # corner on corner is touching
        ([A, [0.1, 0.1, 0.2, 0.2]], [[0, 0, 0.2, 0.2]]),
        # a gap
        ([A, [0.11, 0, 0.2, 0.1]], [A, [0.11, 0, 0.2, 0.1]]),
        # .512 * .5 = .256 is not below T_a
        ([[0, 0, 0.512, 0.5], [0.512, 0, 0.6, 0.5]], [[0, 0, 0.512, 0.5], [0.512, 0, 0.6, 0.5]]),
        # .511 * .5 = .2555 is
        ([[0, 0, 0.511, 0.5], [0.511, 0, 0.6, 0.5]], [[0, 0, 0.6, 0.5]]),
        # .5 * .5 = .25 takes its neighbour, is now .6 * .5 = .3, and takes no more by touch
        ([[0, 0, 0.5, 0.5], [0.5, 0, 0.6, 0.5], [0.6, 0, 0.7, 0.5]], [[0, 0, 0.6, 0.5], [0.6, 0, 0.7, 0.5]]),
        # only the area of R[i] counts: .8 * .8 = .64 leaves the small one beside it alone ...
        ([[0, 0, 0.8, 0.8], [0.8, 0, 0.9, 0.1]], [[0, 0, 0.8, 0.8], [0.8, 0, 0.9, 0.1]]),
        # ... and the small one, coming first, takes the large one
        ([[0.8, 0, 0.9, 0.1], [0, 0, 0.8, 0.8]], [[0, 0, 0.9, 0.8]]),
        # "or": a box of .64 takes what lies inside it (coverage 1), whatever its area
        ([[0, 0, 0.8, 0.8], [0.1, 0.1, 0.2, 0.2]], [[0, 0, 0.8, 0.8]]),
        # two boxes of .36 that share .54 * .6: .9 of the smaller is not over .95
        ([[0, 0, 0.6, 0.6], [0.06, 0, 0.66, 0.6]], [[0, 0, 0.6, 0.6], [0.06, 0, 0.66, 0.6]]),
        # .58 * .6 of .6 * .6: .967 is
        ([[0, 0, 0.6, 0.6], [0.02, 0, 0.62, 0.6]], [[0, 0, 0.62, 0.6]]),
        # twice the same
        ([A, A], [A]),
        # a point on A's rim
        ([A, [0.1, 0.1, 0.1, 0.1]], [A]),
        # no coverage without area: the large box does not take the line inside it
        ([[0, 0, 1, 1], [0, 0.5, 1, 0.5]], [[0, 0, 1, 1], [0, 0.5, 1, 0.5]]),
    ],
)
def test_by_hand(boxes, left):
    assert merge_boxes(boxes).boxes_norm.tolist() == left
    assert algorithm_1(boxes) == left


def test_a_second_pass_may_merge_more():
    once = merge_boxes([A, C, B]).boxes_norm
    assert len(once) == 2
    assert merge_boxes(once).boxes_norm.tolist() == [[0, 0, 0.3, 0.1]]


def test_each_merged_box_says_where_it_went_and_why():
    inside, far = [0.45, 0.45, 0.5, 0.5], [0.9, 0.9, 1.0, 1.0]
    large = [0.3, 0.3, 0.9, 0.89]  # .6 * .59 = .354
    left, merged = merge_boxes([A, large, B, far, inside, C])
    # A: large is apart; B touches (area of A .1 * .1); far, inside apart; C touches A, grown to .2 * .1
    # large: .354 is too much for touching; far is apart; inside lies in it
    assert left.tolist() == [[0, 0, 0.3, 0.1], large, far]
    assert [m and (m.into, m.rule) for m in merged] == [
        None, None, (0, "touching"), None, (1, "overlapping"), (0, "touching"),
    ]  # fmt: skip
    assert [m.score for m in merged if m] == pytest.approx([0.01, 1.0, 0.02])


@pytest.mark.parametrize(
    ("options", "boxes", "count"),
    [
        # a common edge touches, unless only a common area does
        ({}, [A, B], 1),
        ({"touch": "open"}, [A, B], 2),
        ({"touch": "open"}, [A, [0.05, 0, 0.2, 0.1]], 1),
        # .36 inside .81: all of the smaller, but .44 of the union and of R[j]
        ({}, [[0, 0, 0.6, 0.6], [0, 0, 0.9, 0.9]], 1),
        ({"coverage": "iou"}, [[0, 0, 0.6, 0.6], [0, 0, 0.9, 0.9]], 2),
        ({"coverage": "second"}, [[0, 0, 0.6, 0.6], [0, 0, 0.9, 0.9]], 2),
        # the other way round all of R[j] is covered
        ({"coverage": "second"}, [[0, 0, 0.9, 0.9], [0, 0, 0.6, 0.6]], 1),
        # .59 * .6 shared, .61 * .6 together: IoU .967
        ({"coverage": "iou"}, [[0, 0, 0.6, 0.6], [0.01, 0, 0.61, 0.6]], 1),
        # a small box takes a large one by touch only where R[j] is not asked for its area
        ({}, [[0.8, 0, 0.9, 0.1], [0, 0, 0.8, 0.8]], 1),
        ({"symmetric": True}, [[0.8, 0, 0.9, 0.1], [0, 0, 0.8, 0.8]], 2),
        ({"symmetric": True}, [A, B], 1),
        # .25 of .5 is .5: "more than" means more
        ({"overlap_threshold": 0.5}, [[0, 0, 0.75, 1], [0.5, 0, 1, 1]], 2),
        ({"overlap_threshold": 0.49}, [[0, 0, 0.75, 1], [0.5, 0, 1, 1]], 1),
        # .01 is not below .01
        ({"area_threshold": 0.1 * 0.1}, [A, B], 2),
        ({"area_threshold": 0.0101}, [A, B], 1),
    ],
)
def test_options(options, boxes, count):
    assert len(merge_boxes(boxes, **options).boxes_norm) == count


@given(boxes_norm())
def test_it_is_the_pseudo_code(boxes):
    assert merge_boxes(boxes).boxes_norm.tolist() == algorithm_1(boxes)


@given(boxes_norm())
def test_what_is_left_is_the_smallest_box_around_what_it_took_in(boxes):
    result = merge_boxes(boxes)
    heads = [row for row, merged in enumerate(result.merged_into) if merged is None]
    assert len(heads) == len(result.boxes_norm) <= len(boxes) == len(result.merged_into)
    groups = {head: [boxes[head]] for head in heads}
    for row, merged in enumerate(result.merged_into):
        if merged is not None:
            assert merged.into < row  # only a later box is taken in ...
            groups[merged.into].append(boxes[row])  # ... and only by one that is left (else KeyError)
    for head, left in zip(heads, result.boxes_norm.tolist(), strict=True):
        group = np.array(groups[head])
        assert left == [*group[:, :2].min(axis=0), *group[:, 2:].max(axis=0)]


@given(boxes_norm())
def test_passes_come_to_an_end_where_no_pair_can_be_merged(boxes):
    left = boxes
    for _ in range(len(boxes) + 1):
        before, left = left, merge_boxes(left).boxes_norm.tolist()
        assert len(left) <= len(before)
    assert left == before
    assert not any(is_merged(a, b) for i, a in enumerate(left) for b in left[i + 1 :])


@given(boxes_norm())
def test_thresholds_that_nothing_passes_leave_all_as_it_is(boxes):
    result = merge_boxes(boxes, area_threshold=0.0, overlap_threshold=1.0)
    assert result.boxes_norm.tolist() == boxes and set(result.merged_into) <= {None}


def test_the_input_is_not_written_into():
    boxes = np.array([A, B])
    merge_boxes(boxes)
    assert boxes.tolist() == [A, B]


@pytest.mark.parametrize("size", [0.004, 0.02, 0.1])
def test_nine_hundred_boxes(rng, size):
    """As many as a Grounding DINO can give; from hardly any that touch to nearly all."""
    corners = rng.uniform(0, 1 - size, (900, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(size / 2, size, (900, 2))], axis=1)
    left = merge_boxes(boxes).boxes_norm
    assert left.tolist() == algorithm_1(boxes.tolist())
    assert 1 <= len(left) < 900


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"boxes_norm": [[0, 0, 2, 1]]}, r"boxes_norm\[0\]: expected"),
        ({"boxes_norm": [A, [float("nan"), 0, 1, 1]]}, r"boxes_norm\[1\]: expected"),
        ({"boxes_norm": [A], "coverage": "ios"}, "coverage: expected one of min_area, iou, second, got 'ios'"),
        ({"boxes_norm": [A], "touch": "near"}, "touch: expected one of closed, open, got 'near'"),
    ],
)  # fmt: skip
def test_bad_arguments_are_named(arguments, said):
    with pytest.raises(ValueError, match=said):
        merge_boxes(**arguments)
