"""A tiny Llama chat model with random weights, for tests: it loads in a second and writes nonsense.

    python tests/make_tiny_llm.py FOLDER

Tokens are bytes, so any text can be written, and the chat template has the roles system, user and assistant.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

BOS, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
SPECIAL = (PAD, BOS, END, "<|system|>", "<|user|>", "<|assistant|>")
# A real model ends its answers. This one has so many tokens to end with that an answer is about eight tokens long.
STOPS = tuple(f"<|stop_{number}|>" for number in range(32))
CONTEXT = 2048  # tokens; about a page of text, since each byte is one
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_tokenizer() -> Any:
    """A token for each byte, and the special ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *STOPS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=END,
        pad_token=PAD,
        extra_special_tokens=[*SPECIAL[3:], *STOPS],
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def make_tiny_llm(folder: Path, seed: int = 0) -> Path:
    """Write the checkpoint into a folder, which is made."""
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer()
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.4,  # large, so that an answer depends on every token before it
    )
    model = LlamaForCausalLM(config)
    # Like real ones it samples unless it is told not to.
    ends = [tokenizer.eos_token_id, *tokenizer.convert_tokens_to_ids(list(STOPS))]
    model.generation_config = GenerationConfig(
        do_sample=True,
        temperature=0.9,
        top_p=0.95,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=ends,
        pad_token_id=tokenizer.pad_token_id,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@functools.cache
def tiny_llm() -> Path:
    """One checkpoint for all tests of this process; they only read it."""
    folder = Path(tempfile.mkdtemp(prefix="giqa-tiny-llm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return make_tiny_llm(folder)


if __name__ == "__main__":
    print(make_tiny_llm(Path(sys.argv[1])))
