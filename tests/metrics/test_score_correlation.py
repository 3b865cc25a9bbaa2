"""Correlations of scores: worked by hand, against scipy, ties and constants; lists of opinion scores; `evaluate`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import curve_fit

import giqa_hf.metrics.score_correlation as folder
from giqa_hf.errors import DataError
from giqa_hf.metrics.score_correlation.compute import as_score, score_correlation
from giqa_hf.metrics.score_correlation.correlations import kendall, pearson, spearman
from giqa_hf.metrics.score_correlation.labels import ScoreLabel, read_score_labels
from giqa_hf.metrics.score_correlation.logistic import Logistic, fit_logistic

PATH = Path(folder.__file__).parent


# Correlations


@pytest.mark.parametrize(
    ("first", "second", "plcc", "srcc", "krcc"),
    [
        ([1, 2, 3], [2, 4, 6], 1.0, 1.0, 1.0),
        ([1, 2, 3], [9, 4, 1], -0.989743, -1.0, -1.0),  # -8 / sqrt(2 * 32.667)
        # deviations (-1, 0, 1), (-1, 1, 0): 1/2; two of three pairs alike: (2 - 1) / 3
        ([1, 2, 3], [1, 3, 2], 0.5, 0.5, 1 / 3),
        # an outlier moves the line and not the order: (-1.5, -.5, .5, 1.5) * (-25.5, -24.5, -23.5, 73.5) = 149,
        # squares 5 and 7205
        ([1, 2, 3, 4], [1, 2, 3, 100], 149 / (5 * 7205) ** 0.5, 1.0, 1.0),
        # ties: ranks (1, 2, 3.5, 3.5, 5), (1, 2.5, 2.5, 4.5, 4.5): 8 / sqrt(9.5 * 9); tau-b 7 / sqrt(9 * 8)
        ([1, 2, 3, 3, 5], [1, 2, 2, 4, 4], 6.6 / (8.8 * 7.2) ** 0.5, 8 / 85.5**0.5, 7 / 72**0.5),
        # half of the pairs each way: (1,2) (1,4) (3,4)+ ... 4 alike, 2 not of 6: 2/6; 1 - 6 * (0+4+1+1)/60 = .4
        ([1, 2, 3, 4], [1, 4, 2, 3], 0.4, 0.4, 1 / 3),
        ([1, 1, 1], [1, 2, 3], None, None, None),  # constant
        ([1, 2, 3], [0.1, 0.1, 0.1], None, None, None),  # its mean is not 0.1 in floating point
        ([1, 2], [1, 2], None, None, None),  # two points always lie on a line
        ([], [], None, None, None),
        (
            [1e300, 2e300, 3e300],
            [1e-300, 2e-300, 3e-300],
            1.0,
            1.0,
            1.0,
        ),  # squares leave the range of a float
    ],
)
def test_by_hand(first, second, plcc, srcc, krcc):
    for function, value in ((pearson, plcc), (spearman, srcc), (kendall, krcc)):
        expected = None if value is None else pytest.approx(value, abs=1e-6)
        assert function(first, second) == expected
        assert function(second, first) == expected


NUMBERS = st.integers(-3, 3) | st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=40))
def test_equal_to_scipy(pairs):
    first, second = np.array(pairs, dtype=float).T
    if min(np.ptp(first), np.ptp(second)) == 0:
        assert kendall(first, second) is None and spearman(first, second) is None
        return
    assert kendall(first, second) == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)


def test_equal_to_scipy_on_many(rng):
    first = rng.integers(0, 300, 5000).astype(float)  # many ties
    second = first + rng.normal(0, 80, 5000).round()
    assert pearson(first, second) == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12)
    assert kendall(first, second) == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match=r"two lists of one length, got the shapes \(3,\) and \(2,\)"):
        pearson([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="finite numbers, got NaN or infinity"):
        spearman([1, 2, float("nan")], [1, 2, 3])


# The logistic


def test_finds_the_curve_that_made_the_opinions(rng):
    curve = Logistic(4.6, 1.3, 0.42, 0.07)
    scores = rng.uniform(0, 1, 200)
    found = fit_logistic(scores, curve(scores))
    assert found == pytest.approx(curve, rel=1e-6)
    # f(b3) is the middle of the ends, f(b3 + b4) is at 1 / (1 + 1/e) = .7311 of the way
    assert curve(np.array([0.42, 0.49])) == pytest.approx([2.95, 1.3 + 3.3 * 0.7310586])


@pytest.mark.parametrize("sign", [1, -1])
def test_no_worse_than_a_line_and_than_the_usual_fit(rng, sign):
    """The usual: scipy's curve_fit from (max, min, mean, std / 4), as evaluation scripts of the field have it."""

    def logistic(x, b1, b2, b3, b4):
        return (b1 - b2) / (1 + np.exp(-(x - b3) / abs(b4))) + b2

    for noise in (0.01, 0.5, 3.0):
        scores = rng.normal(0.5, 0.02, 300)  # a narrow scale, as T = 100 gives
        opinions = 3 + 40 * sign * (scores - 0.5) + rng.normal(0, noise, 300)
        found = score_correlation(scores, opinions)
        assert found.plcc_logistic >= abs(found.plcc) - 1e-6  # a falling relation is turned round
        assert found.rmse_logistic <= found.rmse
        start = [opinions.max(), opinions.min(), scores.mean(), scores.std() / 4]
        if sign < 0:
            start[:2] = start[1::-1]
        usual = logistic(scores, *curve_fit(logistic, scores, opinions, start, maxfev=100_000)[0])
        usual_rmse = float(np.sqrt(np.mean((usual - opinions) ** 2)))
        assert found.rmse_logistic <= usual_rmse * (1 + 1e-6)


@settings(max_examples=20)  # 120 fits
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=5, max_size=30),
    st.floats(0.01, 100),
    st.floats(-1000, 1000),
)
def test_neither_scale_nor_origin_of_the_scores_matters(pairs, scale, shift):
    scores, opinions = np.array(pairs, dtype=float).T
    one, other = score_correlation(scores, opinions), score_correlation(scores * scale + shift, opinions)
    assert (one.srcc, one.krcc) == (other.srcc, other.krcc)
    assert one.plcc == (None if one.plcc is None else pytest.approx(other.plcc, abs=1e-6))
    for value in (one.plcc_logistic, one.rmse_logistic, one.rmse):
        assert value is None or np.isfinite(value)


# The whole


def test_whole_by_hand():
    # differences (0, 0, 1, -1, 1): rmse sqrt(3/5); the rest is the row with ties above
    found = score_correlation([1, 2, 3, 3, 5], ["1.0 ", 2.0, "2", 4, np.float32(4)], logistic=False)
    assert found.srcc == pytest.approx(8 / 85.5**0.5)
    assert found.krcc == pytest.approx(7 / 72**0.5)
    assert found.rmse == pytest.approx(0.6**0.5)
    assert (found.plcc_logistic, found.rmse_logistic, found.logistic) == (None, None, None)
    assert (found.pairs, found.missing) == (5, 0)


@pytest.mark.parametrize(
    ("predictions", "references", "values"),
    [
        # which of (srcc, plcc, plcc_logistic, krcc, rmse, rmse_logistic) have a value, pairs, missing
        ([1, 2], [1, 2], ("", 2, 0)),  # fewer than 3
        ([1, None, float("nan"), 2], [1, 2, 3, 4], ("", 2, 2)),  # so few are left
        ([1, 2, 3, None], [1, 2, 4, 5], ("srcc plcc krcc rmse", 3, 1)),  # too few for four parameters
        ([1, 2, 3, 4], [1, 2, 4, 5], ("srcc plcc krcc rmse", 4, 0)),
        ([1, 2, 3, 4, 5], [1, 2, 4, 5, 5], ("srcc plcc plcc_logistic krcc rmse rmse_logistic", 5, 0)),
        ([2, 2, 2, 2, 2], [1, 2, 4, 5, 5], ("rmse", 5, 0)),  # constant
        ([1, 2, 4, 5, 5], ["3 "] * 5, ("rmse", 5, 0)),
        ([], [], ("", 0, 0)),
    ],
)
def test_none_is_not_nan(predictions, references, values):
    found = score_correlation(predictions, references)
    given = [name for name in found._fields[:6] if getattr(found, name) is not None]
    assert (" ".join(given), found.pairs, found.missing) == values
    assert not any(getattr(found, name) != getattr(found, name) for name in found._fields[:6])


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([1], [1, 2], "one score per opinion, got 1 predictions and 2 references"),
        ([1, "x", 3], [1, 2, 3], "predictions[1]: expected a finite number, or one as a string, got 'x'"),
        (
            [1, float("inf"), 3],
            [1, 2, 3],
            "predictions[1]: expected a finite number, or one as a string, got inf",
        ),
        ([1, 2, 3], [1, None, 3], "references[1]: expected a finite number, or one as a string, got None"),
        ([1, 2, 3], [1, "nan", 3], "references[1]"),
        ([1, 2, 3], [1, True, 3], "references[1]"),  # not 1
        ([1, 2, 3], [1, "1_0", 3], "references[1]"),  # float() would say 10
        ([1, 2, 3], [1, [2], 3], "references[1]"),
        ([1, 2, 10**400], [1, 2, 3], "predictions[2]"),
    ],
)
def test_one_clear_sentence(predictions, references, message):
    with pytest.raises(DataError) as caught:
        score_correlation(predictions, references)
    assert message in str(caught.value)


def test_a_huge_string_of_digits_is_no_number():
    with pytest.raises(DataError, match="finite"):
        as_score("9" * 5000, "x")


# Lists of opinion scores


def written(folder, text, name="a.json"):
    path = folder / name
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def test_reads_what_the_field_publishes(tmp_path):
    rows = [
        {"img_path": "spaq/00001.jpg", "gt_score": "2.82 "},  # as in Q-Bench
        {"img_path": "b.png", "gt_score": 71, "id": 7},  # other fields are left alone
        {"img_path": "./c//d.png", "gt_score": " -1e-1\n"},
    ]
    truth = [ScoreLabel("spaq/00001.jpg", 2.82), ScoreLabel("b.png", 71.0), ScoreLabel("c/d.png", -0.1)]
    assert read_score_labels(written(tmp_path, rows)) == truth
    lines = "\n".join(map(json.dumps, rows))
    assert read_score_labels(written(tmp_path, lines, "a.jsonl")) == truth
    renamed = [{"image": "a.png", "mos": "3"}]
    assert read_score_labels(written(tmp_path, renamed), image_key="image", score_key="mos") == [
        ("a.png", 3.0)
    ]


def test_reads_a_table(tmp_path):
    """As KonIQ-10k has it: quoted names, further columns, perhaps a byte order mark and Windows' line ends."""
    table = '\ufeff"image_name","c1","MOS"\r\n"1.jpg",0,3.9\r\n"b, c.jpg",7," 2.5 "\r\n'
    keys = {"image_key": "image_name", "score_key": "MOS"}
    assert read_score_labels(written(tmp_path, table, "a.csv"), **keys) == [("1.jpg", 3.9), ("b, c.jpg", 2.5)]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "img_path,gt_score\na.png\n",
            "record 0: expected a field gt_score, found ['img_path']",
        ),  # ends too soon
        ("img_path,mos\na.png,1\n", "record 0: expected a field gt_score, found ['img_path', 'mos']"),
        ("img_path,gt_score\na.png,1,2\nb.png,\n", "record 1, field gt_score: expected a finite number"),
        ('img_path,gt_score\n"a.png,1\n', "expected a table with commas, found none"),
        ("img_path,gt_score\n", "found none"),
        ("", "is empty"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, table, message):
    path = written(tmp_path, table, "a.csv")
    with pytest.raises(DataError) as caught:
        read_score_labels(path)
    assert message in str(caught.value) and str(path) in str(caught.value)


ROW = {"img_path": "a.png", "gt_score": 1.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([ROW, 5], "record 1: expected an object with img_path and gt_score, got 5"),
        ([{"img_path": "a.png"}], "record 0: expected a field gt_score, found ['img_path']"),
        ([{**ROW, "gt_score": "2.8.2"}], "record 0, field gt_score: expected a finite number, or one as a string, got '2.8.2'"),
        ([{**ROW, "gt_score": None}], "record 0, field gt_score: expected a finite number"),
        ('[{"img_path": "a.png", "gt_score": NaN}]', "record 0, field gt_score: expected a finite number"),
        ([{**ROW, "img_path": " "}], "record 0, field img_path: expected the path of a photo, got ' '"),
        ([{**ROW, "img_path": "../../etc/passwd"}], "record 0, field img_path: path leaves the root"),
        ([{**ROW, "img_path": "/etc/passwd"}], "path leaves the root"),
        ([{**ROW, "img_path": "https://a.b/c.png"}], "photo is a web address"),
        ([ROW, {**ROW, "img_path": "./a.png"}], "record 1, field img_path: expected each photo once"),
        ([], "found none"),
        ({"a": 1}, "expected a JSON list"),
        ("", "is empty"),
    ],
)  # fmt: skip
def test_a_damaged_list_is_refused(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_score_labels(path)
    assert message in str(caught.value) and str(path) in str(caught.value)


# evaluate


@pytest.fixture
def metric(tmp_path):
    evaluate = pytest.importorskip("evaluate")
    return evaluate.load(str(PATH), cache_dir=str(tmp_path / "cache"), experiment_id=tmp_path.name)


def test_through_evaluate(metric, rng):
    scores = [*rng.uniform(0, 1, 30), None]
    opinions = [f"{3 + value:.3f} " for value in rng.normal(0, 1, 31)]
    found = metric.compute(predictions=scores, references=opinions)
    direct = score_correlation(scores, opinions)
    signed = found.pop("signature")
    assert found == {**direct._asdict(), "logistic": direct.logistic._asdict()}
    rest, _, data = signed.rpartition("|data:")
    assert rest == "metric:score_correlation|version:1|krcc:tau-b|logistic:4 parameters" and len(data) == 16
    assert (found["pairs"], found["missing"]) == (30, 1)
    for score, opinion in zip(scores, opinions, strict=True):
        metric.add(prediction=score, reference=opinion)
    assert metric.compute(logistic=False)["srcc"] == found["srcc"]
    with pytest.raises(DataError, match=r"references\[0\]: expected a finite number"):
        metric.compute(predictions=[1.0], references=["high"])


def test_scipy_is_only_needed_for_the_logistic():
    code = (
        "import sys; sys.modules['scipy'] = None; sys.modules['scipy.optimize'] = None\n"
        "from giqa_hf.metrics.score_correlation.compute import score_correlation as f\n"
        "print(f([1, 2, 3, 4, 5], [1, 3, 2, 5, 4], logistic=False).srcc)\n"
        "try: f([1, 2, 3, 4, 5], [1, 3, 2, 5, 4])\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # 1 - 6 * (0 + 1 + 1 + 1 + 1) / 120
    assert done.stdout.splitlines() == [
        "0.8",
        'the logistic fit of PLCC needs the extra "models": run  pip install "giqa-hf[models]"  (in a clone of the '
        'repository: pip install -e ".[models]")',
    ]
