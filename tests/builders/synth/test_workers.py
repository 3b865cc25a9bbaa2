"""Rows drawn ahead by other processes are those that `load_dataset` draws; an interruption leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import datasets
import pytest

import giqa_hf
from giqa_hf.builders.synth import workers
from giqa_hf.builders.synth.workers import draw_ahead

OPTIONS = {"train_scenes": 4, "test_scenes": 2, "seed": 3}


def load(folder):
    assert giqa_hf.__version__  # imported, so the name is known
    return datasets.load_dataset("giqa-synth", **OPTIONS, cache_dir=str(folder))


def test_what_is_drawn_ahead_is_taken_and_is_the_same(tmp_path, monkeypatch):
    drawn = load(tmp_path / "here")
    draw_ahead(tmp_path / "ahead", 2, **OPTIONS)

    def draw_again(*args, **kwargs):
        raise AssertionError("load_dataset has drawn again")

    monkeypatch.setattr(datasets.builder.DatasetBuilder, "_download_and_prepare", draw_again)
    taken = load(tmp_path / "ahead")
    for split in ("train", "test"):
        assert taken[split].data.table.equals(drawn[split].data.table)


def test_failure_is_left_to_load_dataset(tmp_path):
    draw_ahead(tmp_path, 2, **(OPTIONS | {"train_scenes": 3}))  # odd: refused
    with pytest.raises(datasets.exceptions.DatasetGenerationError):
        datasets.load_dataset("giqa-synth", **(OPTIONS | {"train_scenes": 3}), cache_dir=str(tmp_path))


def alive(process_id):
    """Whether a process runs; one that has ended and waits to be fetched does not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_an_interruption_ends_the_workers_and_removes_what_is_half_done(tmp_path, monkeypatch):
    """The drawing is stood in for by a process that starts a child, and says so; then comes a real SIGINT."""
    sign, half = tmp_path / "sign", tmp_path / "a" / "b.incomplete"
    script = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(half)!r}).mkdir(parents=True)\n"
        f"pathlib.Path({str(sign)!r}).write_text(f'{{child.pid}}.')\n"
        "time.sleep(600)\n"
    )
    monkeypatch.setattr(workers, "_SCRIPT", script)

    def interrupt():
        while not (sign.exists() and sign.read_text().endswith(".")):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        draw_ahead(tmp_path, 2)
    thread.join()
    child = int(sign.read_text().rstrip("."))
    for _ in range(1000):
        if not alive(child):
            break
        time.sleep(0.01)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("a worker has outlived the interruption")
    assert not half.exists()
