"""Asking a server: real HTTP on loopback, from a good day to a dead machine."""

from __future__ import annotations

import contextlib
import json
import pickle
import threading
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.annotation.llm import Completion, EndpointLLM, Prompt
from giqa_hf.annotation.llm.client import (
    CUT_OFF,
    EMPTY,
    NOT_UNICODE,
    REFUSED,
    REQUEST_REFUSED,
    SERVER_FAILED,
    TIMED_OUT,
    TOO_LONG,
    StreamingLLM,
)
from giqa_hf.annotation.llm.server import Failure, _retry_after_s
from giqa_hf.errors import DataError, GiqaError
from tests.annotation.llm.chat_server import ChatServer, Reply, closed_url, echo, running, said

KEY = "sk-Zx81-secret"
SCHEMA = {"type": "object", "properties": {"tags": {"type": "array"}}, "required": ["tags"]}
BUSY = Reply({"error": {"message": "no room"}}, 503)


def prompt(user, schema=None, max_tokens=64):
    return Prompt("You judge photos.", user, schema, "1", max_tokens)


@pytest.fixture
def serve():
    """Start servers for one test."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(running(ChatServer(*args, **kwargs)))


def asking(server, **options):
    """An `EndpointLLM` that does not wait for long."""
    url = server if isinstance(server, str) else server.url
    return EndpointLLM(
        url, **{"model": "llama", "first_wait_s": 0.01, "timeout_s": 20.0, "retries": 3} | options
    )


def test_what_is_sent(serve, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_users_own_token")  # it is for the Hub, not for this server
    server = serve()
    assert asking(server, seed=7).complete([prompt("Hi", SCHEMA, 99)]) == [Completion("Hi", None)]
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert "authorization" not in request.headers
    assert request.body.pop("stream") is False
    assert request.body == {
        "model": "llama",
        "messages": [{"role": "system", "content": "You judge photos."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 99,
        "temperature": 0.0,
        "seed": 7,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        },
    }


def test_without_a_system_text_and_a_schema_neither_is_sent(serve):
    server = serve()
    asking(server).complete([Prompt("", "Hi", None, "1", 8)])
    assert server.requests[0].body["messages"] == [{"role": "user", "content": "Hi"}]
    assert "response_format" not in server.requests[0].body


@pytest.mark.parametrize(
    "base",
    ["", "/", "/v1", "/v1/", "/v1/chat/completions"],  # the forms in which servers' manuals give addresses
)
def test_addresses(serve, base):
    server = serve()
    llm = EndpointLLM(server.url.removesuffix("/v1") + base)
    assert llm.complete([prompt("Hi")]) == [Completion("Hi", None)]
    assert [request.path for request in server.requests] == ["/v1/models", "/v1/chat/completions"]


def test_answers_stand_in_the_order_of_the_prompts(serve):
    """The server makes the answers from the last prompt to the first; they arrive in any order."""
    gates = [threading.Event() for _ in range(9)]
    gates[8].set()

    def answer(request, attempt):
        number = int(request.user)
        gates[number + 1].wait(20)
        gates[number].set()
        return said(f"answer {number}")

    llm = asking(serve(answer), concurrency=8)
    assert isinstance(llm, StreamingLLM)
    prompts = [prompt(str(number)) for number in range(8)]
    assert sorted(answer.place for answer in llm.answers(prompts)) == list(range(8))
    assert llm.complete(prompts) == [Completion(f"answer {number}", None) for number in range(8)]


def test_the_concurrency_is_reached_and_not_passed(serve):
    """Twelve prompts, four at once: a barrier opens only when four are inside."""
    barrier, inside, most, lock = threading.Barrier(4, timeout=20), [0], [0], threading.Lock()

    def answer(request, attempt):
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        barrier.wait()
        with lock:
            inside[0] -= 1
        return echo(request, attempt)

    answers = asking(serve(answer), concurrency=4).complete([prompt(str(number)) for number in range(12)])
    assert [answer.text for answer in answers] == [str(number) for number in range(12)]
    assert most[0] == 4


ANSWERS = {
    "whole": (said("{}"), Completion("{}", None)),
    "prose is the reader's matter": (said("Sure! {"), Completion("Sure! {", None)),
    "cut off": (said('{"tags": [', "length"), Completion(None, CUT_OFF)),
    "nothing": (said(None), Completion(None, EMPTY)),
    "blanks": (said(" \n\t"), Completion(None, EMPTY)),
    "not a text": (said([{"type": "text"}]), Completion(None, EMPTY)),
    "a refusal": (said(None, refusal="I will not."), Completion(None, REFUSED)),
    "a filter": (said("Dogs", "content_filter"), Completion(None, REFUSED)),
}


@pytest.mark.parametrize("reply, completion", ANSWERS.values(), ids=ANSWERS)
def test_what_comes_back(serve, reply, completion):
    assert asking(serve(lambda *_: reply)).complete([prompt("Hi")]) == [completion]


CONTEXT = "This model's maximum context length is 2048 tokens, you requested 3016."
# What happens to one prompt on a server that is well otherwise: its problem, and how often it is sent (retries=3).
ONE_PROMPT = {
    # vLLM's words, and llama.cpp's; nothing is gained by sending it again
    "too long, vLLM": (Reply({"object": "error", "message": CONTEXT, "code": 400}, 400), TOO_LONG, 1),
    "too long, llama.cpp": (
        Reply({"error": {"code": 400, "message": "the request exceeds the available context size"}}, 400),
        TOO_LONG,
        1,
    ),
    "too large a body": (Reply("", 413), TOO_LONG, 1),
    "refused": (Reply({"detail": "Unsuitable content"}, 400), REQUEST_REFUSED, 1),
    "moderated": (Reply({"error": {"message": "flagged"}}, 403), REQUEST_REFUSED, 1),
    # 1 + 3 retries
    "500": (Reply("Internal Server Error", 500), SERVER_FAILED, 4),
    "half JSON": (Reply('{"choices": [{"mess'), SERVER_FAILED, 4),
    "connection cut": (Reply({"choices": "x" * 100}, cut=True), SERVER_FAILED, 4),
    "no choices": (Reply({"choices": []}), SERVER_FAILED, 4),
    "an error with status 200": (Reply({"error": "overloaded?"}), SERVER_FAILED, 4),
    "a list": (Reply([]), SERVER_FAILED, 4),
    "HTML": (Reply("<html>hello</html>"), SERVER_FAILED, 4),
    "bytes that are no text": (Reply("é", headers={"content-encoding": "gzip"}), SERVER_FAILED, 4),
}


@pytest.mark.parametrize("reply, problem, sent", ONE_PROMPT.values(), ids=ONE_PROMPT)
def test_a_fault_of_one_prompt_costs_that_prompt_alone(serve, reply, problem, sent):
    server = serve(lambda request, attempt: reply if request.user == "bad" else echo(request, attempt))
    answers = asking(server).complete([prompt("good"), prompt("bad"), prompt("fine")])
    assert answers == [Completion("good", None), Completion(None, problem), Completion("fine", None)]
    assert len(server.attempts("bad")) == sent


def test_with_a_schema_too_long_is_told_by_one_request_and_refused_by_two(serve):
    """A refusal may be about the schema, so it is tried without; that was not it, so the schema is still sent."""
    bad = {"long": Reply({"message": CONTEXT}, 400), "odd": Reply("odd", 400)}
    server = serve(lambda request, attempt: bad.get(request.user) or echo(request, attempt))
    llm = asking(server)
    answers = llm.complete([prompt("long", SCHEMA), prompt("odd", SCHEMA)])
    assert answers == [Completion(None, TOO_LONG), Completion(None, REQUEST_REFUSED)]
    assert len(server.attempts("long")) == 1
    assert ["response_format" in request.body for request in server.attempts("odd")] == [True, False]
    assert llm.notes() == []


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504, 529])
def test_no_room_says_nothing_about_a_prompt(serve, status):
    """Although the server takes all others, none is dropped for it."""
    server = serve(
        lambda request, attempt: Reply("", status) if request.user == "bad" else echo(request, attempt)
    )
    # Once, and three times more.
    with pytest.raises(GiqaError, match=rf"does not answer: tried 4 times in \d+ s \(it answered {status}\)"):
        asking(server).complete([prompt("good"), prompt("bad")])


def test_a_prompt_that_takes_too_long(serve):
    done = threading.Event()

    def answer(request, attempt):
        if request.user == "slow":
            done.wait(20)
        return echo(request, attempt)

    server = serve(answer)
    llm = asking(server, timeout_s=0.5, retries=1)
    assert llm.complete([prompt("slow"), prompt("fast")]) == [
        Completion(None, TIMED_OUT),
        Completion("fast", None),
    ]
    assert len(server.attempts("slow")) == 2
    done.set()


# What is wrong with the server itself, and what the sentence names.
DEAD = {
    "no room, for ever": (
        Reply({"error": {"message": "no room"}}, 503),
        "(it answered 503: no room)",
    ),
    "rate limit, for ever": (Reply("slow down", 429), "(it answered 429: slow down)"),
    "500 to everything": (
        Reply("Internal Server Error", 500),
        "(it answered 500: Internal Server Error)",
    ),
    "another server": (Reply("<html>hello</html>"), "not that of an OpenAI-compatible server"),
    "a wrong key": (
        Reply({"error": {"message": f"Incorrect API key provided:\n{KEY}"}}, 401),
        "(it answered 401: Incorrect API key provided: ***); check the key in the environment variable MY_KEY",
    ),
    "no money": (Reply({"error": "pay first"}, 402), "it answered 402: pay first); check the account"),
    "no such model": (
        Reply({"error": {"message": "no model llama"}}, 404),
        "404: no model llama); check the address",
    ),
    "a refused option": (
        Reply({"detail": "seed: unknown"}, 422),
        "refuses to be asked (it answered 422: seed: unknown)",
    ),
    "moved": (
        Reply("", 307, {"location": "http://127.0.0.1:1/v1"}),
        "it answered 307); give the address that it leads",
    ),
    "come back tomorrow": (
        Reply("quota", 429, {"retry-after": "86400"}),
        "cannot be asked now (it asks to wait 86400 s, longer than max_wait_s=60)",
    ),
}


@pytest.mark.parametrize("reply, words", DEAD.values(), ids=DEAD)
@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["text", "schema"])
def test_a_fault_of_the_server_stops_the_build(serve, monkeypatch, reply, words, schema):
    """No prompt may be dropped for it: 40 records would be lost in a second."""
    monkeypatch.setenv("MY_KEY", KEY)
    with pytest.raises(GiqaError) as caught:
        asking(serve(lambda *_: reply), api_key_variable="MY_KEY").complete(
            [prompt(str(n), schema) for n in range(40)]
        )
    sentence = str(caught.value)
    assert words in sentence and "run the same command again to go on" in sentence
    assert KEY not in sentence and "\n" not in sentence and ". " not in sentence


def test_nobody_listens(caplog):
    said = r"tried 4 times in \d+ s \(no connection: .*refused.*\); start it or check the address, then run"
    with pytest.raises(
        GiqaError, match=f"does not answer: {said}"
    ):  # once, and three times again as it says; not counted: the simple prompt, which says whose fault it is
        asking(closed_url()).complete([prompt("Hi")])
    (told,) = caplog.messages  # once, at the first pause
    assert "does not answer now (no connection" in told and "asking again, up to 3 times" in told


def test_a_server_that_dies_leaves_the_answers_before(serve):
    server = serve(lambda request, attempt: echo(request, attempt) if int(request.user) < 3 else BUSY)
    found = []
    with pytest.raises(GiqaError, match="does not answer"):
        for answer in asking(server, concurrency=1).answers([prompt(str(number)) for number in range(9)]):
            found.append(answer.completion.text)
    assert found == ["0", "1", "2"]
    assert not server.attempts("4")  # nothing more was asked


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_a_storm_is_weathered(serve, status):
    """Every prompt is turned away twice: three requests each, and no answer is missing."""
    server = serve(lambda request, attempt: echo(request, attempt) if attempt > 2 else Reply("storm", status))
    prompts = [prompt(str(number)) for number in range(20)]
    assert [answer.text for answer in asking(server).complete(prompts)] == [
        str(number) for number in range(20)
    ]
    assert len(server.requests) == 60


WAITS = [
    # kind, attempt, Retry-After, seconds to wait with first_wait_s=1, max_wait_s=20, retries=6, timeout_retries=2
    ("busy", 0, None, 1.0),
    ("busy", 3, None, 8.0),  # 2 ** 3
    ("broken", 5, None, 20.0),  # 2 ** 5 = 32 is too long
    ("busy", 6, None, None),  # six retries were made
    ("refused", 0, None, None),
    ("busy", 3, 0.5, 0.5),  # what the server says goes before
    ("busy", 0, 20.0, 20.0),
    ("busy", 0, 20.5, None),
]


@pytest.mark.parametrize("kind, attempt, retry_after_s, wait_s", WAITS)
def test_how_long_it_waits(kind, attempt, retry_after_s, wait_s):
    llm = EndpointLLM("http://localhost", max_wait_s=20, retries=6, timeout_retries=2)
    assert llm._wait_s(Failure(kind, "", "", retry_after_s=retry_after_s), attempt, 0) == wait_s


@pytest.mark.parametrize(
    "timeout_retries, timeouts, wait_s",
    [(None, 6, 2.0), (2, 2, 2.0), (2, 3, None), (0, 1, None), (9, 6, 2.0), (9, 10, None)],
)  # of retries=6; the second attempt waits 2 ** 1 s; nine retries after time-outs are six all the same
def test_fewer_retries_after_time_outs(timeout_retries, timeouts, wait_s):
    llm = EndpointLLM("http://localhost", retries=6, timeout_retries=timeout_retries)
    assert llm._wait_s(Failure("broken", "", TIMED_OUT), 1, timeouts) == wait_s
    assert (
        llm._wait_s(Failure("broken", "", SERVER_FAILED), 1, timeouts) == 2.0
    )  # another fault is retried as ever


@pytest.mark.parametrize("timeout_retries, sent", [(0, 1), (1, 2), (None, 4)])
def test_a_text_on_which_the_server_hangs_is_sent_again_so_often(serve, caplog, timeout_retries, sent):
    done = threading.Event()

    def answer(request, attempt):
        if request.user == "hangs":
            done.wait(60)
        return echo(request, attempt)

    server = serve(answer)
    llm = asking(server, timeout_s=0.5, timeout_retries=timeout_retries)  # retries=3
    assert llm.complete([prompt("hangs"), prompt("fast")]) == [
        Completion(None, TIMED_OUT),
        Completion("fast", None),
    ]
    done.set()
    assert len(server.attempts("hangs")) == sent
    assert [f"within 0.5 s); asking again, up to {sent - 1} times" in told for told in caplog.messages] == (
        [True] if sent > 1 else []
    )


def test_a_server_that_hangs_on_everything_stops_the_build(serve):
    done = threading.Event()
    server = serve(lambda request, attempt: [done.wait(60), echo(request, attempt)][1])
    words = r"tried 2 times in \d+ s \(it did not answer within 0.5 s\); .* or give it more time \(timeout_s;"
    with pytest.raises(GiqaError, match=words):
        asking(server, timeout_s=0.5, timeout_retries=1).complete([prompt("Hi")])
    done.set()
    assert len(server.attempts("Hi")) == 2


def test_retry_after_holds_all_threads_back(serve, monkeypatch):
    """One thread is told to wait 0.4 s; the other, whose answer comes then, sends nothing new for so long either."""
    held = threading.Event()

    def answer(request, attempt):
        if request.user == "told" and attempt == 1:
            return Reply("", 429, {"retry-after": "0.4"})
        if request.user == "meanwhile":
            held.wait(20)
        return echo(request, attempt)

    server = serve(answer)
    llm = asking(server, concurrency=2)
    pace = llm._connected().pace
    hold = pace.hold
    monkeypatch.setattr(pace, "hold", lambda seconds: (hold(seconds), held.set()))
    llm.complete([prompt("told"), prompt("meanwhile"), prompt("next")])
    first, again = server.attempts("told")
    (following,) = server.attempts("next")
    assert held.is_set()
    assert again.at_s - first.at_s >= 0.4 and following.at_s - first.at_s >= 0.4


def test_requests_per_minute(serve):
    """1200 a minute are 50 ms apart, however many may be under way."""
    server = serve()
    asking(server, requests_per_minute=1200).complete([prompt(str(number)) for number in range(6)])
    times = [request.at_s for request in server.requests]
    assert (
        len(times) == 6 and max(times) - min(times) >= 5 * 0.05 - 0.02
    )  # the ways to the server differ a little


@pytest.mark.parametrize(
    "header, least, most",
    [
        ("3", 3, 3),
        ("1.5", 1.5, 1.5),
        ("-4", 0, 0),
        (formatdate(0, usegmt=True), 0, 0),  # a date long gone
        (formatdate(4102444800, usegmt=True), 1e9, 1e10),  # 2100-01-01
        ("soon", None, None),
        ("nan", None, None),
        (None, None, None),
    ],
)
def test_retry_after_forms(header, least, most):
    found = _retry_after_s({} if header is None else {"retry-after": header})
    assert found is None if least is None else least <= found <= most


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_without_schemas_is_asked_for_plain_text(serve, status):
    def answer(request, attempt):
        refused = "response_format" in request.body
        return Reply({"detail": "response_format: unknown"}, status) if refused else echo(request, attempt)

    server = serve(answer)
    llm = asking(server, concurrency=1)
    before = llm.settings()
    prompts = [prompt(str(number), SCHEMA) for number in range(3)]
    assert [answer.text for answer in llm.complete(prompts)] == ["0", "1", "2"]
    assert [len(server.attempts(str(number))) for number in range(3)] == [2, 1, 1]  # it is remembered
    assert llm.complete([prompt("3", SCHEMA)])[0].text == "3" and len(server.attempts("3")) == 1
    assert llm.notes() == [
        f"the server at {server.url} refuses JSON schemas (response_format), so answers were free text"
    ]
    assert llm.settings() == before  # else a build could not go on


def test_a_schema_that_it_takes_is_still_enforced(serve):
    """One schema is beyond the server; the other goes on being sent."""

    def answer(request, attempt):
        odd = request.body.get("response_format", {}).get("json_schema", {}).get("schema") == {
            "type": "array"
        }
        return Reply("unsupported schema", 400) if odd else echo(request, attempt)

    server = serve(answer)
    llm = asking(server)
    llm.complete([prompt("odd", {"type": "array"}), prompt("good", SCHEMA)])
    llm.complete([prompt("later", SCHEMA)])
    assert "response_format" in server.attempts("later")[0].body


def test_no_server_needs_to_be_asked_for_nothing():
    llm = asking(closed_url())
    assert llm.complete([]) == [] and llm.notes() == []


@pytest.mark.parametrize(
    "models, words",
    [
        (("a", "b"), r"expected to offer one model, found 2 \(a, b\); name the one to ask"),
        (tuple("abcdefg"), r"found 7 \(a, b, c, d, e, …\)"),
        ((), "found none; name the one to ask"),
    ],
)
def test_which_model(serve, models, words):
    with pytest.raises(GiqaError, match=words):
        asking(serve(models=models), model=None).complete([prompt("Hi")])


def test_the_only_model_is_asked_for_once(serve):
    server = serve(models=("meta-llama/Meta-Llama-3-8B-Instruct",))
    llm = asking(server, model=None)
    assert llm.settings()["model"] == "meta-llama/Meta-Llama-3-8B-Instruct"
    llm.complete([prompt("a"), prompt("b")])
    assert [request.path for request in server.requests].count("/v1/models") == 1
    assert {request.body.get("model") for request in server.requests[1:]} == {
        "meta-llama/Meta-Llama-3-8B-Instruct"
    }


def test_the_key_is_sent_and_shown_nowhere(serve, monkeypatch):
    monkeypatch.setenv("GIQA_LLM_API_KEY", KEY + "\n")
    server = serve()
    llm = asking(server, model=None)
    llm.complete([prompt("Hi")])
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    shown = [repr(llm), json.dumps(llm.settings()), str(llm.__getstate__()), str(llm.notes())]
    assert not any(KEY in text for text in shown)
    assert KEY.encode() not in pickle.dumps(llm)


def test_it_travels_to_another_process(serve):
    server = serve()
    llm = asking(server)
    llm.complete([prompt("before")])
    again = pickle.loads(pickle.dumps(llm))
    assert again == llm and again.complete([prompt("after")]) == [Completion("after", None)]


BAD_OPTIONS = [
    (
        {"base_url": "localhost:8000"},
        "expected one such as http://localhost:8000/v1, got 'localhost:8000'",
    ),
    ({"base_url": "ftp://host/v1"}, "expected one such as"),
    ({"base_url": "http://host:99999/v1"}, "expected one such as"),
    ({"base_url": ""}, "expected one such as"),
    ({"base_url": "http://me:secret@host/v1"}, "without a user, password or question mark"),
    ({"base_url": "http://host/v1?key=secret"}, "without a user, password or question mark"),
    ({"concurrency": 0}, "concurrency: expected at least 1, got 0"),
    ({"retries": -1}, "retries: expected at least 0, got -1"),
    ({"timeout_s": 0}, "timeout_s: expected more than 0, got 0"),
    ({"requests_per_minute": 0}, "requests_per_minute: expected more than 0, got 0"),
    ({"timeout_retries": -1}, "timeout_retries: expected at least 0, got -1"),
    ({"max_wait_s": float("nan")}, "max_wait_s: expected more than 0, got nan"),
]


@pytest.mark.parametrize("options, words", BAD_OPTIONS)
def test_options_that_cannot_be(options, words):
    with pytest.raises(DataError) as caught:
        EndpointLLM(**{"base_url": "http://localhost"} | options)
    assert words in str(caught.value) and "secret" not in str(caught.value)


def test_a_key_that_cannot_be_sent(monkeypatch):
    monkeypatch.setenv("GIQA_LLM_API_KEY", "gehéim")
    with pytest.raises(GiqaError, match="GIQA_LLM_API_KEY: expected a key of printable ASCII") as caught:
        asking(closed_url()).complete([prompt("Hi")])
    assert "gehéim" not in str(caught.value)


@settings(max_examples=12)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=12, unique=True)
)
def test_any_text_arrives_as_it_is(texts):
    with running(ChatServer()) as server:
        answers = asking(server).complete([prompt(text) for text in texts])
    assert answers == [Completion(text, None) if text.strip() else Completion(None, EMPTY) for text in texts]


def test_text_without_a_utf8_form_is_not_sent(serve):
    server = serve()
    answers = asking(server).complete([prompt("half an emoji \ud83d"), prompt("\0 🐶 שלום \u202e")])
    assert answers == [Completion(None, NOT_UNICODE), Completion("\0 🐶 שלום \u202e", None)]
    assert len(server.requests) == 1


def test_who_stops_reading_stops_the_asking(serve):
    """One answer is taken of a hundred, while the only thread asks for the second: that one is the last."""
    gate = threading.Event()

    def answer(request, attempt):
        if request.user != "0":
            gate.wait(20)
        return echo(request, attempt)

    server = serve(answer)
    answers = asking(server, concurrency=1).answers([prompt(str(number)) for number in range(100)])
    assert next(answers).completion.text == "0"
    answers.close()
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "giqa-llm":
            thread.join(20)
    assert len(server.requests) <= 2
