"""Recipes: the paper's numbers, a global batch that stays whatever the number of devices, overrides, bad values."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from giqa_hf.errors import GiqaError, MissingExtraError
from giqa_hf.training import RECIPES, Recipe, recipe_of, recipes, sft_config
from giqa_hf.training.recipes import need_bitsandbytes, split_batch


@pytest.fixture(autouse=True)
def _one_device(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)


@pytest.fixture
def on_devices(monkeypatch):
    """Function: act as one of so many processes; the real `SFTConfig` would wait for the others to come."""

    def pretend(count):
        monkeypatch.setenv("WORLD_SIZE", str(count))
        monkeypatch.setattr("trl.SFTConfig", SimpleNamespace)

    return pretend


def cpu(recipe, folder, **overrides):
    """`sft_config` as on a machine without a GPU, also where there is one; qlora's optimizer needs one."""
    if getattr(RECIPES.get(recipe, recipe) if isinstance(recipe, str) else recipe, "kind", "") == "qlora":
        overrides.setdefault("optimizer", "adamw_torch")
    return sft_config(recipe, folder, use_cpu=True, **overrides)


# Paper Sec. 4.1 (and spec A7 for what it leaves to the backbones' defaults).
PAPER = {
    "learning_rate": 2e-5,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.03,  # below 1 it is a share of all steps
    "num_train_epochs": 2,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "weight_decay": 0.0,
}


def test_the_papers_numbers(tmp_path):
    config = cpu("paper", tmp_path)
    assert {name: getattr(config, name) for name in PAPER} == PAPER
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 64
    assert config.optim.value.startswith("adamw")
    assert RECIPES["paper"].bf16 and RECIPES["paper"].kind == "full"


def test_bfloat16_is_for_accelerators(tmp_path):
    """What has no unit for it is slower by it, and coarser; who wants it says so."""
    assert not cpu("paper", tmp_path).bf16
    assert cpu("paper", tmp_path, bf16=True).bf16


def test_a_machine_without_an_accelerator_computes_on_its_cpu(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    config = sft_config("paper", tmp_path)
    assert config.use_cpu and not config.bf16 and config.dataloader_num_workers == 0


def test_the_warm_up_is_a_share_of_the_steps(tmp_path):
    """3 % of the paper's 167,657 samples * 2 epochs / 64 = 5,239 steps are 158."""
    assert cpu("paper", tmp_path).get_warmup_steps(5239) == 158


@pytest.mark.parametrize("recipe", RECIPES)
def test_nothing_is_cut_and_the_loss_is_on_the_answer(tmp_path, recipe):
    config = cpu(recipe, tmp_path)
    assert config.max_length is None  # image placeholders must not be cut
    assert config.completion_only_loss is True
    assert config.report_to in ("none", [])  # no account, no network
    assert config.output_dir == str(tmp_path)


@pytest.mark.parametrize(
    "recipe, devices",
    [(name, n) for name in RECIPES for n in (1, 2, 4, 8, 16) if n <= RECIPES[name].global_batch],
)
def test_the_global_batch_stays(tmp_path, on_devices, recipe, devices):
    on_devices(devices)
    config = cpu(recipe, tmp_path)
    assert config.per_device_train_batch_size <= RECIPES[recipe].device_batch
    batch = devices * config.per_device_train_batch_size * config.gradient_accumulation_steps
    assert batch == RECIPES[recipe].global_batch


# (global, most on a device, devices) -> (on a device, accumulated)
SPLITS = [
    (64, 16, 1, (16, 4)),  # 16 * 4
    (64, 16, 4, (16, 1)),  # 4 * 16
    (64, 16, 8, (8, 1)),  # 8 * 8
    (60, 16, 1, (15, 4)),  # 16 does not divide 60
    (14, 4, 2, (1, 7)),  # 7 a device: 4, 3, 2 do not divide it
    (8, 32, 8, (1, 1)),
]


@pytest.mark.parametrize(("devices", "split"), [(1, (16, 4)), (2, (16, 2)), (64, (1, 1))])
def test_the_papers_batch_on_devices(devices, split):
    assert split_batch(RECIPES["paper"], devices) == split


@pytest.mark.parametrize(("batch", "most", "devices", "split"), SPLITS)
def test_how_the_batch_is_split(tmp_path, on_devices, batch, most, devices, split):
    on_devices(devices)
    config = cpu(Recipe(learning_rate=1e-4, global_batch=batch, device_batch=most), tmp_path)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == split


@pytest.mark.parametrize(("batch", "devices"), [(64, 3), (16, 32), (2, 4), (10, 4)])
def test_a_batch_that_cannot_be_shared_is_refused(tmp_path, on_devices, batch, devices):
    on_devices(devices)
    with pytest.raises(ValueError, match=f"{devices} devices share evenly, got {batch}"):
        cpu("tiny", tmp_path, global_batch=batch)


def test_overrides_win(tmp_path):
    config = cpu(
        "paper", tmp_path, learning_rate=3e-4, global_batch=8, bf16=True, save_steps=7, max_length=99
    )
    assert (config.learning_rate, config.bf16, config.save_steps, config.max_length) == (3e-4, True, 7, 99)
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 8
    assert config.num_train_epochs == 2  # what is not overridden stays
    assert RECIPES["paper"].learning_rate == 2e-5
    assert cpu(Recipe(learning_rate=1e-4), tmp_path).learning_rate == 1e-4


def test_an_unknown_recipe_is_told_the_names(tmp_path):
    with pytest.raises(ValueError, match="expected one of paper, lora, qlora, tiny or a Recipe, got 'huge'"):
        sft_config("huge", tmp_path)


@pytest.mark.parametrize("name", ["learning_rate", "global_batch", "epochs", "device_batch"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_recipe_says_what_is_wrong_with_it(name, value):
    with pytest.raises(ValueError, match=f"expected {name} above 0, got {value}"):
        Recipe(**{"learning_rate": 1e-4, name: value})


def test_a_kind_that_is_none():
    with pytest.raises(ValueError, match="expected kind full, lora, qlora, got 'dora'"):
        Recipe(learning_rate=1e-4, kind="dora")


def test_kinds():
    assert {name: recipe.kind for name, recipe in RECIPES.items()} == {
        "paper": "full", "lora": "lora", "qlora": "qlora", "tiny": "full"
    }  # fmt: skip
    changed = recipe_of("lora", lora_rank=8, epochs=1)
    assert (changed.lora_rank, changed.epochs, changed.lora_alpha) == (8, 1, 256) and RECIPES[
        "lora"
    ].lora_rank == 128


def test_what_needs_bitsandbytes_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'paged_adamw_8bit needs .*pip install "giqa-hf\[qlora\]"'):
        sft_config("qlora", tmp_path)


def test_bitsandbytes_needs_a_gpu(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr("torch.accelerator.is_available", lambda: False)
    with pytest.raises(GiqaError, match="the recipe qlora needs a GPU, found none; use the recipe lora"):
        need_bitsandbytes("the recipe qlora")


def test_an_unknown_argument_is_refused(tmp_path):
    with pytest.raises(TypeError, match="learning_rat"):
        sft_config("tiny", tmp_path, learning_rat=1)


def test_without_trl_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[train\]"'):
        sft_config("tiny", tmp_path)


def test_recipes_can_be_read_without_trl_or_torch():
    code = f"import sys; import {recipes.__name__}; print([m for m in ('torch', 'trl') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
