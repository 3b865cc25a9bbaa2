"""`giqa quickstart`: arguments, exit codes, Ctrl-C for real, and disks that are full or read-only for real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from giqa_hf import quickstart as module
from giqa_hf.cli.main import main
from giqa_hf.quickstart import Settings
from tests.make_tiny_checkpoint import tiny_checkpoint

MODEL = str(tiny_checkpoint())
SMALL = ("--model", MODEL, "--train-scenes", "4", "--test-scenes", "2")


def quickstart(out, *arguments):
    return main(["quickstart", "--out", str(out), *SMALL, *arguments])


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch):
    monkeypatch.setattr(module, "ANSWER_TOKENS", 5)


def refused(capsys, out, *arguments):
    """The one sentence of a refusal."""
    assert quickstart(out, *arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("giqa: ") and err.count("\n") == 1
    return err


def test_arguments_become_settings(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(
        module, "quickstart", lambda out, settings, **options: calls.append((out, settings, options))
    )
    monkeypatch.chdir(tmp_path)
    assert main(["quickstart"]) == 0
    assert main(["quickstart", "--out", "a", "--fresh", *SMALL, "--seed", "0"]) == 0
    (out, settings, options), (other_out, other, other_options) = calls
    assert (out, settings, options["fresh"]) == (Path("quickstart"), Settings(), False)
    assert (other_out, other, other_options["fresh"]) == (Path("a"), Settings(MODEL, 4, 2, 0), True)


def test_a_run_from_end_to_end_and_once_more(tmp_path, capfd):
    assert quickstart(tmp_path / "out") == 0
    first = capfd.readouterr()
    assert first.err == ""  # no library's warning, notice or bar
    assert "[5/5]" in first.out and first.out.endswith(f"model:  {tmp_path}/out/training/final\n")
    assert quickstart(tmp_path / "out") == 0
    second = capfd.readouterr()
    assert second.err == "" and "steps" in first.out and "steps" not in second.out
    tables = [text[text.index("before       after") :] for text in (first.out, second.out)]
    assert tables[0] == tables[1]


def test_what_cannot_be_run(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.txt").write_text("x")
    for out, arguments, words in [
        (tmp_path / "file", (), "expected a folder, found a file"),
        (tmp_path / "file" / "out", (), "a part of its path is a file"),
        (tmp_path / "folder", ("--fresh",), "found other files"),
        (tmp_path / "out", ("--train-scenes", "3"), "train_scenes: expected an even number"),
        (tmp_path / "out", ("--train-scenes", "-2"), "got -2"),
        (tmp_path / "out", ("--test-scenes", "0"), "test_scenes: expected an even number"),
        (tmp_path / "out", ("--seed", "-1"), "seed: expected"),
        (tmp_path / "out", ("--model", "./nothing"), "found no such folder"),
        (tmp_path / "out", ("--model", "nobody/nothing"), "the Hub cannot be reached"),
    ]:
        assert words in refused(capsys, out, *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_another_run_in_the_folder(tmp_path, capsys):
    (tmp_path / "settings.json").write_text(json.dumps(vars(Settings(MODEL, 4, 2, 5))))
    assert "found one with seed 5 (now 0); add --fresh" in refused(capsys, tmp_path)


@contextmanager
def mounted(folder, options):
    """A file system of its own in `folder`; the test is skipped where this may not be had."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# The run makes 1.5 MB of data, a checkpoint of 5.2 MB (3 of weights, 2.1 of AdamW's state) and a model of 3 MB.
CHECKPOINT = "training/checkpoint-2"  # the last one: twelve rows, eight a step
PLACES = [
    # (size of the disk, what is there when it is full, what is not)
    ("100k", "settings.json", "answers-before.json"),  # in the data
    ("2m", "answers-before.json", f"{CHECKPOINT}/optimizer.pt"),  # in the checkpoint's weights
    ("5m", f"{CHECKPOINT}/optimizer.pt", f"{CHECKPOINT}/trainer_state.json"),  # in the optimizer's state
    ("8500k", f"{CHECKPOINT}/trainer_state.json", "training/final/loss_curve.json"),  # in the tuned model
]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's tmpfs")
def test_a_disk_that_is_really_full(tmp_path, capsys):
    """At each place in one sentence; with more room the same command goes on, and in the end it is done."""
    disk = tmp_path / "disk"
    with mounted(disk, "size=50k"):
        for size, there, absent in PLACES:
            subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)
            text = refused(capsys, disk / "out")
            assert "could not be written (No space left on device)" in text and "run again" in text
            assert (disk / "out" / there).exists() and not (disk / "out" / absent).exists(), size
        written = (disk / "out" / "answers-before.json").stat().st_mtime_ns
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        assert quickstart(disk / "out") == 0
        assert (disk / "out" / "answers-before.json").stat().st_mtime_ns == written


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's tmpfs")
def test_a_folder_that_becomes_read_only(tmp_path, capsys, monkeypatch):
    with mounted(tmp_path / "disk", "ro"):
        assert "the disk is read-only" in refused(capsys, tmp_path / "disk" / "out")
        subprocess.run(["mount", "-o", "remount,rw", str(tmp_path / "disk")], check=True)

        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("giqa_hf.training.train", interrupt)
            assert quickstart(tmp_path / "disk" / "out") == 130
        capsys.readouterr()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        assert "read-only" in refused(capsys, tmp_path / "disk" / "out").lower()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_for_real_and_once_more(tmp_path):
    """SIGINT to the whole group, as a terminal sends it, when the first step of six is told."""
    arguments = [
        "--out",
        str(tmp_path / "out"),
        "--model",
        MODEL,
        "--train-scenes",
        "32",
        "--test-scenes",
        "2",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "giqa_hf.cli.main", "quickstart", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    for line in process.stdout:
        if " steps" in line:
            os.killpg(process.pid, signal.SIGINT)
            break
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err == "\ngiqa: interrupted; run the same command again to go on\n"
    assert (tmp_path / "out" / "answers-before.json").exists()
    assert not (tmp_path / "out" / "training" / "final").exists()
    assert main(["quickstart", *arguments]) == 0
    assert (tmp_path / "out" / "report.html").exists()
