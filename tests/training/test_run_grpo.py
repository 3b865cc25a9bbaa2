"""`giqa train --recipe grpo-tiny`: from a folder of rows to a tuned checkpoint, its record and its card."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from giqa_hf.backbones import load_checkpoint
from giqa_hf.cli import main
from giqa_hf.errors import DataError
from giqa_hf.training.grpo import GRPO_RECIPES as GRPO
from giqa_hf.training.run_grpo import GrpoSettings
from giqa_hf.training.run_record import read_training
from tests.make_tiny_checkpoint import tiny_checkpoint
from tests.training.small_rows import small_folder


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def giqa(capsys, *arguments):
    code = main.main(["train", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_training_and_its_record(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(GRPO, "grpo-tiny", replace(GRPO["grpo-tiny"], max_new_tokens=6, generations=2))
    data = small_folder(tmp_path / "rows", photos=3)
    out = tmp_path / "out"
    command = ["giqa-tiny", "--data", data, "--recipe", "grpo-tiny", "--checkpoint", tiny_checkpoint(), "--out", out,
               "--max-steps", "2", "--saves", "2", "--task", "vqa", "--learning-rate", "1e-3"]  # fmt: skip
    code, told, err = giqa(capsys, *command)
    assert code == 0, err
    assert "recipe grpo-tiny: 2 rows a step with 2 answers each" in told
    final = out / "final"
    record = read_training(out)
    assert record["run"]["data"]["rows"] == record["run"]["data"]["images"] == 3
    assert record["run"]["recipe"]["learning_rate"] == 1e-3 and record["result"]["steps"] == 2
    assert (
        "format_reward" in record["run"]["recipe"]["rewards"] and "lora_rank" not in record["run"]["recipe"]
    )
    assert [entry["step"] for entry in json.loads((final / "reward_log.json").read_text())] == [1, 2]
    assert [path.parent.name for path in out.rglob("README.md")] == ["final"]  # ours, and none of TRL's
    load_checkpoint(str(final))
    # The tower stays as it is: the entry freezes it.
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_checkpoint(), final))
    towers = [name for name in before if "vision_tower" in name]
    assert towers and all(torch.equal(before[name].float(), after[name].float()) for name in towers)
    code, told, _ = giqa(capsys, *command)
    assert code == 0 and f"this training is finished: {final}" in told
    code, _, err = giqa(capsys, *command, "--seed", "1")
    assert code == 2 and "found one with seed 0 (now 1)" in err


WRONG = {
    "no checkpoint": ([], "expected --checkpoint with --recipe grpo"),
    "an option of SFT": (
        ["--checkpoint", "x", "--eval-rows", "5", "--merge"],
        "expected no --eval-rows, --merge",
    ),
    "another name": (
        ["--checkpoint", "x", "--recipe", "grpo-huge"],
        "expected --recipe out of paper, lora, qlora, tiny, grpo, grpo-tiny, got 'grpo-huge'",
    ),
    "a number": (["--checkpoint", "x", "--epochs", "0"], "expected epochs above 0"),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_one_sentence(arguments, message, capsys, tmp_path):
    code, _, err = giqa(
        capsys, "giqa-tiny", "--data", "x", "--recipe", "grpo", "--out", tmp_path / "o", *arguments
    )
    assert code == 2 and message in err and err.count("\n") == 1


def test_settings_that_cannot_be():
    with pytest.raises(DataError, match="max_steps: expected at least 1, got 0"):
        GrpoSettings("giqa-tiny", "x", "y", max_steps=0)
