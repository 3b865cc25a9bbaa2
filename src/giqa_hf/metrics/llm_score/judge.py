"""What a judge is: it marks a text from 0 to 4 against a reference, or says that it could not.

A judge turns its own troubles (a time-out, an answer without a mark) into None. None is a failure of the
judge, not a mark of the model: it is counted and shown, and no 0 is invented for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from .lexical import LexicalJudge

MAX_MARK = 4


@runtime_checkable
class Judge(Protocol):
    """Marks one text at a time."""

    @property
    def name(self) -> str:
        """What stands in the brackets behind every figure that this judge had a hand in."""
        ...

    def score(self, question: str | None, reference: str, prediction: str) -> int | None:
        """A mark from 0 (unrelated) to 4 (says the same), or None when no mark could be got."""
        ...


class JudgeItem(NamedTuple):
    """One text to mark."""

    question: str | None
    """The question, None for a description."""
    reference: str
    """The true text, without coordinates."""
    prediction: str
    """The model's text, without coordinates."""


@runtime_checkable
class BatchJudge(Judge, Protocol):
    """A judge that is faster with many texts at once, e.g. an endpoint with concurrency."""

    def score_many(self, items: Sequence[JudgeItem]) -> Sequence[int | None]:
        """One mark or None per item, in order."""
        ...


JudgeChoice = Judge | Literal[False] | None
"""A judge, None for the lexical one, False for no judge at all."""


def resolve_judge(judge: JudgeChoice) -> Judge | None:
    """The judge that `judge` means; None for no judge.

    Raises:
        `ValueError`: when it is none of a judge, None and False.
    """
    if judge is None:
        return LexicalJudge()
    if judge is False:
        return None
    if not isinstance(judge, Judge) or not callable(judge.score) or not isinstance(judge.name, str):
        raise ValueError(
            "judge: expected an object with a name and score(question, reference, prediction), None for "
            f"the lexical judge or False for none, got {judge!r:.80}"
        )
    return judge


def marks_of(judge: Judge, items: Sequence[JudgeItem]) -> list[int | None]:
    """The marks of `items`, in order, each checked.

    Raises:
        `ValueError`: when the judge gives something else than whole numbers from 0 to 4 or None, one per
            item.
    """
    if not items:
        return []
    if isinstance(judge, BatchJudge):
        marks = list(judge.score_many(items))
    else:
        marks = [judge.score(item.question, item.reference, item.prediction) for item in items]
    if len(marks) != len(items):
        raise ValueError(
            f"judge {judge.name}: expected {len(items)} marks for {len(items)} texts, got {len(marks)}"
        )
    for mark in marks:
        whole = isinstance(mark, (int, np.integer)) and not isinstance(mark, bool)
        if mark is not None and not (whole and 0 <= mark <= MAX_MARK):
            raise ValueError(
                f"judge {judge.name}: expected a whole number from 0 to {MAX_MARK}, or None when it failed, "
                f"got {mark!r:.80}"
            )
    return [None if mark is None else int(mark) for mark in marks]
