"""Checkpoints that cannot be used, each with one sentence."""

from __future__ import annotations

import json
import shutil

import pytest

from giqa_hf.annotation.detection.grounding_dino import GroundingDinoDetector
from giqa_hf.annotation.detection.loading import load_detector
from giqa_hf.annotation.detection.owlv2 import Owlv2Detector
from giqa_hf.errors import GiqaError, MissingExtraError
from tests.make_tiny_detector import tiny_detector

KINDS = ("grounding-dino", "mm-grounding-dino")


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(tiny_detector("grounding_dino"), tmp_path / "detector")


def load(folder, kinds=KINDS):
    return load_detector(str(folder), None, kinds, "float32", "cpu")


def test_a_whole_checkpoint(folder):
    model, images, tokenizer = load(folder)
    assert type(model).__name__ == "GroundingDinoForObjectDetection" and not model.training
    assert type(images).__name__ == "GroundingDinoImageProcessorPil"  # never torchvision's
    assert tokenizer("the sky").input_ids == [101, 1030, 1032, 102]


def test_its_number_format():
    assert (
        str(load_detector(str(tiny_detector("owlv2")), None, ("owlv2",), "bfloat16", "cpu").model.dtype)
        == "torch.bfloat16"
    )


def test_no_such_checkpoint(tmp_path):
    with pytest.raises(
        GiqaError, match=r"nowhere: expected the checkpoint of a detector.*found one that does not load"
    ):
        load(tmp_path / "nowhere")


def test_weights_are_never_unpickled(folder):
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(GiqaError, match="does not load"):
        load(folder)


def test_no_code_of_the_checkpoint_runs(folder):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text("raise SystemExit('ran')")
    with pytest.raises(GiqaError, match="does not load"):
        load(folder)


def test_a_tensor_is_missing(folder):
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    del state["model.text_projection.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        GiqaError, match="found none that fit for 1 of its tensors, such as model.text_projection.weight"
    ):
        load(folder)


@pytest.mark.parametrize(
    "detector, kind, expected",
    [
        (
            GroundingDinoDetector,
            "owlv2",
            "grounding-dino or mm-grounding-dino, found a model of the kind owlv2",
        ),
        (Owlv2Detector, "grounding_dino", "kind owlv2, found a model of the kind grounding-dino"),
    ],
)
def test_another_kind_of_detector(detector, kind, expected, photo):
    with pytest.raises(GiqaError, match=expected):
        detector(str(tiny_detector(kind))).detect([photo], ["sky"])


def test_a_tokenizer_with_other_ids_is_refused(folder, photo):
    """transformers masks the text by the ids of bert-base-uncased: with others boxes would be silently wrong."""
    from transformers import BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "sky"]
    BertTokenizer(vocab={word: number for number, word in enumerate(words)}).save_pretrained(folder)
    with pytest.raises(
        GiqaError, match=r"expected the ids of bert-base-uncased.*'\[CLS\]': 101.*found.*'\[CLS\]': 2"
    ):
        GroundingDinoDetector(str(folder)).detect([photo], ["sky"])


def test_without_transformers(folder, monkeypatch):
    monkeypatch.setitem(
        __import__("sys").modules, "transformers", None
    )  # what an import finds that is not installed
    with pytest.raises(MissingExtraError, match=r'needs the extra "models"'):
        load(folder)
