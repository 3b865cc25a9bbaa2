"""The file of raw answers: a line of JSON per answer, appended as they come, on disk before the next batch begins.

A line holds the frame of its picture too, so that the answers can be read, and scored again, without the model and
its processor.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..frames import Frame
from .journal import Journal, appending_lines, read_lines


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

    Raises:
        `DataError`: naming a line, not the last, that is no answer.
    """
    answers: dict[str, Answer] = {}
    for answer in read_lines(path, _of_line, "an answer"):
        if answer.row_id not in answers or answer.text is not None:
            answers[answer.row_id] = answer
    return answers


class AnswerWriter:
    """Appends answers; use `appending`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def append(self, answers: Sequence[Answer]) -> None:
        """Write answers and wait until the disk has them."""
        self._journal.append([_line_of(answer) for answer in answers])


@contextlib.contextmanager
def appending(path: Path) -> Iterator[AnswerWriter]:
    """Open a file of answers for this process alone; see `appending_lines`."""
    with appending_lines(path) as journal:
        yield AnswerWriter(journal)


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
