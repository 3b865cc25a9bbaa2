"""Read an answer from the logits of its first token: which tokens a word begins with, and what the model gives them.

A score ("good" or "poor") and a Yes or No can be read this way without generating anything that might be unreadable.
The judge of the IQA-Filter and the score-based benchmark share it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from PIL import Image

from .errors import DataError


class WordTokens(NamedTuple):
    """The tokens by which each of several words is read, for a record."""

    words: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...]
    """Of each word, sorted."""
    tokens: tuple[tuple[str, ...], ...]
    """The same, as the vocabulary writes them."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"words": list(self.words), "token_ids": _lists(self.ids), "tokens": _lists(self.tokens)}

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits, for a signature."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode("ascii")).hexdigest()[:10]


def word_tokens(
    tokenizer: Any, words: Sequence[str], token_ids: Sequence[Sequence[int]] | None = None
) -> WordTokens:
    """The tokens of words by number and in writing.

    Args:
        tokenizer (`transformers.PreTrainedTokenizerBase`): of the model that is asked.
        words (`sequence` of `str`): at least two.
        token_ids (`sequence` of `sequence` of `int`, *optional*): those of each word, instead of `word_ids`.

    Raises:
        `DataError`: as `word_ids`.
    """
    ids = tuple(tuple(own) for own in token_ids or word_ids(tokenizer, words))
    return WordTokens(
        tuple(words), ids, tuple(tuple(tokenizer.convert_ids_to_tokens(list(own))) for own in ids)
    )


def word_ids(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """Find the tokens with which each of several words starts.

    Where the vocabulary has every word as one token, these are all tokens that are the word and nothing else, in
    whatever case and with whatever space before it. As soon as one word has none, first pieces are compared for all of
    them, spelling by spelling (as given, small, capitalised; with and without a space before it): whole tokens of one
    word against the beginnings of another would not be alike. A spelling counts only where its first piece tells all
    of the words: a lone space does not, nor what another word begins with too ("g", of "good" and "great").

    Args:
        tokenizer (`transformers.PreTrainedTokenizerBase`): of the model that is asked.
        words (`sequence` of `str`): at least two, such as `("Yes", "No")`.

    Returns:
        `list`: the ids of each word, sorted.

    Raises:
        `DataError`: when the first token does not tell the words apart: no spelling in the given case is left, or
            behind a space one word begins with that space alone and another does not. A model that writes the space
            would give the one word's probability to the space, and so seem to say the other.
    """
    pieces = [_first_pieces(tokenizer, word) for word in words]
    _refuse_hidden_words(tokenizer, words, pieces)
    wholes = [_whole_words(tokenizer, word) for word in words]
    shared = {item for i, own in enumerate(wholes) for other in wholes[i + 1 :] for item in own & other}
    if all(own - shared for own in wholes):  # shared: "good" and "Good", which one token may be
        return [sorted(own - shared) for own in wholes]
    telling = [
        spelling
        for spelling in pieces[0]
        if all(_tells(tokenizer, own[spelling], i, words) for i, own in enumerate(pieces))
        and len({own[spelling] for own in pieces}) == len(words)
    ]
    found = [{item for spelling in telling if (item := own[spelling]) is not None} for own in pieces]
    # A piece of two words, in one spelling of the one and another of the other.
    shared = {item for i, own in enumerate(found) for other in found[i + 1 :] for item in own & other}
    if not any(spelling.case == "given" for spelling in telling) or not all(own - shared for own in found):
        begun = sorted({item for own in pieces for item in own.values() if item is not None})
        raise _alike(
            tokenizer,
            words,
            f"that {'both' if len(words) == 2 else 'some'} begin with {tokenizer.convert_ids_to_tokens(begun)}",
        )
    return [sorted(own - shared) for own in found]


def first_token_logits(
    model: Any, processor: Any, images: Sequence[Image.Image], texts: Sequence[str], answer_start: str = ""
) -> Any:
    """The logits of the first token of each answer, from one forward pass.

    Args:
        model (`transformers.PreTrainedModel`): any `AutoModelForImageTextToText`, in evaluation mode.
        processor (`transformers.ProcessorMixin`): its processor, with a chat template.
        images (`sequence` of `PIL.Image.Image`): one upright picture each.
        texts (`sequence` of `str`): the user's words.
        answer_start (`str`, *optional*, defaults to `""`): words that the answer is taken to begin with; the token is
            the one behind them.

    Returns:
        `float64 torch.Tensor` of shape (N, vocabulary), on the CPU.
    """
    import torch

    begun: dict[str, bool] = (
        {"continue_final_message": True} if answer_start else {"add_generation_prompt": True}
    )
    inputs = processor.apply_chat_template(
        [conversation(text, image, answer_start) for text, image in zip(texts, images, strict=True)],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        # Only with the padding on the left the last place is that of the answer, for all of them.
        processor_kwargs={"padding": True, "padding_side": "left"},
        **begun,
    ).to(model.device, model.dtype)
    with torch.inference_mode():
        # `generate` gives each architecture the positions that it needs under padding; a bare forward does not.
        produced = model.generate(
            **inputs,
            max_new_tokens=1,
            do_sample=False,
            num_beams=1,
            output_logits=True,
            return_dict_in_generate=True,
        )
    return produced.logits[0].double().cpu()


def conversation(text: str, image: Image.Image, answer_start: str = "") -> list[dict[str, Any]]:
    """A user's words beside one picture, in the form that chat templates take, and the beginning of an answer."""
    content = [{"type": "image", "image": image}, {"type": "text", "text": text}]
    turns: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if answer_start:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer_start}]})
    return turns


class _Spelling(NamedTuple):
    case: Literal["given", "small", "capital"]
    after_space: bool


def _first_pieces(tokenizer: Any, word: str) -> dict[_Spelling, int | None]:
    """The first token of a word in each spelling; `None` where nothing is left of it."""
    cases: dict[Literal["given", "small", "capital"], str] = {
        "given": word,
        "small": word.lower(),
        "capital": word.capitalize(),
    }
    return {
        _Spelling(case, after_space): _first_piece(tokenizer, written, after_space)
        for case, written in cases.items()
        for after_space in (False, True)
    }


def _first_piece(tokenizer: Any, written: str, after_space: bool) -> int | None:
    """The first token of a word within a text, as answers stand.

    At the start of a text SentencePiece writes a space of its own before every word: there "Yes" is "▁Yes", and
    " Yes" may be "▁" and "▁Yes".
    """
    before, said = (":", f" {written}") if after_space else ("\n", written)
    start = tokenizer.encode(before, add_special_tokens=False)
    both = tokenizer.encode(before + said, add_special_tokens=False)
    if both[: len(start)] != start:  # the vocabulary joins the two
        start, both = [], tokenizer.encode(said, add_special_tokens=False)
    return int(both[len(start)]) if len(both) > len(start) else None


def _refuse_hidden_words(
    tokenizer: Any, words: Sequence[str], pieces: Sequence[Mapping[_Spelling, int | None]]
) -> None:
    """Raise where, behind a space, some words begin with that space alone and others do not."""
    first = [own[_Spelling("given", True)] for own in pieces]
    blank = [piece is not None and not tokenizer.decode([piece]).strip() for piece in first]
    if any(blank) and not all(blank):
        hidden, seen = blank.index(True), blank.index(False)
        written = tokenizer.convert_ids_to_tokens(
            [piece for piece in (first[hidden], first[seen]) if piece is not None]
        )
        raise _alike(
            tokenizer,
            words,
            f'that behind a space "{words[hidden]}" begins with the space alone and "{words[seen]}" does not '
            f"({', '.join(written)})",
        )


def _tells(tokenizer: Any, piece: int | None, of_word: int, words: Sequence[str]) -> bool:
    """Whether a first piece is something of its word, and not the beginning of another word too."""
    if piece is None or piece in tokenizer.all_special_ids:
        return False
    text = tokenizer.decode([piece]).strip().lower()
    return bool(text) and not any(
        other.lower().startswith(text) for i, other in enumerate(words) if i != of_word
    )


def _alike(tokenizer: Any, words: Sequence[str], found: str) -> DataError:
    quoted = [f'"{word}"' for word in words]
    return DataError(
        f"{tokenizer.name_or_path}: the first token of this model does not tell the words apart: expected a tokenizer "
        f"that begins {', '.join(quoted[:-1])} and {quoted[-1]} with different tokens, found {found}; choose another "
        "model"
    )


def _whole_words(tokenizer: Any, word: str) -> set[int]:
    """The tokens that are a word and nothing else."""
    return {
        token_id
        for piece, token_id in tokenizer.get_vocab().items()
        if word.lower() in piece.lower() and tokenizer.decode([token_id]).strip().lower() == word.lower()
    }


def _lists(values: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(value) for value in values]
