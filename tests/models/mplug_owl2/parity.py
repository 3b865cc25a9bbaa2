"""The numbers of the original code in tests/golden/mplug_owl2 (see the README there), and what is made of them."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from giqa_hf.models.mplug_owl2 import register_mplug_owl2

GOLDEN = Path(__file__).parents[2] / "golden" / "mplug_owl2"
IMAGE = 320  # the first id behind the vocabulary of 320
LOGITS, LOSS = 1e-4, 1e-5  # the original in float64 differs from itself by 2.1e-5 and 1.2e-6


@functools.cache
def stored(name: str) -> dict[str, torch.Tensor]:
    """One file of tensors."""
    return load_file(GOLDEN / f"{name}.safetensors")


def facts(name: str) -> Any:
    """One file of facts."""
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


class Case:
    """What goes into the port for one case, and what the original gave back."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.input_ids = self["expanded_input_ids"].masked_fill(self["expanded_input_ids"] == -200, IMAGE)
        self.attention_mask = self["expanded_attention_mask"]
        self.labels = self["expanded_labels"]
        self.pixel_values = stored("inputs").get(f"{name}.pixel_values")
        self.real = self.attention_mask.bool()

    def __getitem__(self, key: str) -> torch.Tensor:
        return stored("outputs")[f"{self.name}.{key}"]

    @property
    def inputs(self) -> dict[str, torch.Tensor]:
        """Arguments of the model."""
        given = {"input_ids": self.input_ids, "attention_mask": self.attention_mask}
        return given if self.pixel_values is None else given | {"pixel_values": self.pixel_values}


def old_checkpoint(folder: Path) -> Path:
    """A folder as the original's: flat config.json, old names of weights, its tables among them."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(GOLDEN / "config.json", folder / "config.json")
    shutil.copy(GOLDEN / "weights.safetensors", folder / "model.safetensors")
    return folder


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="mplug-owl2-parity-")


def load(**kwargs: Any) -> Any:
    """The model with the original's weights, from its own kind of folder."""
    from transformers import AutoModelForImageTextToText

    register_mplug_owl2()
    return AutoModelForImageTextToText.from_pretrained(old_checkpoint(Path(_folder().name)), **kwargs).eval()


def ours(key: str) -> str:
    """The name of a weight in the port, of that in the original."""
    for part in ("embed_tokens", "layers", "norm"):
        if key.startswith(f"model.{part}."):
            return f"model.language_model.{key.removeprefix('model.')}"
    return key
