"""A checkpoint in the form of the released one: pickled shards, flat config.json, tokenizer.model."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from giqa_hf.errors import DataError, GiqaError
from giqa_hf.models.mplug_owl2 import CHAT_TEMPLATES, convert_checkpoint, register_mplug_owl2
from giqa_hf.models.mplug_owl2.convert_mplug_owl2 import main
from giqa_hf.models.mplug_owl2.sentencepiece_vocabulary import read_vocabulary
from tests.make_tiny_mplug_owl2 import make_tokenizer
from tests.models.mplug_owl2.parity import GOLDEN, Case, facts, stored

register_mplug_owl2()
PROMPT = "USER: Describe the image, e.g. a cup.</s>USER: Is it blurry? é ASSISTANT:"


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number, value):
    """A field of a protobuf message that holds bytes."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def tokenizer_model():
    """The tiny tokenizer as sentencepiece writes one: text, score and, unless 1, type of each piece."""
    vocabulary = sorted(make_tokenizer().get_vocab().items(), key=lambda entry: entry[1])
    written = b""
    for text, index in vocabulary:
        kind = 2 if index == 0 else 3 if index < 3 else 6 if index < 259 else 1
        score = struct.pack("<f", -float(index) if kind == 1 else 0.0)
        piece = field(1, text.encode()) + varint(2 << 3 | 5) + score
        written += field(1, piece + (varint(3 << 3) + varint(kind) if kind != 1 else b""))
    return written + field(2, b"\x08\x01")  # the trainer's settings, which are skipped


@pytest.fixture
def released(tmp_path):
    """Two pickled shards, the original's tables among them."""
    folder = tmp_path / "released"
    folder.mkdir()
    vocabulary = len(make_tokenizer())
    weights = dict(stored("weights"))
    for key in ("model.embed_tokens.weight", "lm_head.weight"):  # the tiny tokenizer has more tokens than 320
        weights[key] = torch.cat([weights[key]] * 3)[:vocabulary]
    names = sorted(weights)
    places = {name: f"pytorch_model-{1 + (place % 2)}-of-2.bin" for place, name in enumerate(names)}
    for shard in set(places.values()):
        torch.save({name: weights[name] for name in names if places[name] == shard}, folder / shard)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / "config.json").write_text(json.dumps(facts("config") | {"vocab_size": vocabulary}))
    image = facts("preprocess")["processor"] | {"size": 56, "crop_size": 56}
    (folder / "preprocessor_config.json").write_text(
        json.dumps(image | {"feature_extractor_type": "CLIPFeatureExtractor"})
    )
    (folder / "tokenizer.model").write_bytes(tokenizer_model())
    return folder


def test_converted(released, tmp_path):
    target = convert_checkpoint(released, tmp_path / "new")
    assert sorted(path.name for path in target.iterdir()) == [
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
        "model.safetensors.index.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    model, report = AutoModelForImageTextToText.from_pretrained(target, output_loading_info=True)
    assert not any(report.values())
    processor = AutoProcessor.from_pretrained(target)
    assert processor.image_token_id == model.config.image_token_id == len(make_tokenizer())
    assert model.generation_config.pad_token_id == 0 and model.generation_config.eos_token_id == 2
    assert processor.image_processor.image_aspect_ratio == "pad" and processor.num_image_tokens == 9
    assert processor.chat_template == CHAT_TEMPLATES["mplug_owl2"]
    case = Case("single")
    ids = case.input_ids.masked_fill(case.input_ids == 320, processor.image_token_id)
    logits = model.eval()(input_ids=ids, pixel_values=case.pixel_values).logits
    torch.testing.assert_close(logits[..., :320], case["logits"], atol=1e-4, rtol=0)


def test_the_tokenizer_is_the_same_from_either_file_and_without_the_processor(released, tmp_path):
    from giqa_hf.models.mplug_owl2 import MPLUGOwl2ImageProcessor, MPLUGOwl2Processor

    expected = MPLUGOwl2Processor(MPLUGOwl2ImageProcessor(), make_tokenizer())(text=PROMPT)["input_ids"][0]
    target = convert_checkpoint(released, tmp_path / "new")
    assert AutoProcessor.from_pretrained(target)(text=PROMPT)["input_ids"][0] == expected
    assert (
        AutoTokenizer.from_pretrained(target)(PROMPT).input_ids == expected
    )  # nothing of it is made anew on loading
    make_tokenizer().save_pretrained(released)  # a tokenizer.json now goes first
    (released / "tokenizer.model").unlink()
    other = convert_checkpoint(released, tmp_path / "other")
    assert AutoProcessor.from_pretrained(other)(text=PROMPT)["input_ids"][0] == expected


def test_the_released_folder_itself_has_a_processor_that_pads(released):
    """Without sentencepiece, and though its file says CLIP."""
    processor = AutoProcessor.from_pretrained(released, num_image_tokens=9)
    assert processor.image_processor.image_aspect_ratio == "pad"
    assert processor(text=PROMPT)["input_ids"][0][:3] == make_tokenizer().convert_tokens_to_ids(
        ["<s>", "▁USER", ":"]
    )
    assert type(processor).__name__ == "MPLUGOwl2Processor"


def test_command_line(released, tmp_path, capsys):
    (released / "preprocessor_config.json").unlink()  # what a fine-tuning writes has none
    main(
        [
            str(released),
            str(tmp_path / "new"),
            "--image-aspect-ratio",
            "resize",
            "--chat-template",
            "vicuna_v1",
        ]
    )
    assert capsys.readouterr().out.strip() == str(tmp_path / "new")
    processor = AutoProcessor.from_pretrained(tmp_path / "new")
    assert processor.image_processor.image_aspect_ratio == "resize"
    assert dict(processor.image_processor.crop_size) == {"height": 56, "width": 56}
    assert processor.chat_template == CHAT_TEMPLATES["vicuna_v1"]
    with pytest.raises(SystemExit, match="2"):
        main([str(released), str(tmp_path / "new")])
    assert "expected a new or an empty folder" in capsys.readouterr().err


def test_one_file_of_safetensors(released, tmp_path):
    for path in released.glob("pytorch_model*"):
        path.unlink()
    shutil.copy(GOLDEN / "weights.safetensors", released / "model.safetensors")
    config = json.loads((released / "config.json").read_text())
    (released / "config.json").write_text(json.dumps(config | {"vocab_size": 320}))
    with pytest.raises(DataError, match="image token became its number|expected a tokenizer"):
        # 655 tokens and a vocabulary of 320 would fit, a tokenizer of fewer than the vocabulary does not
        (released / "config.json").write_text(json.dumps(config | {"vocab_size": 1000}))
        convert_checkpoint(released, tmp_path / "new")
    (released / "config.json").write_text(json.dumps(config | {"vocab_size": 320}))
    target = convert_checkpoint(released, tmp_path / "new")
    written = load_file(target / "model.safetensors")
    assert not any(key.endswith(("_pos_embed", "inv_freq")) for key in written)
    assert all(torch.equal(value, stored("weights")[key]) for key, value in written.items())


class _Harmful:
    def __reduce__(self):
        return os.system, ("true",)


def drop_shard(folder):
    (folder / "pytorch_model-2-of-2.bin").unlink()


def drop_weight(folder):
    path = folder / "pytorch_model-1-of-2.bin"
    weights = torch.load(path, weights_only=True)
    weights.pop("lm_head.weight", None)
    torch.save(dict(list(weights.items())[1:]), path)


def reshape_weight(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 113}))


def put_code(folder):
    with (folder / "pytorch_model-1-of-2.bin").open("wb") as file:
        pickle.dump({"model.norm.weight": _Harmful()}, file)


def put_llava(folder):
    (folder / "config.json").write_text('{"model_type": "llava"}')


@pytest.mark.parametrize(
    "spoil, message",
    [
        (drop_shard, r"expected the 2 files of pytorch_model.bin.index.json, found no pytorch_model-2"),
        (drop_weight, "missing are"),
        (reshape_weight, r"to be \(.*113.*\), as config.json says, found"),
        (put_code, "expected weights alone"),
        (put_llava, "expected model_type 'mplug_owl2', found 'llava'"),
        (lambda folder: (folder / "config.json").unlink(), "found no config.json"),
        (lambda folder: (folder / "tokenizer.model").unlink(), "expected tokenizer.json or tokenizer.model"),
        (lambda folder: (folder / "tokenizer.model").write_bytes(b"\x0b"), "expected a sentencepiece model"),
        (lambda folder: (folder / "tokenizer.model").write_bytes(b""), "found no pieces"),
        (lambda folder: [path.unlink() for path in folder.glob("pytorch_model*")], "found none of them"),
    ],
)
def test_what_cannot_be_converted_is_said_and_leaves_nothing(released, tmp_path, spoil, message):
    spoil(released)
    with pytest.raises(GiqaError, match=message):
        convert_checkpoint(released, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["released"]


def test_vocabulary(tmp_path):
    """Merges by score, the best first; marks and bytes are not made of other pieces."""
    path = tmp_path / "tokenizer.model"

    def piece(text, score, kind=1):
        return field(
            1, field(1, text.encode()) + varint(21) + struct.pack("<f", score) + varint(24) + varint(kind)
        )

    entries = [
        ("<unk>", 0, 2),
        ("<s>", 0, 3),
        ("<", -9),
        ("s", -9),
        (">", -9),
        ("<s", -9),
        ("ss", -2),
        ("s>", -1),
    ]
    path.write_bytes(b"".join(piece(*entry) for entry in entries))
    vocabulary = read_vocabulary(path)
    assert list(vocabulary.ids) == [entry[0] for entry in entries]
    # "<s>" is a mark: neither "<" + "s>" nor "<s" + ">" makes it
    assert vocabulary.merges == [("s", ">"), ("s", "s"), ("<", "s")]
