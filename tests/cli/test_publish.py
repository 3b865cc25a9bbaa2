"""`giqa publish`: what it shows, when it asks, what it refuses."""

from __future__ import annotations

import io
import sys

import pytest

from giqa_hf.cli.main import main
from tests.hub.conftest import TOKEN, hub  # a fixture

__all__ = ["hub"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(*words):
    return main(["publish", *words])


@pytest.mark.parametrize(
    "words, shows",
    [
        (
            ["metric", "--to", "me/giqa_bench"],
            ["space me/giqa_bench (private)", "giqa_bench.py", "requirements.txt"],
        ),
        (["metric", "bleu4", "--to", "me/bleu4", "--public"], ["space me/bleu4 (public)", "bleu4.py"]),
        (["space", "--to", "me/demo"], ["space me/demo (private)", "app.py", "| sdk: gradio"]),
        (["space", "--to", "me/demo", "--model", "me/llava"], ['- "me/llava"']),
    ],
)
def test_a_dry_run_needs_no_network_and_no_token(monkeypatch, capfd, words, shows):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert run(*words, "--dry-run") == 0
    out = capfd.readouterr().out
    assert out.endswith("nothing was sent (--dry-run)\n")
    for text in shows:
        assert text in out


def test_without_a_terminal_it_needs_yes(hub, monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run("metric", "--to", "me/giqa_bench") == 2
    assert "run with --yes" in capfd.readouterr().err and hub.store.repos == {}


@pytest.mark.parametrize("answer, is_sent", [("y\n", True), ("yes\n", True), ("\n", False), ("n\n", False)])
def test_on_a_terminal_it_asks(hub, monkeypatch, capfd, answer, is_sent):
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert run("metric", "--to", "me/giqa_bench") == (0 if is_sent else 2)
    assert (("space", "me/giqa_bench") in hub.store.repos) is is_sent
    read = capfd.readouterr()
    assert "send 5 files to the private space me/giqa_bench? [y/N]" in read.out
    assert is_sent or "nothing was sent, as you wished" in read.err


def test_again_needs_update(hub, capfd):
    assert run("metric", "--to", "me/giqa_bench", "--yes") == 0
    assert f"{hub.endpoint}/spaces/me/giqa_bench: 5 files" in capfd.readouterr().out
    assert run("metric", "--to", "me/giqa_bench", "--yes") == 2
    assert "add --update" in capfd.readouterr().err
    assert run("metric", "--to", "me/giqa_bench", "--yes", "--update") == 0
    assert (
        len(hub.repo("space", "me/giqa_bench").branches["main"]) == 2
    )  # nothing had changed: no empty commit


@pytest.mark.parametrize(
    "words, says",
    [
        (["metric", "--to", "me/other"], "expected me/giqa_bench"),
        (["metric", "gone", "--to", "me/gone"], "expected one of the metrics"),
        (["space", "--to", "demo"], "as in me/giqa-160k"),
        (["space", "--to", "me/demo", "--model", "../x"], "as in me/giqa-160k"),
        (["dataset", "/nonexistent", "--to", "me/x"], "expected a dataset of `giqa dataset build`"),
        (["model", "/nonexistent", "--to", "me/x"], "expected weights as safetensors, found none"),
    ],
)
def test_one_sentence(capfd, words, says):
    assert run(*words, "--dry-run") == 2
    err = capfd.readouterr().err
    assert says in err and err.count("\n") == 1


def test_the_token_is_no_option():
    assert TOKEN.startswith("hf_")
    with pytest.raises(SystemExit):
        run("metric", "--to", "me/giqa_bench", "--token", "x")
