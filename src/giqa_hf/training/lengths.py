"""How many tokens each sample has, counted before a training starts, so that none is too long in the middle of it.

Nothing is ever truncated: a cut would fall into the answer, or into the places of the picture.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from ..errors import DataError
from ..files import write_json

_AT_ONCE = 500
_SHOWN = 5


class TooLong(NamedTuple):
    """A sample that the model cannot take."""

    place: int
    id: str
    tokens: int


def count_tokens(
    conversations: Any,
    sizes: Sequence[tuple[int, int]],
    processor: Any,
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[int]:
    """The tokens of each sample as TRL's collator will make it: prompt, picture, answer.

    No picture is decoded. How many tokens one takes is a matter of its size alone, and is asked of the processor with a
    blank picture, once for each size that occurs.

    Args:
        conversations (`datasets.Dataset`): made by `to_conversations`.
        sizes (`sequence` of `tuple`): width and height of each row's picture.
        processor (`ProcessorMixin`): of the model.
        cache (`Path`, *optional*): a folder that keeps the counts, a file for all that they depend on.
        progress (`callable`, *optional*): called with the number done and the number of all.

    Returns:
        `list` of `int`
    """
    from trl.data_utils import apply_chat_template, prepare_multimodal_messages

    path = None if cache is None else cache / f"{_key(conversations, sizes, processor)}.json"
    if path is not None and path.exists():
        return list(json.loads(path.read_text(encoding="utf-8")))
    texts = conversations.select_columns(["prompt", "completion"])
    lengths: list[int] = []
    pictures: dict[tuple[int, int], int] = {}
    for start in range(0, len(texts), _AT_ONCE):
        batch = texts[start : start + _AT_ONCE]
        rendered = [
            apply_chat_template(
                {
                    "prompt": prepare_multimodal_messages(prompt, images=[None]),
                    "completion": prepare_multimodal_messages(completion),
                },
                processor,
            )
            for prompt, completion in zip(batch["prompt"], batch["completion"], strict=True)
        ]
        asked, answered = (
            processor.tokenizer([row[name] for row in rendered], add_special_tokens=False).input_ids
            for name in ("prompt", "completion")
        )
        for row, prompt, completion, size in zip(
            rendered, asked, answered, sizes[start : start + _AT_ONCE], strict=True
        ):
            if size not in pictures:
                pictures[size] = _picture_tokens(processor, row["prompt"], len(prompt), size)
            lengths.append(len(prompt) + len(completion) + pictures[size])
        if progress:
            progress(len(lengths), len(texts))
    if path is not None:
        write_json(path, lengths, indent=None)
    return lengths


def find_too_long(lengths: Sequence[int], ids: Sequence[str], most: int) -> list[TooLong]:
    """The samples with more than `most` tokens, the longest first."""
    found = [TooLong(place, ids[place], tokens) for place, tokens in enumerate(lengths) if tokens > most]
    return sorted(found, key=lambda sample: (-sample.tokens, sample.place))


def refuse_too_long(found: Sequence[TooLong], most: int) -> None:
    """Tell of samples that are too long.

    Raises:
        `DataError`: when there are any; it names the longest.
    """
    if found:
        told = ", ".join(f"{sample.id} ({sample.tokens})" for sample in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise DataError(
            f"data: expected samples of at most {most} tokens, found {len(found)} longer: {told}{more}; leave them out "
            "with --drop-too-long, or let the pictures take fewer tokens"
        )


def _picture_tokens(processor: Any, prompt: str, without: int, size: tuple[int, int]) -> int:
    """What a picture of that size adds to the tokens of a prompt that holds its placeholder."""
    blank = Image.new("RGB", size)
    ids = processor(images=[[blank]], text=[prompt], add_special_tokens=False).input_ids
    return len(ids[0]) - without


def _key(conversations: Any, sizes: Sequence[tuple[int, int]], processor: Any) -> str:
    """A digest of all that the counts depend on."""
    whole = hashlib.sha256(
        json.dumps([processor.to_dict(), processor.chat_template], sort_keys=True, default=str).encode()
    )
    whole.update(processor.tokenizer.backend_tokenizer.to_str().encode())
    for turns, size in zip(_texts(conversations), sizes, strict=True):
        whole.update(json.dumps([turns, size]).encode())
    return whole.hexdigest()


def fingerprint(conversations: Any) -> str:
    """SHA-256 of the rendered rows, in their order: ids, prompts, answers."""
    whole = hashlib.sha256()
    for row_id, turns in zip(conversations["id"], _texts(conversations), strict=True):
        whole.update(json.dumps([row_id, turns]).encode() + b"\n")
    return whole.hexdigest()


def _texts(conversations: Any) -> Any:
    """Prompt and answer of each row."""
    for prompt, completion in zip(conversations["prompt"], conversations["completion"], strict=True):
        yield prompt[0]["content"], completion[0]["content"]
