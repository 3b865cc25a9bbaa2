"""The card of a training: its metadata as huggingface_hub reads it, its figures, what is missing, and hostile names."""

from __future__ import annotations

import copy
import json

import pytest
import yaml
from huggingface_hub import ModelCard

from giqa_hf.backbones import BACKBONES, checkpoint_identity
from giqa_hf.errors import GiqaError
from giqa_hf.hub import model_card, write_model_card
from giqa_hf.hub.base_licences import BASE_LICENCES
from giqa_hf.hub.bench_figures import metric_type

# As `giqa train` writes it (training/run.py, training/run_record.py).
RECORD = {
    "made_by": "giqa train",
    "run": {
        "backbone": "llava-1.5-7b",
        "entry": {
            "checkpoint": "llava-hf/llava-1.5-7b-hf",
            "model_type": "llava",
            "frozen": ["model.vision_tower"],
            "lora_targets": None,
        },
        "checkpoint": {"name": "llava-hf/llava-1.5-7b-hf", "revision": "b234b804b114d9e37bb655e11cbbb5f5e971b7a9"},
        "recipe": {"name": "paper", "learning_rate": 2e-5, "global_batch": 64, "epochs": 2, "kind": "full"},
        "data": {
            "name": "someone/giqa-160k", "split": "train", "limit": None, "rows": 167000, "images": 42000,
            "task": None, "fingerprint": "ab" * 32, "boxes": 300000, "hidden_boxes": 17, "longest": 1190,
            "max_tokens": 4096, "too_long": ["000003:x"],
            "held_out": {"rows": 200, "images": 50, "fingerprint": "cd" * 32},
        },
        "boxes": {"format": {"name": "giqa", "cols": 20, "rows": 20, "policy": "expand", "space": False}, "hidden": "drop"},
        "evaluation": {"metric": "eval_VQA Acc (Total)[lexical]", "saves": 10},
        "max_steps": None,
        "seed": 3,
    },
    "sessions": [
        {
            "started": "2026-11-21T10:00:00+0000",
            "software": {"giqa_hf": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "trl": "1.16.0"},
            "machine": {"system": "Linux", "architecture": "x86_64", "cores": 2},
            "execution": {"devices": 4, "device_batch": 16, "accumulated": 1},
            "arguments": ["train", "llava-1.5-7b", "--data", "someone/giqa-160k"],
        }
    ],
    "result": {"checkpoint": "final", "steps": 5219, "last_loss": 0.5, "best_step": 20, "finished": "2026-11-22"},
}  # fmt: skip
CURVE = [[step, 2.0 - step / 50] for step in range(1, 26)]
EVALUATIONS = {
    "best_step": 20,
    "evaluations": [
        {"step": 10, "epoch": 1.0, "VQA Acc (Y)": 0.5},  # no box was written yet: mIoU is not there
        {"step": 20, "epoch": 2.0, "VQA Acc (Y)": 0.75, "DES mIoU": 0.4},
    ],
}
SIGNATURE = "metric:giqa_bench|version:1|judge:lexical|data:3f2a"


@pytest.fixture
def run(tmp_path):
    """Function: the folder of a training with these files."""

    def make(record=RECORD, curve=CURVE, evaluations=EVALUATIONS, name="giqa-llava", adapter=False):
        final = tmp_path / name / "final"
        final.mkdir(parents=True)
        # A card reads no weight; it only has to know these files again.
        (final / "model.safetensors").write_bytes(b"weights")
        (final / ("adapter_config.json" if adapter else "config.json")).write_text("{}")
        for path, value in (
            (final.parent / "run.json", record), (final / "loss_curve.json", curve),
            (final / "evaluations.json", evaluations),
        ):  # fmt: skip
            if value is not None:
                path.write_text(json.dumps(value))
        return final.parent

    return make


@pytest.fixture
def bench(tmp_path):
    """Function: the folder of a scored benchmark run of a checkpoint."""

    def make(model, backend="transformers", scored=True, name="bench", rows_sha256="ef" * 32, **scores):
        folder = tmp_path / name
        folder.mkdir()
        run = {
            "model": model, "backend": {"name": backend},
            "data": {"name": "/data/giqa-bench", "split": "test", "rows": 250, "rows_sha256": rows_sha256},
        }  # fmt: skip
        (folder / "run.json").write_text(json.dumps({"made_by": "giqa bench", "run": run, "sessions": []}))
        found = {
            "figures": {"DES mIoU": 0.5955, "DES LLM-Score[lexical]": 63.0, "VQA mIoU": None},
            "intervals": {"DES mIoU": [0.55, 0.64], "DES LLM-Score[lexical]": None, "VQA mIoU": None},
            "signature": SIGNATURE,
        }
        if scored:
            (folder / "scores.json").write_text(json.dumps(found | scores))
        return folder

    return make


def rows_of(card):
    """The two-column tables of a card as one mapping."""
    lines = [line.strip("| ").split(" | ") for line in card.splitlines() if line.startswith("| ")]
    return {line[0]: line[1] for line in lines if len(line) == 2}


def test_a_whole_card(run, bench):
    folder = run()
    card = model_card(folder, [bench(checkpoint_identity(str(folder / "final")))])
    metadata = ModelCard(card).data
    assert metadata.base_model == "llava-hf/llava-1.5-7b-hf" and metadata.license == "llama2"
    assert metadata.pipeline_tag == "image-text-to-text" and metadata.library_name == "transformers"
    assert metadata.datasets == ["someone/giqa-160k"] and "visual-grounding" in metadata.tags
    told = {result.metric_name: result for result in metadata.eval_results}
    assert {name: result.metric_value for name, result in told.items()} == {
        "DES mIoU": 0.5955,
        "DES LLM-Score[lexical]": 63.0,  # and no VQA mIoU, which is not available and not 0
    }
    assert told["DES mIoU"].metric_args == {"signature": SIGNATURE}
    assert (told["DES mIoU"].dataset_name, told["DES mIoU"].dataset_split) == ("giqa-bench", "test")
    assert "| DES mIoU | 0.5955 | 0.5500 to 0.6400 |" in card
    assert "| DES LLM\\-Score\\[lexical\\] | 63.0000 | not recorded |" in card
    assert "| VQA mIoU | not available | |" in card
    assert f"Signature: `{SIGNATURE}`" in card
    found = rows_of(card)
    assert found["learning rate"] == "2e\\-05" and found["seed"] == "3" and found["steps"] == "5219"
    assert found["fingerprint of the conversations \\(SHA\\-256\\)"] == "ab" * 32
    assert found["boxes that the model does not see"] == "17 \\(drop\\)"
    assert found["samples left out as too long"] == "1" and found["held\\-out rows"] == "200"
    assert found["devices"] == "4" and found["command"].startswith("train llava\\-1.5\\-7b")
    assert "torch 2.13.0" in card and "b234b804b114d9e37bb655e11cbbb5f5e971b7a9" in card
    # 25 points, every third: 1, 4, ..., 25
    assert (
        "one in 3 of 25" in card and found["1"] == "1.9800" and found["25"] == "1.5000" and "2" not in found
    )
    assert "| 10 | 0.5000 | n/a |\n| 20 | 0.7500 | 0.4000 |" in card and "those of step 20" in card
    assert "not comparable with a model's" in card and "Llama 2" in card


def test_its_code_compiles(run):
    for folder in (run(), run(name="lora", adapter=True)):
        (code,) = [part.split("```")[0] for part in model_card(folder).split("```python\n")[1:]]
        compile(code, "card", "exec")
        assert "load_backbone" in code if folder.name == "lora" else "load_checkpoint" in code


def test_an_adapter(run):
    metadata = ModelCard(model_card(run(adapter=True))).data
    assert metadata.library_name == "peft" and "lora" in metadata.tags


def test_nothing_is_made_up(run):
    """The least that a record can be: all else is said to be missing."""
    card = model_card(run({"made_by": "giqa train", "run": {}}, curve=None, evaluations=None))
    metadata = ModelCard(card).data
    assert metadata.license == "other" and metadata.base_model is None and metadata.eval_results is None
    found = rows_of(card)
    assert {
        found[name]
        for name in ("rows", "images", "boxes", "backbone", "recipe", "seed", "steps", "held\\-out rows")
    } == {"not recorded"}
    assert "Loss: not recorded." in card and "Not benchmarked." in card and "none were taken" in card
    assert "The training is not finished." in card and "None" not in card


def paths_of(value, path=()):
    yield from ([path] if path else [])
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths_of(inner, (*path, key))


@pytest.mark.parametrize("path", list(paths_of(RECORD)), ids=".".join)
@pytest.mark.parametrize("value", ["gone", None, [], 7])
def test_any_field_may_be_absent_or_odd(tmp_path, path, value):
    if path[0] in ("made_by", "run") and len(path) == 1:
        return  # then it is no training, see below
    record = copy.deepcopy(RECORD)
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    if value == "gone":
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    (tmp_path / "run.json").write_text(json.dumps(record))
    ModelCard(model_card(tmp_path))


HOSTILE = "x\n---\nlicense: mit\n<script>alert(1)</script> | `a` [b](http://c) \ud800"


def test_names_from_data_are_escaped(run, bench):
    record = copy.deepcopy(RECORD)
    record["run"]["data"]["name"] = record["run"]["backbone"] = record["run"]["seed"] = HOSTILE
    record["run"]["recipe"][HOSTILE] = HOSTILE
    record["run"]["checkpoint"] = {"name": HOSTILE, "sha256": HOSTILE}
    record["sessions"][0]["arguments"] = [HOSTILE]
    record["sessions"][0]["software"][HOSTILE] = HOSTILE
    folder = run(record)
    signed = "metric:x`\n# y"
    model = checkpoint_identity(str(folder / "final"))
    card = model_card(folder, [bench(model, figures={HOSTILE: 0.5}, intervals={}, signature=signed)])
    parsed = ModelCard(card)
    assert parsed.data.license == "other" and "<script>" not in parsed.text
    assert "\n# y" not in card and "\nlicense: mit" not in parsed.text
    assert "[b](http" not in parsed.text
    # the front matter is one document, and its end is where the text begins
    front, text = card.split("\n---\n", 1)
    assert isinstance(yaml.safe_load(front.removeprefix("---\n")), dict) and text.lstrip().startswith("# ")
    card.encode("utf-8", "backslashreplace")


def test_a_run_of_another_model_is_refused(run, bench):
    folder = run()
    with pytest.raises(
        GiqaError, match="expected a run of the checkpoint that the card is of, found one of 'other'"
    ):
        model_card(folder, [bench({"name": "other", "sha256": "00"})])


def test_predictions_from_elsewhere_are_named_as_such(run, bench):
    card = model_card(run(), [bench({"name": "answers", "sha256": "00"}, backend="predictions")])
    assert "does not say of which checkpoint it is" in card and "0.5955" in card


def test_a_run_without_scores(run, bench):
    with pytest.raises(GiqaError, match="found no scores.json of it; run giqa bench score first"):
        model_card(run(), [bench({"name": "x", "sha256": "00"}, scored=False)])


def test_a_folder_of_no_training(tmp_path):
    with pytest.raises(
        GiqaError, match=r"expected the folder of a run that `giqa train` has made, found no run.json"
    ):
        model_card(tmp_path)


def test_writing_it(run):
    folder = run()
    (folder / "merged").mkdir()
    before = checkpoint_identity(str(folder / "final"))
    path = write_model_card(folder)
    assert path == folder / "final" / "README.md" and path.read_text() == model_card(folder)
    assert (folder / "merged" / "README.md").read_text() == path.read_text()
    assert checkpoint_identity(str(folder / "final")) == before  # the card is no part of the checkpoint


def test_every_backbone_has_its_terms():
    assert set(BACKBONES) <= set(BASE_LICENCES)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("DES mIoU", "giqa_bench_des_miou"),
        ("DES BLEU@4", "giqa_bench_des_bleu_4"),
        ("VQA Acc (W)[lexical]", "giqa_bench_vqa_acc_w_lexical"),
    ],
)
def test_identifiers_of_metrics(name, expected):
    assert metric_type(name) == expected
