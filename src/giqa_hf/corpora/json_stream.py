"""The records of a JSON list or of JSON lines, one at a time.

`json.load` would hold all of Q-Instruct-DB's 200,000 records at once. Here a window of text moves over the file, and
Python's own decoder takes one value after the other out of it. So everything that Python writes is read, NaN included
(which streaming parsers of strict JSON refuse), and memory is bounded by the window: two chunks, or two times the
longest record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TextIO

from ..errors import DataError
from .label_file import LONGEST, lines_of, open_text

_CHUNK = 1 << 18  # characters per reading
_WHITE = " \t\r\n"
_DECODER = json.JSONDecoder(strict=False)  # not strict: a raw line end or tab inside a text harms nobody
# The decoder's errors at the end of an unfinished text point at most this far before it: "-Infinit" and a cut pair of
# escapes (12 characters) are the longest. Only an unfinished string is reported from its beginning.
_TAIL = 16


class JsonLine(NamedTuple):
    """A line of a file of JSON lines."""

    number: int
    """From 1."""
    value: Any
    """What it holds; `None` where it cannot be read."""
    fault: str | None
    """Why it cannot be read."""


def stream_json_list(path: Path) -> Iterator[Any]:
    """The records of a file that holds one JSON list.

    Args:
        path (`Path`): the file, UTF-8.

    Yields:
        `Any`: one value of the list after the other.

    Raises:
        `DataError`: naming the record and the place in the file, when it is cut short, no valid JSON, holds no list,
            or has a record of more than 16 million characters.
    """
    with open_text(path) as file:
        window = _Window(path, file)
        if window.peek() != "[":
            raise DataError(
                f"{path} begins with {window.peek()!r}, expected a JSON list of records ([...]); check the file"
            )
        window.take(1)
        if window.peek() == "]":
            window.take(1)
        else:
            yield window.value()
            while (mark := window.peek()) == ",":
                window.take(1)
                yield window.value()
            if mark != "]":
                window.refuse(f'expected "," or "]", found {mark!r}')
            window.take(1)
        if window.peek():
            window.refuse(f"expected the end of the file behind the list, found {window.peek()!r}")


def stream_json_lines(path: Path) -> Iterator[JsonLine]:
    """The records of a file with one JSON value per line; blank lines are passed over.

    Args:
        path (`Path`): the file, UTF-8.

    Yields:
        `JsonLine`: also for a line that cannot be read, with the reason.

    Raises:
        `DataError`: when the file cannot be opened, is empty or no UTF-8 text.
    """
    with open_text(path) as file:
        for line in lines_of(file):
            if not line.whole:
                yield JsonLine(line.number, None, f"longer than {LONGEST:,} characters")
            elif text := line.text.strip():
                try:
                    yield JsonLine(line.number, _DECODER.decode(text), None)
                except (ValueError, RecursionError) as error:
                    yield JsonLine(line.number, None, _said(error))


class _Window:
    """The part of the file that is being looked at."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path = path
        self.file = file
        self.text = ""
        self.at = 0  # where we are in `text`
        self.before = 0  # characters of the file before `text`
        self.ended = False
        self.records = 0

    def grow(self) -> None:
        """Forget what lies behind, and read on: as much again as there is, so that retries cost little."""
        rest = self.text[self.at :]
        self.before += self.at
        more = self.file.read(max(_CHUNK, len(rest)))
        self.text, self.at, self.ended = rest + more, 0, not more

    def peek(self) -> str:
        """The next character that is not white space, empty at the end of the file; moves onto it."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in _WHITE:
                    return self.text[self.at]
                self.at += 1
            if self.ended:
                return ""
            self.grow()

    def take(self, count: int) -> None:
        self.at += count

    def value(self) -> Any:
        """The JSON value that begins here."""
        self.peek()
        self.records += 1
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos >= len(self.text) - _TAIL
                if self.ended or not cut:
                    self.refuse(_said(error))
            except RecursionError as error:
                self.refuse(_said(error))
            else:
                # A number might go on: of "-4.5e+10" the decoder takes "-4.5" where the text ends behind "+".
                if end + 2 < len(self.text) or self.ended:
                    self.at = end
                    return value
            if len(self.text) - self.at > LONGEST:
                self.refuse(f"it is longer than {LONGEST:,} characters")
            self.grow()

    def refuse(self, why: str) -> NoReturn:
        place = f"{self.path}, record {self.records:,} (at character {self.before + self.at:,})"
        if self.ended:
            raise DataError(
                f"{place}: the file ends in the middle of the list, expected more behind it ({why}); it was probably "
                "cut short: copy or download it again"
            )
        raise DataError(f"{place}: no valid JSON ({why}); mend that record, or write the file again")


def _said(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "lists inside lists too deep" if isinstance(error, RecursionError) else str(error)
