r"""Boxes as four location tokens: `<loc0123>` of PaliGemma, in front of a label, `<loc_123>` of Florence-2, behind it.

Tokens in a row are boxes, four each; what is left over is a fault. The text around the list, the labels and
what the form cannot carry are as `_listed` says.

**Escapes**, so that any text survives writing and reading: a backslash stands behind the `<` of what would
read as a token, `<\loc0123>`, and one more where backslashes stand there already. In a label a line break, the
mark that ends a label and white space at its rims have a backslash in front, and so has a backslash before one
of these or at the label's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..grounded_text import GroundedText, Issue
from ._listed import Entry, before_list, read_listed, write_listed
from ._scale import Found, Judge, Scale, judged

_ESCAPED = re.compile(r"\\([;\\\s])")
_TO_ESCAPE = re.compile(r"[;\n\r]|\A\s|\s\Z|\\(?=[;\\\s]|\Z)")


@dataclass(frozen=True)
class Tokens:
    """The tokens of a family.

    Args:
        stem (`str`): what a token starts with, behind its `<`.
        digits (`int`): how many digits are written.
        order (`tuple` of four `int`): which of x1, y1, x2, y2 stands at each place.
        label_first (`bool`): whether a label stands before its boxes, or behind them.
        other (`tuple` of `str`): expressions of tokens that are neither text nor places, without their `<` and `>`.
    """

    stem: str
    digits: int
    order: tuple[int, int, int, int]
    label_first: bool
    other: tuple[str, ...]

    @cached_property
    def row(self) -> re.Pattern[str]:
        """Location tokens in a row, also one that the end of the text cuts."""
        others = "|".join(self.other)
        token = rf"<{self.stem}[0-9]++>"
        return re.compile(rf"{token}(?:\s*+(?:{token}|<(?:{others})>))*+(?:\s*+<[a-z_0-9]*+\Z)?+")

    @cached_property
    def token(self) -> re.Pattern[str]:
        """One location token, with its number."""
        return re.compile(rf"<{self.stem}([0-9]++)>")

    @cached_property
    def silent(self) -> re.Pattern[str]:
        """A token that is neither text nor a place."""
        return re.compile(rf"<(?:{'|'.join(self.other)})>")

    @cached_property
    def to_escape(self) -> re.Pattern[str]:
        """The first character of what would be read as a token, or would but for backslashes behind it."""
        return re.compile(rf"<(?=\\*+(?:{self.stem}[0-9]++|{'|'.join(self.other)})>)")

    @cached_property
    def escaped(self) -> re.Pattern[str]:
        """That character with one backslash."""
        return re.compile(rf"<\\(?=\\*+(?:{self.stem}[0-9]++|{'|'.join(self.other)})>)")

    def escape(self, text: str) -> str:
        """The text with its tokens made ordinary."""
        return self.to_escape.sub(r"<\\", text)

    def plain(self, text: str) -> str:
        """The text without silent tokens, and with one backslash less in each that is ordinary."""
        return self.escaped.sub("<", self.silent.sub("", text)) if "<" in text else text


def write_tokens(grounded: GroundedText, tokens: Tokens, scale: Scale, *, words: bool) -> str:
    """Write a grounded text as words and a list of labels with tokens."""
    lines = []
    for region in grounded.regions:
        label = tokens.escape(_TO_ESCAPE.sub(r"\\\g<0>", region.phrase))
        boxes = [
            "".join(f"<{tokens.stem}{numbers[place]:0>{tokens.digits}}>" for place in tokens.order)
            for numbers in scale.write(region.boxes_norm)
        ]
        if tokens.label_first and boxes:
            lines.append(label + "".join(boxes))
        elif boxes:
            lines += [f"{box} {label}" for box in boxes]
    listed = ("" if tokens.label_first else " ; ").join(lines)
    return write_listed(grounded, listed, words=words, escape=tokens.escape, rim=str.rstrip)


def read_tokens(text: str, tokens: Tokens, judge: Judge) -> GroundedText:
    """Read a text; the rules are in the module's head."""
    words: list[str] = []
    entries: list[Entry] = []
    issues: list[Issue] = []
    position = 0
    for row in tokens.row.finditer(text):
        verdicts = judged(list(_boxes(text, row, tokens)), text, judge, issues)
        if tokens.label_first:
            start = _line_start(text, position, row.start())
            words.append(text[position:start])
            label, position = text[start : row.start()], row.end()
        else:
            words.append(text[position : row.start()])
            end = _label_end(text, row.end())
            label = text[row.end() : end]
            position = end + (text[end : end + 1] == ";")
        entries.append(Entry(_label(tokens.plain(label)), verdicts))
    if not entries:
        return GroundedText(tokens.plain(text))
    words.append(text[position:])
    cleaned = [before_list(words[0].rstrip()), *(piece.strip(" \t\r\n;") for piece in words[1:])]
    return read_listed(tokens.plain(" ".join(filter(None, map(tokens.plain, cleaned)))), entries, issues)


def _boxes(text: str, row: re.Match[str], tokens: Tokens) -> Iterator[Found]:
    found = list(tokens.token.finditer(text, row.start(), row.end()))
    is_cut = row.end() == len(text)
    for first in range(0, len(found), 4):
        four = found[first : first + 4]
        span = (four[0].start(), four[-1].end())
        if len(four) < 4:
            yield Found(
                None, "truncated" if is_cut else "bad_arity", (span[0], row.end() if is_cut else span[1])
            )
            return
        numbers = [""] * 4
        for place, token in zip(tokens.order, four, strict=True):
            numbers[place] = token[1]
        yield Found(tuple(numbers), "", span)


def _line_start(text: str, start: int, end: int) -> int:
    """Where the last line of `text[start:end]` begins; a line break with a backslash in front ends no line."""
    while (found := text.rfind("\n", start, end)) >= 0:
        backslashes = found
        while backslashes > start and text[backslashes - 1] == "\\":
            backslashes -= 1
        if (found - backslashes) % 2 == 0:
            return found + 1
        end = found
    return start


_LABEL = re.compile(r"(?:[^;\n\\<]++|\\[;\\\s]|\\|<(?!loc_?[0-9]))*+")


def _label_end(text: str, start: int) -> int:
    match = _LABEL.match(text, start)
    assert match is not None  # it matches nothing at least
    return match.end()


def _label(written: str) -> str:
    """A label as it was before it was written."""
    left = written.lstrip()
    right = left.rstrip()
    if right != left and (len(right) - len(right.rstrip("\\"))) % 2:
        right = left[: len(right) + 1]
    return _ESCAPED.sub(r"\1", right)
