"""The file of raw answers: a line of JSON per answer, appended as they come, on disk before the next batch begins.

A line holds the frame of its picture too, so that the answers can be read, and scored again, without the model and
its processor.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..errors import DataError, GiqaError
from ..frames import Frame


class Answer(NamedTuple):
    """What came back for a row."""

    row_id: str
    text: str | None
    """The model's raw words, boxes and all; `None` when there are none, see `problem`."""
    frame: Frame
    """In which the model saw the picture."""
    problem: str | None = None
    """Why there is no text, in few words."""
    cut_off: bool = False
    """Whether the answer reached the limit on new tokens; it is scored as far as it goes."""


def read_answers(path: Path) -> dict[str, Answer]:
    """The answers of a file by row; of a row that was asked again after a failure, the later one.

    A last line that was cut short (the process was killed, the disk was full) is left out.

    Raises:
        `DataError`: naming a line, not the last, that is no answer.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return {}
    answers: dict[str, Answer] = {}
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            answer = _of_line(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: expected an answer as `giqa bench` writes it, found {line[:60]!r} ({error}); "
                "delete this line and run the same command again"
            ) from error
        if answer.row_id not in answers or answer.text is not None:
            answers[answer.row_id] = answer
    return answers


class AnswerWriter:
    """Appends answers; use `appending`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def append(self, answers: Sequence[Answer]) -> None:
        """Write answers and wait until the disk has them."""
        for answer in answers:  # ASCII: a lone surrogate, which a model may write, has no UTF-8 form
            self._file.write(json.dumps(_line_of(answer), separators=(",", ":")).encode("ascii") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@contextlib.contextmanager
def appending(path: Path) -> Iterator[AnswerWriter]:
    """Open a file of answers for this process alone, its last line repaired.

    Raises:
        `GiqaError`: when another process is writing to it.
    """
    with path.open("ab+") as file:
        _lock(file, path)
        _cut_half_line(file)
        yield AnswerWriter(file)


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


def _line_of(answer: Answer) -> dict[str, Any]:
    line: dict[str, Any] = {"id": answer.row_id, "answer": answer.text}
    if answer.problem is not None:
        line["problem"] = answer.problem
    if answer.cut_off:
        line["cut_off"] = True
    frame = answer.frame
    line["frame"] = {
        "image_wh": frame.image_wh,
        "model_wh": frame.model_wh,
        "scale_xy": frame.scale_xy,
        "offset_xy": frame.offset_xy,
    }
    return line


def _of_line(line: Any) -> Answer:
    frame = Frame(**{name: tuple(pair) for name, pair in line["frame"].items()})
    text, problem = line["answer"], line.get("problem")
    if not isinstance(line["id"], str) or not isinstance(text, (str, type(None))):
        raise TypeError("id or answer is no string")
    return Answer(line["id"], text, frame, problem, bool(line.get("cut_off", False)))
