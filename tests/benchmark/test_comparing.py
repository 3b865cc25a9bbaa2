"""Runs beside each other: the figures of Tab. 5, intervals, and no two numbers in one column that cannot be compared."""

from __future__ import annotations

import json

import pytest

from giqa_hf.benchmark.compare_page import compare_html
from giqa_hf.benchmark.compare_text import compare_text
from giqa_hf.benchmark.comparing import COLUMNS, NOTHING, NOTHING_NOTE, PUBLISHED, compare_runs
from giqa_hf.benchmark.differing import differences_from_first
from giqa_hf.benchmark.record import IMAGE_SUMS, SCORES
from giqa_hf.benchmark.scoring import score_run
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.formats import NormalizedFormat
from giqa_hf.processing import render
from giqa_hf.schema import grounded_of
from tests.benchmark.tiny_bench import bench_rows, make_bench, predicted_run

TRUE = [render(grounded_of(row, "answer"), NormalizedFormat(4)) for row in bench_rows()]
NO_BOXES = [row["answer"] for row in bench_rows()]
HALF = [*TRUE[:4], "It is [fine](<0,0,0.01,0.01>).", "No.", "Yes.", "The [sky](<0,0,0.01,0.01>)."]
"""Photo 0 as it should be, photo 1 all wrong."""


class Half:
    """A judge that gives 2 of 4 to everything."""

    name = "half"

    def score(self, question, reference, prediction):
        return 2


class Moody:
    """A judge that refuses to mark texts of one photo."""

    name = "half"

    def score(self, question, reference, prediction):
        return None if prediction in ("It is fine.", "The sky.") else 4  # of photo 1, without boxes


class Equal:
    """Names are alike when they are the same."""

    name = "equal"

    def __call__(self, predicted, true):
        import numpy as np

        return np.array([[float(p == t) for t in true] for p in predicted])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Scored runs by name; tests only read them."""
    folder = tmp_path_factory.mktemp("runs")
    bench = make_bench(folder / "data")
    made = {}
    for name, answers, options in (
        ("true", TRUE, {}),
        ("words", NO_BOXES, {}),
        ("half", HALF, {}),
        ("judged", TRUE, {"judge": Half()}),
        ("renamed", TRUE, {"similarity": Equal()}),
        ("unjudged", TRUE, {"judge": False}),
        ("moody", HALF, {"judge": Moody()}),
        ("thinking", [f"<think>No?</think>{text}" for text in TRUE[:7]] + ["<think>The"], {}),
    ):
        made[name] = predicted_run(
            folder / name, bench, answers, box_format='{"name": "normalized", "decimals": 4}'
        )
        score_run(made[name], **options)
    rest = predicted_run(folder / "rest", bench, [*TRUE[:7], None], box_format="normalized")
    made["unscored"] = rest
    made["other rows"] = folder / "other"
    return made


def cells(comparison, name):
    place = [entry.name for entry in comparison.entries].index(name)
    return comparison.cells[place]


def test_the_columns_of_table_5(runs):
    found = cells(compare_runs([runs["true"], runs["words"]]), "true")
    assert list(found) == [column.key for column in COLUMNS]
    assert [cell.text for cell in found.values()] == [
        "1.0000", "1.0000", "100.00", "100.00", "1.0000", "1.0000", "1.0000", "1.0000", "1.0000",
    ]  # fmt: skip
    assert found["DES mIoU"].interval == (1.0, 1.0)  # both photos are perfect, so every resample is


def test_a_model_without_boxes_has_no_figure_of_boxes(runs):
    found = cells(compare_runs([runs["true"], runs["words"]]), "words")
    shown = {key: cell.text for key, cell in found.items()}
    assert [key for key, text in shown.items() if text == "N/A"] == [
        "DES mIoU", "DES Tag-Recall", "VQA mIoU", "VQA Tag-Recall",
    ]  # fmt: skip
    assert shown["VQA Acc (Total)"] == "1.0000"


def test_rows_that_hold_nothing_for_a_figure_are_no_not_available(tmp_path):
    """The first two rows: a description with true boxes, a Yes/No question whose answer has none."""
    rows = bench_rows()[:2]
    bench = make_bench(tmp_path / "data", rows)
    run = predicted_run(tmp_path / "run", bench, ["The cup.", "Yes."])
    score_run(run)
    comparison = compare_runs([run])
    shown = {key: cell.text for key, cell in cells(comparison, "run").items() if cell.value is None}
    assert shown == {
        "DES mIoU": "N/A", "DES Tag-Recall": "N/A", "VQA mIoU": NOTHING, "VQA Tag-Recall": NOTHING,
        "VQA Acc (W)": NOTHING,
    }  # fmt: skip
    for told in (compare_text(comparison), compare_html(comparison)):
        assert NOTHING_NOTE in told
    all_rows = predicted_run(tmp_path / "all", make_bench(tmp_path / "more"), NO_BOXES)
    score_run(all_rows)
    assert NOTHING_NOTE not in compare_text(compare_runs([all_rows]))


def test_an_interval_by_hand(runs):
    """Photo 0 has 1, photo 1 has 0: of 1000 draws of two photos a quarter each are 0 and 1, so 2.5 % cuts off neither."""
    found = cells(compare_runs([runs["half"]]), "half")["VQA Acc (Y)"]
    assert found.text == "0.5000" and found.interval == (0.0, 1.0)


def test_figures_on_another_basis_are_marked_and_told(runs):
    comparison = compare_runs([runs[name] for name in ("true", "half", "judged", "renamed")])
    marks = {
        entry.name: {key for key, cell in row.items() if cell.mark}
        for entry, row in zip(comparison.entries, comparison.cells, strict=True)
    }
    assert marks["true"] == marks["half"] == set()
    assert marks["judged"] == {"DES LLM-Score", "VQA Acc (W)", "VQA Acc (Total)"}
    assert marks["renamed"] == {"DES Tag-Recall", "VQA Tag-Recall"}
    assert len(comparison.notes) == 2
    similarity, judge = comparison.notes.values()  # in the order of the columns
    assert similarity == "similarity equal where the others have lexical_similarity"
    assert judge == "judge half where the others have lexical"
    text = compare_text(comparison)
    assert "b: not to be compared with the others of its column: judge half" in text and "50.00 b" in text


def test_no_judge_no_figure_and_no_mark(runs):
    found = cells(compare_runs([runs["true"], runs["unjudged"]]), "unjudged")
    assert found["DES LLM-Score"].text == "N/A" and not found["DES LLM-Score"].mark
    assert found["VQA Acc (Y)"].text == "1.0000" and not found["VQA Acc (Y)"].mark


def test_published_rows_are_marked_as_such(runs):
    comparison = compare_runs([runs["half"]], published=True)
    assert len(comparison.entries) == 17 and comparison.entries[-1].name == "half"
    ours = cells(comparison, "Grounding-IQA (mPLUG-Owl2-7B)")
    assert [ours[column.key].text for column in COLUMNS] == (
        ["0.5955", "0.5474", "22.87", "63.00", "0.6031", "0.7372", "0.8444", "0.5875", "0.7417"]
    )
    assert cells(comparison, "LLaVA-v1.5-7B")["DES mIoU"].text == "N/A"
    text = compare_text(comparison)
    assert text.count(" *  ") >= 16 and "*: published by the authors and not measured here" in text
    assert PUBLISHED == "published, not measured"
    alone = compare_runs([], published=True)
    assert len(alone.entries) == 16 and "true boxes" not in compare_text(alone)


def test_runs_of_one_name_are_told_apart(runs, tmp_path):
    import shutil

    copied = shutil.copytree(runs["half"], tmp_path / "half")
    names = [entry.name for entry in compare_runs([runs["half"], copied]).entries]
    assert names == [str(runs["half"]), str(copied)]


def test_what_became_of_the_boxes_is_told(runs):
    text = compare_text(compare_runs([runs["half"], runs["words"]]))
    # Four true boxes in descriptions: photo 0 has both, photo 1 has a wrong one in each answer; two in answers.
    assert "  half: GIQA-DES 2, 2, 0, 0; GIQA-VQA 1, 1, 0, 0" in text
    assert "  words: GIQA-DES 0, 0, 0, 4; GIQA-VQA 0, 0, 0, 2" in text


def test_differences_from_the_first_run(runs):
    order = [runs["true"], runs["half"], runs["judged"]]
    comparison = compare_runs(order)
    half, judged = differences_from_first(comparison, order)
    assert half.figures["VQA Acc (Y)"].difference == -0.5
    assert (half.figures["VQA Acc (Y)"].low, half.figures["VQA Acc (Y)"].high) == (-1.0, 0.0)
    assert judged.figures["DES LLM-Score"] is None  # another judge: no difference is told
    assert judged.figures["DES mIoU"].difference == 0.0 and judged.figures["DES mIoU"].p == 1.0
    assert "better than true by" in compare_text(comparison, [half, judged])
    assert differences_from_first(compare_runs(order[:1]), order[:1]) == []


def test_a_judge_that_fails_is_told_of_and_not_compared(runs):
    order = [runs["judged"], runs["moody"], runs["half"]]
    comparison = compare_runs(order)
    moody, half = differences_from_first(comparison, order)
    # Of two descriptions one has no mark: 100 is the mean of the other, and all of it lies between (100 + 0) / 2 and 100.
    text = compare_text(comparison, [moody, half])
    assert "no mark for 1 of 2 texts (1 " in text
    assert "GIQA-DES LLM-Score is the mean of the other 1, and lies between 50.00 and 100.00 whatever" in text
    assert "GIQA-VQA Acc (W) is the mean of the other 1, and lies between 0.5000 and 1.0000 whatever" in text
    assert moody.figures["DES LLM-Score"] is None and moody.figures["VQA Acc (Total)"] is None
    assert moody.figures["VQA Acc (Y)"] is not None
    assert moody.problem == (
        "GIQA-DES LLM-Score, GIQA-VQA Acc (W), GIQA-VQA Acc (Total): not compared, for its judge failed on other texts "
        "than that of judged"
    )
    assert half.problem is None  # another judge: a letter says so
    page = compare_html(comparison, [moody, half])
    assert "lies between 50.00 and 100.00 whatever" in page and "not compared, for its judge failed" in page


def test_an_answer_of_thoughts_alone_is_told(runs):
    assert "thinking: 7 of 8 (1 only thoughts); judge lexical" in compare_text(
        compare_runs([runs["thinking"]])
    )
    figures = json.loads((runs["thinking"] / SCORES).read_text())["figures"]
    assert figures["VQA Acc (Y)"] == 1.0 and figures["DES mIoU"] == 1.0


def test_what_was_read_otherwise_stands_beside_a_difference(runs, tmp_path):
    bench = make_bench(tmp_path / "data")
    made = [
        predicted_run(tmp_path / name, bench, TRUE, box_format=boxes, frame=frame)
        for name, boxes, frame in (
            ("whole", '{"name": "normalized", "decimals": 4}', "whole"),
            ("square", '{"name": "normalized", "decimals": 4}', "square"),
            ("same", '{"name": "normalized", "decimals": 4}', "whole"),
        )
    ]
    signatures = [score_run(folder)["signature"] for folder in made]
    assert signatures[0] == signatures[2] != signatures[1] and "|frame:square|" in signatures[1]
    comparison = compare_runs(made)
    assert comparison.notes == {}  # no letter: models see pictures in their own ways
    square, same = differences_from_first(comparison, made)
    assert square.figures["DES mIoU"].difference < 0 and same.otherwise == ""
    assert square.otherwise.endswith("can come from: frame square where whole has whole")
    assert square.otherwise in compare_text(comparison, [square, same])
    assert square.otherwise in compare_html(comparison, [square, same])


def test_runs_on_other_rows_have_no_difference(runs, tmp_path):
    bench = make_bench(tmp_path / "data")
    path = tmp_path / "few.jsonl"
    path.write_text('{"id": "000001:photo-0", "answer": "Yes."}\n')
    from giqa_hf.benchmark.predictions import import_predictions

    import_predictions(path, tmp_path / "few", data=str(bench), limit=4, frame="whole", say=lambda line: None)
    score_run(tmp_path / "few")
    order = [runs["true"], tmp_path / "few"]
    comparison = compare_runs(order)
    assert all(cell.mark for cell in comparison.cells[1].values() if cell.value is not None)
    (found,) = differences_from_first(comparison, order)
    assert found.problem is not None and "two runs on the same rows" in found.problem
    assert "(4 rows of" in next(iter(comparison.notes.values()))


def test_what_is_no_scored_run(runs, tmp_path):
    with pytest.raises(GiqaError, match="found no scores.json; run `giqa bench score"):
        compare_runs([runs["unscored"]])
    with pytest.raises(GiqaError, match="found no run.json of it"):
        compare_runs([tmp_path])
    with pytest.raises(GiqaError, match="expected at least one folder of a run, or --published"):
        compare_runs([])
    import shutil

    damaged = shutil.copytree(runs["half"], tmp_path / "damaged")
    (damaged / IMAGE_SUMS).write_text("{")
    order = [runs["true"], damaged]
    (found,) = differences_from_first(compare_runs(order), order)
    assert "score the run again with `giqa bench score" in (found.problem or "")
    with pytest.raises(DataError, match="score the run again with `giqa bench score"):
        differences_from_first(compare_runs(order[::-1]), order[::-1])
    for content in ("{", "[]", '{"figures": {}}', '{"figures": {}, "intervals": {}, "signature": 3}'):
        (damaged / SCORES).write_text(content)
        with pytest.raises(GiqaError, match="expected scores as `giqa bench` writes them"):
            compare_runs([damaged])


def test_scores_hold_what_they_depend_on(runs):
    scores = json.loads((runs["half"] / SCORES).read_text())
    assert (
        scores["signature"].startswith("metric:giqa_bench|")
        and "normalized(decimals=4)" in scores["signature"]
    )
    answers = scores["answers"]
    assert (
        answers["with_words"]
        + answers["empty"]
        + answers["only_thoughts"]
        + sum(answers["failures"].values())
        == answers["rows"]
        == 8
    )
    assert scores["software"]["giqa_hf"] and scores["matched"]["matched"] == 8


def test_scores_of_an_earlier_version_are_marked(runs, tmp_path):
    import shutil

    old = shutil.copytree(runs["words"], tmp_path / "old")
    scores = json.loads((old / SCORES).read_text())
    del scores["answers"]["only_thoughts"]
    scores["signature"] = scores["signature"].replace("|version:3|", "|version:2|")
    (old / SCORES).write_text(json.dumps(scores))
    comparison = compare_runs([runs["true"], runs["words"], old])
    assert next(iter(comparison.notes.values())) == "version 2 where the others have 3"
    assert "old: 8 of 8; judge lexical" in compare_text(comparison)
    assert "only thoughts" in compare_html(comparison)
