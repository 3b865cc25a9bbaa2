"""The grid: every pair of cells there and back, Eq. 1 and 2 by hand, what precision it costs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.boxes import area, paired_iou
from giqa_hf.grid import MAX_SIDE, Ceiling, Grid

POLICIES = ("expand", "paper", "edges")


def spans(count: int) -> np.ndarray:
    """All (first, last) with first <= last of `count` cells in a line, count * (count + 1) / 2 of them."""
    return np.array(list(itertools.combinations_with_replacement(range(count), 2)))


def pairs_of(cols: np.ndarray, rows: np.ndarray, grid: Grid) -> np.ndarray:
    """(left, right) of column spans and row spans of one length."""
    return np.stack([rows[:, 0] * grid.cols + cols[:, 0], rows[:, 1] * grid.cols + cols[:, 1]], axis=1)


def all_pairs(grid: Grid) -> np.ndarray:
    """Every (left, right) pair of a grid."""
    cols, rows = spans(grid.cols), spans(grid.rows)
    return pairs_of(np.repeat(cols, len(rows), axis=0), np.tile(rows, (len(cols), 1)), grid)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("cols", "rows", "count"),
    [
        (20, 20, 44_100),  # (20 * 21 / 2) ** 2, the paper's grid
        (7, 13, 2_548),  # 28 * 91
        (13, 7, 2_548),
        (32, 32, 278_784),  # (32 * 33 / 2) ** 2
        (1, 1, 1),
        (1, 9, 45),
        (9, 1, 45),
    ],
)
def test_every_pair_survives_decode_and_encode(cols, rows, count, policy):
    grid = Grid(cols, rows)
    pairs = all_pairs(grid)
    assert len(pairs) == count
    np.testing.assert_array_equal(grid.encode(grid.decode(pairs, policy)), pairs)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("cols", "rows"), [(100, 100), (1000, 1000), (1000, 3), (999, 997)])
def test_every_span_of_a_large_grid_survives(cols, rows, policy):
    """100 x 100 has 25,502,500 pairs. x and y never mix, so all spans of each axis are walked (5,050 of 100
    cells, 500,500 of 1000, of which every seventeenth here), each beside a span of the other axis drawn by a
    fixed seed."""
    grid, rng = Grid(cols, rows), np.random.default_rng(0)
    of_cols, of_rows = spans(cols), spans(rows)
    of_cols, of_rows = of_cols[:: 17 if cols > 100 else 1], of_rows[:: 17 if rows > 100 else 1]
    longest = max(len(of_cols), len(of_rows))
    pairs = pairs_of(
        rng.permutation(np.resize(of_cols, (longest, 2))), np.resize(of_rows, (longest, 2)), grid
    )
    np.testing.assert_array_equal(grid.encode(grid.decode(pairs, policy)), pairs)


def test_a_large_sample_of_the_hundred_grid_survives():
    """400,000 of the 25,502,500 pairs, by a fixed seed, under every policy."""
    grid, rng = Grid(100, 100), np.random.default_rng(1)
    ends = np.sort(rng.integers(0, 100, (400_000, 2, 2)), axis=2)
    pairs = pairs_of(ends[:, 0], ends[:, 1], grid)
    for policy in POLICIES:
        np.testing.assert_array_equal(grid.encode(grid.decode(pairs, policy)), pairs)


def test_kosmos2_loses_4841_pairs_where_we_lose_none():
    kosmos2 = pytest.importorskip("transformers.models.kosmos2.processing_kosmos2")
    pairs = all_pairs(Grid(20, 20))

    def there_and_back(left: int, right: int) -> tuple[int, int]:
        return kosmos2.coordinate_to_patch_index(kosmos2.patch_index_to_coordinate(left, right, 20), 20)

    kept = np.array([there_and_back(left, right) for left, right in pairs.tolist()])
    assert (kept != pairs).any(axis=1).sum() == 4_841
    grid = Grid(20, 20)
    # Kosmos-2's rule in our words: Eq. 2, and the cells' extent for a box inside one row or column
    expected = [kosmos2.patch_index_to_coordinate(left, right, 20) for left, right in pairs.tolist()]
    np.testing.assert_allclose(grid.decode(pairs, "expand"), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("grid", "box", "cells"),
    [
        # floor(.0 * 20) * 20 + floor(.75 * 20) = 15; (ceil(.8 * 20) - 1) * 20 + 19 = 15 * 20 + 19
        (Grid(), [0.75, 0.0, 1.0, 0.8], [15, 319]),  # the tower of Fig. 5
        (Grid(), [0.0, 0.0, 1.0, 1.0], [0, 399]),  # the whole image: x = 1 and y = 1 are in the last cell
        (Grid(), [1.0, 1.0, 1.0, 1.0], [399, 399]),
        (Grid(), [0.0, 0.0, 0.0, 0.0], [0, 0]),
        # an upper-left corner on an edge opens the next cell: .5 * 20 = 10; .95 * 20 = 19
        (Grid(), [0.5, 0.95, 0.97, 0.99], [19 * 20 + 10, 19 * 20 + 19]),
        # a lower-right corner on an edge belongs to the cell before: ceil(.5 * 20) - 1 = 9
        (Grid(), [0.01, 0.01, 0.5, 0.5], [0, 9 * 20 + 9]),
        # both at once: one cell exactly
        (Grid(), [0.5, 0.5, 0.55, 0.55], [10 * 20 + 10, 10 * 20 + 10]),
        # 0.35 * 20 = 6.999999999999999 in floating point and 0.35 is still the edge of cells 6 and 7
        (Grid(), [0.35, 0.35, 0.9, 0.9], [7 * 20 + 7, 17 * 20 + 17]),
        (Grid(), [0.1, 0.1, 0.35, 0.35], [2 * 20 + 2, 6 * 20 + 6]),
        # 0.15 * 20 = 3.0 and 0.55 * 20 = 11.000000000000002
        (Grid(), [0.15, 0.55, 0.3, 0.6], [11 * 20 + 3, 11 * 20 + 5]),
        (Grid(), [0.0, 0.0, 0.55, 0.55], [0, 10 * 20 + 10]),
        # a point on an inner edge: right may not come before left, so the cell that the point opens
        (Grid(), [0.5, 0.5, 0.5, 0.5], [10 * 20 + 10, 10 * 20 + 10]),
        # a thin box over an edge spans two cells
        (Grid(), [0.499, 0.1, 0.501, 0.2], [2 * 20 + 9, 3 * 20 + 10]),
        # 4 columns, 2 rows: index = row * 4 + column; .5 opens row 1 and column 2
        (Grid(4, 2), [0.3, 0.2, 0.8, 0.9], [0 * 4 + 1, 1 * 4 + 3]),
        (Grid(4, 2), [0.5, 0.5, 1.0, 1.0], [1 * 4 + 2, 1 * 4 + 3]),
        (Grid(2, 4), [0.3, 0.2, 0.8, 0.9], [0 * 2 + 0, 3 * 2 + 1]),
        (Grid(1, 1), [0.2, 0.3, 0.4, 0.5], [0, 0]),
        (Grid(MAX_SIDE, MAX_SIDE), [0.0, 0.0, 1.0, 1.0], [0, 999_999]),
    ],
)
def test_encode_by_hand(grid, box, cells):
    assert grid.encode([box]).tolist() == [cells]


@pytest.mark.parametrize("cols", [1, 3, 7, 20, 49, 100, 1000])
def test_every_edge_opens_its_cell_and_closes_the_one_before(cols):
    """Edges as a user computes them (k / cols, k * (1 / cols), a sum of steps): all are the same edge."""
    k = np.arange(cols + 1)
    for edges in (k / cols, k * (1 / cols), np.append(0, np.cumsum(np.full(cols, 1 / cols)))):
        edges = np.minimum(edges, 1.0)
        boxes = np.stack([edges[:-1], np.zeros(cols), edges[1:], np.ones(cols)], axis=1)
        np.testing.assert_array_equal(Grid(cols, 1).encode(boxes), np.stack([k[:-1], k[:-1]], axis=1))


@pytest.mark.parametrize(
    ("cells", "policy", "box"),
    [
        # Fig. 5's bicycle, as measured: 6 = row 0, column 6: (6.5 / 20, 0.5 / 20); 399: (19.5 / 20) twice
        ([6, 399], "paper", [0.325, 0.025, 0.975, 0.975]),
        ([6, 399], "expand", [0.325, 0.025, 0.975, 0.975]),
        ([6, 399], "edges", [0.3, 0.0, 1.0, 1.0]),
        # the tower: 35 = row 1, column 15; 319 = row 15, column 19
        ([35, 319], "paper", [15.5 / 20, 1.5 / 20, 19.5 / 20, 15.5 / 20]),
        # one cell: a point under Eq. 2, the cell when expanded
        ([0, 0], "paper", [0.025, 0.025, 0.025, 0.025]),
        ([0, 0], "expand", [0.0, 0.0, 0.05, 0.05]),
        ([399, 399], "expand", [0.95, 0.95, 1.0, 1.0]),
        # one row of cells, 42 = row 2, column 2, to 45: a line under Eq. 2, both axes expanded otherwise
        ([42, 45], "paper", [2.5 / 20, 2.5 / 20, 5.5 / 20, 2.5 / 20]),
        ([42, 45], "expand", [2 / 20, 2 / 20, 6 / 20, 3 / 20]),
        # one column of cells, 42 to 102 = row 5, column 2
        ([42, 102], "paper", [2.5 / 20, 2.5 / 20, 2.5 / 20, 5.5 / 20]),
        ([42, 102], "expand", [2 / 20, 2 / 20, 3 / 20, 6 / 20]),
    ],
)
def test_decode_by_hand(cells, policy, box):
    np.testing.assert_allclose(Grid().decode([cells], policy), [box], atol=1e-15)


def test_decode_of_a_grid_that_is_not_square():
    # 4 columns, 2 rows: 1 = row 0, column 1; 7 = row 1, column 3
    grid = Grid(4, 2)
    np.testing.assert_allclose(grid.decode([[1, 7]], "paper"), [[1.5 / 4, 0.5 / 2, 3.5 / 4, 1.5 / 2]])
    np.testing.assert_allclose(grid.decode([[1, 7]], "edges"), [[1 / 4, 0, 1, 1]])
    np.testing.assert_allclose(grid.decode([[1, 3]], "expand"), [[1 / 4, 0, 1, 1 / 2]])


def test_the_default_policy_is_expand_and_shapes_hold_for_no_boxes():
    grid = Grid()
    np.testing.assert_array_equal(grid.decode([[7, 7]]), grid.decode([[7, 7]], "expand"))
    assert grid.encode([]).shape == (0, 2)
    assert grid.encode([]).dtype == np.int64
    assert grid.decode([]).shape == (0, 4)
    assert grid.encode([[0, 0, 1, 1]]).dtype == np.int64
    assert grid.decode(np.array([[0, 1]], dtype=np.uint16)).dtype == np.float64
    assert len(Grid(7, 13)) == 91


grids = st.builds(Grid, st.integers(1, MAX_SIDE), st.integers(1, MAX_SIDE))
unit = st.floats(0.0, 1.0)


@settings(max_examples=300, deadline=None)
@given(grid=grids, corners=st.tuples(unit, unit, unit, unit))
def test_any_box_there_and_back(grid, corners):
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    box = np.array([[x1, y1, x2, y2]])
    cells = grid.encode(box)
    cell_wh = np.array([1 / grid.cols, 1 / grid.rows] * 2)
    edges, centres, expanded = (grid.decode(cells, policy) for policy in ("edges", "paper", "expand"))
    # the outer edges hold the box and are at most one cell away from it; 1e-9 is the snap to an edge
    assert (edges[:, :2] <= box[:, :2] + 1.1e-9).all()
    assert (edges[:, 2:] >= box[:, 2:] - 1.1e-9).all()
    assert (np.abs(edges - box) <= cell_wh + 1.1e-9).all()
    # a centre is at most half a cell away from its corner
    assert (np.abs(centres - box) <= cell_wh / 2 + 1.1e-9).all()
    assert (np.abs(expanded - box) <= cell_wh + 1.1e-9).all()
    assert area(expanded)[0] > 0
    # a second round changes nothing
    for decoded in (edges, centres, expanded):
        assert (decoded >= 0).all()
        assert (decoded <= 1).all()
        np.testing.assert_array_equal(grid.encode(decoded), cells)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 200), corners=st.tuples(unit, unit, unit, unit))
def test_iou_has_the_floor_that_half_a_cell_allows(n, corners):
    """Centres move each corner by at most half a cell: a box of s x t cells, s and t over 1, keeps at least
    (s - 1)(t - 1) in common and the union is at most (s + 1)(t + 1)."""
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    s, t = (x2 - x1) * n, (y2 - y1) * n
    if min(s, t) <= 1.01:
        return
    box = np.array([[x1, y1, x2, y2]])
    iou = paired_iou(box, Grid(n, n).decode(Grid(n, n).encode(box), "paper"))[0]
    assert iou >= (s - 1) * (t - 1) / ((s + 1) * (t + 1)) - 1e-6


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ([0.2, 0.2, float("nan"), 0.4], "nan"),
        ([0.4, 0.2, 0.2, 0.4], r"\[0.4, 0.2, 0.2, 0.4\]"),  # reversed
        ([0.2, 0.2, 1.01, 0.4], "1.01"),  # outside
        ([-0.1, 0.2, 0.3, 0.4], "-0.1"),
    ],
)
def test_encode_refuses_by_value(bad, says):
    with pytest.raises(ValueError, match=rf"boxes_norm\[1\].*{says}"):
        Grid().encode([[0, 0, 1, 1], bad])


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([[0, 399], [5, 400]], r"cells\[1\].*< 400.*20x20.*\[5, 400\]"),  # past the last cell
        ([[-1, 5]], r"cells\[0\].*\[-1, 5\]"),
        ([[40, 5]], r"cells\[0\].*\[40, 5\]"),  # right above left
        ([[25, 44]], r"cells\[0\].*\[25, 44\]"),  # right below, but one column left of left
        ([[400, 399]], r"cells\[0\].*\[400, 399\]"),  # left past the last cell
        ([[400, 400]], r"cells\[0\].*\[400, 400\]"),
        ([[-5, -3]], r"cells\[0\].*\[-5, -3\]"),
        ([[0, -1]], r"cells\[0\].*\[0, -1\]"),
        ([[0, 2**62]], r"cells\[0\].*\[0, 4611686018427387904\]"),
        ([[0.0, 5.0]], "float64"),  # not integers
        ([[True, True]], "bool"),
        ([3, 5], r"\(2,\)"),  # one bare pair
        ([[1, 2, 3]], r"\(1, 3\)"),
    ],
)
def test_decode_refuses_by_value(cells, says):
    with pytest.raises(ValueError, match=says):
        Grid().decode(cells)


def test_many_boxes_are_those_of_one_by_one_and_a_late_fault_is_named_by_its_row():
    """The work is done in blocks: rows at their seams, and a row number counted over all of them."""
    grid, rng = Grid(), np.random.default_rng(2)
    corners = np.sort(rng.uniform(0, 1, (40_001, 2, 2)), axis=1)
    boxes = np.concatenate([corners[:, 0], corners[:, 1]], axis=1)
    cells = grid.encode(boxes)
    some = [0, 1, 16_383, 16_384, 16_385, 32_767, 32_768, 39_999, 40_000]
    for row in some:
        np.testing.assert_array_equal(grid.encode(boxes[row : row + 1])[0], cells[row])
        for policy in POLICIES:
            np.testing.assert_array_equal(
                grid.decode(cells[row : row + 1], policy)[0], grid.decode(cells, policy)[row]
            )
    for row in some:
        late = boxes.copy()
        late[row, 2] = np.nan
        with pytest.raises(ValueError, match=rf"boxes_norm\[{row}\].*nan"):
            grid.encode(late)
        late = cells.copy()
        late[row] = (5, 400)
        with pytest.raises(ValueError, match=rf"cells\[{row}\].*\[5, 400\]"):
            grid.decode(late)


def test_an_unknown_policy_is_named_with_those_that_exist():
    with pytest.raises(ValueError, match="policy: expected one of expand, paper, edges, got 'cell'"):
        Grid().decode([[0, 1]], "cell")  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [0, -1, MAX_SIDE + 1, 2.5, "20", True, None])
def test_a_grid_has_one_to_a_thousand_cells_a_side(side):
    with pytest.raises(ValueError, match="expected cols from 1 to 1000, got"):
        Grid(side, 20)
    with pytest.raises(ValueError, match="expected rows from 1 to 1000, got"):
        Grid(20, side)


def test_ceiling_by_hand():
    # 2 x 2 cells. The whole image decodes to its centres: .5 * .5 = 1/4. A box inside the first cell is a
    # point under Eq. 2 (IoU 0) and the cell when expanded: .2 * .4 / .25 = .32.
    boxes = [[0, 0, 1, 1], [0.1, 0.1, 0.3, 0.5]]
    grid = Grid(2, 2)
    paper, expand, edges = (grid.ceiling(boxes, policy) for policy in ("paper", "expand", "edges"))
    assert paper == Ceiling(mean_iou=0.125, zero_area_share=0.5, below_half_share=1.0, box_count=2)
    assert expand.mean_iou == pytest.approx((0.25 + 0.32) / 2)
    assert (expand.zero_area_share, expand.below_half_share) == (0.0, 1.0)
    assert edges.mean_iou == pytest.approx((1.0 + 0.32) / 2)
    assert (edges.zero_area_share, edges.below_half_share) == (0.0, 0.5)


def test_ceiling_of_no_boxes_is_not_a_number_and_not_zero():
    nothing = Grid().ceiling([])
    assert nothing.box_count == 0
    assert all(np.isnan(value) for value in nothing[:3])


@pytest.mark.parametrize(
    ("side", "paper", "edges"),
    [  # spec A2, our simulation: uniform boxes by side, mean IoU with Eq. 2 and with the cells' extent
        ((0.05, 0.1), 0.52, 0.38),
        ((0.1, 0.2), 0.72, 0.57),
        ((0.2, 0.4), 0.84, 0.74),
        ((0.4, 0.7), 0.91, 0.84),
        ((0.7, 1.0), 0.94, 0.90),
    ],
)
def test_ceiling_of_uniform_boxes_is_that_of_the_spec(side, paper, edges):
    rng = np.random.default_rng(0)
    sides = rng.uniform(*side, (40_000, 2))
    corner = rng.uniform(0, 1 - sides)
    boxes = np.concatenate([corner, corner + sides], axis=1)
    assert Grid().ceiling(boxes, "paper").mean_iou == pytest.approx(paper, abs=0.01)
    assert Grid().ceiling(boxes, "edges").mean_iou == pytest.approx(edges, abs=0.01)
    assert Grid().ceiling(boxes, "expand").mean_iou >= Grid().ceiling(boxes, "paper").mean_iou
