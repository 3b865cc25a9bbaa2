"""Where the published names are found: a local build, a Hub repo, or two lines on how to get the data."""

from __future__ import annotations

import re

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError

from giqa_hf import _register
from giqa_hf.builders.published import NAMESPACE_VARIABLE, PUBLISHED, dataset_source, locate
from giqa_hf.errors import DataError


@pytest.fixture(autouse=True)
def hub(monkeypatch):
    """A Hub that answers as told and writes down what it was asked."""

    class Hub:
        asked: list[str] = []  # noqa: RUF012
        answer: Exception | None = None

        def dataset_info(self, repo_id, timeout=None, **options):
            assert timeout
            assert timeout <= 30  # the default of some calls waits for ever
            Hub.asked.append(repo_id)
            if Hub.answer:
                raise Hub.answer

    Hub.asked.clear()
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv(NAMESPACE_VARIABLE, raising=False)
    return Hub


@pytest.fixture
def build(tmp_path):
    (tmp_path / "build" / "des").mkdir(parents=True)
    (tmp_path / "build" / "des" / "train-00000-of-00001.parquet").touch()
    return tmp_path / "build"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_local_build_wins_and_the_hub_is_not_asked(name, build, hub, monkeypatch):
    monkeypatch.setenv(NAMESPACE_VARIABLE, "someone")
    assert locate(name, str(build)) == str(build)  # Parquet in a sub-folder counts
    assert hub.asked == []


def test_a_home_folder_is_written_out(build, monkeypatch):
    monkeypatch.setenv("HOME", str(build.parent))
    assert locate("giqa-160k", "~/build") == str(build)


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda path: None, "no such folder"),
        (lambda path: path.mkdir(), "none in it"),
        (
            lambda path: (path.mkdir(), (path / "rows.jsonl").touch()),
            "none in it",
        ),  # a build that was cut off
        (lambda path: path.touch(), "no such folder"),  # a file
    ],
)
def test_a_folder_without_a_build_is_refused_by_name(tmp_path, make, found):
    make(tmp_path / "half")
    with pytest.raises(DataError) as caught:
        locate("giqa-160k", str(tmp_path / "half"))
    message = str(caught.value)
    assert f'load_dataset("giqa-160k", data_dir={str(tmp_path / "half")!r})' in message
    assert f"found {found}" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_hub_repo_of_the_namespace(name, hub, monkeypatch):
    monkeypatch.setenv(NAMESPACE_VARIABLE, "someone")
    assert locate(name, None) == f"someone/{name}"
    assert hub.asked == [f"someone/{name}"]


def test_offline_the_hub_is_not_asked_and_the_cache_gets_its_chance(hub, monkeypatch):
    monkeypatch.setenv(NAMESPACE_VARIABLE, "someone")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert locate("giqa-160k", None) == "someone/giqa-160k"
    assert hub.asked == []


class ConnectError(Exception):
    """As httpx has it: no OSError."""


ConnectError.__module__ = "httpx._exceptions"


@pytest.mark.parametrize(
    "answer",
    [OSError("unreachable"), TimeoutError("slow"), ConnectError("no route"), "404"],
    ids=["os", "timeout", "httpx", "404"],
)
def test_a_hub_that_cannot_be_reached_is_said_with_the_repo(hub, monkeypatch, answer):
    if answer == "404":
        answer = HfHubHTTPError.__new__(
            HfHubHTTPError
        )  # its constructor wants a response of its HTTP library
    monkeypatch.setattr(hub, "answer", answer)
    monkeypatch.setenv(NAMESPACE_VARIABLE, "someone")
    with pytest.raises(DataError, match=r'\("someone/giqa-160k" could not be reached\)'):
        locate("giqa-160k", None)


def test_any_other_failure_is_not_taken_for_the_network(hub, monkeypatch):
    monkeypatch.setattr(hub, "answer", TypeError("dataset_info has changed"))
    monkeypatch.setenv(NAMESPACE_VARIABLE, "someone")
    with pytest.raises(TypeError, match="has changed"):
        locate("giqa-160k", None)


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("namespace", [None, ""])
def test_with_neither_two_lines_say_what_to_do(name, namespace, hub, monkeypatch):
    if namespace is not None:
        monkeypatch.setenv(NAMESPACE_VARIABLE, namespace)
    with pytest.raises(DataError) as caught:
        locate(name, None)
    lines = str(caught.value).split("\n")
    assert len(lines) == 2
    assert f'load_dataset("{name}", data_dir=' in lines[0]
    assert f"{NAMESPACE_VARIABLE}=" in lines[1]
    assert hub.asked == []


def test_the_names_are_those_that_are_registered():
    assert PUBLISHED == _register.PUBLISHED


def test_a_word_that_can_be_no_data_is_told_at_once(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    (tmp_path / "file.json").write_text("{}")
    for word in ("giqa-synth", "giqa-160k", "me/my.data", "rows"):
        assert dataset_source(word) == word
    for word, said in [
        ("giqa-bensh", "no such folder; did you mean giqa-bench?"),
        ("giqa-bench-folder", "no such folder; check the path"),
        ("nosuch", "no such folder; check the path"),
        ("./me/data", "no such folder"),
        ("/tmp/no/such/folder", "no such folder"),
        ("file.json", "a file"),
        ("", "no such folder"),
    ]:
        if word:
            with pytest.raises(DataError, match=re.escape(said)):
                dataset_source(word)
    assert hub.asked == []
