"""`kill -9` in the middle of an epoch: the same command goes on, to the same loss curve and the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from giqa_hf.training.run_record import read_training
from tests.make_tiny_checkpoint import tiny_checkpoint
from tests.training.killed_run import train_here
from tests.training.small_rows import small_folder

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums in one order, so that equal runs are equal to the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path):
    """Twelve rows, four a step: step 5 is in the middle of the second epoch, and so is the checkpoint of step 4."""
    checkpoint, data = str(tiny_checkpoint()), str(small_folder(tmp_path / "data", photos=6))
    killed = subprocess.run(
        [
            sys.executable,
            REPOSITORY / "tests/training/killed_run.py",
            checkpoint,
            data,
            tmp_path / "killed",
            "5",
        ],
        env={
            **os.environ,
            "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}",
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert {path.name for path in (tmp_path / "killed").glob("checkpoint-*")} == {
        "checkpoint-2",
        "checkpoint-4",
    }
    assert not (tmp_path / "killed" / "final").exists()
    went_on = train_here(checkpoint, data, tmp_path / "killed").result
    undisturbed = train_here(checkpoint, data, tmp_path / "undisturbed").result
    assert went_on.resumed and not undisturbed.resumed
    assert len(undisturbed.loss_curve) == 10 and went_on.loss_curve == undisturbed.loss_curve
    one, two = (load_file(result.checkpoint / "model.safetensors") for result in (went_on, undisturbed))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert len(read_training(tmp_path / "killed")["sessions"]) == 2
