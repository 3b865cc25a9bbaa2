r"""Boxes in JSON, in whatever state a model leaves it: the reader and writer of Qwen2.5-VL and Qwen3-VL.

Written is `[{"bbox_2d": [480, 0, 640, 384], "label": "tower"}]`, below the words if there are any (`_listed`).

Read is far more: with or without a fence, a list, a label, an outer object; under another key; nested; as a
string; with single quotes or bare keys; cut off anywhere; without any object around the numbers. The reader
does not parse JSON: it walks over brackets, keys, strings and numbers and remembers in which object it is, so
that a fault spoils nothing beside it.

**A box** is a bracket with four numbers, two brackets of two numbers in a row (corners), or an object with
four named corners (`x1`, `xmin`, `left`, ..., or two of `top_left` and its like). Its label is that of its object
or, where that has none, the key that holds the box (`{"tower": [1, 2, 3, 4]}`). Numbers in quotes are numbers
under a key that speaks of boxes, one by one and all four together.

**A fault** is a bracket with another count of numbers under such a key; elsewhere it is ordinary: the `[1]` of a
footnote, a `point_2d`. So is a bracket under another key beside a proper box: `"color": [0, 0, 0, 1]`. Where a key
says "box" or "coordinates" and its list, words or object hold no box, that is a fault too, unless the object has a
box elsewhere (`"bbox_format": "xyxy"`); so are corners of which one is missing. Words without a digit
(`"not requested"`), an object that names neither corner nor side, `null`, `[]`, `{}` and `""` are no box and no
fault.

**Words.** What an object with boxes says under `answer` or `response` is read as words, before its labels. An object
without a label that holds a fault and other words stays in the words as it stands.

**Escapes.** Words that hold an object or what reads as a box get a backslash behind each `[` and `{`; so do
words in which every one of these has a backslash behind it already. In all other words nothing is changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..grounded_text import GroundedText, Issue
from ._json_object import BOX_KEY, LIST_MARKS, Entries, OpenObject, Said, bracket, finished, take_value
from ._listed import Entry, before_list, read_listed, write_listed
from ._scale import NUMBER, Found, Judge, Scale, judged

_numbers = rf"(?:{NUMBER}\s*+,?\s*+)"
_quoted_number = rf"(?:{NUMBER}|\"\s*+{NUMBER}\s*+\"|'\s*+{NUMBER}\s*+')\s*+,?\s*+"
_string = r"(?:[^QUOTE\\\n\[]++|\\.|\[(?!\s*+" + _numbers + "{4}))*+"
_INSIDE = re.compile(
    rf"""(?P<array>\[\s*+(?:{_quoted_number})*+(?:\]|["'][-+.0-9]*+\Z)?+)|(?P<open>\{{)|(?P<close>\}})"""
    rf"""|(?P<tuple>\(\s*+(?:{_quoted_number}){{4}}\))"""
    r"""|(?P<string_end>(?<=\])["'](?=\s*+(?:[,}\]]|\Z)))"""  # of a box that is a string
    r"""|(?P<key>"[^"\\\n]{1,80}+"\s*+:|'[^'\\\n]{1,80}+'\s*+:|\b[A-Za-z_]\w{0,40}+\s*+:)"""
    rf"""|(?P<string>"{_string.replace("QUOTE", '"')}"|'{_string.replace("QUOTE", "'")}')"""
    rf"|(?P<number>{NUMBER})|(?P<other>\w++|\\.)",
    re.DOTALL,
)
_OUTSIDE = re.compile(rf"(?P<array>\[\s*+{_numbers}++\]?+)|(?P<open>\{{(?!\\))")
_NUMBER = re.compile(NUMBER)
_NUMBERS_FOLLOW = re.compile(r"\[(?=\s*+[-+.0-9])")
_DEEPEST = 200  # objects within objects; what lies deeper is passed over
_FENCE = re.compile(r"\A(?:```|~~~)[a-zA-Z]{0,10}")
_FENCE_AT_END = re.compile(r"(?:```|~~~)[a-zA-Z]{0,10}\Z")
_UNESCAPED = re.compile(r"[\[{](?!\\)")
_OPENING = re.compile(r"[\[{]")


def write_json(grounded: GroundedText, scale: Scale, *, words: bool) -> str:
    """Write a grounded text as words and a list of objects."""
    objects = [
        f'{{"bbox_2d": [{", ".join(numbers)}], "label": {_quoted(region.phrase)}}}'
        for region in grounded.regions
        for numbers in scale.write(region.boxes_norm)
    ]
    listed = f"[{', '.join(objects)}]" if objects else ""
    return write_listed(grounded, listed, words=words, escape=_escape, rim=_without_rear)


def _quoted(label: str) -> str:
    """A JSON string in which nothing looks like a box: a lost quotation mark before it must not hide any."""
    return _NUMBERS_FOLLOW.sub(r"\\u005b", json.dumps(label, ensure_ascii=False))


def read_json(text: str, judge: Judge) -> GroundedText:
    """Read a text; the rules are in the module's head."""
    entries, spans = _scan(text)
    issues: list[Issue] = []
    listed = [Entry(label, judged(found, text, judge, issues)) for label, found in entries]
    issues.sort(key=lambda issue: issue.span)
    if not spans:
        return read_listed(_unescape(text), listed, issues)
    words = [before_list(_without_rear(text[: spans[0].start]))]
    ends = [*(span.start for span in spans[1:]), len(text)]
    known: set[str] = set()
    for (_, start, answers), end in zip(spans, ends, strict=True):
        words += [answer for answer in dict.fromkeys(answers) if answer not in known]
        known.update(answers)
        words.append(_without_front(_without_rear(text[start:end]) if end < len(text) else text[start:end]))
    return read_listed(_unescape(" ".join(filter(None, words))), listed, issues)


class _Span(NamedTuple):
    """A stretch of the text that holds boxes."""

    start: int
    end: int
    answers: Sequence[str] = ()
    """What is said in it beside them."""


def _scan(text: str) -> tuple[Entries, list[_Span]]:
    """Labels with their boxes, and the stretches of the text in which they stand."""
    entries: Entries = []
    spans: list[_Span] = []
    stack: list[OpenObject] = []
    position = too_deep = known = 0
    while match := (_INSIDE if stack else _OUTSIDE).search(text, position):
        kind, before, position = match.lastgroup, position, match.end()
        if kind == "open":
            if stack and not (stack[-1].key or stack[-1].label or stack[-1].brackets):
                stack.pop()  # a brace of the text around, not of an object
            if len(stack) < _DEEPEST:
                stack.append(OpenObject(match.start(), stack[-1].said if stack else Said()))
            else:
                too_deep += 1
        elif kind == "close" and too_deep:
            too_deep -= 1
        elif kind == "close":
            start, said = stack[-1].start, stack[-1].said
            stack[-1].end_value(text, match.start())
            entries += _ended(stack, position)
            if not stack and len(entries) > known:
                if said.answers or not said.has_more or not _all_faults(entries[known:]):
                    spans.append(_Span(start, position, said.answers))
                known = len(entries)
        elif kind == "array" and not stack:
            if found := _free(match, spans[-1].end if spans and spans[-1].end == before else None):
                entries.append(("", [found]))
                spans.append(_Span(*match.span()))
                known = len(entries)
        elif kind is not None:
            take_value(kind, match, stack[-1])
    if stack:
        start, said = stack[0].start, stack[0].said
        while stack:
            cut = stack[-1]
            cut.end_value(text, len(text), is_cut=True)
            if not cut.brackets and not cut.corners and not cut.faults(len(text), is_cut=True):
                if entries or BOX_KEY.search(cut.key):
                    entries.append((cut.label or "", [Found(None, "truncated", (cut.start, len(text)))]))
                    cut.gave = True
                entries += _ended(stack, len(text), is_cut=True)
                continue
            break
        while stack:
            stack[-1].end_value(text, len(text), is_cut=True)
            entries += _ended(stack, len(text), is_cut=True)
        if len(entries) > known:
            spans.append(_Span(start, len(text), said.answers))
    return entries, spans


def _all_faults(entries: Entries) -> bool:
    """Whether there is neither a label nor a box."""
    return not any(label or any(box.numbers for box in found) for label, found in entries)


def _free(match: re.Match[str], last_end: int | None) -> Found | None:
    """What a bracket outside all objects is: a box, a fault if it stands in a list of boxes, or ordinary text.

    `last_end` is where the boxes before it end, if no other bracket stands between.
    """
    text, start = match.string, match.start()
    numbers = tuple(_NUMBER.findall(match["array"]))
    found = bracket(match, numbers)
    if found.numbers is not None:
        return found
    gap = "" if last_end is None else text[last_end:start]
    follows_box = "," in gap and not gap.strip(" \t\r\n,")
    is_nested = len(numbers) > 2 and text[start - 1 : start] == "["
    is_cut = found.status == "truncated" and len(numbers) > 1
    return found if follows_box or is_nested or is_cut else None


def _ended(stack: list[OpenObject], end: int, *, is_cut: bool = False) -> Entries:
    """The entries of the innermost object, which ends here."""
    inner = stack.pop()
    outer = stack[-1] if stack else None
    entries = finished(inner, outer, end, is_cut=is_cut)
    if outer is not None:
        outer.take_in(inner, gave=bool(entries))
    return entries


def _without_rear(text: str) -> str:
    """A text without what stands before a list: white space, brackets, the start of a fence."""
    text = text.rstrip(LIST_MARKS)
    fence = _FENCE_AT_END.search(text, max(0, len(text) - 20))
    return text if fence is None else text[: fence.start()].rstrip(LIST_MARKS)


def _without_front(text: str) -> str:
    """A text without what stands behind a list."""
    return _FENCE.sub("", text.lstrip(" \t\r\n],}"), count=1).strip()


def _escape(words: str) -> str:
    needed = "{" in words or _is_escaped(words) or bool(_scan(words)[0])
    return _OPENING.sub(r"\g<0>\\", words) if needed else words


def _unescape(words: str) -> str:
    return re.sub(r"([\[{])\\", r"\1", words) if _is_escaped(words) else words


def _is_escaped(words: str) -> bool:
    """Whether there are opening brackets, and a backslash stands behind each."""
    return bool(_OPENING.search(words)) and not _UNESCAPED.search(words)
