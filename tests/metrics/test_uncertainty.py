"""The bootstrap over images: against a plain loop, against what is known of a proportion, None, and two runs."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.metrics import uncertainty
from giqa_hf.metrics.uncertainty import bootstrap_intervals, paired_bootstrap


def share(sums):
    """Right over asked; not known where nothing was asked."""
    return {"share": np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)}


def images(right, asked=1.0):
    return np.stack([np.asarray(right, dtype=float), np.full(len(right), float(asked))], axis=1)


def test_equals_a_plain_loop(monkeypatch):
    sums = np.random.default_rng(5).random((7, 2))
    found = bootstrap_intervals(sums, share, seed=3, resamples=200)["share"]
    draws = np.random.default_rng(3).integers(0, 7, (200, 7))
    values = [sums[draw, 0].sum() / sums[draw, 1].sum() for draw in draws]
    assert found == pytest.approx(np.quantile(values, [0.025, 0.975]))
    # in blocks of 30 resamples the same draws come in the same order
    monkeypatch.setattr(uncertainty, "_DRAWN_AT_ONCE", 210)
    assert bootstrap_intervals(sums, share, seed=3, resamples=200)["share"] == pytest.approx(found)


def test_the_seed_decides():
    sums = images(np.random.default_rng(2).random(40))
    one, same, other = (bootstrap_intervals(sums, share, seed=seed) for seed in (0, 0, 1))
    assert one == same != other


def test_about_95_of_100_intervals_hold_the_truth():
    # 300 benchmarks of 100 images on which a model is right with probability 0.6
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        low, high = bootstrap_intervals(images(draw.random(100) < 0.6), share, resamples=400)["share"]
        held += low <= 0.6 <= high
    assert (
        0.91 <= held / 300 <= 0.98
    )  # 0.95 +- 2 * sqrt(.95 * .05 / 300) = 0.025, and a little for the percentiles


def test_images_are_drawn_not_rows():
    # Ten images of 20 questions each, all right or all wrong: the chance is in ten images, not in 200 questions.
    of_images = bootstrap_intervals(images([20, 0] * 5, asked=20), share)["share"]
    of_rows = bootstrap_intervals(images([1, 0] * 100), share)["share"]
    assert of_images.high - of_images.low > 3 * (of_rows.high - of_rows.low)  # sqrt(20) = 4.5 times


@pytest.mark.parametrize(
    ("sums", "known"),
    [
        (np.zeros((0, 2)), False),  # no image
        (images([1]), False),  # one image: every resample is the same
        (images([1, 1]), True),
        (images([0, 0, 0], asked=0), False),  # never known
        # asked on one image of two: half of the draws of one image, three of four resamples, know it
        (np.array([[1.0, 1.0], [0.0, 0.0]]), True),
        # on one image of a hundred: known in 1 - 0.99 ** 100 = 0.63 of the resamples
        (np.array([[1.0, 1.0], *[[0.0, 0.0]] * 99]), True),
    ],
)
def test_none_where_nothing_can_be_told(sums, known):
    found = bootstrap_intervals(sums, share)["share"]
    assert (found is not None) == known


def test_known_in_fewer_than_half_is_not_known():
    half = {"f": lambda sums: {"f": np.where(np.arange(len(sums)) % 3 == 0, 1.0, np.nan)}}["f"]
    assert bootstrap_intervals(images([1, 0, 1]), half)["f"] is None


def test_two_runs():
    first, second = images([0, 0, 1, 0] * 25), images([1, 0, 1, 0] * 25)
    found = paired_bootstrap(first, second, share)["share"]
    # second is better on every fourth image and worse on none: 0.25 +- 1.96 * sqrt(.25 * .75 / 100) = 0.085
    assert found.difference == pytest.approx(0.25)
    assert (found.low, found.high) == (pytest.approx(0.165, abs=0.02), pytest.approx(0.335, abs=0.02))
    assert found.p == pytest.approx(2 / 1001)  # no resample at or below 0
    back = paired_bootstrap(second, first, share)["share"]
    assert back == pytest.approx((-found.difference, -found.high, -found.low, found.p))


def test_pairing_takes_out_what_both_runs_share():
    # The same 50 images are hard for both; the second run gets 5 more of them right.
    hard = np.repeat([0.0, 1.0], 50)
    better = hard.copy()
    better[:5] = 1.0
    paired = paired_bootstrap(images(hard), images(better), share)["share"]
    single = bootstrap_intervals(images(hard), share)["share"]
    assert paired.low > 0.0  # 0.05 above, although it lies well within the interval of either run alone
    assert single.low < 0.55 < single.high


def test_the_same_run_differs_in_nothing():
    found = paired_bootstrap(images([1, 0] * 9), images([1, 0] * 9), share)["share"]
    assert found == (0.0, 0.0, 0.0, 1.0)


def test_p_is_right_by_chance_as_often_as_it_says():
    # Two runs that are equally good: p < 0.05 in about 5 of 100 comparisons.
    draw = np.random.default_rng(1)
    rejected = sum(
        paired_bootstrap(images(draw.random(80) < 0.5), images(draw.random(80) < 0.5), share, resamples=400)[
            "share"
        ].p
        < 0.05
        for _ in range(200)
    )
    assert 2 <= rejected <= 19  # 10 expected, standard deviation 3.1


def test_a_figure_that_one_run_has_not_got():
    assert paired_bootstrap(images([1, 0], asked=0), images([1, 0]), share)["share"] is None
    assert paired_bootstrap(images([1]), images([0]), share)["share"] is None


@pytest.mark.parametrize("resamples", [99, 0, -1, 1000.0, True, None])
def test_too_few_resamples(resamples):
    with pytest.raises(ValueError, match="resamples: expected a whole number of at least 100"):
        bootstrap_intervals(images([1, 0]), share, resamples=resamples)


def test_refusals():
    with pytest.raises(
        ValueError, match=r"expected sums of the same images, got shapes \(2, 2\) and \(3, 2\)"
    ):
        paired_bootstrap(images([1, 0]), images([1, 0, 1]), share)
    with pytest.raises(ValueError, match=r"one row per image, got shape \(3,\)"):
        bootstrap_intervals(np.zeros(3), share)
