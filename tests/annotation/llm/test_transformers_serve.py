"""The client against a server that others wrote: `transformers serve`, a process of its own, on a tiny random Llama."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from giqa_hf.annotation.llm import CachedLLM, Completion, EndpointLLM, LocalLLM, Prompt
from giqa_hf.annotation.llm.client import CUT_OFF
from giqa_hf.annotation.shards import read_build
from giqa_hf.cli.main import main
from giqa_hf.errors import GiqaError
from tests.make_tiny_checkpoint import tiny_checkpoint
from tests.make_tiny_detector import tiny_detector
from tests.make_tiny_llm import tiny_llm

COMMAND = shutil.which(
    "transformers", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
)
NEEDED = ("fastapi", "uvicorn", "openai", "pydantic")  # transformers[serving]
MISSING = [name for name in NEEDED if find_spec(name) is None]

pytestmark = [
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"transformers serve needs {', '.join(MISSING)}: pip install transformers[serving]",
    ),
    pytest.mark.skipif(COMMAND is None, reason="the command transformers is not beside this Python"),
]
SCHEMA = {"type": "object", "properties": {"tags": {"type": "array"}}, "required": ["tags"]}
TEXTS = [
    "Why?",
    "Is the dog 🐶 blurry?",
    "a\0b",
    "שלום",
    "The tower is sharp but the sky is noisy.",
    "é",
    "?",
]
PROMPTS = [Prompt("You judge photos.", text, SCHEMA, "1", 120) for text in TEXTS]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of the server; the process is ended afterwards, and no other."""
    folder = tmp_path_factory.mktemp("serve")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        COMMAND,
        "serve",
        str(tiny_llm()),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--device",
        "cpu",
    ]
    (folder / "hub").mkdir()  # an empty cache: /v1/models lists what is in it
    environment = {**os.environ, "HF_HUB_CACHE": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_healthy(address, process, log):
    for _ in range(2400):  # ten minutes: importing torch takes long on a busy machine
        assert process.poll() is None, (
            f"transformers serve ended with {process.returncode}: {log.read_text()[-2000:]}"
        )
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                assert answer.status == 200
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    raise AssertionError(f"transformers serve does not come up: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def llm(url):
    return EndpointLLM(url, model=str(tiny_llm()), concurrency=4, first_wait_s=0.05, retries=2)


def test_a_server_and_this_process_give_the_same_answers(llm):
    """Both are greedy and run the same weights. The server takes no schema, and says so to nobody."""
    answers = llm.complete(PROMPTS)
    assert answers == LocalLLM(str(tiny_llm())).complete(PROMPTS)
    assert sum(answer.text is not None for answer in answers) >= 5


def test_an_answer_that_is_cut_off(llm):
    (whole,) = llm.complete(PROMPTS[:1])
    assert whole.text is not None
    assert llm.complete([PROMPTS[0]._replace(max_tokens=2)]) == [Completion(None, CUT_OFF)]


def test_the_cache_before_it(llm, tmp_path):
    first = CachedLLM(llm, tmp_path / "llm.sqlite").complete(PROMPTS[:2])
    gone = EndpointLLM("http://127.0.0.1:1/v1", model=str(tiny_llm()), retries=0)
    assert CachedLLM(gone, tmp_path / "llm.sqlite").complete(PROMPTS[:2]) == first


def test_another_model_is_refused(url):
    other = EndpointLLM(url, model="other", retries=0)
    with pytest.raises(
        GiqaError, match=r"refuses to be asked \(it answered 400: Server is pinned to .*requested 'other'"
    ):
        other.complete(PROMPTS[:1])


def test_it_lists_the_cache_instead_of_its_model(url):
    """So the model has to be named, which the sentence says."""
    with pytest.raises(GiqaError, match="found none; name the one to ask"):
        EndpointLLM(url, retries=0).settings()


def test_the_profile_paper_end_to_end(url, tmp_path, photo, capsys):
    """Real classes of every model from local folders, a real server. A random Llama writes no JSON: the audit says so."""
    photo.crop((0, 0, 200, 150)).save(tmp_path / "a.png")
    (tmp_path / "mine.csv").write_text(
        "image,description\na.png,The sky is blurry.\na.png,The red tower is sharp.\n"
    )
    settings = {"detector.model": tiny_detector("grounding_dino"), "judge.model": tiny_checkpoint()}
    changes = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    command = [
        "annotate",
        str(tmp_path / "mine.csv"),
        "--profile",
        "paper",
        "--llm",
        url,
        "--llm-model",
        str(tiny_llm()),
    ]
    assert main([*command, "--out", str(tmp_path / "build"), *changes]) == 2
    records = list(read_build(tmp_path / "build"))
    assert len(records) == 2
    assert all(record.fate.reason.startswith("no usable answer: ") for record in records)
    said = capsys.readouterr()
    assert "dropped at tags: no usable answer" in said.out and "no usable answer" in said.err
