"""Checkpoints of all sorts: what loads, and one sentence about what does not."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from giqa_hf.backbones import load_checkpoint
from giqa_hf.errors import GiqaError, MissingExtraError
from giqa_hf.processing import GroundingProcessorMixin
from tests.make_tiny_checkpoint import tiny_checkpoint

EMBEDDINGS = "language_model.model.embed_tokens.weight"


def complaint(name_or_path):
    with pytest.raises(GiqaError) as error:
        load_checkpoint(str(name_or_path))
    text = str(error.value)
    assert (
        "\n" not in text and text.startswith(f"{name_or_path}: expected ") and "found" in text and ";" in text
    )
    return text


@pytest.fixture
def copied(tmp_path):
    return Path(shutil.copytree(tiny_checkpoint(), tmp_path / "copy"))


def test_a_checkpoint_with_its_processor(copied):
    model, processor = load_checkpoint(str(copied))
    assert isinstance(processor, GroundingProcessorMixin) and not model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    stored = load_file(copied / "model.safetensors")[EMBEDDINGS]
    assert torch.equal(stored, model.get_input_embeddings().weight)


def test_half_precision_is_loaded_as_float32(copied):
    path = copied / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path, {"format": "pt"})
    assert load_checkpoint(str(copied)).model.dtype == torch.float32


def test_a_path_below_the_home_folder(copied, monkeypatch):
    monkeypatch.setenv("HOME", str(copied.parent))
    assert load_checkpoint("~/copy").model is not None


class Bomb:
    """Unpickled it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def pickled(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(folder / "exploded")))


def without_weights(folder):
    (folder / "model.safetensors").unlink()


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])


def half_of_them(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file({name: tensors[name] for name in tensors if "vision" not in name}, path, {"format": "pt"})


def other_shape(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {EMBEDDINGS: tensors[EMBEDDINGS][:7].clone()}, path, {"format": "pt"})


def change(name, **entries):
    def edit(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | entries))

    return edit


def remove(*names):
    def edit(folder):
        for name in names:
            (folder / name).unlink()

    return edit


def broken_json(folder):
    (folder / "config.json").write_text("{not json")


def remote_code(folder):
    (folder / "custom.py").write_text(f"open({str(folder / 'exploded')!r}, 'w')\n")
    auto = {"AutoConfig": "custom.Config", "AutoModelForImageTextToText": "custom.Model"}
    change("config.json", model_type="custom", auto_map=auto)(folder)


DAMAGES = {
    "pickled weights only": (pickled, "found only pickled ones, which can run any code"),
    "no weights": (without_weights, "expected weights as *.safetensors, found none"),
    "weights cut short": (cut, "does not load"),
    "weights of half the model": (half_of_them, "tensors, such as model.vision_tower"),
    "a tensor of another shape": (
        other_shape,
        "for 1 of its tensors, such as model.language_model.embed_tokens",
    ),
    "no config": (remove("config.json"), "found no config.json"),
    "a config that is no JSON": (broken_json, "does not load"),
    "a language model": (change("config.json", model_type="llama"), "does not load"),
    "an unknown model": (change("config.json", model_type="nobody"), "does not load"),
    "code of its own": (remote_code, "does not load"),
    "no tokenizer": (remove("tokenizer.json", "tokenizer_config.json"), "does not load"),
    "no chat template": (remove("chat_template.jinja"), "chat"),
    "no processor": (remove("processor_config.json"), "does not load"),
    "a frame nobody knows": (
        change("processor_config.json", image_processor={"image_processor_type": "PixtralImageProcessor"}),
        "Frame.from_processor",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint(copied, damage):
    spoil, words = DAMAGES[damage]
    spoil(copied)
    assert words in complaint(copied)
    assert not (copied / "exploded").exists()  # neither pickles nor code of the checkpoint have run


def test_pickles_beside_safetensors_are_not_opened(copied):
    (copied / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(copied / "exploded")))
    assert load_checkpoint(str(copied)).model is not None and not (copied / "exploded").exists()


def test_places_without_a_checkpoint(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "found no such folder" in complaint(tmp_path / "nothing")
    assert "found a file" in complaint(tmp_path / "file")
    assert "found no config.json" in complaint(tmp_path)  # an empty folder
    assert "found no such folder" in complaint("./nothing")
    assert "found no such folder" in complaint("https://huggingface.co/a/b")


def test_a_hub_id_while_offline():
    """tests/conftest.py sets HF_HUB_OFFLINE."""
    assert "the Hub cannot be reached" in complaint("nobody/nothing")


def test_a_hub_id_without_a_network(tmp_path):
    """One try and one sentence: transformers alone tries for a minute, and says so twelve times."""
    code = (
        "from giqa_hf.backbones import load_checkpoint\n"
        "import huggingface_hub.utils._http as http\n"
        "tries = []\n"
        "send = http.httpx2.Client.send if hasattr(http, 'httpx2') else http.httpx.Client.send\n"
        "client = http.httpx2.Client if hasattr(http, 'httpx2') else http.httpx.Client\n"
        "def counted(self, *a, **k):\n"
        "    tries.append(a)\n"
        "    return send(self, *a, **k)\n"
        "client.send = counted\n"
        "try: load_checkpoint('nobody/nothing')\n"
        "except Exception as error: print(len(tries), type(error).__name__, error)\n"
    )
    environment = {name: value for name, value in os.environ.items() if "OFFLINE" not in name}
    environment |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)}  # port 9: nobody listens
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert run.stdout.startswith("1 GiqaError nobody/nothing: expected a folder of that name"), run.stderr
    assert run.stderr == ""


def test_a_copy_in_the_cache_is_taken_while_offline(tmp_path, monkeypatch):
    """The layout of huggingface_hub's cache: refs/main names the snapshot."""
    import huggingface_hub

    repo = tmp_path / "models--somebody--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("0" * 40)
    shutil.copytree(tiny_checkpoint(), repo / "snapshots" / ("0" * 40))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert load_checkpoint("somebody/tiny").processor.image_token == "<image>"


def test_without_torch_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r'pip install "giqa-hf\[models\]"'):
        load_checkpoint(str(tiny_checkpoint()))


def test_an_adapter_is_named_as_such(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(
        GiqaError, match=r"expected the folder of a whole model, found an adapter; .* --merge"
    ):
        load_checkpoint(str(tmp_path))
