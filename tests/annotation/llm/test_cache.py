"""The cache: asks once, forgets nothing that was answered, and says what is wrong with its file."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.annotation.llm import CachedLLM, Completion, EndpointLLM, Prompt
from giqa_hf.annotation.llm.client import answers_of
from giqa_hf.errors import GiqaError
from tests.annotation.llm.chat_server import ChatServer, Reply, echo, running, said

PROMPT = Prompt("System.", "User.", {"type": "object", "properties": {"a": {}, "b": {}}}, "tags-1", 64)


@pytest.fixture
def server():
    with running(ChatServer()) as server:
        yield server


@pytest.fixture
def path(tmp_path):
    return tmp_path / "build" / "cache" / "llm.sqlite"


def asking(server, path, **options):
    options = {"model": "llama", "first_wait_s": 0.01, "retries": 1} | options
    return CachedLLM(EndpointLLM(server.url, **options), path)


def users(server):
    """What was asked, sorted."""
    return sorted(request.user for request in server.requests)


def prompts(*texts):
    return [PROMPT._replace(user=text) for text in texts]


def test_what_was_asked_is_not_asked_again(server, path):
    first = asking(server, path).complete(prompts("a", "b"))
    assert asking(server, path).complete(prompts("b", "c", "a")) == [
        Completion("b", None),
        Completion("c", None),
        Completion("a", None),
    ]
    assert first == [Completion("a", None), Completion("b", None)]
    assert users(server) == ["a", "b", "c"]


def test_a_prompt_that_stands_twice_is_asked_once(server, path):
    answers = asking(server, path).complete(prompts("a", "b", "a", "a"))
    assert [answer.text for answer in answers] == ["a", "b", "a", "a"] and users(server) == ["a", "b"]


KEYS = [
    # what differs from PROMPT and the settings below, and whether it is another question
    ({}, {}, False),
    (
        {"schema": {"properties": {"b": {}, "a": {}}, "type": "object"}},
        {},
        False,
    ),  # the order of keys means nothing
    ({"schema": None}, {}, True),
    ({"schema": {"type": "object", "properties": {"a": {}}}}, {}, True),
    ({"version": "tags-2"}, {}, True),
    ({"max_tokens": 65}, {}, True),
    ({"system": "System.User.", "user": ""}, {}, True),  # the same letters, divided elsewhere
    ({"user": "User. "}, {}, True),
    ({"user": "User.\0"}, {}, True),
    ({}, {"model": "other"}, True),
    ({}, {"seed": 1}, True),
    ({}, {"concurrency": 3, "retries": 4, "timeout_s": 9.0}, False),  # these change no answer
]


@pytest.mark.parametrize("change, options, other", KEYS)
def test_what_an_answer_is_found_under(path, change, options, other):
    with running(ChatServer(lambda *_: said("yes"))) as server:
        asking(server, path).complete([PROMPT])
        asking(server, path, **options).complete([PROMPT._replace(**change)])
        assert len(server.requests) == 1 + other


def test_the_same_model_at_another_address_is_the_same_model(server, path):
    asking(server, path).complete([PROMPT])
    with running(ChatServer()) as moved:
        assert asking(moved, path).complete([PROMPT]) == [Completion("User.", None)]
        assert not moved.requests


def test_only_usable_answers_are_kept(path):
    """The first run has one answer and two failures, the second asks for those two again."""

    def answer(request, attempt):
        if request.user == "cut" and attempt == 1:
            return said("{", "length")
        if request.user == "bad" and attempt <= 2:  # the first try and its retry
            return Reply("", 500)
        return echo(request, attempt)

    with running(ChatServer(answer)) as server:
        batch = prompts("good", "cut", "bad")
        assert [answer.text for answer in asking(server, path).complete(batch)] == ["good", None, None]
        assert [answer.text for answer in asking(server, path).complete(batch)] == ["good", "cut", "bad"]
        assert [len(server.attempts(text)) for text in ("good", "cut", "bad")] == [1, 2, 3]


def test_a_server_that_dies_costs_no_answer(path):
    dead = [True]

    def answer(request, attempt):
        return Reply("", 503) if dead[0] and int(request.user) >= 5 else echo(request, attempt)

    batch = prompts(*map(str, range(9)))
    with running(ChatServer(answer)) as server:
        with pytest.raises(GiqaError, match="run the same command again to go on"):
            asking(server, path, concurrency=1).complete(batch)
        dead[0] = False
        before = len(server.requests)
        assert [a.text for a in asking(server, path).complete(batch)] == [str(number) for number in range(9)]
        assert sorted(request.user for request in server.requests[before:]) == ["5", "6", "7", "8"]


def test_a_killed_build_keeps_what_was_answered(server, path):
    """SIGKILL after the third answer; prompts are asked one by one."""
    script = f"""
import os, signal
from giqa_hf.annotation.llm import CachedLLM, EndpointLLM, Prompt
llm = CachedLLM(EndpointLLM({server.url!r}, model="llama", concurrency=1), {str(path)!r})
for number, answer in enumerate(llm.answers([Prompt("", str(n), None, "1", 8) for n in range(6)])):
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", script], env=environment).returncode == -signal.SIGKILL
    before = len(server.requests)
    llm = asking(server, path)
    answers = llm.complete([Prompt("", str(number), None, "1", 8) for number in range(6)])
    assert [answer.text for answer in answers] == [str(number) for number in range(6)]
    assert sorted(request.user for request in server.requests[before:]) == ["3", "4", "5"]


def _ask_all(url: str, path: Path, start: int) -> list[str | None]:
    """One of several processes: all ask for the same prompts, each from another one on."""
    llm = CachedLLM(EndpointLLM(url, model="llama", concurrency=4), path)
    numbers = [(start + step) % 40 for step in range(40)]
    found = {}
    for first in range(0, 40, 8):
        some = numbers[first : first + 8]
        answers = llm.complete([Prompt("", str(number), None, "1", 8) for number in some])
        found |= {number: answer.text for number, answer in zip(some, answers, strict=True)}
    return [found[number] for number in range(40)]


def test_several_processes_use_one_file(server, path):
    """The file does not exist when they start, so they also race to make it."""
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        found = pool.starmap(_ask_all, [(server.url, path, start) for start in (0, 13, 26)])
    assert found == [[str(number) for number in range(40)]] * 3
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone() == (40,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_it_travels_to_another_process(server, path):
    llm = asking(server, path)
    llm.complete(prompts("a"))
    again = pickle.loads(pickle.dumps(llm))
    assert again.complete(prompts("a")) == [Completion("a", None)] and users(server) == ["a"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_opens_its_own_connection(server, path):
    llm = asking(server, path)
    llm.complete(prompts("a"))
    ours = llm._connection
    child = os.fork()
    if child == 0:
        ok = llm.complete(prompts("a")) == [Completion("a", None)] and llm._connection is not ours
        os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_settings_are_the_models(server, path):
    llm = asking(server, path)
    assert llm.settings() == llm.llm.settings() and not path.exists()


class Written:
    """An `LLM` that writes what it is told, all at once."""

    def __init__(self, texts):
        self.texts = texts
        self.asked = 0

    def complete(self, prompts):
        self.asked += len(prompts)
        return [Completion(self.texts[int(prompt.user)], None) for prompt in prompts]

    def settings(self):
        return {}


def test_more_prompts_than_a_query_takes(path):
    """1,100 keys need three queries of 500; the answers come from the file."""
    texts = [f"answer {number}" for number in range(1100)]
    batch = prompts(*map(str, range(1100)))
    CachedLLM(Written(texts), path).complete(batch)
    again = Written([])
    assert [answer.text for answer in CachedLLM(again, path).complete(batch)] == texts
    assert again.asked == 0


@settings(max_examples=25)
@given(texts=st.lists(st.text(st.characters(codec=None, exclude_characters="")), max_size=8))
def test_any_answer_comes_back_as_it_was(tmp_path_factory, texts):
    """Lone surrogates and NUL included; the prompts have them too."""
    path = tmp_path_factory.mktemp("cache") / "llm.sqlite"
    batch = [Prompt(text, str(number), None, text, 8) for number, text in enumerate(texts)]
    fresh, again = Written(texts), Written([])
    assert [answer.text for answer in CachedLLM(fresh, path).complete(batch)] == texts
    assert [answer.text for answer in CachedLLM(again, path).complete(batch)] == texts
    assert (fresh.asked, again.asked) == (len(texts), 0)


def test_surrogates_are_among_them(tmp_path):
    texts = ["\ud83d", "a\0b", "🐶", "שלום\u202e", ""]
    batch = [Prompt("\udc36", str(number), None, "1", 8) for number in range(5)]
    CachedLLM(Written(texts), tmp_path / "a").complete(batch)
    assert [answer.text for answer in CachedLLM(Written([]), tmp_path / "a").complete(batch)] == texts


def test_an_llm_need_not_stream():
    """`answers_of` makes the same of one that only has `complete`."""
    places = [answer.place for answer in answers_of(Written(["x", "y"]), prompts("0", "1"))]
    assert places == [0, 1]


def _foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")


def _newer(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE answers (key BLOB PRIMARY KEY)")
        connection.execute("PRAGMA user_version = 2")


def _overwritten(path):
    """A cache of ours whose pages after the first were overwritten."""
    llm = CachedLLM(Written(["x" * 900] * 200), path)
    llm.complete(prompts(*map(str, range(200))))
    llm._connection.close()  # the last one: what is in the WAL goes into the file
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


BROKEN = {
    "text": (lambda path: path.write_text("This is no database. " * 200), "file is not a database"),
    "half a header": (
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\0" * 50),
        "file is not a database",
    ),
    "another program's": (_foreign, "not written by this version of giqa-hf"),
    "a later version's": (_newer, "not written by this version of giqa-hf"),
    "overwritten pages": (_overwritten, "malformed"),
}


@pytest.mark.parametrize("write, reason", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_told_and_left_alone(tmp_path, write, reason):
    path = tmp_path / "llm.sqlite"
    write(path)
    before = path.read_bytes()
    llm = Written(["x"] * 200)
    with pytest.raises(GiqaError) as caught:
        CachedLLM(llm, path).complete(prompts(*map(str, range(200))))
    sentence = str(caught.value)
    assert (
        sentence.startswith(f"{path}: expected a cache of a language model's answers") and reason in sentence
    )
    assert "delete or move it" in sentence and "run the same command again" in sentence
    assert path.read_bytes() == before and llm.asked == 0


def test_an_empty_file_is_a_new_cache(tmp_path, server):
    (tmp_path / "llm.sqlite").touch()
    asking(server, tmp_path / "llm.sqlite").complete(prompts("a"))
    asking(server, tmp_path / "llm.sqlite").complete(prompts("a"))
    assert users(server) == ["a"]


def test_a_folder_in_its_place(tmp_path):
    with pytest.raises(GiqaError, match="cannot be used .*unable to open"):
        CachedLLM(Written(["x"]), tmp_path).complete(prompts("0"))


def test_a_file_in_its_folders_place(tmp_path):
    (tmp_path / "cache").touch()
    with pytest.raises(GiqaError, match="cannot be made"):
        CachedLLM(Written(["x"]), tmp_path / "cache" / "llm.sqlite").complete(prompts("0"))


def test_a_full_disk(path):
    """SQLite's own limit of pages raises the error that a full disk does."""
    llm = CachedLLM(Written(["x" * 4000] * 50), path)
    llm.complete(prompts("0"))
    llm._open().execute("PRAGMA max_page_count = 5")
    with pytest.raises(
        GiqaError, match=r"cannot be used \(database or disk is full\); check the disk's space"
    ):
        llm.complete(prompts(*map(str, range(50))))


def test_a_file_that_another_program_holds(path, monkeypatch):
    CachedLLM(Written(["x"] * 2), path).complete(prompts("0"))
    monkeypatch.setattr("giqa_hf.annotation.llm.cache._PATIENCE_S", 0.01)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(GiqaError, match=r"database is locked\).*no other program holds the file"):
        CachedLLM(Written(["x"] * 2), path).complete(prompts("1"))
    holder.close()
