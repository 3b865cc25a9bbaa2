r"""Boxes in JSON, in whatever state a model leaves it: the reader and writer of Qwen2.5-VL and Qwen3-VL.

Written is `[{"bbox_2d": [480, 0, 640, 384], "label": "tower"}]`, below the words if there are any (`_listed`).

Read is far more: with or without a fence, a list, a label, an outer object; under another key; nested; as a
string; with single quotes or bare keys; cut off anywhere; without any object around the numbers. The reader
does not parse JSON: it walks over brackets, keys, strings and numbers and remembers in which object it is, so
that a fault spoils nothing beside it.

**A box** is a bracket with four numbers, two brackets of two numbers in a row (corners), or an object with
four named corners (`x1`, `xmin`, `left`, ...). Its label is that of its object or, where that has none, the
key that holds the box (`{"tower": [1, 2, 3, 4]}`). A bracket with another count of numbers is a fault under a
key that speaks of boxes, and ordinary elsewhere: the `[1]` of a footnote, a `point_2d`. So is a bracket under
another key beside a proper box: `"color": [0, 0, 0, 1]`. `null` and `[]` are no box and no fault.

**Escapes.** Words that hold an object or what reads as a box get a backslash behind each `[` and `{`; so do
words in which every one of these has a backslash behind it already. In all other words nothing is changed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from ..grounded_text import GroundedText, Issue
from ._listed import Entry, before_list, read_listed, write_listed
from ._scale import NUMBER, Found, Judge, Scale, judged

_numbers = rf"(?:{NUMBER}\s*+,?\s*+)"
_string = r"(?:[^QUOTE\\\n\[]++|\\.|\[(?!\s*+" + _numbers + "{4}))*+"
_INSIDE = re.compile(
    rf"(?P<array>\[\s*+{_numbers}*+\]?+)|(?P<open>\{{)|(?P<close>\}})"
    r"""|(?P<key>"[^"\\\n]{1,80}+"\s*+:|'[^'\\\n]{1,80}+'\s*+:|\b[A-Za-z_]\w{0,40}+\s*+:)"""
    rf"""|(?P<string>"{_string.replace("QUOTE", '"')}"|'{_string.replace("QUOTE", "'")}')"""
    rf"|(?P<number>{NUMBER})|(?P<other>\w++|\\.)",
    re.DOTALL,
)
_OUTSIDE = re.compile(rf"(?P<array>\[\s*+{_numbers}++\]?+)|(?P<open>\{{(?!\\))")
_NUMBER = re.compile(NUMBER)
_NUMBERS_FOLLOW = re.compile(r"\[(?=\s*+[-+.0-9])")
_BOX_KEY = re.compile(r"bb|box|coord|rect|bound|region|area|corner|locat|position|xyxy|\bloc\b|\bdet\b", re.I)
_LABEL_KEYS = (
    *(
        "label",
        "name",
        "category",
        "class",
        "object",
        "phrase",
        "text",
        "ref",
        "caption",
        "description",
        "title",
        "tag",
    ),
    *("object_name", "category_name", "class_name", "text_content"),
)
_CORNERS = {
    alias: corner
    for corner, aliases in enumerate(
        ("x1 xmin x_min left x0", "y1 ymin y_min top y0", "x2 xmax x_max right", "y2 ymax y_max bottom")
    )
    for alias in aliases.split()
}
_DEEPEST = 200  # objects within objects; what lies deeper is passed over
_FENCE = re.compile(r"\A(?:```|~~~)[a-zA-Z]{0,10}")
_FENCE_AT_END = re.compile(r"(?:```|~~~)[a-zA-Z]{0,10}\Z")
_LIST_MARKS = " \t\r\n[,"
_UNESCAPED = re.compile(r"[\[{](?!\\)")
_OPENING = re.compile(r"[\[{]")
_Entries = list[tuple[str, list[Found]]]


@dataclass(slots=True)
class _Object:
    """An object that is being read."""

    start: int
    key: str = ""
    in_list: bool = False
    """Whether the value of the key is a list of lists or of objects."""
    label: str | None = None
    label_rank: int = len(_LABEL_KEYS)
    brackets: list[tuple[str, tuple[str, ...], Found]] | None = None
    """Key, numbers, and the box or the fault that they are."""
    corners: dict[int, str] | None = None
    has_null: bool = False

    def add(self, numbers: tuple[str, ...], box: Found) -> None:
        """A bracket of numbers, under the present key; two brackets of two numbers in a row are one box."""
        self.brackets = self.brackets or []
        if len(numbers) == 2 and self.brackets:
            key, first, start = self.brackets[-1]
            if len(first) == 2 and key == self.key:
                self.brackets[-1] = (
                    key,
                    first + numbers,
                    Found(first + numbers, "", (start.span[0], box.span[1])),
                )
                return
        self.brackets.append((self.key, numbers, box))

    def value_was_read(self) -> None:
        """What follows belongs to the next key, unless this one holds a list."""
        if not self.in_list:
            self.key = ""


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
    if not spans:
        return GroundedText(_unescape(text))
    words = [before_list(_without_rear(text[: spans[0][0]]))]
    ends = [*(start for start, _ in spans[1:]), len(text)]
    for (_, start), end in zip(spans, ends, strict=True):
        words.append(_without_front(_without_rear(text[start:end]) if end < len(text) else text[start:end]))
    return read_listed(_unescape(" ".join(filter(None, words))), listed, sorted(issues, key=lambda i: i.span))


def _scan(text: str) -> tuple[_Entries, list[tuple[int, int]]]:
    """Labels with their boxes, and the stretches of the text in which they stand."""
    entries: _Entries = []
    spans: list[tuple[int, int]] = []
    stack: list[_Object] = []
    position = too_deep = known = 0
    while match := (_INSIDE if stack else _OUTSIDE).search(text, position):
        kind, position = match.lastgroup, match.end()
        if kind == "open":
            if stack and not (stack[-1].key or stack[-1].label or stack[-1].brackets):
                stack.pop()  # a brace of the text around, not of an object
            if len(stack) < _DEEPEST:
                stack.append(_Object(match.start()))
            else:
                too_deep += 1
        elif kind == "close" and too_deep:
            too_deep -= 1
        elif kind == "close":
            start = stack[-1].start
            entries += _finished(stack.pop(), stack[-1] if stack else None, position)
            if not stack and len(entries) > known:
                spans.append((start, position))
                known = len(entries)
        elif kind == "array" and not stack:
            if found := _free(match, spans):
                entries.append(("", [found]))
                spans.append(match.span())
                known = len(entries)
        elif kind is not None:
            _value(kind, match, stack[-1])
    if stack:
        start = stack[0].start
        while stack:
            cut = stack.pop()
            if not cut.brackets and not cut.corners and (entries or _BOX_KEY.search(cut.key)):
                entries.append((cut.label or "", [Found(None, "truncated", (cut.start, len(text)))]))
            entries += _finished(cut, stack[-1] if stack else None, len(text))
            if cut.brackets or cut.corners:
                break
        while stack:
            entries += _finished(stack.pop(), stack[-1] if stack else None, len(text))
        if len(entries) > known:
            spans.append((start, len(text)))
    return entries, spans


def _value(kind: str, match: re.Match[str], inner: _Object) -> None:
    """A key or a value within an object."""
    if kind == "key":
        inner.key = match["key"][:-1].strip().strip("\"'")
        inner.in_list = False
        return
    key = inner.key.casefold()
    if kind == "array":
        numbers = tuple(_NUMBER.findall(match["array"]))
        if not numbers:
            inner.in_list = inner.in_list or not match["array"].endswith("]")
            inner.has_null = inner.has_null or bool(_BOX_KEY.search(key))
        else:
            inner.add(numbers, _bracket(match, numbers))
    elif kind == "string":
        _string_value(match, key, inner)
    elif kind == "number" and key in _CORNERS:
        inner.corners = (inner.corners or {}) | {_CORNERS[key]: match["number"]}
    elif match[0] == "null" and _BOX_KEY.search(key):
        inner.has_null = True
    inner.value_was_read()


def _string_value(match: re.Match[str], key: str, inner: _Object) -> None:
    if key in _LABEL_KEYS:
        rank = _LABEL_KEYS.index(key)
        if rank < inner.label_rank and not inner.in_list:
            inner.label, inner.label_rank = _decoded(match["string"]), rank
    elif _BOX_KEY.search(key):
        numbers = tuple(_NUMBER.findall(match["string"]))
        if len(numbers) == 4:
            inner.add(numbers, Found(numbers, "", match.span()))


def _bracket(match: re.Match[str], numbers: tuple[str, ...]) -> Found:
    """What a bracket of numbers is; it may lack its end, if it is not the text's end that cut it."""
    is_cut = match.end() == len(match.string) and not match["array"].endswith("]")
    if len(numbers) == 4 and not is_cut:
        return Found(numbers, "", match.span())
    return Found(None, "truncated" if is_cut else "bad_arity", match.span())


def _free(match: re.Match[str], spans: list[tuple[int, int]]) -> Found | None:
    """What a bracket outside all objects is: a box, a fault if it stands in a list of boxes, or ordinary text."""
    text, start = match.string, match.start()
    numbers = tuple(_NUMBER.findall(match["array"]))
    found = _bracket(match, numbers)
    if found.numbers is not None:
        return found
    follows_box = (
        bool(spans) and not text[spans[-1][1] : start].strip(" \t\r\n,") and "," in text[spans[-1][1] : start]
    )
    is_nested = len(numbers) > 2 and text[start - 1 : start] == "["
    is_cut = found.status == "truncated" and len(numbers) > 1
    return found if follows_box or is_nested or is_cut else None


def _finished(inner: _Object, outer: _Object | None, end: int) -> _Entries:
    """The entries of an object that has ended; boxes without a label go to the object around it."""
    if inner.corners and len(inner.corners) == 4:
        numbers = tuple(inner.corners[corner] for corner in range(4))
        inner.key = ""
        inner.add(numbers, Found(numbers, "", (inner.start, end)))
    brackets = inner.brackets or []
    proper = [box for key, _, box in brackets if not key or _BOX_KEY.search(key)]
    others = [(key, box) for key, _, box in brackets if key and not _BOX_KEY.search(key) and box.numbers]
    if inner.label is not None:
        if proper or inner.has_null:
            return [(inner.label, proper)]
        return [(inner.label, [box for _, box in others])] if others else []
    entries: _Entries = [(key, [box]) for key, box in others]
    if not proper:
        return entries
    if outer is None or not outer.key:
        return [("", proper), *entries]
    if not _BOX_KEY.search(outer.key):
        return [("" if outer.in_list else outer.key, proper), *entries]
    for box in proper:
        outer.add(box.numbers or (), box)
    return entries


def _decoded(string: str) -> str:
    """What a string in quotes says."""
    inside = string[1:-1]
    if "\\" not in inside:
        return inside
    try:
        return str(json.loads(string, strict=False))
    except ValueError:  # single quotes, or an escape that JSON has not
        return re.sub(r"\\(.)", r"\1", inside, flags=re.DOTALL)


def _without_rear(text: str) -> str:
    """A text without what stands before a list: white space, brackets, the start of a fence."""
    text = text.rstrip(_LIST_MARKS)
    fence = _FENCE_AT_END.search(text, max(0, len(text) - 20))
    return text if fence is None else text[: fence.start()].rstrip(_LIST_MARKS)


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
