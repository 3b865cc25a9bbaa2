"""The file of answers: on disk batch by batch, whole again after a crash, and nothing of it lost."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from giqa_hf.benchmark.answers import Answer, appending, read_answers
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.frames import Frame

FRAME = Frame.square_pad((640, 480), 336)


def written(path, *answers):
    with appending(path) as writer:
        for answer in answers:
            writer.append([answer])


ANSWERS = {
    "words": Answer("a", "The [cup](<0,21>) is sharp.", FRAME),
    "nothing": Answer("a", "", FRAME),
    "cut off": Answer("a", "The cup is", FRAME, cut_off=True),
    "a failure": Answer("a", None, FRAME, "timed out"),
    "line ends and quotes": Answer("a", 'He said:\n"no"\r\n\u2028\x00', FRAME),
    "half a character": Answer("a", "\ud83d broken", FRAME),  # a lone surrogate has no UTF-8 form
    "a megabyte": Answer("a", "é" * 1_000_000, FRAME),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_comes_back_as_it_went(tmp_path, answer):
    written(tmp_path / "a.jsonl", answer)
    assert read_answers(tmp_path / "a.jsonl") == {"a": answer}
    assert (tmp_path / "a.jsonl").read_bytes().count(b"\n") == 1


def test_of_no_file_there_are_no_answers(tmp_path):
    assert read_answers(tmp_path / "a.jsonl") == {}


def test_a_batch_is_on_disk_before_the_next_one_begins(tmp_path):
    with appending(tmp_path / "a.jsonl") as writer:
        writer.append([Answer("a", "1", FRAME), Answer("b", "2", FRAME)])
        assert list(read_answers(tmp_path / "a.jsonl")) == ["a", "b"]


@pytest.mark.parametrize("lost", [1, 2, 40])
def test_a_half_last_line_is_left_out_and_cut_off(tmp_path, lost):
    path = tmp_path / "a.jsonl"
    written(path, Answer("a", "1", FRAME), Answer("b", "2", FRAME))
    path.write_bytes(path.read_bytes()[:-lost])  # 1: only the end of the line is missing
    assert list(read_answers(path)) == ["a"]
    written(path, Answer("c", "3", FRAME))
    assert list(read_answers(path)) == ["a", "c"]
    assert all(json.loads(line) for line in path.read_bytes().splitlines())


def test_a_half_line_of_a_megabyte_is_cut_off(tmp_path):
    path = tmp_path / "a.jsonl"
    written(path, Answer("a", "1", FRAME), Answer("b", "x" * 1_000_000, FRAME))
    path.write_bytes(path.read_bytes()[:-1])
    written(path)
    assert list(read_answers(path)) == ["a"] and path.stat().st_size < 1000
    path.write_bytes(b"x" * 200_000)  # a first line that never ended
    written(path)
    assert path.read_bytes() == b""


def test_of_a_row_that_was_asked_again_the_answer_counts(tmp_path):
    failed, good = Answer("a", None, FRAME, "timed out"), Answer("a", "1", FRAME)
    for order in ((failed, good), (good, failed)):
        path = tmp_path / f"{order[0].text}.jsonl"
        written(path, *order)
        assert read_answers(path) == {"a": good}


DAMAGED = {
    "no JSON": b"hello\n",
    "no object": b"[1, 2]\n",
    "no frame": b'{"id": "a", "answer": "x"}\n',
    "a number": b'{"id": "a", "answer": 5, "frame": {"image_wh": [1, 1], "model_wh": [1, 1], "scale_xy": [1, 1], "offset_xy": [0, 0]}}\n',
}


@pytest.mark.parametrize("line", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_line_in_the_middle_is_told(tmp_path, line):
    path = tmp_path / "a.jsonl"
    written(path, Answer("a", "1", FRAME))
    path.write_bytes(path.read_bytes() + line + path.read_bytes())
    with pytest.raises(DataError, match="line 2: expected an answer as `giqa bench` writes it"):
        read_answers(path)


def test_two_runs_at_once(tmp_path):
    """The second process is refused, and the first one's file is untouched."""
    path = tmp_path / "a.jsonl"
    code = (
        "from giqa_hf.benchmark.answers import appending\n"
        f"from pathlib import Path\nwith appending(Path({str(path)!r})): pass\n"
    )
    with appending(path) as writer:
        writer.append([Answer("a", "1", FRAME)])
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "another `giqa bench` is at work there" in run.stderr
    with appending(path):
        pass
    assert list(read_answers(path)) == ["a"]


def test_it_is_refused_in_the_same_process_too(tmp_path):
    with (
        appending(tmp_path / "a.jsonl"),
        pytest.raises(GiqaError, match="at work there"),
        appending(tmp_path / "a.jsonl"),
    ):
        pass
