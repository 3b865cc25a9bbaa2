"""LLaMA's tokenizer as mPLUG-Owl2 was trained with it, whichever files a checkpoint has of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers
from transformers import LlamaTokenizer, PreTrainedTokenizerFast

from .sentencepiece_vocabulary import read_vocabulary


def make_as_trained(tokenizer: Any) -> None:
    """Change a tokenizer to what LLaMA's was in training: `<s>` in front, `<unk>` as padding, old spaces.

    Text behind a special token began with a space piece. transformers 5 does so at the start of a prompt only; its
    `legacy` flag, which says otherwise, is not saved. A tokenizer without such pieces keeps its own rules.
    """
    backend = tokenizer.backend_tokenizer
    normalizer = backend.normalizer
    prepends = normalizer is not None and normalizer.normalize_str("a b") == "▁a▁b"
    if prepends:  # tokenizer.json as transformers 4 wrote it: puts a second space before one that is there
        backend.normalizer = None
    if prepends or isinstance(backend.pre_tokenizer, pre_tokenizers.Metaspace):
        backend.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always", split=False)
    if tokenizer.bos_token is not None and not tokenizer.add_bos_token:
        tokenizer.add_bos_token = True
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token


def from_sentencepiece(path: Path, **kwargs: Any) -> Any:
    """LLaMA's tokenizer out of its tokenizer.model, for which transformers would ask for sentencepiece."""
    vocabulary = read_vocabulary(path)
    return _literal(LlamaTokenizer(vocab=vocabulary.ids, merges=vocabulary.merges), **kwargs)


def from_folder(folder: Path, **kwargs: Any) -> Any:
    """LLaMA's tokenizer out of a folder with a tokenizer.json."""
    return _literal(LlamaTokenizer.from_pretrained(folder), **kwargs)


def _literal(llama: Any, **kwargs: Any) -> Any:
    """One that is loaded as it was saved; `LlamaTokenizer` makes its own rules for spaces anew."""
    return PreTrainedTokenizerFast(
        tokenizer_object=llama.backend_tokenizer,
        unk_token=llama.unk_token,
        bos_token=llama.bos_token,
        eos_token=llama.eos_token,
        add_bos_token=True,
        clean_up_tokenization_spaces=False,
        **kwargs,
    )
