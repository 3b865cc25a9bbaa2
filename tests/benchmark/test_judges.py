"""Which judge the words of the command line mean, and what a run keeps of its work."""

from __future__ import annotations

import json
import threading
from math import inf, nan

import pytest

from giqa_hf.benchmark.compare_page import compare_html
from giqa_hf.benchmark.compare_text import compare_text
from giqa_hf.benchmark.comparing import compare_runs
from giqa_hf.benchmark.judges import judge_of
from giqa_hf.benchmark.judging import judging_of
from giqa_hf.benchmark.record import SCORES
from giqa_hf.benchmark.scoring import score_run
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.metrics.llm_score.llm_judge import LLMJudge
from giqa_hf.metrics.llm_score.prompt import MAX_TOKENS
from tests.annotation.llm.chat_server import ChatServer, running, said
from tests.benchmark.tiny_bench import bench_rows, make_bench, predicted_run

ANSWERS = ["The cup is sharp.", "Yes.", "No.", "The plant."]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Four answers of other words than the truth's on either photo: of each a description and a What question."""
    folder = tmp_path_factory.mktemp("judged")
    return predicted_run(folder / "run", make_bench(folder / "data"), ANSWERS * 2)


@pytest.mark.parametrize(
    "options, found",
    [
        ({}, (1, MAX_TOKENS)),
        ({"repeats": 3}, (3, MAX_TOKENS)),
        ({"max_tokens": 4096}, (1, 4096)),
        ({"repeats": 2, "max_tokens": 8}, (2, 8)),
    ],
)
@pytest.mark.parametrize("choice", ["http://127.0.0.1:9/v1", "some/model"])
def test_a_language_model_takes_the_options(tmp_path, choice, options, found):
    judge = judge_of(choice, tmp_path, **options)
    assert isinstance(judge, LLMJudge) and (judge.repeats, judge.max_tokens) == found
    assert not list(tmp_path.iterdir())  # nothing is made before a text is asked about


@pytest.mark.parametrize(
    "choice, options, words",
    [
        ("lexical", {"repeats": 3}, "--judge-repeats: expected a language model as judge"),
        ("none", {"max_tokens": 9, "repeats": 2}, "--judge-repeats, --judge-max-tokens: expected a language"),
        ("lexical", {"model": "m"}, "--judge-model: expected a language model as judge"),
        ("some/folder", {"model": "m"}, "--judge-model: expected with the address of a server"),
        ("http://127.0.0.1:9/v1", {"repeats": 0}, "--judge-repeats: expected at least 1, got 0"),
        ("some/model", {"max_tokens": -1}, "--judge-max-tokens: expected at least 1, got -1"),
        ("lexical", {"timeout_s": 9}, "--judge-timeout: expected a language model as judge"),
        ("some/folder", {"timeout_s": 9}, "--judge-timeout: expected with the address of a server"),
        ("http://127.0.0.1:9/v1", {"timeout_s": 0}, "--judge-timeout: expected seconds, more than 0, got 0"),
        ("http://127.0.0.1:9/v1", {"timeout_s": inf}, "--judge-timeout: expected seconds, .* got inf"),
        ("http://127.0.0.1:9/v1", {"timeout_s": nan}, "--judge-timeout: expected seconds, .* got nan"),
    ],
)
def test_options_that_cannot_be(tmp_path, choice, options, words):
    with pytest.raises(DataError, match=words):
        judge_of(choice, tmp_path, **options)


@pytest.mark.parametrize(
    "options, timeout_s",
    [
        ({}, 60),  # 256 tokens at 10 a second take 25.6 s
        ({"max_tokens": 4096}, 409.6),
        ({"max_tokens": 4096, "timeout_s": 2.5}, 2.5),
        ({"timeout_s": 900}, 900),
    ],
)
def test_how_long_a_server_is_waited_for(tmp_path, options, timeout_s):
    llm = judge_of("http://127.0.0.1:9/v1", tmp_path, **options).llm.llm
    assert (llm.timeout_s, llm.timeout_retries) == (timeout_s, 1)


def test_a_text_on_which_the_judge_hangs_is_a_counted_failure(run):
    """It hangs on a description, in which both photos have the same words; the What questions get a 3."""
    hung, done = [], threading.Event()

    def answer(request, attempt):
        if "QUESTION = " not in request.user and not hung:
            hung.append(request.user)
        if request.user in hung:
            done.wait(60)
        return said("3")

    with running(ChatServer(answer)) as server:
        score_run(run, judge=judge_of(server.url, run, model="slow", timeout_s=1.0))
        done.set()
        (text,) = hung
        assert len(server.attempts(text)) == 2
        counted = json.loads((run / SCORES).read_text())["judging"]
        found = score_run(run, judge=judge_of(server.url, run, model="slow", timeout_s=20.0))["judging"]
        assert len(server.attempts(text)) == 3  # the next scoring asks again, and about this text alone
    assert counted["des"]["problems"] == {"timed out": 2} and counted["des"]["marks"] == [0] * 5
    assert counted["vqa"]["problems"] == {} and counted["vqa"]["marks"] == [0, 0, 0, 2, 0]
    assert found["des"]["problems"] == {} and found["des"]["marks"] == [0, 0, 0, 2, 0]


def test_the_two_that_are_no_language_model(tmp_path):
    assert judge_of("lexical", tmp_path) is None and judge_of("none", tmp_path) is False


def test_the_spread_of_three_readings_is_kept_and_shown(run):
    """A server whose mark is its seed, 0, 1 or 2: every text is read as 0, 1 and 2.

    The readings' LLM-Scores are 0, 25 and 50, their deviation sqrt((625 + 0 + 625) / 2) = 25; Acc (W) 0, 0.25, 0.5
    and 0.25. There are two descriptions and two What questions, so each mark is given twice.
    """
    with running(ChatServer(lambda request, attempt: said(str(request.body["seed"])))) as server:
        judge = judge_of(server.url, run, model="moody", repeats=3)
        scores = score_run(run, judge=judge)
        asked = len(server.requests)
        score_run(run, judge=judge_of(server.url, run, model="moody", repeats=3))
        assert len(server.requests) == asked  # the answers are in the run's folder
    kept = json.loads((run / SCORES).read_text())["judging"]
    assert kept == scores["judging"]
    assert kept["des"]["runs"] == pytest.approx([0, 25, 50]) and kept["des"]["spread"] == pytest.approx(25)
    assert kept["vqa"]["runs"] == pytest.approx([0, 0.25, 0.5])
    assert kept["vqa"]["spread"] == pytest.approx(0.25)
    assert kept["des"]["marks"] == [2, 2, 2, 0, 0] and kept["des"]["problems"] == {}
    comparison = compare_runs([run])
    text = compare_text(comparison)
    assert "run, GIQA-DES LLM-Score: 0.00, 25.00, 50.00; 25.00, alpha between them" in text
    assert "run, GIQA-VQA Acc (W): 0.0000, 0.2500, 0.5000; 0.2500" in text
    page = compare_html(comparison)
    assert "What the judge did" in page and "0.00, 25.00, 50.00" in page and ">25.00<" in page
    assert "moody" in kept_name(run) and "3x at T=0.7" in kept_name(run)


def kept_name(run):
    return json.loads((run / SCORES).read_text())["signature"]


def test_a_single_reading_has_no_spread_and_failures_have_reasons(run):
    """Descriptions get a 3, and the prompts with a question an answer without a mark."""
    server = ChatServer(lambda request, attempt: said("good" if "QUESTION = " in request.user else "3"))
    with running(server):
        score_run(run, judge=judge_of(server.url, run, model="once"))
    comparison = compare_runs([run])
    des, vqa = judging_of(comparison.entries[0])
    assert (des.marks, des.problems, des.spread) == ((0, 0, 0, 2, 0), {}, None)
    assert (vqa.marks, vqa.problems) == ((0, 0, 0, 0, 0), {"no mark on the first line": 2})
    assert "read each text several times" not in compare_text(comparison)
    assert "no mark on the first line" in compare_html(comparison) and ">once<" in compare_html(comparison)


def test_without_a_judge_there_is_no_such_part(run):
    score_run(run, judge=False)
    comparison = compare_runs([run])
    assert judging_of(comparison.entries[0]) == []
    assert "What the judge did" not in compare_html(comparison)


@pytest.mark.parametrize("broken", [{"des": 3}, {"des": {}}, {"vqa": {"marks": "<b>"}}])
def test_scores_that_somebody_has_changed(run, broken):
    scores = score_run(run)
    (run / SCORES).write_text(json.dumps({**scores, "judging": broken}))
    with pytest.raises(GiqaError, match="expected what the judge did"):
        compare_html(compare_runs([run]))


def test_the_rows_are_those_that_the_arithmetic_above_counts():
    kinds = [(row["task"], row["question_type"]) for row in bench_rows()]
    assert kinds.count(("des", None)) == 2 and kinds.count(("vqa", "what")) == 2


def test_a_misspelt_judge_is_no_model_of_the_hub(tmp_path):
    with pytest.raises(DataError, match="--judge: expected lexical, none, .* got 'lexicall'"):
        judge_of("lexicall", tmp_path)
