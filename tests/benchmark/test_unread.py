"""Boxes in a form that was not read look like none at all: the run says so, in words and on the page."""

from __future__ import annotations

from giqa_hf.benchmark.compare_page import compare_html
from giqa_hf.benchmark.compare_text import compare_text
from giqa_hf.benchmark.comparing import compare_runs
from giqa_hf.benchmark.scoring import score_run
from giqa_hf.benchmark.unread import Unread, unread_boxes
from giqa_hf.formats import GiqaFormat, LlavaFormat
from giqa_hf.grounded_text import GroundedText
from tests.benchmark.tiny_bench import bench_rows, make_bench, predicted_run

JSON = '[{"bbox_2d": [10, 20, 300, 400], "label": "cup"}]'


def read(texts):
    return [GiqaFormat().read(text) for text in texts]


def test_only_answers_without_a_box_of_the_own_form_are_looked_at():
    texts = [
        JSON,
        "A dog [0.10, 0.20, 0.30, 0.41].",
        JSON,
        "Yes.",
        f"The [cup](<1,22>) {JSON}",
        f"[c](<1>) {JSON}",
    ]
    assert unread_boxes(texts, read(texts), GiqaFormat()) == Unread("JSON", 2)
    plain = ["No.", "", "see [1] and (2, 3)", "The [cup](<1,22>)."]
    assert unread_boxes(plain, read(plain), GiqaFormat()) is None


def test_broken_boxes_of_the_own_form_are_no_other_form():
    texts = ["A [ cup](<1,22>) is [dark](<1,22>).", "]](<1,22>) <1,22>"]
    blank = [GroundedText("A cup is dark.")] * 2  # as if nothing had been read
    assert unread_boxes(texts, blank, GiqaFormat()) is None
    assert unread_boxes(texts, blank, LlavaFormat()) == Unread("[name](<first,last>)", 2)


def test_a_run_says_so(tmp_path):
    bench = make_bench(tmp_path / "data")
    other = [JSON if row["answer_regions"] else row["answer"] for row in bench_rows()]
    own = [row["answer"] for row in bench_rows()]
    runs = [
        predicted_run(tmp_path / name, bench, answers) for name, answers in (("other", other), ("own", own))
    ]
    for run in runs:
        score_run(run)
    expected = other.count(JSON)
    comparison = compare_runs(runs)
    said = (
        "other: answers without a box of the form giqa, but with what looks like one of the form JSON: "
        f"{expected};"
    )
    for told in (compare_text(comparison), compare_html(comparison)):
        assert said in told and told.count("giqa diagnose") == 1
