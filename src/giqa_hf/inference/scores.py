"""A score per box, from the probabilities of the tokens that hold its numbers.

A format's brackets, tags and names follow from its grammar, and their tokens have probabilities near 1 whatever the
place, so only the numbers count. The mean is geometric: the probability of the numbers as a whole, freed from how many
tokens they take, so that a single digit that the model doubted weighs as it should (the box is elsewhere if it is
wrong), and formats of two and of four numbers are on one scale.

Which number belongs to which box is asked of the format itself, for all formats alike: a number is a box's own if
another number in its place moves this box and no other. A number is all of it, with its sign and its decimal point.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..benchmark.generate import Said, marks_are_special
from ..boxes import Boxes
from ..formats import placed
from ..thoughts import spoken

_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LEADING = re.compile("[1-9]")
MOST_TOKENS = 1024
"""Of an answer that is scored: the work grows with their square, and what is longer is a model that goes round."""


def box_scores(said: Said, processor: Any, image_wh: tuple[int, int]) -> tuple[float | None, ...]:
    """The geometric mean of the probabilities of each box's tokens, 0..1.

    Args:
        said (`Said`): an answer with its tokens, from `generate_batches(..., probabilities=True)`.
        processor (`transformers.ProcessorMixin`): with `GroundingProcessorMixin`, which wrote the answer's tokens.
        image_wh (`tuple` of two `int`): size of the upright picture in pixels.

    Returns:
        `tuple`: in the boxes' reading order; `None` for a box whose numbers cannot be told from its neighbours', and
        for all boxes of an answer without tokens or with more than `MOST_TOKENS`.
    """
    box_format, _ = placed(processor.box_format, processor.frame(*image_wh))

    def read(text: str) -> Boxes:
        return box_format.read(spoken(text).text).boxes_norm

    boxes = read(said.text)
    if not len(boxes) or not said.tokens or len(said.tokens) > MOST_TOKENS:
        return (None,) * len(boxes)
    ends = _token_ends(said, processor)
    of_box: list[set[int]] = [set() for _ in boxes]
    for start, end, box in _numbers(said.text, boxes, read):
        begins = 0
        for token, token_end in enumerate(ends):
            if begins < end and token_end > start:
                of_box[box].add(token)
            begins = token_end
    return tuple(_mean([said.tokens[token].log_probability for token in own]) for own in of_box)


def _numbers(text: str, boxes: Boxes, read: Callable[[str], Boxes]) -> Iterator[tuple[int, int, int]]:
    """Each number of a box: where it starts and ends in the text, and the row of the box."""
    for match in _NUMBER.finditer(text):
        for other in _others(match[0]):
            moved = read(f"{text[: match.start()]}{other}{text[match.end() :]}")
            if moved.shape == boxes.shape and (rows := (moved != boxes).any(axis=1)).sum() == 1:
                yield match.start(), match.end(), int(rows.argmax())
                break


def _others(number: str) -> Iterator[str]:
    """At most two numbers of the same width, of which one lies elsewhere on any scale that has more than one step.

    A smaller leading digit takes away between a tenth and all of a number. So it is in range where the number is, and
    lies elsewhere even if the number was moved onto the far rim. What it leaves alone, 0 and what is moved onto the
    near rim, differs from a last digit further up.
    """
    plain = number.replace("-", "+")  # what is below 0 is moved to 0, whatever its digits
    if leading := _LEADING.search(plain):
        at = leading.start()
        yield f"{plain[:at]}{int(plain[at]) - 1}{plain[at + 1 :]}"
    last = int(plain[-1])
    yield f"{plain[:-1]}{last + 1 if last < 9 else last - 1}"


def _token_ends(said: Said, processor: Any) -> list[int]:
    """Where each token ends in the text, in characters."""
    keep = marks_are_special(processor.box_format)
    ids = [token.id for token in said.tokens]

    def decoded(count: int) -> str:
        text: str = processor.tokenizer.decode(ids[:count], skip_special_tokens=not keep)
        return text

    whole = decoded(len(ids))
    cut = len(whole) - len(whole.lstrip())  # as the text itself was
    return [_shared(decoded(count), whole) - cut for count in range(1, len(ids) + 1)]


def _shared(text: str, whole: str) -> int:
    """How many characters two texts begin with alike; the last one of `text` may be the half of one."""
    if whole.startswith(text):
        return len(text)
    return next(place for place, pair in enumerate(zip(text, whole, strict=False)) if pair[0] != pair[1])


def _mean(log_probabilities: Sequence[float]) -> float | None:
    if not log_probabilities:
        return None
    return min(1.0, math.exp(sum(log_probabilities) / len(log_probabilities)))
