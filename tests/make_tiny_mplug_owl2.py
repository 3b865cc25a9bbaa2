"""An mPLUG-Owl2 with random weights, tiny, for tests: the package's own classes, LLaMA's kind of tokenizer.

    python tests/make_tiny_mplug_owl2.py FOLDER

It is a whole checkpoint (model, tokenizer, processor, chat template) that loads and trains in a second and has learned
nothing: 56 px in patches of 14, two layers in each part, 9 positions per image, about 200,000 parameters.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

IMAGE_SIDE_PX = 56
QUERIES = 8

WORDS = [
    "USER",
    "ASSISTANT",
    "the",
    "image",
    "is",
    "are",
    "a",
    "in",
    "of",
    "quality",
    "blurry",
    "sharp",
    "noisy",
    "clean",
    "dark",
    "bright",
    "grainy",
    "overexposed",
    "underexposed",
    "and",
    "cup",
    "coffee",
    "dog",
    "cat",
    "sky",
    "tree",
    "building",
    "person",
    "face",
    "background",
    "foreground",
    "left",
    "right",
    "top",
    "bottom",
    "describe",
    "what",
    "where",
    "which",
    "how",
    "why",
    "yes",
    "no",
    "it",
    "this",
    "there",
    "very",
    "slightly",
    "severe",
    "motion",
    "blur",
    "noise",
    "compression",
    "Describe",
    "What",
    "Where",
    "Which",
    "How",
    "Why",
    "Yes",
    "No",
    "It",
    "This",
    "The",
    "Is",
    "Are",
    "Rate",
    "rate",
    "detail",
    "details",
    "color",
    "colors",
    "lighting",
    "good",
    "bad",
    "poor",
    "fair",
    "excellent",
]


def make_tokenizer() -> Any:
    """BPE over spaces written as "▁", with a token per byte for all else: LLaMA's, with a small vocabulary."""
    from transformers import LlamaTokenizer

    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2}
    for byte in range(256):
        vocabulary[f"<0x{byte:02X}>"] = len(vocabulary)
    characters = "▁" + "".join(map(chr, range(33, 127)))
    for character in characters:
        vocabulary[character] = len(vocabulary)
    merges: list[tuple[str, str]] = []
    for word in WORDS:  # each prefix of "▁word" is a piece, made of the one before and a character
        for end in range(2, len(word) + 2):
            piece = f"▁{word}"[:end]
            if piece not in vocabulary:
                vocabulary[piece] = len(vocabulary)
                merges.append((piece[:-1], piece[-1]))
    return LlamaTokenizer(vocab=vocabulary, merges=merges, model_max_length=1024)


def make_config(vocabulary: int) -> Any:
    """The sizes."""
    from giqa_hf.models.mplug_owl2 import MPLUGOwl2Config

    return MPLUGOwl2Config(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": 64,
            "intermediate_size": 112,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 1024,
            "rms_norm_eps": 1e-5,
            "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 48,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "image_size": IMAGE_SIDE_PX,
        },
        abstractor_config={
            "num_learnable_queries": QUERIES,
            "hidden_size": 48,
            "encoder_hidden_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 40,
        },
    )


def make_parts(seed: int = 0) -> tuple[Any, Any]:
    """The model and its processor."""
    import torch

    from giqa_hf.models.mplug_owl2 import (
        MPLUGOwl2ForConditionalGeneration,
        MPLUGOwl2ImageProcessor,
        MPLUGOwl2Processor,
    )

    torch.manual_seed(seed)
    tokenizer = make_tokenizer()
    config = make_config(len(tokenizer))
    image_processor = MPLUGOwl2ImageProcessor(size=IMAGE_SIDE_PX, crop_size=IMAGE_SIDE_PX)
    processor = MPLUGOwl2Processor(image_processor, tokenizer, num_image_tokens=config.image_seq_length)
    assert processor.image_token_id == config.image_token_id
    return MPLUGOwl2ForConditionalGeneration(config), processor


def make_tiny_mplug_owl2(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint into a folder, which is made."""
    model, processor = make_parts(seed)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@functools.cache
def tiny_mplug_owl2() -> Path:
    """One checkpoint for all tests of this process; they only read it."""
    folder = Path(tempfile.mkdtemp(prefix="mplug-owl2-random-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_tiny_mplug_owl2(folder)


if __name__ == "__main__":
    print(make_tiny_mplug_owl2(Path(sys.argv[1])))
