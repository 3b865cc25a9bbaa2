"""A whole fine-tuning on a very small model: what is done, what is recorded, what is refused, and going on."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from giqa_hf.backbones import load_checkpoint
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.training.run import TrainSettings, run_training
from giqa_hf.training.run_record import read_training
from tests.make_tiny_checkpoint import tiny_checkpoint
from tests.training.small_rows import small_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve rows of six pictures."""
    return str(small_folder(tmp_path_factory.mktemp("data") / "rows", photos=6))


@pytest.fixture(autouse=True)
def _short_answers(monkeypatch):
    """A model that has learned nothing never stops by itself."""
    monkeypatch.setattr("giqa_hf.training.evaluation._MOST_NEW_TOKENS", 6)


class ReachedError(Exception):
    """The next step would begin now."""


def _loaded(*args, **options):
    raise ReachedError


def settings(data, **changes):
    options = {
        "recipe": "tiny",
        "checkpoint": str(tiny_checkpoint()),
        "max_steps": 2,
        "saves": 2,
        "eval_rows": 2,
    }
    return TrainSettings("giqa-tiny", data, **{"changes": {"global_batch": 4}, **options, **changes})


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run of two steps with an evaluation after each, in its folder; what it said."""
    out, said = tmp_path_factory.mktemp("run") / "out", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("giqa_hf.training.evaluation._MOST_NEW_TOKENS", 6)
        outcome = run_training(settings(data, arguments=("train", "giqa-tiny")), out, say=said.append)
    return out, outcome, said


def test_what_it_says(finished):
    _, outcome, said = finished
    told = "\n".join(said)
    assert "10 rows to tune on; counting their tokens" in told
    assert "2 rows of 1 other picture are held out" in told  # two rows of each picture
    assert "recipe tiny: 4 rows a step = 1 (devices) x 4 (at a time) x 1 (times)" in told
    assert "step 1, held-out rows: VQA Acc (Total)[lexical] 0.0000" in told
    # of 12 rows of 6 pictures 2
    assert "which is few, and yet 1 of 6 pictures, 17 % of the rows: one row is 0.50 of a figure" in told
    assert outcome.is_first and outcome.merged is None


def test_the_result_can_be_loaded_and_tuned_again(finished):
    _, outcome, _ = finished
    assert [step for step, _ in outcome.result.loss_curve] == [1, 2]
    assert [entry["step"] for entry in outcome.result.evaluations] == [1, 2]
    model, processor = load_checkpoint(str(outcome.result.checkpoint))
    assert type(model).__name__ == "LlavaForConditionalGeneration" and processor.box_format.name == "giqa"


def test_the_record_says_what_it_came_of(finished, data):
    out, outcome, _ = finished
    record = read_training(out)
    run = record["run"]
    assert (run["backbone"], run["seed"], run["max_steps"]) == ("giqa-tiny", 0, 2)
    assert set(run["checkpoint"]) == {"name", "sha256"}
    assert (
        run["recipe"]["name"] == "tiny"
        and run["recipe"]["global_batch"] == 4
        and run["recipe"]["kind"] == "full"
    )
    told = run["data"]
    assert (told["name"], told["rows"], told["images"], told["task"]) == (data, 10, 5, None)
    # Of each picture two boxes of the description and one in the question; giqa-tiny sees the whole picture.
    assert (told["boxes"], told["hidden_boxes"], told["too_long"], told["max_tokens"]) == (15, 0, [], 1024)
    assert told["held_out"]["rows"] == 2 and len(told["fingerprint"]) == 64
    assert run["evaluation"]["metric"] == "VQA Acc (Total)[lexical]"
    assert run["boxes"]["format"]["name"] == "giqa"
    [session] = record["sessions"]
    assert session["arguments"] == ["train", "giqa-tiny"] and {"trl", "torch", "peft"} <= set(
        session["software"]
    )
    assert session["execution"] == {"devices": 1, "device_batch": 4, "accumulated": 1}
    result = record["result"]
    assert (result["checkpoint"], result["steps"], result["best_step"]) == (
        "final",
        2,
        outcome.result.best_step,
    )
    assert result["last_loss"] == outcome.result.loss_curve[-1][1] and "finished" in result


def test_a_finished_run_is_not_made_again(finished, data):
    out, outcome, _ = finished
    said = []
    again = run_training(settings(data), out, say=said.append)
    assert said[-1] == f"this training is finished: {out / 'final'}"
    assert again.result.resumed and again.result.loss_curve == outcome.result.loss_curve
    assert len(read_training(out)["sessions"]) == 2


def test_other_settings_are_refused_before_anything_is_loaded(finished, data, monkeypatch):
    """Only what the data or the checkpoint's files say is left for later."""
    monkeypatch.setattr("giqa_hf.backbones.load_backbone", None)
    for changes, said in [
        ({"seed": 5}, "seed"),
        ({"changes": {"learning_rate": 1.0}}, "recipe.learning_rate"),
        ({"data": "elsewhere"}, "data.name"),
        ({"metric": "DES mIuO"}, "metric: expected one of"),
    ]:
        with pytest.raises(GiqaError, match=said):
            run_training(settings(**{"data": data, **changes}), finished[0], say=lambda line: None)


def test_another_run_in_its_folder_is_refused(finished, data):
    out = finished[0]
    with pytest.raises(
        GiqaError, match=r"found one with recipe.epochs 1.0 \(now 3\), .*; choose another folder"
    ):
        run_training(
            settings(data, changes={"global_batch": 4, "epochs": 3}, task="des"), out, say=lambda _: None
        )
    with pytest.raises(GiqaError, match="expected a new folder or an earlier run, found other files"):
        run_training(settings(data), out.parent, say=lambda _: None)


def test_lora_and_its_merged_model(data, tmp_path):
    changes = {"global_batch": 4, "lora_rank": 2, "gradient_checkpointing": False}
    chosen = settings(
        data, recipe="lora", changes=changes, eval_rows=0, max_steps=1, saves=1, merge=True, task="vqa"
    )
    outcome = run_training(chosen, tmp_path / "out", say=lambda _: None)
    assert (tmp_path / "out" / "final" / "adapter_model.safetensors").exists()
    assert outcome.merged == tmp_path / "out" / "merged" and outcome.result.best_step is None
    load_checkpoint(str(outcome.merged))
    record = read_training(tmp_path / "out")
    assert record["run"]["data"]["rows"] == 6 and record["run"]["data"]["task"] == "vqa"
    assert record["result"]["merged"] == "merged" and record["run"]["entry"]["lora_targets"]
    base = json.loads((tmp_path / "out" / "final" / "adapter_config.json").read_text())[
        "base_model_name_or_path"
    ]
    assert base == str(tiny_checkpoint())


def test_samples_that_are_too_long_stop_it_before_anything_is_written(data, tmp_path):
    """A description has more tokens than a question; rows are named by their number in the dataset."""
    out, said = tmp_path / "out", []
    with pytest.raises(
        DataError, match=r"at most 9 tokens, found 10 longer: 00000\d:photo-\d \(\d+\), .* and 5 more"
    ) as error:
        run_training(settings(data, max_tokens=9), out, say=said.append)
    named = [
        name.split(":")
        for name in str(error.value).split("longer: ")[1].split(" and ")[0].replace(",", "").split()[::2]
    ]
    assert all(int(number) // 2 == int(photo.removeprefix("photo-")) for number, photo in named)
    longest = int(str(error.value).split("(")[1].split(")")[0])
    assert not out.exists()
    chosen = settings(data, max_tokens=longest - 1, drop_too_long=True, eval_rows=0, max_steps=1)
    run_training(chosen, out, say=said.append)
    told = read_training(out)["run"]["data"]
    assert told["rows"] == 12 and told["longest"] == longest and 1 <= len(told["too_long"]) <= 6
    assert any(f"rows of more than {longest - 1} tokens are left out: 0000" in line for line in said)


WRONG = {
    "recipe": ({"recipe": "huge"}, "recipe: expected one of paper, lora, qlora, tiny, got 'huge'"),
    "a number": ({"changes": {"epochs": 0}}, "recipe: expected epochs above 0, got 0"),
    "saves": ({"saves": 0}, "saves: expected at least 1, got 0"),
    "nothing to merge": ({"merge": True}, "merge: expected a recipe of the kind lora or qlora, got tiny"),
}


@pytest.mark.parametrize("changes, message", WRONG.values(), ids=WRONG)
def test_settings_that_cannot_be(data, changes, message):
    with pytest.raises(DataError, match=message):
        settings(data, **changes)


def test_metrics_that_cannot_be(data, tmp_path):
    with pytest.raises(DataError, match="metric: expected one of DES mIoU, .*, got 'SRCC'"):
        run_training(settings(data, metric="SRCC"), tmp_path / "out", say=lambda _: None)
    with pytest.raises(DataError, match="a figure of the held-out rows, which are vqa, got 'DES mIoU'"):
        run_training(settings(data, metric="DES mIoU", task="vqa"), tmp_path / "out", say=lambda _: None)


def test_devices_that_cannot_share_the_batch(data, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(DataError, match="a global batch that 3 devices share evenly, got 4"):
        run_training(settings(data), tmp_path / "out", say=lambda _: None)


def test_an_unknown_backbone_is_told_the_names(data, tmp_path):
    with pytest.raises(
        GiqaError, match=r"expected one of llava-1.5-7b, .*giqa-tiny.* \(did you mean llava-1"
    ):
        run_training(TrainSettings("llava-2", data, recipe="tiny"), tmp_path / "out", say=lambda _: None)


def test_the_recipe_that_it_advises_is_not_refused(data, tmp_path, monkeypatch):
    """Room for just what it names, reckoned with the same --device-batch."""
    monkeypatch.setattr(
        "giqa_hf.training.run.sft_config", lambda *args, **options: SimpleNamespace(use_cpu=True)
    )
    monkeypatch.setattr("giqa_hf.backbones.load_backbone", _loaded)
    free = [40 * 2**30]
    monkeypatch.setattr("giqa_hf.backbones.memory.free_memory", lambda device: free[0])

    def tune(recipe):
        chosen = TrainSettings("llava-1.5-7b", data, recipe=recipe, changes={"device_batch": 1})
        run_training(chosen, tmp_path / recipe, say=lambda _: None)

    with pytest.raises(GiqaError, match="a recipe of the kind lora fits, with 31.6 GiB"):
        tune("paper")
    free[0] = int(31.7 * 2**30)
    with pytest.raises(ReachedError):
        tune("lora")
    free[0] = int(31.5 * 2**30)
    with pytest.raises(GiqaError, match="a recipe of the kind lora, found 31.5 GiB; use a smaller model"):
        tune("lora")


@pytest.mark.parametrize(
    ("few", "eval_share", "said"),
    [
        # Of 12 rows of 6 pictures 2 of 1, which is the least; were 2 rows many, it is told all the same.
        (2, None, "      which is 1 of 6 pictures, 17 % of the rows, since a picture is the least that can be held out; "
        "give more pictures, or --eval-rows 0 to tune on all of them"),
        # 3 of 6 were asked for.
        (2, 0.5, "6 rows of 3 other pictures are held out"),
    ],
)  # fmt: skip
def test_a_large_share_that_nobody_asked_for_is_told(data, tmp_path, monkeypatch, few, eval_share, said):
    monkeypatch.setattr("giqa_hf.training.prepared._FEW", few)
    monkeypatch.setattr("giqa_hf.training.run.claim_training", _loaded)
    told = []
    with pytest.raises(ReachedError):
        run_training(settings(data, eval_share=eval_share), tmp_path / "out", say=told.append)
    assert told[-1] == said
