"""`giqa bench MODEL`, `score` and `compare` as typed, on tiny models."""

from __future__ import annotations

import json

import pytest

from giqa_hf.benchmark.data import row_ids
from giqa_hf.cli.main import USER_ERROR, main
from tests.annotation.llm.chat_server import ChatServer, running, said
from tests.benchmark.tiny_bench import bench_rows, family, make_bench


def giqa(*arguments):
    return main([str(argument) for argument in ("bench", *arguments)])


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the rows and a run of giqa-tiny; tests read them, or make runs of their own."""
    folder = tmp_path_factory.mktemp("work")
    make_bench(folder / "bench")
    run = giqa(
        family("tiny"), "--data", folder / "bench", "--out", folder / "runs" / "tiny", "--max-new-tokens", 6,
        "--batch-size", 4, "--first-token",
    )  # fmt: skip
    assert run == 0
    return folder


def test_a_model_goes_through(work, capsys):
    again = giqa(
        family("tiny"),
        "--data",
        work / "bench",
        "--out",
        work / "runs" / "tiny",
        "--max-new-tokens",
        6,
        "--first-token",
    )
    said = capsys.readouterr().out
    assert again == 0 and "8 rows of" in said and "8 answered before" in said
    assert "Acc (Total)" in said and "VQA Acc (Y)[first token]" in said and "8 rows: " in said
    assert {path.name for path in (work / "runs" / "tiny").iterdir()} == {
        "run.json", "references.jsonl", "answers.jsonl", "first_token.jsonl", "scores.json", "images.json",
    }  # fmt: skip


def test_scoring_needs_no_model(work, capsys):
    run = work / "runs" / "tiny"
    before = json.loads((run / "scores.json").read_text())
    assert giqa("score", run, "--judge", "none") == 0
    now = json.loads((run / "scores.json").read_text())
    assert (
        now["figures"]["DES LLM-Score"] is None
        and now["figures"]["VQA Acc (Y)"] == before["figures"]["VQA Acc (Y)"]
    )
    assert giqa("score", run) == 0
    assert json.loads((run / "scores.json").read_text())["figures"] == before["figures"]
    assert giqa("score", run, "--data", work / "bench", "--frame", "whole") == USER_ERROR
    assert "expected no --data, --frame with a run" in capsys.readouterr().err


def test_predictions_from_elsewhere_beside_it(work, tmp_path, capsys):
    rows = bench_rows()
    path = tmp_path / "mine.jsonl"
    path.write_text(
        "".join(
            json.dumps({"id": i, "answer": r["answer"]}) + "\n"
            for i, r in zip(row_ids(rows), rows, strict=True)
        )
    )
    assert giqa("score", path, "--data", work / "bench", "--out", tmp_path / "mine") == USER_ERROR
    assert "give --processor MODEL, --frame whole" in capsys.readouterr().err
    assert giqa("score", path, "--data", work / "bench", "--frame", "whole", "--out", tmp_path / "mine") == 0
    assert "lines 8, rows 8, matched 8" in capsys.readouterr().out
    page = tmp_path / "compare.html"
    assert giqa("compare", work / "runs" / "tiny", tmp_path / "mine", "--published", "--html", page) == 0
    printed = capsys.readouterr().out
    assert "better than tiny by" in printed and "Kosmos-2-1.6B *" in printed and f"page: {page}" in printed
    assert page.read_text().startswith("<!DOCTYPE html>")


def test_a_model_behind_a_server(work, tmp_path, capsys):
    with running(ChatServer(lambda request, attempt: said("Yes."), ("tiny-vlm",))) as server:
        server.attempts = lambda user: [None]
        run = giqa(
            "tiny-vlm", "--url", server.url, "--data", work / "bench", "--frame", "whole", "--prompt-style", "plain",
            "--out", tmp_path / "run",
        )  # fmt: skip
    assert run == 0 and "8 with words" in capsys.readouterr().out
    figures = json.loads((tmp_path / "run" / "scores.json").read_text())["figures"]
    assert figures["VQA Acc (Y)"] == 0.5 and figures["DES mIoU"] is None  # two of four are Yes; no boxes: N/A


WRONG = {
    "no such model": (["./nothing", "--data", "BENCH"], "found no such folder"),
    "no such data": (["TINY", "--data", "nowhere"], "expected the folder of a dataset, giqa-160k"),
    "another run's folder": (
        ["TINY", "--data", "BENCH", "--out", "RUN"],
        "expected a run with the same settings",
    ),
    "no run to score": (["score", "nowhere"], "found none that can be read"),
    "no runs to compare": (["compare"], "expected at least one folder of a run, or --published"),
    "no seconds": (
        ["score", "RUN", "--judge", "http://127.0.0.1:9/v1", "--judge-timeout", "-1"],
        "--judge-timeout: expected seconds, more than 0, got -1",
    ),
    "no server to wait for": (
        ["TINY", "--data", "BENCH", "--judge-timeout", "5"],
        "--judge-timeout: expected a language model",
    ),
    "a server for a model's logits": (
        ["m", "--url", "http://127.0.0.1:9/v1", "--first-token"],
        "first token: expected",
    ),
}


@pytest.mark.parametrize("arguments, said", WRONG.values(), ids=WRONG)
def test_what_a_user_can_mend_is_one_sentence(work, capsys, monkeypatch, tmp_path, arguments, said):
    monkeypatch.chdir(tmp_path)
    places = {"TINY": family("tiny"), "BENCH": work / "bench", "RUN": work / "runs" / "tiny"}
    assert giqa(*(places.get(word, word) for word in arguments)) == USER_ERROR
    told = capsys.readouterr().err
    assert said in told and told.startswith("giqa: ") and told.count("\n") == 1


def test_help_names_the_actions_and_the_options(capsys):
    for words, expected in (
        (["bench", "--help"], "{compare,score"),
        (["bench", "some/model", "--help"], "--prompt-style"),
        (["bench", "score", "--help"], "RUN or PREDICTIONS"),
        (["bench"], "the following arguments are required"),
    ):
        with pytest.raises(SystemExit):
            main(words)
        said = capsys.readouterr()
        assert expected in said.out + said.err
