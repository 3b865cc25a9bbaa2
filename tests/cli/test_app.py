"""`giqa app`: what it refuses before it serves; the app itself is driven in tests/app."""

from __future__ import annotations

import socket

import pytest

from giqa_hf.cli.main import main
from tests.make_tiny_checkpoint import tiny_checkpoint

pytest.importorskip("gradio", reason="needs gradio")


def refused(capsys, *arguments):
    assert main(["app", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("giqa: ") and err.count("\n") == 1
    return err


def test_what_cannot_be_served(capsys, tmp_path):
    assert "--port: expected a number from 1 to 65535, got 0" in refused(capsys, "--port", "0")
    assert "found no such folder" in refused(capsys, "--model", str(tmp_path / "nowhere"))


def test_a_port_that_is_taken(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = refused(capsys, "--model", str(tiny_checkpoint()), "--port", port)
        assert f"127.0.0.1, port {port}: expected a free port, found none" in said
