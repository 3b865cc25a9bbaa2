"""A tiny BERT with random weights, for tests: it loads in a second and has learned nothing.

python tests/metrics/make_tiny_bert.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

WORDS = "the a cup coffee dog table desk old man tower candle s background water surface"


def make_tiny_bert(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint into a folder, which is made: 2 layers of width 32, and a vocabulary of whole words."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, max_position_embeddings=16, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    print(make_tiny_bert(Path(sys.argv[1])))
