"""One-to-one matching: totals against scipy, the table of small cases, the refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from giqa_hf.metrics.matching import match

linear_sum_assignment = pytest.importorskip("scipy.optimize").linear_sum_assignment


@pytest.mark.parametrize(
    ("weights", "hungarian", "greedy"),
    [
        ([], [], []),  # nothing predicted, nothing true
        (np.zeros((0, 3)), [], []),  # nothing predicted
        (np.zeros((3, 0)), [], []),  # nothing true
        ([[0.0]], [], []),  # boxes that do not touch are no pair
        ([[0.4]], [(0, 0)], [(0, 0)]),  # 1 x 1
        ([[0.1, 0.9, 0.2]], [(0, 1)], [(0, 1)]),  # 1 x N: the best
        ([[0.1], [0.0], [0.9]], [(2, 0)], [(2, 0)]),  # N x 1
        ([[0.6, 0.5], [0.5, 0.0]], [(0, 1), (1, 0)], [(0, 0)]),  # 0.5 + 0.5 = 1.0 > 0.6 + 0.0
        ([[0.6, 0.1], [0.5, 0.2]], [(0, 0), (1, 1)], [(0, 0), (1, 1)]),  # 0.6 + 0.2 = 0.8 > 0.1 + 0.5
        ([[0.5, 0.5], [0.5, 0.5]], [(0, 0), (1, 1)], [(0, 0), (1, 1)]),  # ties: the lower numbers
        # 0.7 + 0.6 + 0.5 = 1.8 on the anti-diagonal; greedy takes 0.8 first, then 0.5, and has no third: 1.3
        (
            [[0.8, 0.0, 0.7], [0.0, 0.6, 0.5], [0.5, 0.0, 0.0]],
            [(0, 2), (1, 1), (2, 0)],
            [(0, 0), (1, 1)],
        ),
        # 3 predicted, 2 true: the zero row is nobody's; 0.4 + 0.3 = 0.7 > 0.5 + 0.0
        ([[0.5, 0.4], [0.0, 0.0], [0.3, 0.0]], [(0, 1), (2, 0)], [(0, 0)]),
    ],
)
def test_match(weights, hungarian, greedy):
    weights = np.asarray(weights, dtype=float).reshape(np.shape(weights) if np.ndim(weights) == 2 else (0, 0))
    assert match(weights) == hungarian
    assert match(weights, "greedy") == greedy


# Few different values make many ties, which is where an assignment goes wrong.
matrices = st.one_of(
    arrays(float, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(0, 1)),
    arrays(
        float, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.sampled_from([0.0, 0.25, 0.5])
    ),
)


@settings(max_examples=300, deadline=None)
@given(matrices)
def test_hungarian_has_the_largest_total(weights):
    pairs = match(weights)
    rows, cols = linear_sum_assignment(weights, maximize=True)
    assert sum(weights[pair] for pair in pairs) == pytest.approx(weights[rows, cols].sum(), abs=1e-12)
    assert len({row for row, _ in pairs}) == len({col for _, col in pairs}) == len(pairs)
    assert all(weights[pair] > 0 for pair in pairs)
    assert pairs == sorted(pairs)


@settings(max_examples=100, deadline=None)
@given(matrices)
def test_greedy_is_one_to_one_maximal_and_at_least_half_of_the_best(weights):
    pairs = match(weights, "greedy")
    rows, cols = {row for row, _ in pairs}, {col for _, col in pairs}
    assert len(rows) == len(cols) == len(pairs)
    free = np.delete(np.delete(weights, list(rows), axis=0), list(cols), axis=1)
    assert free.size == 0 or free.max() == 0  # no touching pair is left over
    best = sum(weights[pair] for pair in match(weights))
    assert sum(weights[pair] for pair in pairs) >= best / 2 - 1e-12


def test_large_and_hard():
    # 60 x 40 with few values: the fast paths do not apply
    weights = np.random.default_rng(0).integers(0, 4, (60, 40)) / 4
    rows, cols = linear_sum_assignment(weights, maximize=True)
    assert sum(weights[pair] for pair in match(weights)) == pytest.approx(weights[rows, cols].sum())


@pytest.mark.parametrize(
    ("weights", "method", "message"),
    [
        ([[0.5]], "best", "expected one of hungarian, greedy, got 'best'"),
        ([0.5], "greedy", r"shape \(N, M\), got shape \(1,\)"),
        ([[float("nan"), 1.0]], "hungarian", "finite numbers of 0 or more"),
        ([[-0.1]], "hungarian", "finite numbers of 0 or more"),
        ([[float("inf")]], "greedy", "finite numbers of 0 or more"),
    ],
)
def test_refusals(weights, method, message):
    with pytest.raises(ValueError, match=message):
        match(weights, method)
