"""`giqa train`: arguments, what it prints, exit codes."""

from __future__ import annotations

import pytest
import yaml

from giqa_hf.cli import main, train
from giqa_hf.training import RECIPES
from giqa_hf.training.configs import NAMES
from giqa_hf.training.grpo import GRPO_RECIPES
from giqa_hf.training.run_record import read_training
from tests.make_tiny_checkpoint import tiny_checkpoint
from tests.training.small_rows import small_folder


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setattr(main, "COMMANDS", tuple(dict.fromkeys((*main.COMMANDS, train))))


def giqa(capsys, *arguments):
    """Exit code, what was printed, and what was complained of."""
    code = main.main(["train", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_training(tmp_path, capsys):
    data = small_folder(tmp_path / "rows", photos=3)
    command = [
        "giqa-tiny", "--data", data, "--recipe", "tiny", "--checkpoint", tiny_checkpoint(), "--out", tmp_path / "out",
        "--eval-rows", "0", "--global-batch", "2", "--max-steps", "2", "--learning-rate", "1e-4", "--task", "vqa",
    ]  # fmt: skip
    code, out, err = giqa(capsys, *command)
    assert code == 0, err
    final = tmp_path / "out" / "final"
    assert "3 rows to tune on" in out
    assert out.splitlines()[-2:] == [f"result: {final}", f"card: {final / 'README.md'}"]
    assert "giqa-tiny" in (final / "README.md").read_text(encoding="utf-8")
    assert [path.parent.name for path in (tmp_path / "out").rglob("README.md")] == [
        "final"
    ]  # TRL's own is not there
    run = read_training(tmp_path / "out")["run"]
    assert (run["recipe"]["learning_rate"], run["recipe"]["global_batch"]) == (1e-4, 2)
    code, _, err = giqa(capsys, *command, "--seed", "1")
    assert (
        code == 2
        and err.startswith("giqa: ")
        and err.count("\n") == 1
        and "found one with seed 0 (now 1)" in err
    )


WRONG = {
    "no backbone": ([], "train: expected BACKBONE, found none"),
    "no data": (["giqa-tiny"], "train: expected --data, found none"),
    "no such recipe": (
        ["giqa-tiny", "--data", "x", "--recipe", "huge"],
        "train: expected --recipe out of paper, lora, qlora, tiny, grpo, grpo-tiny, got 'huge'",
    ),
    "no such data": (
        ["giqa-tiny", "--data", "/nowhere", "--recipe", "tiny"],
        "/nowhere: expected the folder of a dataset",
    ),
}


@pytest.mark.parametrize("arguments, message", WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_one_sentence(arguments, message, capsys, tmp_path):
    code, _, err = giqa(capsys, *arguments, *(["--out", tmp_path / "out"] if arguments else []))
    assert code == 2 and message in err and err.count("\n") == 1


def test_the_names_of_configurations_and_recipes_are_the_shipped_ones():
    assert train._CONFIGS == NAMES
    assert (*RECIPES, *GRPO_RECIPES) == train._RECIPES


# What accelerate has to read in each: sharding, and everything in bfloat16.
CONFIGS = {
    "fsdp2": {"distributed_type": "FSDP", "mixed_precision": "bf16", "num_processes": 4},
    "zero3": {"distributed_type": "DEEPSPEED", "mixed_precision": "bf16", "num_processes": 4},
    "zero3-offload": {"distributed_type": "DEEPSPEED", "mixed_precision": "bf16", "num_processes": 1},
}


@pytest.mark.parametrize("name, expected", CONFIGS.items())
def test_configurations_are_printed_and_are_accelerates(name, expected, tmp_path, capsys):
    from accelerate.commands.config.config_args import ClusterConfig

    code, out, _ = giqa(capsys, "--print-config", name)
    assert code == 0 and expected.items() <= yaml.safe_load(out).items()
    (tmp_path / "config.yaml").write_text(out)
    config = ClusterConfig.from_yaml_file(str(tmp_path / "config.yaml"))  # refuses keys that it does not know
    assert config.distributed_type.value == expected["distributed_type"]
    if name == "fsdp2":
        assert config.fsdp_config["fsdp_version"] == 2
    else:
        assert config.deepspeed_config["zero_stage"] == 3
