"""A giqa-tiny with random weights, smaller still, for tests: the package's own functions, fewer and narrower layers.

    python tests/make_tiny_checkpoint.py FOLDER

It is a whole checkpoint (model, tokenizer, processor, chat template) that loads and trains in a second and has learned
nothing.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from giqa_hf.builders.synth import words
from giqa_hf.models.giqa_tiny import architecture

# 25 image tokens (240 px in patches of 48), one vision layer, two text layers: about 250,000 parameters.
SMALLER = {"WIDTH": 64, "VISION_LAYERS": 1, "TEXT_LAYERS": 2, "PATCH_PX": 48, "VOCABULARY": 700}


def corpus() -> list[str]:
    """The sentence forms of giqa-synth and a few boxes."""
    values = [getattr(words, name) for name in dir(words) if name.isupper()]
    forms = [text for value in values for text in ([value] if isinstance(value, str) else value)]
    boxes = [f"The [coffee cup](<{cell},{cell + 41}>) is blurry." for cell in range(0, 350, 7)]
    return [text for text in forms if isinstance(text, str)] + boxes


def make_parts(seed: int = 0) -> tuple[Any, Any]:
    """The model and its processor."""
    import torch

    torch.manual_seed(seed)
    with mock.patch.multiple(architecture, **SMALLER):
        tokenizer = architecture.train_tokenizer(corpus())
        return architecture.make_model(tokenizer), architecture.make_processor(tokenizer)


def make_tiny_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint into a folder, which is made."""
    model, processor = make_parts(seed)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def add_words(model: Any, processor: Any, words: list[str]) -> None:
    """Give both parts whole tokens for words that the few sentences above have not merged, such as " Yes"."""
    from tokenizers import AddedToken

    processor.tokenizer.add_tokens([AddedToken(w, single_word=True, normalized=False) for w in words])
    model.resize_token_embeddings(len(processor.tokenizer), mean_resizing=False)


@functools.cache
def tiny_checkpoint() -> Path:
    """One checkpoint for all tests of this process; they only read it."""
    folder = Path(tempfile.mkdtemp(prefix="giqa-tiny-random-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_tiny_checkpoint(folder)


if __name__ == "__main__":
    print(make_tiny_checkpoint(Path(sys.argv[1])))
