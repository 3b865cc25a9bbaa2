"""Box arithmetic, worked by hand and against a plain-Python count of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf import boxes as bx

A = [0.0, 0.0, 4.0, 2.0]  # 4 x 2 = 8
B = [2.0, 1.0, 6.0, 3.0]  # 4 x 2 = 8; shares 2 x 1 = 2 with A
FAR = [8.0, 8.0, 9.0, 9.0]
LINE = [1.0, 1.0, 3.0, 1.0]  # no area
REVERSED = [4.0, 2.0, 0.0, 0.0]


@st.composite
def whole_boxes(draw, side=12):
    """Ordered boxes with whole corners, so that areas can be counted in pixels."""
    number = draw(st.integers(0, 5))
    corners = [sorted(draw(st.tuples(*[st.integers(0, side)] * 2))) for _ in range(2 * number)]
    rows = [[x[0], y[0], x[1], y[1]] for x, y in zip(corners[::2], corners[1::2], strict=True)]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def painted(box, side=12):
    """The box as a picture of True pixels."""
    picture = np.zeros((side, side), dtype=bool)
    x1, y1, x2, y2 = (int(value) for value in box)
    picture[y1:y2, x1:x2] = True
    return picture


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ([], (0, 4)),  # an image without boxes
        (np.zeros((0, 4)), (0, 4)),
        (np.zeros((0, 4), dtype=np.int64), (0, 4)),
        ([[1, 2, 3, 4]], (1, 4)),  # whole numbers
        (((1, 2, 3, 4), (5, 6, 7, 8)), (2, 4)),  # tuples
        (np.ones((3, 4), dtype=np.float32), (3, 4)),
    ],
)
def test_as_boxes_takes_any_rows_of_four(value, shape):
    boxes = bx.as_boxes(value)
    assert boxes.shape == shape
    assert boxes.dtype == np.float64


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([0, 0, 1, 1], r"\(4,\)"),  # one bare box: a row of rows is expected
        ([[0, 0, 1]], r"\(1, 3\)"),  # three numbers
        ([[0, 0, 1, 1, 1]], r"\(1, 5\)"),
        ([[0, 0, 1, 1], [0, 0, 1]], "x1, y1, x2, y2"),  # ragged
        ([[[0, 0, 1, 1]]], r"\(1, 1, 4\)"),
        (np.zeros((2, 0)), r"\(2, 0\)"),  # two rows of nothing are not no rows
        ("abcd", "abcd"),
        (None, "()"),
        (7, "()"),
        ({"x": 1}, "'x'"),
        ([["left", 0, 1, 1]], "left"),
    ],
)
def test_as_boxes_refuses_the_rest_and_shows_it(value, found):
    with pytest.raises(ValueError, match=found) as caught:
        bx.as_boxes(value)
    assert str(caught.value).startswith("boxes: expected ")
    assert len(str(caught.value)) < 250


def test_area_counts_reversed_and_flat_boxes_as_empty():
    boxes = np.array([A, FAR, LINE, REVERSED])
    assert bx.area(boxes).tolist() == [8.0, 1.0, 0.0, 0.0]
    assert bx.area(np.zeros((0, 4))).shape == (0,)


def test_both_sides_reversed_do_not_make_a_positive_area():
    # (0 - 4) * (0 - 2) = +8 would be the trap
    assert bx.area(np.array([REVERSED])).tolist() == [0.0]


def test_intersection_and_iou_by_hand():
    a, b = np.array([A, LINE]), np.array([B, FAR, A])
    assert bx.intersection(a, b).tolist() == [[2.0, 0.0, 8.0], [0.0, 0.0, 0.0]]
    # A with B: 2 / (8 + 8 - 2) = 1/7; A with itself: 8 / 8; a line shares nothing with anything
    np.testing.assert_allclose(bx.iou(a, b), [[1 / 7, 0.0, 1.0], [0.0, 0.0, 0.0]], rtol=1e-15)


def test_touching_boxes_share_nothing():
    left, right, below = [0, 0, 1, 1], [1, 0, 2, 1], [0, 1, 1, 2]
    assert bx.iou(bx.as_boxes([left]), bx.as_boxes([right, below])).tolist() == [[0.0, 0.0]]


def test_iou_of_two_empty_boxes_is_zero_without_a_warning(recwarn):
    point = bx.as_boxes([[0.5, 0.5, 0.5, 0.5]])
    assert bx.iou(point, point).tolist() == [[0.0]]
    assert bx.paired_iou(point, point).tolist() == [0.0]
    assert len(recwarn) == 0


@pytest.mark.parametrize(
    ("other", "touching"),
    [
        ([4.0, 0.0, 6.0, 2.0], True),  # a common edge
        ([4.0, 2.0, 6.0, 3.0], True),  # a common corner
        ([4.5, 0.0, 6.0, 2.0], False),  # a gap in x
        ([0.0, 2.5, 4.0, 3.0], False),  # a gap in y
        (B, True),
        (LINE, True),  # inside, without area
        ([4.0, 1.0, 4.0, 1.0], True),  # a point on the rim
    ],
)
def test_touching_is_sharing_a_point(other, touching):
    one, two = bx.as_boxes([A]), bx.as_boxes([other])
    assert bx.touches(one, two).tolist() == [[touching]]
    assert bx.touches(two, one).tolist() == [[touching]]


def test_coverage_by_hand():
    inside = [1.0, 0.0, 2.0, 1.0]  # all of its area of 1 lies in A
    table = bx.coverage(np.array([A, LINE]), np.array([B, FAR, inside, A]))
    # A with B: 2 of 8; with FAR nothing; with what lies inside 1 of 1; a line has no share of anything
    assert table.tolist() == [[0.25, 0.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]


@settings(max_examples=60, deadline=None)
@given(a=whole_boxes(), b=whole_boxes())
def test_coverage_is_what_counting_pixels_gives_and_never_below_iou(a, b):
    table = bx.coverage(a, b)
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            smaller = min(painted(one).sum(), painted(other).sum())
            shared = (painted(one) & painted(other)).sum()
            assert table[i, j] == pytest.approx(shared / smaller if smaller else 0.0)
    assert (table >= bx.iou(a, b) - 1e-15).all()
    assert (bx.touches(a, b) >= (bx.intersection(a, b) > 0)).all()


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_no_boxes_give_an_empty_table(n, m):
    a, b = np.zeros((n, 4)), np.zeros((m, 4))
    assert bx.intersection(a, b).shape == (n, m)
    assert bx.iou(a, b).shape == (n, m)
    assert bx.coverage(a, b).shape == (n, m)
    assert bx.touches(a, b).shape == (n, m)


@settings(max_examples=60, deadline=None)
@given(a=whole_boxes(), b=whole_boxes())
def test_iou_is_what_counting_pixels_gives(a, b):
    table = bx.iou(a, b)
    for i, one in enumerate(a):
        for j, other in enumerate(b):
            union = (painted(one) | painted(other)).sum()
            shared = (painted(one) & painted(other)).sum()
            assert table[i, j] == pytest.approx(shared / union if union else 0.0)
    np.testing.assert_array_equal(bx.iou(b, a), table.T)
    np.testing.assert_array_equal(bx.paired_iou(a, a), np.diag(bx.iou(a, a)))


def test_paired_iou_is_the_diagonal_and_refuses_two_lengths():
    a, b = np.array([A, B]), np.array([B, FAR])
    np.testing.assert_allclose(bx.paired_iou(a, b), [1 / 7, 0.0], rtol=1e-15)
    with pytest.raises(ValueError, match=r"\(2, 4\) and \(1, 4\)"):
        bx.paired_iou(a, b[:1])


@pytest.mark.parametrize(
    ("box", "window", "cut"),
    [
        ([-0.2, 0.1, 0.5, 1.3], (), [0, 0.1, 0.5, 1]),  # the unit square is the default window
        ([0.1, 0.2, 0.3, 0.4], (), [0.1, 0.2, 0.3, 0.4]),  # inside: untouched
        ([1.2, 0.2, 1.4, 0.4], (), [1, 0.2, 1, 0.4]),  # beside: empty, on the rim
        ([-5, -5, 700, 600], (640, 480), [0, 0, 640, 480]),  # pixels: x by the width, y by the height
    ],
)
def test_clip(box, window, cut):
    np.testing.assert_allclose(bx.clip(bx.as_boxes([box]), *window), [cut], rtol=0, atol=0)


def test_clip_does_not_write_into_its_input():
    boxes = np.array([[-1.0, 0.0, 2.0, 1.0]])
    bx.clip(boxes)
    assert boxes.tolist() == [[-1.0, 0.0, 2.0, 1.0]]


def test_enclosing_is_the_smallest_box_around_all():
    assert bx.enclosing(np.array([A, B])).tolist() == [0.0, 0.0, 6.0, 3.0]
    assert bx.enclosing(np.array([LINE])).tolist() == LINE
    with pytest.raises(ValueError, match="at least one box, got none"):
        bx.enclosing(np.zeros((0, 4)))


@pytest.mark.parametrize(
    "bad",
    [
        [float("nan"), 0, 1, 1],
        [0, 0, float("nan"), 1],
        [0, 0, float("inf"), 1],
        [0.5, 0, 0.4, 1],  # x reversed
        [0, 0.5, 1, 0.4],  # y reversed
        [-1e-9, 0, 1, 1],  # just outside on each side
        [0, -0.1, 1, 1],
        [0, 0, 1 + 1e-9, 1],
        [0, 0, 1, 2],
        [10, 20, 30, 40],  # pixels
    ],
)
def test_check_norm_names_the_first_bad_row_and_shows_it(bad):
    good = [0.0, 0.0, 1.0, 1.0]
    with pytest.raises(ValueError, match=r"boxes_norm\[2\]: expected .*got ") as caught:
        bx.check_norm([good, good, bad, bad])
    assert str([float(value) for value in bad]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_check_norm_takes_edges_and_points():
    corners = [[0, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1], [0.3, 0.2, 0.3, 0.9]]
    assert bx.check_norm(corners).tolist() == corners
    assert bx.check_norm([]).shape == (0, 4)
