"""Read an answer from the logits of its first token: which tokens a word begins with, and what the model gives them.

A score ("good" or "poor") and a Yes or No can be read this way without generating anything that might be unreadable.
The judge of the IQA-Filter and the score-based benchmark share it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from .errors import GiqaError


def word_ids(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """Find the tokens with which each of several words starts.

    These are all tokens that are the word and nothing else, in whatever case and with whatever space before it. Where a
    vocabulary has no such token, they are the first ones of the word in its usual spellings. What two of the words
    start with (a lone space, say) tells nothing and is left out.

    Args:
        tokenizer (`transformers.PreTrainedTokenizerBase`): of the model that is asked.
        words (`sequence` of `str`): at least two, such as `("Yes", "No")`.

    Returns:
        `list`: the ids of each word, sorted.

    Raises:
        `GiqaError`: when nothing is left that tells the words apart.
    """
    starts = [_starts(tokenizer, word) for word in words]
    wholes = [_whole_words(tokenizer, word) for word in words]
    shared = _shared(starts) | _shared(wholes)  # the latter for "good" and "Good", which one token may be
    found = [sorted((whole or start) - shared) for whole, start in zip(wholes, starts, strict=True)]
    if not all(found):
        quoted = [f'"{word}"' for word in words]
        raise GiqaError(
            f"{tokenizer.name_or_path}: expected a tokenizer that begins {', '.join(quoted[:-1])} and {quoted[-1]} "
            f"with different tokens, found that {'both' if len(words) == 2 else 'some'} begin with "
            f"{tokenizer.convert_ids_to_tokens(sorted(shared))}; choose another model"
        )
    return found


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


def _shared(sets: Sequence[set[int]]) -> set[int]:
    """What is in two of them."""
    return {item for i, own in enumerate(sets) for other in sets[i + 1 :] for item in own & other}


def _whole_words(tokenizer: Any, word: str) -> set[int]:
    """The tokens that are a word and nothing else."""
    return {
        token_id
        for piece, token_id in tokenizer.get_vocab().items()
        if word.lower() in piece.lower() and tokenizer.decode([token_id]).strip().lower() == word.lower()
    }


def _starts(tokenizer: Any, word: str) -> set[int]:
    """The first tokens of a word's usual spellings."""
    cases = dict.fromkeys((word, word.lower(), word.capitalize()))
    spellings = [space + case for case in cases for space in ("", " ")]
    return {tokenizer.encode(spelling, add_special_tokens=False)[0] for spelling in spellings}
