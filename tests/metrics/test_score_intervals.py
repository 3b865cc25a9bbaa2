"""Intervals of correlations: they hold the figure, narrow with the photos, and are the bootstrap's own numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from giqa_hf.errors import DataError
from giqa_hf.metrics.score_correlation.compute import score_correlation
from giqa_hf.metrics.score_correlation.intervals import FIGURES, score_intervals
from giqa_hf.metrics.score_correlation.logistic import fit_logistic


def pairs(count, seed=0):
    """Scores 0..1 and opinions 1..5 that follow them by a curve, with noise."""
    draw = np.random.default_rng(seed)
    scores = draw.uniform(0, 1, count)
    return scores, 1 + 4 / (1 + np.exp(-6 * (scores - 0.5))) + draw.normal(0, 0.4, count)


def test_they_are_the_percentiles_of_scipys_figures_on_the_same_draws():
    scores, opinions = pairs(40)
    found = score_intervals(scores, opinions, logistic=False, seed=3, resamples=100)
    draws = np.random.default_rng(3)
    drawn = [draws.integers(0, 40, 40) for _ in range(100)]
    by_scipy = {
        "srcc": [stats.spearmanr(scores[d], opinions[d])[0] for d in drawn],
        "plcc": [stats.pearsonr(scores[d], opinions[d])[0] for d in drawn],
        "krcc": [stats.kendalltau(scores[d], opinions[d])[0] for d in drawn],
        "rmse": [np.sqrt(np.mean((scores[d] - opinions[d]) ** 2)) for d in drawn],
    }
    for name, values in by_scipy.items():
        assert found[name] == pytest.approx(np.quantile(values, [0.025, 0.975]), abs=1e-9)
    assert found["plcc_logistic"] is None and found["rmse_logistic"] is None and list(found) == list(FIGURES)


def test_they_hold_the_figures_and_narrow_with_the_photos():
    """Four times the photos: about half of the width, 1 / sqrt(4)."""
    widths = []
    for count in (60, 240):
        scores, opinions = pairs(count)
        whole, found = score_correlation(scores, opinions), score_intervals(scores, opinions, resamples=150)
        for name in FIGURES:
            assert found[name].low <= getattr(whole, name) <= found[name].high, name
        widths.append(found["srcc"].high - found["srcc"].low)
    assert 0.25 < widths[1] / widths[0] < 0.8


def test_a_fit_that_starts_near_ends_where_the_usual_one_does():
    scores, opinions = pairs(200)
    usual = fit_logistic(scores, opinions)
    near = fit_logistic(scores, opinions, near=usual._replace(b1=usual.b1 + 0.1, b3=usual.b3 + 0.05))
    assert near == pytest.approx(usual, rel=1e-3)


@pytest.mark.parametrize(
    ("scores", "opinions", "known"),
    [
        ([0.1, 0.2], [1, 2], set()),  # two points are no correlation
        ([0.5] * 6, [1, 2, 3, 4, 5, 6], {"rmse"}),  # constant scores are in no order
        ([None] * 3 + [0.1, 0.2, 0.3, 0.4], [3.0] * 3 + [1, 2, 3, 4], {"srcc", "plcc", "krcc", "rmse"}),
        ([], [], set()),
    ],
)
def test_what_cannot_be_told_has_none(scores, opinions, known):
    found = score_intervals(scores, opinions, resamples=100)
    assert {name for name, ends in found.items() if ends is not None} == known


def test_photos_without_a_score_are_not_drawn():
    scores, opinions = pairs(30)
    with_gaps = score_intervals([*scores, None, None], [*opinions, 1.0, 5.0], logistic=False, resamples=100)
    assert with_gaps == score_intervals(scores, opinions, logistic=False, resamples=100)


def test_wrong_options():
    with pytest.raises(ValueError, match="resamples"):
        score_intervals([1, 2, 3], [1, 2, 3], resamples=10)
    with pytest.raises(DataError, match="got 1 predictions and 2 references"):
        score_intervals([1], [1, 2])
