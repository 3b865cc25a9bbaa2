"""Reinforcement learning: recipes, rows, and real steps of TRL's trainer on a very small model with real pictures."""

from __future__ import annotations

import json
import math
import sys
from types import SimpleNamespace

import datasets
import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from giqa_hf.backbones import load_checkpoint
from giqa_hf.builders.synth.dataset import synth_rows
from giqa_hf.errors import DataError, GiqaError, MissingExtraError
from giqa_hf.formats import NormalizedFormat, Qwen2VLFormat
from giqa_hf.frames import Frame
from giqa_hf.processing import ground_processor
from giqa_hf.schema import features
from giqa_hf.training import to_conversations
from giqa_hf.training.grpo import GRPO_RECIPES, GrpoRecipe, grpo, grpo_config, grpo_rows
from giqa_hf.training.rewards import REWARDS, format_reward, text_of
from tests.make_tiny_checkpoint import make_parts


@pytest.fixture(scope="module")
def rows():
    """Six rows on two pictures of giqa-synth."""
    return datasets.Dataset.from_list(list(synth_rows("train", 2)), features=features())


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums in one order, so that equal runs are equal to the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def on_devices(monkeypatch):
    """Function: act as one of so many processes; the real `GRPOConfig` would wait for the others to come."""

    def pretend(count):
        monkeypatch.setenv("WORLD_SIZE", str(count))
        monkeypatch.setattr("trl.GRPOConfig", SimpleNamespace)

    return pretend


def test_the_recipe(tmp_path):
    config = grpo_config("grpo", tmp_path, use_cpu=True)
    # 8 prompts * 8 generations = 64 answers a step: 8 at a time, 8 times
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (8, 8)
    assert (config.num_generations, config.generation_batch_size) == (8, 64)
    assert (config.learning_rate, config.beta, config.max_completion_length) == (1e-6, 0.0, 512)
    assert config.remove_unused_columns is False  # else the rewards would see no columns


def test_overrides(tmp_path):
    config = grpo_config(
        GrpoRecipe(prompts=3), tmp_path, generations=4, top_p=0.9, reward_weights=[1.0, 2.0], use_cpu=True
    )
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == 12  # 3 * 4
    assert (config.top_p, config.reward_weights) == (0.9, [1.0, 2.0])


# devices -> answers of a device at a time, and how often: always 64 in all, and at most 8 at a time
@pytest.mark.parametrize(
    "devices, batch, accumulated", [(1, 8, 8), (4, 8, 2), (8, 8, 1), (16, 4, 1), (64, 1, 1)]
)
def test_as_many_answers_on_any_number_of_devices(tmp_path, on_devices, devices, batch, accumulated):
    on_devices(devices)
    config = grpo_config("grpo", tmp_path)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (batch, accumulated)
    assert devices * batch * accumulated == 64


def test_answers_that_devices_cannot_share(tmp_path, on_devices):
    on_devices(3)
    with pytest.raises(
        ValueError, match="8 prompts with 8 generations each to be shared evenly by 3 devices"
    ):
        grpo_config("grpo", tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        {"generations": 1},
        {"prompts": 0},
        {"learning_rate": -1.0},
        {"max_new_tokens": 0},
        {"temperature": 0.0},
    ],
)
def test_bad_numbers(bad):
    with pytest.raises(ValueError, match=f"recipe: expected .*{next(iter(bad)).replace('_', '.')}"):
        GrpoRecipe(**bad)


def test_an_unknown_recipe(tmp_path):
    with pytest.raises(ValueError, match="expected one of grpo, grpo-tiny or a GrpoRecipe, got 'ppo'"):
        grpo_config("ppo", tmp_path)


def test_without_trl_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[train\]"'):
        grpo_config("grpo", tmp_path)
    with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[train\]"'):
        grpo(None, None, None, SimpleNamespace())


def test_rows(rows):
    _, processor = make_parts()
    processor = ground_processor(processor)
    made = grpo_rows(rows, processor)
    asked = to_conversations(rows, processor)
    assert made["prompt"] == asked["prompt"] and made["id"] == asked["id"]
    assert made["image"][0].tobytes() == rows["image"][0].tobytes()
    assert made["question"] == rows["question"] and made["answer"] == rows["answer"]
    boxes = [
        [box for region in regions for box in region["boxes_norm"]] for regions in rows["answer_regions"]
    ]
    assert made["true_boxes_norm"][:] == boxes and any(boxes) and not all(boxes)
    # SFT's own completions are worth all that can be had: what a perfect model writes, but for the grid's rounding
    for row, completion in zip(made, asked["completion"], strict=True):
        columns = {name: [value] for name, value in row.items()}
        found = [reward([completion], **columns)[0] for reward in REWARDS]
        assert found[0] == 1.0 and found[2] == 1.0, row["answer"]
        assert [value for value in found[3:] if value is not None] == [1.0]
        assert found[1] is None or found[1] > 0.7


def crop(width, height):
    """A model that sees the left half only, as its whole picture."""
    return Frame((width, height), (width // 2, height), (1.0, 1.0), (0.0, 0.0))


def test_boxes_that_the_frame_hides_are_not_asked_for(rows):
    row = dict(rows[0])
    (region, *_), row["answer_regions"] = row["answer_regions"], []
    region["boxes_norm"] = [[0.1, 0.1, 0.3, 0.3], [0.7, 0.1, 0.9, 0.3]]
    row["answer_regions"] = [region]
    one = datasets.Dataset.from_list([row], features=features())
    hidden = grpo_rows(one, frame=crop, format=NormalizedFormat())[0]
    assert hidden["true_boxes_norm"] == [[0.1, 0.1, 0.3, 0.3]]
    assert json.loads(hidden["box_format"]) == {"name": "normalized", "decimals": 2}
    kept = grpo_rows(one, frame=crop, hidden="keep")[0]
    assert kept["true_boxes_norm"] == region["boxes_norm"]
    with pytest.raises(DataError, match=r"row 0, field answer_regions: .*to see at least half"):
        grpo_rows(one, frame=crop, hidden="error")


def test_rows_of_another_kind():
    with pytest.raises(DataError, match="found no column image, width, .* among text"):
        grpo_rows(datasets.Dataset.from_dict({"text": ["a"]}))


def run(folder, rows, rewards=REWARDS, callbacks=(), **overrides):
    """Train anew from the same random weights, four answers of at most eight tokens a step."""
    model, processor = make_parts(seed=5)
    processor = ground_processor(processor)
    arguments = {
        "prompts": 2, "generations": 2, "max_new_tokens": 8, "max_steps": 2, "logging_steps": 1,
        "save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "learning_rate": 1e-3,
    }  # fmt: skip
    config = grpo_config("grpo-tiny", folder, **arguments | overrides)
    return grpo(model, processor, grpo_rows(rows, processor), config, rewards, callbacks=list(callbacks))


class Watch(TrainerCallback):
    """Notes what the vision tower is given."""

    def __init__(self):
        self.pictures = []

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        model.model.vision_tower.register_forward_pre_hook(self.note, with_kwargs=True)

    def note(self, module, args, kwargs):
        self.pictures += list(kwargs.get("pixel_values", args[0] if args else None).detach().clone())


def test_steps_on_real_pictures(tmp_path, rows):
    watch, said = Watch(), []

    def length_reward(completions, **columns):
        """A reward of the user's own, by its name in the log."""
        said.extend(text_of(completion) for completion in completions)
        assert len(columns["image"]) == len(columns["question"]) == len(completions) == 4
        return [float(len(text_of(completion))) for completion in completions]

    result = run(tmp_path, rows, (*REWARDS, length_reward), [watch])
    assert [step for step, _ in result.loss_curve] == [1, 2] and not result.resumed
    assert all(math.isfinite(loss) for _, loss in result.loss_curve)
    assert len(said) == 8 and len(set(said)) > 4  # two steps of four; sampled, so hardly two alike
    log = json.loads((result.checkpoint / "reward_log.json").read_text())
    assert [entry["step"] for entry in log] == [1, 2]
    for place, entry in enumerate(log):
        texts = said[4 * place : 4 * place + 4]
        assert entry["rewards/length_reward/mean"] == pytest.approx(sum(map(len, texts)) / 4)
        assert 0 <= entry["rewards/format_reward/mean"] <= 1
        means = [value for name, value in entry.items() if name.startswith("rewards/")]
        assert entry["reward"] <= sum(means) + 1e-4  # a reward that says nothing of a row adds nothing to it
    # the tower has seen the rows' own pictures, as the processor makes them
    _, processor = make_parts(seed=5)
    own = processor.image_processor(images=list(rows["image"]), return_tensors="pt")["pixel_values"]
    assert watch.pictures
    for picture in watch.pictures:
        assert min(float((picture - other).abs().max()) for other in own) < 1e-5
    # and what came out can be loaded and is not what went in
    model, loaded = load_checkpoint(str(result.checkpoint))
    before, _ = make_parts(seed=5)
    assert loaded.box_format == ground_processor(processor).box_format
    changed = [not torch.equal(a, b) for a, b in zip(before.parameters(), model.parameters(), strict=True)]
    assert any(changed)


def low_reward(completion_ids, **columns):
    """The share of tokens of the vocabulary's first half: at random every second is one."""
    return [sum(token < 350 for token in ids) / len(ids) for ids in completion_ids]


def test_a_reward_is_learned(tmp_path, rows):
    result = run(
        tmp_path,
        rows,
        [low_reward],
        max_steps=6,
        prompts=1,
        generations=16,
        learning_rate=3e-2,
        lr_scheduler_type="constant",
    )
    log = json.loads((result.checkpoint / "reward_log.json").read_text())
    shares = [entry["reward"] for entry in log]
    # a step is a mean over 128 tokens, 0.5 +- 0.045 at random
    assert shares[0] < 0.65 and shares[-1] > shares[0] + 0.2, shares


class StopAfter(TrainerCallback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def test_an_interrupted_run_goes_on_as_if_nothing_had_been(tmp_path, rows):
    saving = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    whole = run(tmp_path / "whole", rows, **saving)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", rows, callbacks=[StopAfter(3)], **saving)
    assert not (tmp_path / "cut" / "final").exists()
    again = run(tmp_path / "cut", rows, **saving)
    assert again.resumed and again.loss_curve == whole.loss_curve
    one, two = (load_file(result.checkpoint / "model.safetensors") for result in (whole, again))
    assert all(torch.equal(one[name], two[name]) for name in one)


class Poison(TrainerCallback):
    """From the second step on the model gives NaN where it is trained, not where it answers."""

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step == 1:
            model.model.language_model.norm.register_forward_hook(
                lambda module, args, made: made * float("nan") if torch.is_grad_enabled() else made
            )


def test_a_loss_that_is_no_number_stops_at_once(tmp_path, rows):
    with pytest.raises(GiqaError, match=r"found nan at step 2 on rows 00000\d:giqa-synth-train"):
        run(tmp_path, rows, [low_reward], [Poison()], max_steps=3)
    assert not (tmp_path / "final").exists()


def test_a_learning_rate_far_too_large_is_found(tmp_path, rows):
    with pytest.raises(GiqaError, match="found others after step 1; use a smaller learning rate"):
        run(tmp_path, rows, [low_reward], max_steps=3, learning_rate=1e38, max_grad_norm=1e30)


def test_marks_that_are_special_tokens_are_refused(tmp_path):
    model, processor = make_parts()
    processor = ground_processor(processor, Qwen2VLFormat())
    with pytest.raises(GiqaError, match="qwen2_vl, whose marks are special tokens"):
        grpo(model, processor, None, grpo_config("grpo-tiny", tmp_path, use_cpu=True), [format_reward])


def test_recipes_can_be_built(tmp_path):
    for name in GRPO_RECIPES:
        assert grpo_config(name, tmp_path, use_cpu=True).num_generations >= 2
