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
NO_REASON = "no reason given"
"""Why there is no mark, where a judge gives None and no more."""


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


class Verdict(NamedTuple):
    """What one reading of a text gave: a mark, or why there is none; exactly one of the two is None."""

    mark: int | None
    """From 0 (unrelated) to 4 (says the same)."""
    problem: str | None
    """A short phrase without details, so that failures can be counted by it."""


@runtime_checkable
class DetailedJudge(Judge, Protocol):
    """A judge that says why it failed, and may read each text several times."""

    @property
    def repeats(self) -> int:
        """How often each text is read, at least once."""
        ...

    def judge_many(self, items: Sequence[JudgeItem]) -> Sequence[Sequence[Verdict]]:
        """For each item, in order, `repeats` verdicts, in the order of the runs."""
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


def verdicts_of(judge: Judge, items: Sequence[JudgeItem]) -> list[tuple[Verdict, ...]]:
    """The verdicts on `items`, in order: of any judge, one per run.

    Raises:
        `ValueError`: when the judge gives something else than whole numbers from 0 to 4 or None, another number of
            them than there are texts, or neither or both of a mark and a problem.
    """
    if not items:
        return []
    if not isinstance(judge, DetailedJudge):
        return [(Verdict(mark, NO_REASON if mark is None else None),) for mark in _marks_of(judge, items)]
    found = [tuple(Verdict(*verdict) for verdict in own) for own in judge.judge_many(items)]
    if len(found) != len(items) or any(len(own) != judge.repeats for own in found):
        raise ValueError(
            f"judge {judge.name}: expected {judge.repeats} verdicts for each of {len(items)} texts, got "
            f"{sorted({len(own) for own in found})} for {len(found)}"
        )
    for mark, problem in (verdict for own in found for verdict in own):
        if (mark is None) == (problem is None):
            raise ValueError(
                f"judge {judge.name}: expected a mark or a problem, got {mark!r:.80}, {problem!r:.80}"
            )
        _checked(mark, judge)
    return found


def _marks_of(judge: Judge, items: Sequence[JudgeItem]) -> list[int | None]:
    """The marks of a judge that says no more than these, each checked."""
    if isinstance(judge, BatchJudge):
        marks = list(judge.score_many(items))
    else:
        marks = [judge.score(item.question, item.reference, item.prediction) for item in items]
    if len(marks) != len(items):
        raise ValueError(
            f"judge {judge.name}: expected {len(items)} marks for {len(items)} texts, got {len(marks)}"
        )
    return [_checked(mark, judge) for mark in marks]


def _checked(mark: object, judge: Judge) -> int | None:
    whole = isinstance(mark, (int, np.integer)) and not isinstance(mark, bool)
    if mark is not None and not (whole and 0 <= mark <= MAX_MARK):  # type: ignore[operator]  # a number by then
        raise ValueError(
            f"judge {judge.name}: expected a whole number from 0 to {MAX_MARK}, or None when it failed, "
            f"got {mark!r:.80}"
        )
    return None if mark is None else int(mark)  # type: ignore[call-overload]  # likewise
