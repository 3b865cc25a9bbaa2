"""Label files (tables and metas) as text: opened, read line by line within bounds, fingerprinted for the manifest.

Bytes that are not UTF-8 do not stop a file of 200,000 records: they come through as lone surrogates
(`surrogateescape`), and the records that hold them are refused one by one, see `rows.admit`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from ..errors import DataError

LONGEST = 1 << 24
"""Most characters of one line or one JSON record: 16 million. It bounds the memory that a broken file can take."""

_FOREIGN_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16",
}  # fmt: skip


def open_text(path: Path) -> TextIO:
    """Open a label file as UTF-8 text, with or without a byte order mark, line ends as they are.

    Raises:
        `DataError`: when there is no such file, it cannot be opened, is empty, or begins with the mark of UTF-16 or
            UTF-32.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}), expected a file with the descriptions; check the path"
        ) from None
    if not head:
        raise DataError(f"{path} is empty (0 bytes), expected photos with descriptions; copy it again")
    for mark, encoding in _FOREIGN_MARKS.items():
        if head.startswith(mark):
            raise DataError(f"{path} is {encoding} text, expected UTF-8; save it again as UTF-8")
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


class Line(NamedTuple):
    """A line of a label file."""

    number: int
    """From 1."""
    text: str
    """With its line end."""
    whole: bool
    """False for the beginning of a line that is longer than `LONGEST`; the rest of it is skipped."""


def lines_of(file: TextIO) -> Iterator[Line]:
    """The lines of an opened label file, never more than `LONGEST` characters at once."""
    number = 0
    while text := file.readline(LONGEST):
        number += 1
        whole = len(text) < LONGEST or text.endswith("\n")
        yield Line(number, text, whole)
        rest = "" if whole else file.readline(LONGEST)
        while rest and not rest.endswith("\n"):
            rest = file.readline(LONGEST)


def fingerprint(path: Path) -> dict[str, Any]:
    """What a manifest says of a file: its name, its size in bytes and its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"file": path.name, "bytes": file.tell(), "sha256": digest}
