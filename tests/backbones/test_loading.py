"""Load, ask, save and load again; and one sentence about what does not load."""

from __future__ import annotations

import importlib.util
import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from giqa_hf.backbones import (
    BACKBONES,
    find_backbone,
    load_backbone,
    load_backbone_processor,
    load_checkpoint,
    memory,
)
from giqa_hf.backbones.checkpoint import check_processor, load_processor
from giqa_hf.benchmark import generate
from giqa_hf.errors import GiqaError, MissingExtraError
from giqa_hf.formats import GiqaFormat, NormalizedFormat
from giqa_hf.processing import GroundingProcessorMixin
from tests.backbones.loaded import NAMES, loaded
from tests.make_tiny_backbones import tiny_backbone

LLAVA = "llava-1.5-7b"


@pytest.mark.parametrize("name", NAMES)
def test_it_answers_and_the_answer_is_read(name):
    backbone = loaded(name)
    entry = BACKBONES[name]
    assert (backbone.name, backbone.entry) == (name, entry)
    assert type(backbone.model).__name__ == entry.architecture and not backbone.model.training
    assert isinstance(backbone.processor, GroundingProcessorMixin)
    assert {weight.dtype for weight in backbone.model.parameters()} == {torch.float32}  # no accelerator here
    frozen = tuple(f"{prefix}." for prefix in entry.frozen["full"])
    trained = {key for key, weight in backbone.model.named_parameters() if weight.requires_grad}
    assert trained == {key for key, _ in backbone.model.named_parameters() if not key.startswith(frozen)}
    images = [
        Image.new("RGB", wh, "gray") for wh in ((64, 48), (30, 50))
    ]  # a batch of two sizes, left-padded
    answers = generate(backbone.model, backbone.processor, images, ["Why?", "Is it sharp?"], max_new_tokens=6)
    read = backbone.processor.post_process_grounded_generation(answers, [image.size for image in images])
    assert len(read) == 2
    # A random model writes no boxes; a text that has one comes back to the image.
    [one] = backbone.processor.post_process_grounded_generation(["A [cup](<0,399>)."], [(64, 48)])
    assert list(one.phrases) == ["cup"]
    assert one.boxes_px(64, 48).shape == (1, 4)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_again(name, tmp_path):
    backbone = loaded(name)
    backbone.model.save_pretrained(tmp_path)
    backbone.processor.save_pretrained(tmp_path)
    for model, processor in (
        load_checkpoint(str(tmp_path)),  # as the benchmark loads it
        (lambda again: (again.model, again.processor))(load_backbone(name, checkpoint=str(tmp_path))),
    ):
        assert processor.frame(640, 480) == backbone.frame(640, 480)
        assert processor.box_format == backbone.box_format
        assert processor.chat_template == backbone.processor.chat_template
        photo = Image.linear_gradient("L").resize((50, 40)).convert("RGB")
        first, second = (
            one.image_processor(images=[photo], return_tensors="pt")
            for one in (processor, backbone.processor)
        )
        assert torch.equal(first["pixel_values"], second["pixel_values"])
        for (key, saved), (key_too, had) in zip(
            model.state_dict().items(), backbone.model.state_dict().items(), strict=True
        ):
            assert key == key_too and torch.equal(saved, had), key


def test_a_tuned_checkpoint_keeps_what_it_was_tuned_with(tmp_path):
    """Its weights belong to its pictures and its boxes, whatever the entry says."""
    model, processor = load_checkpoint(str(tiny_backbone(LLAVA)))  # CLIP's centre crop
    processor.box_format = NormalizedFormat(3)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    backbone = load_backbone(LLAVA, checkpoint=str(tmp_path))
    assert backbone.box_format == NormalizedFormat(3)
    assert backbone.frame(640, 480) == processor.frame(640, 480)
    assert backbone.frame(640, 480).visible_norm[0] > 0.1
    # And the public checkpoint gets the entry's.
    assert loaded(LLAVA).box_format == GiqaFormat()


def test_giqa_tiny_comes_with_the_package():
    backbone = load_backbone("giqa-tiny")
    assert backbone.model.num_parameters() == backbone.entry.parameters
    assert backbone.identity["name"] == "giqa-tiny-base" and len(backbone.identity["sha256"]) == 64
    assert backbone.frame(640, 480).model_wh == (240, 240)


def test_options():
    given = load_backbone(
        LLAVA, checkpoint=str(tiny_backbone(LLAVA)), dtype="bfloat16", chat_template="{{ 'Q' }}"
    )
    assert given.model.dtype == torch.bfloat16
    assert (given.template, given.processor.chat_template) == ("given", "{{ 'Q' }}")
    assert find_backbone("llava-1.6-7b") is BACKBONES["llava-1.6-vicuna-7b"]


def complaint(*args, **kwargs):
    with pytest.raises(GiqaError) as error:
        load_backbone(*args, **kwargs)
    text = str(error.value)
    assert "\n" not in text and "expected" in text and ("found" in text or "got" in text) and ";" in text
    return text


def test_an_unknown_backbone():
    text = complaint("llava-2")
    assert "got 'llava-2'" in text and all(name in text for name in BACKBONES)


@pytest.mark.parametrize(
    "name, other, types",
    [
        (LLAVA, "llava-1.6-vicuna-7b", ("llava,", "llava_next ")),
        ("qwen3-vl-8b", "qwen2.5-vl-7b", ("qwen3_vl,", "qwen2_5_vl ")),
        ("mplug-owl2-7b", LLAVA, ("mplug_owl2,", "llava ")),
    ],
)
def test_a_checkpoint_of_another_model(name, other, types, monkeypatch):
    monkeypatch.setattr(
        "giqa_hf.backbones.loading.load_model", lambda *_, **__: pytest.fail("weights were read")
    )
    text = complaint(name, checkpoint=str(tiny_backbone(other)))
    assert f"model type {types[0]}" in text and f"found {types[1]}" in text


def test_too_little_memory(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda _: 4 * 2**30)
    # The entry's own checkpoint: before anything is downloaded, for the tests have no network.
    text = complaint(LLAVA)
    assert "expected 27.8 GiB" in text and "found 4.0 GiB" in text and "a smaller model" in text
    # A tiny one, by the headers of its files: it fits.
    assert load_backbone(LLAVA, checkpoint=str(tiny_backbone(LLAVA))).name == LLAVA
    monkeypatch.setattr(memory, "free_memory", lambda _: 2**16)
    monkeypatch.setattr(
        "giqa_hf.backbones.loading.load_model", lambda *_, **__: pytest.fail("weights were read")
    )
    assert "found 0.0 GiB" in complaint(LLAVA, checkpoint=str(tiny_backbone(LLAVA)))


def test_a_released_mplug_owl2(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "mplug_owl2"}')
    (tmp_path / "pytorch_model-1-of-33.bin").write_bytes(b"")
    text = complaint("mplug-owl2-7b", checkpoint=str(tmp_path))
    assert (
        "found only pickled ones" in text
        and "run  python -m giqa_hf.models.mplug_owl2.convert_mplug_owl2" in text
    )


def test_without_bitsandbytes(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "expected 4bit or 8bit, got '3bit'" in complaint(LLAVA, quantization="3bit")
    with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[qlora\]"'):
        load_backbone(LLAVA, quantization="4bit")


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(tiny_backbone(LLAVA), tmp_path / "copy"))


def test_a_checkpoint_without_a_chat_template(copied):
    (copied / "chat_template.jinja").unlink()
    with pytest.raises(
        GiqaError, match=r"copy: expected a processor with a chat template, found none; .*--chat-template"
    ):
        load_checkpoint(str(copied))
    given = load_checkpoint(str(copied), chat_template="{% for m in messages %}{{ '<image>' }}{% endfor %}")
    assert given.processor.chat_template.startswith("{% for m")
    assert load_backbone(LLAVA, checkpoint=str(copied)).template == "entry"


def test_a_tokenizer_that_cannot_pad(copied):
    path = copied / "tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"padding_side": "middle"}))
    with pytest.raises(GiqaError, match="Padding side should be"):
        load_backbone(LLAVA, checkpoint=str(copied))
    path.write_text(json.dumps({key: value for key, value in config.items() if key != "pad_token"}))
    with pytest.raises(
        GiqaError, match="expected a tokenizer with a token that fills up a batch, found none"
    ):
        load_backbone(LLAVA, checkpoint=str(copied))


def test_a_processor_without_a_padding_side():
    processor = load_processor(str(tiny_backbone(LLAVA)))
    processor.tokenizer.padding_side = None
    with pytest.raises(GiqaError, match="found the padding side None; set padding_side to left"):
        check_processor(processor, "here")


def test_the_video_half_of_qwen_is_passed_on(tmp_path):
    """Tuned here, without torchvision, a checkpoint still loads as a whole where there is one."""
    folder = Path(shutil.copytree(tiny_backbone("qwen2.5-vl-7b"), tmp_path / "copy"))
    videos = {"video_processor_type": "Qwen2VLVideoProcessor", "fps": 2.0}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(videos))
    backbone = load_backbone("qwen2.5-vl-7b", checkpoint=str(folder))
    carried = pickle.loads(pickle.dumps(backbone.processor))  # as to the worker of a data loader
    assert carried.frame(640, 480) == backbone.frame(640, 480)
    backbone.processor.save_pretrained(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved" / "processor_config.json").read_text())
    assert saved["video_processor"] == videos
    assert saved["processor_class"] == "Qwen2_5_VLProcessor"  # transformers' own
    assert saved["image_processor"]["size"] == {"shortest_edge": 200_704, "longest_edge": 1_003_520}


def test_the_processor_alone_is_that_of_the_whole():
    """Pixels, prompt and boxes as `load_backbone` gives them, without a weight read."""
    folder = str(tiny_backbone(LLAVA))
    alone, whole = (
        load_backbone_processor(LLAVA, checkpoint=folder),
        load_backbone(LLAVA, checkpoint=folder).processor,
    )
    assert alone.chat_template == whole.chat_template and alone.box_format == whole.box_format
    assert alone.frame(300, 200) == whole.frame(300, 200) and alone.frame(300, 200).model_wh[0] > 0
    with pytest.raises(GiqaError, match="expected a checkpoint of the model type mplug_owl2"):
        load_backbone_processor("mplug-owl2-7b", checkpoint=folder)
