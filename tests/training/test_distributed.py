"""Two processes: the same global batch, and the loss curve of one process.

FSDP through `accelerate launch` cannot run on a CPU: accelerate (1.15) shards among accelerators alone, and takes the
same configuration on a CPU as plain data parallelism. So torch's own FSDP2, which is what accelerate calls, is tried on
the CPU, and the shipped configuration where there are two GPUs. DeepSpeed is not installed here; its configuration is
only read (tests/cli/test_train.py).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from giqa_hf.training.configs import config_text
from giqa_hf.training.run import TrainSettings, run_training
from giqa_hf.training.run_record import read_training
from tests.make_tiny_checkpoint import tiny_checkpoint
from tests.training.launched import four_steps
from tests.training.small_rows import small_folder

REPOSITORY = Path(__file__).parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def launch(*arguments, cwd):
    """`accelerate launch`; of several processes it starts as many on a CPU only when told that they are for GPUs."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ACCELERATE_", "FSDP_"))}
    env |= {"PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "accelerate.commands.launch", *arguments]
    return subprocess.run(list(map(str, command)), env=env, cwd=cwd, capture_output=True, text=True)


def command(data, out):
    """Four steps of four rows out of ten, two of them in one pass; two rows are held out."""
    return [
        "train", "giqa-tiny", "--data", data, "--recipe", "tiny", "--checkpoint", tiny_checkpoint(), "--out", out,
        "--global-batch", "4", "--device-batch", "1", "--max-steps", "4", "--saves", "2", "--eval-rows", "1",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The folders of the run on two processes and of that on one, what the first printed, and what FSDP2 gave."""
    folder = tmp_path_factory.mktemp("launched")
    data = small_folder(folder / "data", photos=5)
    told = launch(
        "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend",
        "no", "--main_process_port", free_port(), REPOSITORY / "tests/training/launched.py", folder / "fsdp",
        *command(data, folder / "two"), cwd=folder,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-3000:]
    settings = TrainSettings(
        "giqa-tiny", str(data), "tiny", {"global_batch": 4, "device_batch": 1}, str(tiny_checkpoint()), max_steps=4,
        saves=2, eval_rows=1,
    )  # fmt: skip
    run_training(settings, folder / "one", say=lambda _: None)
    shared = [json.loads((folder / f"fsdp-{rank}.json").read_text()) for rank in (0, 1)]
    return folder / "two", folder / "one", told.stdout, shared


def test_two_processes_learn_what_one_learns(both):
    two, one = (json.loads((folder / "final" / "loss_curve.json").read_text()) for folder in both[:2])
    assert [step for step, _ in two] == [step for step, _ in one] == [1, 2, 3, 4]
    # The same rows in every step: apart from sums in another order the losses are equal.
    assert [loss for _, loss in two] == pytest.approx([loss for _, loss in one], rel=1e-4)


def test_the_batch_is_cut_otherwise_and_as_large(both):
    for folder, cut in zip(both[:2], ((2, 1, 2), (1, 1, 4)), strict=True):
        execution = read_training(folder)["sessions"][0]["execution"]
        assert tuple(execution[name] for name in ("devices", "device_batch", "accumulated")) == cut
    runs = [read_training(folder)["run"] for folder in both[:2]]
    assert runs[0] == runs[1]  # the number of devices is no setting


def test_only_the_first_process_speaks_and_the_figures_are_those_of_one(both):
    two, one, printed, _ = both
    assert printed.count("rows to tune on") == 1 and printed.count("result: ") == 1
    figures = [json.loads((folder / "final" / "evaluations.json").read_text()) for folder in (two, one)]
    assert figures[0]["best_step"] == figures[1]["best_step"]
    for first, second in zip(*(told["evaluations"] for told in figures), strict=True):
        assert first == pytest.approx(second)


def test_weights_shared_out_by_fsdp2_learn_and_answer_as_whole_ones(both):
    whole = four_steps(1, 0)
    for told in both[3]:
        assert told["losses"] == pytest.approx(whole["losses"], rel=1e-4)
        assert told["answers"] == whole["answers"] and all(map(all, whole["answers"]))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="accelerate's FSDP needs accelerators, two of them")
def test_the_shipped_fsdp2_configuration(tmp_path):
    data = small_folder(tmp_path / "data", photos=5)
    (tmp_path / "fsdp2.yaml").write_text(config_text("fsdp2"))
    told = launch(
        "--config_file", tmp_path / "fsdp2.yaml", "--main_process_port", free_port(), "--num_processes", "2", "-m", "giqa_hf.cli.main",
        *command(data, tmp_path / "out"), cwd=tmp_path,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-3000:]
    assert read_training(tmp_path / "out")["result"]["steps"] == 4
