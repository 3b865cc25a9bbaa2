r"""Texts that end in a list of labels with boxes: Qwen2.5-VL, Qwen3-VL, PaliGemma, Florence-2.

Such a form ties a box to a label and knows no place in a sentence. So the words stand first and the list below
them, on a line of its own; without words (`words=False`, or a model that writes none) the list stands alone.

**Reading.** One region per label: boxes of the same label, wherever they stand in the list, are its boxes. The
phrase is looked for in the words, at the first place that no label before it has taken, and a label that is
not found is put behind them. A list without words gives the labels with commas between them as its text.

**Lost.** Where a phrase stands in the words, if the same characters stand earlier too; that two phrases of the
same words were two; a phrase without boxes.

White space and the marks of the list at the end of the words are no part of them; where they are to stay, a
backslash stands behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..grounded_text import GroundedText, Issue
from ._bracketed import Verdict
from ._scale import region_of

_MOST_SOUGHT = 200  # labels; the others are put behind the words, lest the search take a multiple of the text


class Entry(NamedTuple):
    """A line of the list."""

    label: str
    verdicts: list[Verdict]


def write_listed(
    grounded: GroundedText,
    listed: str,
    *,
    words: bool,
    escape: Callable[[str], str],
    rim: Callable[[str], str],
) -> str:
    """The words and the list.

    Args:
        grounded (`GroundedText`): what is written.
        listed (`str`): the list; empty where no region has a box.
        words (`bool`): whether to write the words.
        escape (`Callable`): the words as they are written.
        rim (`Callable`): what the reader takes for the words, of the words with what stands before the list.
    """
    if not listed:
        return escape(grounded.text)
    if not words or not grounded.text:
        return listed
    text = escape(grounded.text)
    if rim(text) != text or text.endswith("\\"):
        text += "\\"
    return f"{text}\n{listed}"


def before_list(text: str) -> str:
    """The words, of which the rim is gone already, without the backslash that kept it."""
    return text[:-1] if text.endswith("\\") else text


def read_listed(words: str, entries: Sequence[Entry], issues: list[Issue]) -> GroundedText:
    """The words with their regions."""
    by_label: dict[str, list[Verdict]] = {}
    for label, verdicts in entries:
        by_label.setdefault(label, []).extend(verdicts)
    text = words
    taken: list[tuple[int, int]] = []
    spans: dict[str, tuple[int, int]] = {}
    for number, label in enumerate(by_label):
        span = _sought(label, words, taken) if words and number < _MOST_SOUGHT else None
        if span is not None:
            taken.append(span)
            spans[label] = span
    rest = [label for label in by_label if label not in spans]
    pieces = [words]
    length = len(words)
    for label in rest:
        if label and length:
            separator = " " if length == len(words) else ", "
            pieces.append(separator)
            length += len(separator)
        pieces.append(label)
        spans[label] = (length, length + len(label))
        length += len(label)
    text = "".join(pieces)
    in_order = sorted(spans.items(), key=lambda item: item[1])
    regions = [region_of(label, span, by_label[label]) for label, span in in_order]
    return GroundedText(text, regions, issues)


def _sought(label: str, words: str, taken: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The first place of `label` in `words` that is free."""
    start = words.find(label)
    while start >= 0:
        end = start + len(label)
        blocking = max((last for first, last in taken if start < last and first < end), default=None)
        if blocking is None:
            return start, end
        start = words.find(label, max(blocking, start + 1))
    return None
