"""Predictions from elsewhere: every kind of bad input has an outcome, and the counts add up."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.benchmark.data import row_ids
from giqa_hf.benchmark.predictions import (
    MISSING,
    WRONG_TYPE,
    import_predictions,
    match_predictions,
    read_predictions,
)
from giqa_hf.benchmark.scoring import score_run
from giqa_hf.errors import DataError
from tests.benchmark.tiny_bench import bench_rows, make_bench

ROWS = [{key: value for key, value in row.items() if key != "image"} for row in bench_rows()]
IDS = row_ids(ROWS)
WHOLE = [{"id": row_id, "answer": f"answer {number}"} for number, row_id in enumerate(IDS)]


def changed(number, **entries):
    """The whole predictions with one of them changed."""
    return [{**line, **entries} if place == number else line for place, line in enumerate(WHOLE)]


CASES = {
    # what is given, and what differs from: 8 lines, 8 rows, 8 matched, nothing else
    "all of them": (WHOLE, {}),
    "in another order": (WHOLE[::-1], {}),
    "one missing": (WHOLE[1:], {"lines": 7, "matched": 7, "missing": 1}),
    "one twice": ([*WHOLE, WHOLE[0]], {"lines": 9, "doubled": 1}),
    "one thrice": ([WHOLE[0], *WHOLE, WHOLE[0]], {"lines": 10, "doubled": 2}),
    "a stranger": ([{"id": "000099:x", "answer": ""}, *WHOLE], {"lines": 9, "extra": 1}),
    "an empty answer": (changed(2, answer=""), {"empty": 1}),
    "an answer of spaces": (changed(2, answer=" \n"), {"empty": 1}),
    "no answer": (changed(2, answer=None), {"wrong_type": 1}),
    "a number": (changed(2, answer=4), {"wrong_type": 1}),
    "a list": (changed(2, answer=["Yes."]), {"wrong_type": 1}),
    "the same wrong one twice": (
        [*changed(2, answer=4), {"id": IDS[2], "answer": 4}],
        {"lines": 9, "wrong_type": 1, "doubled": 1},
    ),
}


@pytest.mark.parametrize("lines, differing", CASES.values(), ids=CASES)
def test_what_is_wrong_is_counted(lines, differing):
    matched = match_predictions(lines, ROWS)
    usual = {
        "lines": 8,
        "rows": 8,
        "matched": 8,
        "missing": 0,
        "doubled": 0,
        "extra": 0,
        "wrong_type": 0,
        "empty": 0,
    }
    assert matched.counts == {**usual, **differing}
    for place, (text, problem) in enumerate(zip(matched.texts, matched.problems, strict=True)):
        assert text == f"answer {place}" or place in (0, 2)
        assert (text is None) == (problem in (MISSING, WRONG_TYPE))


def test_image_and_question_name_a_row_too():
    lines = [
        {"image_id": row["image_id"], "question": row["question"], "prediction": str(n)}
        for n, row in enumerate(ROWS)
    ]
    assert match_predictions(lines[::-1], ROWS).texts == [str(n) for n in range(8)]


REFUSED = {
    "two answers of one row": (
        [*WHOLE, {"id": IDS[3], "answer": "else"}],
        "line 9: expected one answer per row, found a second one for row 3",
    ),
    "only strangers": (
        [{"id": "x", "answer": ""}],
        "expected ids of the data's rows, such as 000000:photo-0",
    ),
    "an id that is a number": (
        changed(1, id=1),
        "line 2, field id: expected a string such as '000000:photo-0', found 1",
    ),
    "no id": ([{"answer": "x"}], "line 1: expected an id, or image_id and question, found answer"),
    "no answer at all": ([{"id": IDS[0], "text": "x"}], "line 1: expected a field answer, found id, text"),
}


@pytest.mark.parametrize("lines, said", REFUSED.values(), ids=REFUSED)
def test_what_nobody_can_settle_is_refused(lines, said):
    with pytest.raises(DataError) as error:
        match_predictions(lines, ROWS)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_question_that_two_rows_share_names_neither():
    rows = [ROWS[1], ROWS[1]]
    with pytest.raises(DataError, match="expected to name one row, found 2"):
        match_predictions([{"image_id": "photo-0", "question": ROWS[1]["question"], "answer": ""}], rows)


@given(
    picked=st.lists(st.integers(0, 7), max_size=20),
    strangers=st.integers(0, 4),
    empty=st.sets(st.integers(0, 7)),
    wrong=st.sets(st.integers(0, 7)),
    seed=st.integers(0, 99),
)
def test_the_counts_add_up_whatever_comes(picked, strangers, empty, wrong, seed):
    def answer(place):
        return None if place in wrong else "" if place in empty else f"answer {place}"

    lines = [{"id": IDS[place], "answer": answer(place)} for place in picked]
    lines += [{"id": f"stranger {n}", "answer": "x"} for n in range(strangers)]
    random.Random(seed).shuffle(lines)
    if not picked:
        return
    matched = match_predictions(lines, ROWS)
    counts = matched.counts
    assert counts["matched"] + counts["missing"] == counts["rows"] == 8
    assert counts["matched"] + counts["doubled"] + counts["extra"] == counts["lines"] == len(lines)
    assert counts["wrong_type"] == len(wrong & set(picked)) and counts["empty"] == len(
        (empty - wrong) & set(picked)
    )
    assert [text for place, text in enumerate(matched.texts) if place in picked] == [
        answer(p) for p in sorted(set(picked))
    ]


FILES = {
    "empty": (b"", "found an empty file"),
    "only line ends": (b"\n\n", "found an empty file"),
    "no JSON": (b'{"id": "a", "answer": ""}\nhello\n', "line 2: expected"),
    "a list": (b"[1]\n", "line 1: expected"),
    "not UTF-8": (b'{"id": "\xff"}\n', "line 1: expected"),
    "JSON without end": (b"[" * 100_000 + b"\n", "line 1: expected"),
}


@pytest.mark.parametrize("content, said", FILES.values(), ids=FILES)
def test_files_that_are_none(tmp_path, content, said):
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_predictions(path)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="found none that can be read"):
        read_predictions(tmp_path / "p.jsonl")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return make_bench(tmp_path_factory.mktemp("bench") / "data")


def scored(tmp_path, bench, lines, name="run", **options):
    path = tmp_path / f"{name}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    import_predictions(
        path, tmp_path / name, data=str(bench), say=lambda line: None, **{"frame": "whole", **options}
    )
    return score_run(tmp_path / name)


def test_order_changes_no_number_and_a_missing_answer_counts_as_an_empty_one(tmp_path, bench):
    truth = [{"id": row_id, "answer": row["answer"]} for row_id, row in zip(IDS, ROWS, strict=True)]
    perfect = scored(tmp_path, bench, truth, "perfect")
    turned = scored(tmp_path, bench, truth[::-1], "turned")
    assert turned["figures"] == perfect["figures"] and turned["signature"] == perfect["signature"]
    assert perfect["figures"]["VQA Acc (Y)"] == 1.0 and perfect["figures"]["DES LLM-Score[lexical]"] == 100.0
    short = scored(tmp_path, bench, truth[2:], "short")  # a description and a Yes/No answer are missing
    assert short["figures"]["VQA Acc (Y)"] == 0.75 and short["figures"]["DES LLM-Score[lexical]"] == 50.0
    assert short["answers"] == {
        "rows": 8,
        "with_words": 6,
        "empty": 0,
        "only_thoughts": 0,
        "failures": {MISSING: 2},
        "cut_off": 0,
    }
    assert short["matched"]["missing"] == 2


def test_a_megabyte_is_scored_like_any_answer(tmp_path, bench):
    lines = [*changed(0, answer="[cup](<42,190>) " * 3_000 + "blurry " * 150_000)]  # 1,098,000 characters
    found = scored(tmp_path, bench, lines)
    assert found["answers"]["with_words"] == 8
    des = found["counts"]["des"]
    assert des["predicted_boxes"] == 3000  # one of which is the cup's; all others cost precision
    assert (des["outcomes"]["Box-Precision"]["right"], des["outcomes"]["Box-Precision"]["wrong"]) == (1, 2999)


def test_boxes_without_a_frame_are_not_read(tmp_path, bench):
    with pytest.raises(DataError, match="give --processor MODEL, --frame whole"):
        scored(tmp_path, bench, WHOLE, frame=None)


def test_the_same_file_again_is_the_same_run_and_another_one_is_refused(tmp_path, bench):
    first = scored(tmp_path, bench, WHOLE)
    assert scored(tmp_path, bench, WHOLE)["figures"] == first["figures"]
    from giqa_hf.errors import GiqaError

    with pytest.raises(GiqaError, match="expected a run with the same settings, found one with model.sha256"):
        scored(tmp_path, bench, changed(1, answer="other"))
