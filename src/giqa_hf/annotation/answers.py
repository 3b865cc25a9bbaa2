"""Reads the JSON out of what a language model answered, though it is wrapped, quoted or cut in a way of its own.

What is read: JSON with prose or fences around it, several objects one after another, lists in wrappers such as
{"tags": [...]}, trailing and missing commas, single quotes, bare keys, missing closers. Of an answer that ends too
early the complete items are kept. The time is linear in the length of the answer; nothing is ever raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..thoughts import spoken
from .llm.client import EMPTY

UNFINISHED = "ends in the middle"
NO_JSON = "no JSON in it"
NO_ITEMS = "no items in it"
MAX_CLIPPED_CHARS = 200
MAX_DEPTH = 100
"""No answer lies deeper than this in brackets; what does is garbage, and is not read on."""

_OPEN = re.compile(r"[\[{]")
_DECODER = json.JSONDecoder(strict=False)  # models write raw line breaks into strings
_TOKEN = re.compile(
    r"""(?P<mark>[\[\]{},:])
    |(?P<double>"(?:[^"\\]|\\.)*+"?)
    |(?P<single>'(?:[^'\\]|\\.|'(?!\s*(?:[,:}\]]|$)))*+'?)  # an apostrophe inside it is no end of it
    |(?P<bare>[^\s\[\]{},:"']+)""",
    re.VERBOSE | re.DOTALL,
)
_LITERALS = {
    "true": True, "True": True, "false": False, "False": False, "null": None, "None": None,
}  # fmt: skip
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Items(NamedTuple):
    """What stood in an answer."""

    items: list[Any]
    """As the model gave them: objects, and whatever else stood in a list of objects."""
    problem: str | None
    """A short phrase: why there are no items, or that the last one is unfinished (`UNFINISHED`)."""


def read_items(text: str, keys: Collection[str]) -> Items:
    """Read the items out of a model's answer.

    Args:
        text (`str`): the answer.
        keys (`Collection` of `str`): an object with one of these keys is an item; one without is a wrapper, and the
            items lie in its values.

    Returns:
        `Items`: the items in the order of the text. An empty list is a valid answer: no items, no problem.

    ```python
    >>> read_items('Sure! {"tags": [{"name": "sky", }, {"name": "sea", "qual', ["name"])
    Items(items=[{'name': 'sky'}], problem='ends in the middle')
    ```
    """
    text, only_thoughts = spoken(text)
    if not text.strip():
        return Items([], UNFINISHED if only_thoughts else EMPTY)
    reading = _Reading(frozenset(key.casefold() for key in keys))
    for value in _values(text, reading):
        reading.collect(value)
    if reading.unfinished_items:
        return Items(reading.items, UNFINISHED)
    if reading.items or reading.empty_lists:
        return Items(reading.items, None)
    return Items([], NO_ITEMS if reading.values else UNFINISHED if reading.unfinished else NO_JSON)


def text_of(item: Any, key: str) -> str:
    """The text under a key of an item, on one line and fit for a file; empty where there is none.

    Keys are compared without regard to case. A list of texts is joined by commas, and true and false are "Yes" and
    "No", as some models answer.
    """
    if not isinstance(item, Mapping):
        return ""
    value = item.get(key)
    if value is None:
        value = next((v for k, v in item.items() if isinstance(k, str) and k.strip().casefold() == key), None)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if isinstance(value, list):
        value = ", ".join(part for part in value if isinstance(part, str))
    return one_line(value) if isinstance(value, str) else ""


def one_line(text: str) -> str:
    """The text with single blanks, without control characters and halves of characters (lone surrogates)."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def clip(text: str, length: int = MAX_CLIPPED_CHARS) -> str:
    """The beginning of a text that came from outside, on one line, for the audit."""
    line = one_line(text[: 4 * length])
    return line if len(line) <= length else f"{line[: length - 1]}\u2026"


class _Bare(str):
    """A word without quotes: a key or a value in an object, prose in a list."""


@dataclass
class _Reading:
    """What was found so far."""

    keys: frozenset[str]
    items: list[Any] = field(default_factory=list)
    empty_lists: int = 0
    values: int = 0
    """Lists and objects that were closed."""
    unfinished: set[int] = field(default_factory=set)
    """The ids of lists and objects that the text ended in."""
    unfinished_items: int = 0

    def is_item(self, value: dict[Any, Any]) -> bool:
        return any(isinstance(key, str) and key.strip().casefold() in self.keys for key in value)

    def collect(self, value: Any) -> None:
        """Take the items out of a list or object, in order; without recursion, since it may be deep."""
        todo: list[Any] = [value]
        while todo:
            value = todo.pop()
            finished = id(value) not in self.unfinished
            if isinstance(value, list):
                self.empty_lists += finished and not value
                todo.extend(reversed(value))
            elif not isinstance(value, dict):
                if not isinstance(value, _Bare):
                    self.items.append(value)
            elif self.is_item(value):
                if finished:
                    self.items.append(value)
                else:
                    self.unfinished_items += 1
            else:
                inner = [part for part in value.values() if isinstance(part, list | dict)]
                # An object with neither a known key nor anything inside is a broken item, not a wrapper.
                if not inner and value and finished:
                    self.items.append(value)
                self.unfinished_items += not finished and not inner
                todo.extend(reversed(inner))


def _values(text: str, reading: _Reading) -> Iterator[Any]:
    """Every outermost list and object of the text that may hold items.

    Strict JSON is read as such, since that is fast. Where it fails, the tolerant reader starts again at the same
    bracket and reads on alone: a failure is dear, as the error counts the lines before it, and one after the other
    they would take time that grows with the square of the length.
    """
    begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
    position, strict = 0, True
    while match := _OPEN.search(text, position):
        value: Any = None
        if strict:
            try:
                value, position = _DECODER.raw_decode(text, match.start())
            except (ValueError, RecursionError):
                strict = False
        if not strict:
            value, position = _read_loosely(text, match.start(), reading)
        # "[1]" or "[see below]" in prose is no answer; a list of texts that is the whole answer is a wrong one.
        whole = match.start() == begin and position >= end
        if whole or value == [] or _holds_an_object(value):
            reading.values += id(value) not in reading.unfinished
            yield value


def _holds_an_object(value: Any) -> bool:
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            return True
        if isinstance(value, list):
            todo.extend(value)
    return False


@dataclass
class _Frame:
    """A list or object that is being read."""

    value: list[Any] | dict[str, Any]
    key: str | None = None
    colon: bool = False

    def add(self, value: Any) -> None:
        """Put a value where it belongs; one without a key in an object is the next key, if it is a text."""
        if isinstance(self.value, list):
            self.value.append(value)
        elif self.colon and self.key is not None:
            self.value[self.key] = value
            self.key, self.colon = None, False
        elif isinstance(value, str):
            self.key = value
        elif isinstance(value, list | dict):
            self.value[f"value without a key {len(self.value)}"] = value


def _read_loosely(text: str, start: int, reading: _Reading) -> tuple[Any, int]:
    """Read the list or object that begins at `start`, and where it ends.

    That is the end of the text where it is never closed or goes too deep; then all that is open counts as unfinished.
    """
    stack: list[_Frame] = []
    depth = {list: 0, dict: 0}
    root: Any = None
    for match in _TOKEN.finditer(text, start):
        token = match.group()
        if token in ("[", "{"):
            if len(stack) >= MAX_DEPTH:
                break
            value: list[Any] | dict[str, Any] = [] if token == "[" else {}
            if stack:
                stack[-1].add(value)
            else:
                root = value
            stack.append(_Frame(value))
            depth[type(value)] += 1
        elif token in ("]", "}"):
            kind = list if token == "]" else dict
            # Whatever was left open inside ends here as well; a closer of nothing is passed over.
            while depth[kind]:
                closed = type(stack.pop().value)
                depth[closed] -= 1
                if closed is kind:
                    break
            if not stack:
                return root, match.end()
        elif token == ":":
            stack[-1].colon = stack[-1].key is not None
        elif token == ",":
            stack[-1].key, stack[-1].colon = None, False
        elif match.lastgroup != "bare":
            stack[-1].add(_unquoted(token))
        elif token in _LITERALS:
            stack[-1].add(_LITERALS[token])
        else:
            stack[-1].add(_Bare(token))
    reading.unfinished.update(id(frame.value) for frame in stack)
    return root, len(text)


def _unquoted(token: str) -> str:
    """The text of a string in single or double quotes."""
    quote = token[0]
    inner = token[1:-1] if len(token) > 1 and token.endswith(quote) else token[1:]
    if quote == "'":
        inner = inner.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"')
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        return inner
