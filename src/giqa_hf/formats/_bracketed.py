r"""The bracketed form `[phrase](<box>,<box>)` that the grid format and the normalised format share.

Grammar, with any white space where `_` stands::

    tag    = "[" phrase "]" _ "(" _ [ box { _ [ "," | ";" ] _ box } ] _ [ "," | ";" ] _ ")"
    box    = "<" _ number { _ "," _ number } _ ">"
    phrase = any characters; "\" before "[", "]" or "\" makes that character ordinary

**What is a tag.** `](` must be followed by `<` and a number (`nan` and `inf` are some), by `)`, or by the end of the
text. All else with brackets is ordinary text and is left as it stands: `see [1]`, `[sic]`, `[label](<x, y>)`,
`[a](http://x)`, `[a](<http://x>)`. A missing `)` is forgiven: the tag ends after its last box.

**Boxes that cannot be read** become an `Issue`, and their tag keeps its phrase: `bad_arity` for a closed
`<...>` that does not hold the right count of numbers; `truncated` for a `<` without its `>`, and for a text
that ends after `(` or after a separator; `out_of_range` for numbers that are no place in the image.

**Boxes that can be read** have one status each; where several hold, the first of this list: `duplicate` (the
same box stands earlier in the same tag), `degenerate`, `swapped`, `clipped`, `ok`.

**Escapes**, so that any text survives writing and reading, and ordinary text is written without any:

- in a phrase, `[` and `]` get a backslash; so does a backslash before one of `[ ] \` or at the phrase's end;
- in the text outside tags, what would read as the rear part of a tag (`](<3`, `]()`, `](` at the end) gets a
  backslash before its `(`, which reading takes away again: `[x]\(<1,2>)`;
- backslashes that touch the `[` of a tag are doubled. An odd number of them means that this `[` opens no tag.

Reading takes time linear in the length of the text: every loop of the expressions below is possessive, and
what a failed match has scanned is not scanned again (see `_not_a_tag`). Reading raises on no text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from ..boxes import Boxes
from ..grounded_text import GroundedText, Issue, Region


class Verdict(NamedTuple):
    """The numbers of one box, as the format that they belong to understands them."""

    numbers: tuple[float, ...]
    """Ordered and inside the image."""
    status: str
    """`ok`, `clipped` or `swapped`."""


_phrase_characters = r"(?:[^\[\]\\]++|\\[\[\]\\]?+)*+"
# Behind "(": what makes "](" the middle of a tag. Models with a broken head write <nan,3>: a box that went wrong.
_box_follows = r"(?=\s*+(?:<\s*+[-+.]*+(?:[0-9]|(?i:nan|inf)\b|\Z)|\)|\Z))"
# A closed box of numbers; a closed box of something else, of limited length; a box that breaks off.
_some_box = r"<(?:(?:\s*+[-+.0-9,;]++)*+\s*+>|[^<>()\[\]]{0,64}+>|(?:\s*+[-+.0-9,;]++)*+)"
_between = r"\s*+[,;]?+\s*+"
_tag = (
    rf"\[({_phrase_characters})\]\s*+\({_box_follows}\s*+"
    rf"((?:{_some_box}(?:{_between}(?=<){_some_box})*+)?+)((?:{_between}(?:\)|\Z))?+)"
)
# Without this, each escaped bracket of an unclosed `[\[\[\[...` would start a scan to the end of the text.
_not_a_tag = rf"\[[^\[\]\\]*+(?=\\){_phrase_characters}"

_TAG = re.compile(rf"{_tag}|{_not_a_tag}")
_REAR_OF_TAG = re.compile(rf"(\]\s*+\\*+)\({_box_follows}")
_ESCAPED_REAR_OF_TAG = re.compile(rf"(\]\s*+\\*+)(?<=\\)\({_box_follows}")
_TO_ESCAPE_IN_PHRASE = re.compile(r"[\[\]]|\\(?=[\[\]\\]|\Z)")
_ESCAPED_IN_PHRASE = re.compile(r"\\([\[\]\\])")
_NO_BOXES = np.zeros((0, 4))
# Stands for the tag that follows a stretch of text, lest the stretch's own end look like the end of the text.
_TAG_FOLLOWS = "["


def box_pattern(number: str, count: int) -> re.Pattern[str]:
    """The expression of a box of `count` numbers, a group each; all else in a tag matches without groups."""
    numbers = r"\s*+,\s*+".join([f"({number})"] * count)
    return re.compile(rf"<\s*+{numbers}\s*+>|{_some_box}")


def read_bracketed(
    text: str,
    box: re.Pattern[str],
    judge: Callable[[tuple[str, ...]], Verdict | None],
    decode: Callable[[list[tuple[float, ...]]], Boxes],
) -> GroundedText:
    """Read a text with bracketed boxes; the grammar is in the module's head.

    Args:
        text (`str`): anything.
        box (`re.Pattern`): from `box_pattern`.
        judge (`Callable`): what the numbers of one box mean, `None` where they are out of range.
        decode (`Callable`): all judged boxes of the text to normalised `float64` boxes of shape (M, 4).
    """
    if "]" not in text:
        return GroundedText(text)
    has_escapes = "\\(" in text
    pieces: list[str] = []
    clean_length = position = 0
    regions: list[Region] = []
    with_boxes: list[tuple[Region, list[str]]] = []  # and the statuses of the boxes
    numbers: list[tuple[float, ...]] = []
    issues: list[Issue] = []
    for match in _TAG.finditer(text):
        phrase, boxes_text, rear = match.groups()
        if phrase is None:
            continue
        start, end = match.span()
        backslashes = _backslashes_before(text, start, position) if start and text[start - 1] == "\\" else 0
        if backslashes % 2:
            continue
        plain = text[position : start - backslashes // 2]
        if has_escapes:
            plain = _unescape_plain(plain, is_last=False)
        if "\\" in phrase:
            phrase = _ESCAPED_IN_PHRASE.sub(r"\1", phrase)
        pieces += (plain, phrase)
        clean_start = clean_length + len(plain)
        clean_length = clean_start + len(phrase)
        region = Region(phrase, (clean_start, clean_length), _NO_BOXES)
        regions.append(region)
        if boxes_text:
            statuses = _read_boxes(box.finditer(text, *match.span(2)), judge, numbers, issues)
            if statuses:
                with_boxes.append((region, statuses))
        if end == len(text) and not rear.endswith(")"):
            issues.extend(_cut_off(match))
        position = end
    plain = text[position:]
    pieces.append(_unescape_plain(plain, is_last=True) if has_escapes else plain)
    if with_boxes:
        _hand_out(decode(numbers), with_boxes)
    return GroundedText("".join(pieces), regions, issues)


def write_bracketed(grounded: GroundedText, box_texts: Iterable[str], separator: str) -> str:
    """Write a grounded text; `box_texts` are its boxes in reading order, already in the form `<...>`."""
    remaining = iter(box_texts)
    pieces: list[str] = []
    position = 0
    for region in grounded.regions:
        start, end = region.span
        plain = grounded.text[position:start]
        doubling = "\\" * _backslashes_before(plain, len(plain), 0)
        boxes = separator.join(next(remaining) for _ in range(len(region.boxes_norm)))
        phrase = _TO_ESCAPE_IN_PHRASE.sub(r"\\\g<0>", region.phrase)
        pieces.append(f"{_escape_plain(plain, is_last=False)}{doubling}[{phrase}]({boxes})")
        position = end
    pieces.append(_escape_plain(grounded.text[position:], is_last=True))
    return "".join(pieces)


def _read_boxes(
    found_boxes: Iterable[re.Match[str]],
    judge: Callable[[tuple[str, ...]], Verdict | None],
    numbers: list[tuple[float, ...]],
    issues: list[Issue],
) -> list[str]:
    """Put what one tag holds behind `numbers` and `issues`; returns the statuses of the boxes."""
    statuses: list[str] = []
    seen: set[tuple[float, ...]] | None = None
    for found in found_boxes:
        groups = found.groups()
        verdict = None if groups[0] is None else judge(groups)
        if verdict is None:
            issues.append(_issue(found, readable=groups[0] is not None))
            continue
        own, status = verdict
        if seen is None:
            seen = {own}
        elif own in seen:
            status = "duplicate"
        else:
            seen.add(own)
        numbers.append(own)
        statuses.append(status)
    return statuses


def _hand_out(boxes_norm: Boxes, with_boxes: list[tuple[Region, list[str]]]) -> None:
    """Give each region its rows of `boxes_norm`, and mark those that have no area."""
    has_area = bool((boxes_norm[:, 2:] > boxes_norm[:, :2]).all())
    row = 0
    for region, statuses in with_boxes:
        own = boxes_norm[row : row + len(statuses)]
        row += len(statuses)
        if not has_area:
            for index, (x1, y1, x2, y2) in enumerate(own.tolist()):
                if (x1 >= x2 or y1 >= y2) and statuses[index] != "duplicate":
                    statuses[index] = "degenerate"
        region.boxes_norm, region.statuses = own, tuple(statuses)


def _issue(found: re.Match[str], *, readable: bool) -> Issue:
    raw = found.group()
    status = "out_of_range" if readable else "bad_arity" if raw.endswith(">") else "truncated"
    return Issue(status, raw, found.span())


def _cut_off(match: re.Match[str]) -> list[Issue]:
    """The issue of a tag that the text's end cuts off behind its "(" or behind a separator."""
    if not match.group(2):
        start = match.string.index("(", match.end(1))
        return [Issue("truncated", match.string[start:], (start, match.end()))]
    return [Issue("truncated", match.group(3), match.span(3))] if match.group(3).strip() else []


def _backslashes_before(text: str, end: int, start: int) -> int:
    first = end
    while first > start and text[first - 1] == "\\":
        first -= 1
    return end - first


def _escape_plain(plain: str, *, is_last: bool) -> str:
    return _rewrite(_REAR_OF_TAG, r"\1\\(", plain, is_last) if "]" in plain else plain


def _unescape_plain(plain: str, *, is_last: bool) -> str:
    return _rewrite(_ESCAPED_REAR_OF_TAG, lambda rear: rear[1][:-1] + "(", plain, is_last)


def _rewrite(
    pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str], plain: str, is_last: bool
) -> str:
    if is_last:
        return pattern.sub(replacement, plain)
    return pattern.sub(replacement, plain + _TAG_FOLLOWS)[: -len(_TAG_FOLLOWS)]
