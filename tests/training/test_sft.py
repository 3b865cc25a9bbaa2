"""Fine-tuning a very small model on the CPU: it learns, stops where it must, goes on where it was, and says so."""

from __future__ import annotations

import json
import shutil

import datasets
import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import TrainerCallback

from giqa_hf.backbones import load_checkpoint
from giqa_hf.benchmark import generate
from giqa_hf.builders.synth.dataset import synth_rows
from giqa_hf.errors import GiqaError, MissingExtraError
from giqa_hf.processing import GroundingProcessorMixin, ground_processor
from giqa_hf.schema import features
from giqa_hf.training import TrainingResult, sft_config, to_conversations, train
from giqa_hf.training.evaluation import Evaluation
from giqa_hf.training.progress import ProgressCallback
from giqa_hf.training.sft import check_processor, finished_training
from tests.make_tiny_checkpoint import make_parts


@pytest.fixture(scope="module")
def rows():
    """Four short VQA rows of giqa-synth."""
    drawn = [row for row in synth_rows("train", 2) if row["task"] == "vqa"]
    return datasets.Dataset.from_list(drawn, features=features())


@pytest.fixture(autouse=True)
def _one_thread():
    """Sums in one order, so that equal runs are equal to the last bit."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def _no_warnings():
    """The trainer warns of weights that it did not find, though they are there: see `restore_weights`."""
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    yield
    transformers.logging.set_verbosity(verbosity)


def run(folder, rows, callbacks=(), seed=0, evaluation=None, **overrides):
    """Train anew from the same random weights."""
    model, processor = make_parts(seed=5)
    processor = ground_processor(processor)
    arguments = {
        "global_batch": 2,
        "max_steps": 2,
        "logging_steps": 1,
        "save_strategy": "no",
        "warmup_ratio": 0.0,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "seed": seed,
        "use_cpu": True,
    }
    config = sft_config("tiny", folder, **arguments | overrides)
    conversations = to_conversations(rows, processor)
    return train(model, processor, conversations, config, list(callbacks), evaluation=evaluation)


def losses(result):
    return [loss for _, loss in result.loss_curve]


def weights(folder):
    return load_file(folder / "model.safetensors")


def test_two_steps(tmp_path, rows, capfd):
    capfd.readouterr()
    result = run(tmp_path, rows)
    assert result.checkpoint == tmp_path / "final" and not result.resumed
    assert [step for step, _ in result.loss_curve] == [1, 2]
    assert json.loads((tmp_path / "final" / "loss_curve.json").read_text()) == [
        list(p) for p in result.loss_curve
    ]
    # 700 tokens: at random the loss is about ln 700 = 6.55
    assert all(6.0 < loss < 7.0 for loss in losses(result))
    assert capfd.readouterr().out == ""  # transformers would print every log entry as a dict


def test_it_learns(tmp_path, rows):
    result = run(tmp_path, rows, max_steps=15, lr_scheduler_type="constant", learning_rate=5e-3)
    assert losses(result)[-1] < losses(result)[0] - 2.0


def test_saved_loaded_and_asked(tmp_path, rows, photo):
    """Four rows learned by heart come back, boxes and all, from the folder alone."""
    result = run(
        tmp_path, rows, max_steps=60, lr_scheduler_type="constant", learning_rate=5e-3, global_batch=4
    )
    model, processor = load_checkpoint(str(result.checkpoint))
    assert isinstance(processor, GroundingProcessorMixin)
    expected = to_conversations(rows, processor)
    prompts = [turns[0]["content"] for turns in expected["prompt"]]
    answers = generate(model, processor, rows["image"], prompts, max_new_tokens=80)
    assert answers == [turns[0]["content"] for turns in expected["completion"]]
    assert any("](<" in text for text in [*answers, *prompts])


def test_equal_seeds_give_equal_runs_and_others_do_not(tmp_path, rows):
    first, second, other = (
        run(tmp_path / name, rows, max_steps=4, seed=seed) for name, seed in [("a", 0), ("b", 0), ("c", 1)]
    )
    assert first.loss_curve == second.loss_curve
    assert losses(first) != losses(other)  # the seed decides the order of the rows
    one, two = weights(first.checkpoint), weights(second.checkpoint)
    assert all(torch.equal(one[name], two[name]) for name in one)


class StopAfter(TrainerCallback):
    """Ctrl-C at the end of a step, that is, after a checkpoint of the step before."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise KeyboardInterrupt


def half_saved(folder):
    """A checkpoint whose writing was cut short: the trainer's state comes last and is missing."""
    shutil.copytree(folder / "checkpoint-2", folder / "checkpoint-4")
    (folder / "checkpoint-4" / "trainer_state.json").unlink()


def cut_state(folder):
    shutil.copytree(folder / "checkpoint-2", folder / "checkpoint-4")
    state = folder / "checkpoint-4" / "trainer_state.json"
    state.write_text(state.read_text()[:50])


# Two rows a step and four rows: a checkpoint after step 2 ends the first epoch. Of six steps of one row, the one after
# step 2 lies in the middle of an epoch.
BATCHES = (2, 1)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, rows):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    return {batch: run(folder / str(batch), rows, max_steps=6, global_batch=batch) for batch in BATCHES}


@pytest.mark.usefixtures("_no_warnings")
@pytest.mark.parametrize("damage, batch", [(None, 2), (None, 1), (half_saved, 2), (cut_state, 2)])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(tmp_path, rows, undisturbed, damage, batch):
    undisturbed = undisturbed[batch]
    saving = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, "global_batch": batch}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, rows, [StopAfter(3)], **saving)
    assert (tmp_path / "checkpoint-2" / "trainer_state.json").exists() and not (tmp_path / "final").exists()
    if damage:
        damage(tmp_path)
    told = []
    result = run(tmp_path, rows, [ProgressCallback(lambda *n: told.append(n))], **saving)
    assert result.resumed and told == [(3, 6), (4, 6), (5, 6), (6, 6)]
    assert result.loss_curve == undisturbed.loss_curve
    one, two = weights(result.checkpoint), weights(undisturbed.checkpoint)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_with_nothing_but_a_half_saved_checkpoint_starts_anew(tmp_path, rows):
    (tmp_path / "checkpoint-2").mkdir()
    result = run(tmp_path, rows)
    assert not result.resumed and len(result.loss_curve) == 2


class Poison(TrainerCallback):
    """From this step on the model gives NaN."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step + 1 == self.step:
            model.get_input_embeddings().weight.data.fill_(float("nan"))


def test_a_loss_that_is_no_number_stops_at_once_and_is_not_saved(tmp_path, rows):
    with pytest.raises(
        # two of four rows a step; a row's id is its number and its picture's
        GiqaError,
        match=r"a finite loss, found nan at step 3 on rows 00000\d:\S+, 00000\d:\S+; use a smaller learning rate",
    ):
        run(tmp_path, rows, [Poison(3)], max_steps=6, logging_steps=5, save_strategy="steps", save_steps=1)
    saved = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    assert saved == ["checkpoint-1", "checkpoint-2"] and not (tmp_path / "final").exists()
    assert all(tensor.isfinite().all() for tensor in weights(tmp_path / "checkpoint-2").values())


def test_the_best_checkpoint_is_the_result(tmp_path, rows, monkeypatch):
    """Figures as given: step 2 is the best, and its weights are those that are saved in the end."""
    figures = iter([{"DES mIoU": None, "VQA Acc (Y)": 0.2}, {"DES mIoU": 0.3, "VQA Acc (Y)": 0.1},
                    {"DES mIoU": 0.1, "VQA Acc (Y)": 0.4}])  # fmt: skip
    monkeypatch.setattr("giqa_hf.training.trainer.evaluate_model", lambda *_: next(figures))
    options = {
        "save_strategy": "steps",
        "save_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "max_steps": 3,
    }
    result = run(
        tmp_path, rows, evaluation=Evaluation(rows, ("?",) * 4, 4), metric_for_best_model="DES mIoU",
        greater_is_better=True, save_total_limit=2, **options,
    )  # fmt: skip
    assert result.best_step == 2
    assert result.evaluations == (  # what cannot be told is not in the log
        {"VQA Acc (Y)": 0.2, "step": 1},
        {"DES mIoU": 0.3, "VQA Acc (Y)": 0.1, "step": 2},
        {"DES mIoU": 0.1, "VQA Acc (Y)": 0.4, "step": 3},
    )
    kept = {path.name for path in tmp_path.glob("checkpoint-*")}
    assert kept == {"checkpoint-2", "checkpoint-3"}  # of two the best and the last one
    best, final = weights(tmp_path / "checkpoint-2"), weights(result.checkpoint)
    assert all(torch.equal(best[name], final[name]) for name in final)
    assert not all(
        torch.equal(tensor, final[name]) for name, tensor in weights(tmp_path / "checkpoint-3").items()
    )
    again = finished_training(tmp_path)
    assert again == TrainingResult(result.checkpoint, result.loss_curve, True, result.evaluations, 2)


def processor_with(**changes):
    processor = make_parts()[1]
    for name, value in changes.items():
        setattr(processor.tokenizer, name, value)
    return processor


BAD_PROCESSORS = [
    (lambda: object(), "expected one of an image-text-to-text model, with a tokenizer, found object"),
    (lambda: processor_with(padding_side=None), "a tokenizer with a padding side, left or right, found None"),
    (lambda: processor_with(pad_token=None, eos_token=None), "a token to pad with, found none"),
]


@pytest.mark.parametrize("make, message", BAD_PROCESSORS)
def test_a_processor_that_cannot_pad(make, message):
    with pytest.raises(GiqaError, match=message):
        check_processor(make())


def test_a_learning_rate_far_too_large_is_found(tmp_path, rows):
    with pytest.raises(GiqaError, match="smaller learning rate"):
        run(tmp_path, rows, max_steps=6, learning_rate=1e30, max_grad_norm=1e30)


def test_the_callers_config_is_not_changed(tmp_path, rows):
    model, processor = make_parts()
    config = sft_config("tiny", tmp_path, max_steps=1, save_strategy="no", use_cpu=True, disable_tqdm=True)
    before = config.to_dict()
    train(model, processor, to_conversations(rows), config)
    assert config.to_dict() == before


def test_streams_can_be_trained_on(tmp_path, rows):
    stream = rows.to_iterable_dataset()
    result = run(tmp_path, stream, train_sampling_strategy="random")
    assert len(result.loss_curve) == 2


def test_without_trl_it_says_what_to_install(tmp_path, rows, monkeypatch):
    import sys

    config = sft_config("tiny", tmp_path, use_cpu=True)
    monkeypatch.setitem(sys.modules, "trl", None)
    with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[train\]"'):
        train(None, None, None, config)
