"""A file that grows line by line of JSON, on disk before the next batch begins, and is whole after any interruption."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeVar

from ..errors import DataError, GiqaError

T = TypeVar("T")


def read_lines(path: Path, read: Callable[[Any], T], what: str) -> Iterator[T]:
    """What the lines of a file hold; nothing where there is no file.

    A last line that was cut short (the process was killed, the disk was full) is left out.

    Args:
        path (`Path`): the file.
        read (`callable`): makes a value of a line's JSON, or raises `ValueError`, `KeyError`, `TypeError` or
            `AttributeError`.
        what (`str`): what a line is, for the error.

    Raises:
        `DataError`: naming a line, not the last, that is none.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            value = read(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {number}: expected {what} as `giqa bench` writes it, found {line[:60]!r} ({error}); "
                "delete this line and run the same command again"
            ) from error
        yield value


class Journal:
    """Appends lines; use `appending_lines`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write lines and wait until the disk has them."""
        for line in lines:  # ASCII: a lone surrogate, which a model may write, has no UTF-8 form
            self._file.write(json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@contextlib.contextmanager
def appending_lines(path: Path) -> Iterator[Journal]:
    """Open such a file for this process alone, its last line repaired.

    Raises:
        `GiqaError`: when another process is writing to it.
    """
    with path.open("ab+") as file:
        _lock(file, path)
        _cut_half_line(file)
        yield Journal(file)


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise GiqaError(
            f"{path}: another `giqa bench` is at work there; wait for it, or choose another --out"
        ) from None
    except OSError:  # some network file systems know no locks
        return


def _cut_half_line(file: IO[bytes]) -> None:
    end = file.seek(0, os.SEEK_END)
    kept = end
    while kept:  # backwards to the last end of a line
        start = max(0, kept - 65_536)
        file.seek(start)
        place = file.read(kept - start).rfind(b"\n")
        if place >= 0:
            kept = start + place + 1
            break
        kept = start
    if kept < end:
        file.truncate(kept)
    file.seek(0, os.SEEK_END)
