"""VQA accuracy (paper Sec. 3.4 (2)).

Acc (Y), for Yes/No questions: the first word Yes or No of the answer decides; "yes or no" and "yes/no" name the
question and answer nothing. An answer without either word is wrong, and counted apart as malformed. Acc (W), for
What/Why/How: the mean of a judge's marks over 4. Acc (Total) weighs both with the number of their questions;
(90 * Acc(Y) + 60 * Acc(W)) / 150 holds on every row of the paper's Tab. 5 (spec A6).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

from ..llm_score.compute import MarkSums
from ..llm_score.judge import JudgeChoice, JudgeItem, Verdict, resolve_judge, verdicts_of

VERSION = 2
"""Raised by every change that changes a number; it stands in the signature.

2: "yes or no" is no answer, wide letters are letters, and thoughts are no part of an answer.
"""

# A word of its own: not in "eyes", "not" or "no-one".
_YES_NO = re.compile(r"(?<![^\W_])(?<![^\W_]['\u2019-])(yes|no)(?![^\W_]|['\u2019-][^\W_])", re.IGNORECASE)
_BOTH = re.compile(r"(?<![^\W_])(?:yes\s*(?:/|or)\s*no|no\s*(?:/|or)\s*yes)(?![^\W_])", re.IGNORECASE)


class VqaAccuracy(NamedTuple):
    """VQA accuracy with what it was computed from."""

    acc_y: float | None
    """Yes/No questions, 0..1; None without any."""
    acc_w: float | None
    """What/Why/How questions, 0..1; None without any, or without a mark."""
    acc_total: float | None
    """All questions, 0..1; None without a judge, or when a kind that has questions has no accuracy."""
    yes_no: int
    """Yes/No questions."""
    correct: int
    """Yes/No questions answered right."""
    malformed: int
    """Yes/No questions answered with neither word: wrong, but not a wrong word."""
    what_why_how: int
    """What/Why/How questions."""
    judge: str | None
    """The judge's name."""
    judged: int
    """What/Why/How questions with a mark."""
    judge_failures: int
    """What/Why/How questions without a mark; Acc (W) is the mean over the others."""
    absent: int
    """Answers with no text at all; they count as wrong too."""


YesNoOutcome = Literal["right", "wrong", "malformed", "absent"]
"""What became of a Yes/No question: the last two are an answer with neither word, and no text at all."""


class VqaAccuracySums:
    """Running sums of VQA accuracy."""

    def __init__(self) -> None:
        self._yes_no = self._correct = self._malformed = self._absent = self._what_why_how = 0
        self.marks = MarkSums()
        """Of the What/Why/How answers."""

    def add_yes_no(self, prediction: str, answer: str) -> YesNoOutcome:
        """Add the answer to a Yes/No question.

        Raises:
            `ValueError`: when the true `answer` holds neither word.
        """
        truth = yes_or_no(answer)
        if truth is None:
            raise ValueError(
                f"expected a true answer with the word Yes or No for a yes_no question, got {answer!r:.80}"
            )
        said = yes_or_no(prediction)
        self._yes_no += 1
        if said is None:
            absent = not prediction.strip()
            self._malformed += not absent
            self._absent += absent
            return "absent" if absent else "malformed"
        self._correct += said == truth
        return "right" if said == truth else "wrong"

    def add_mark(self, mark: int | Sequence[Verdict] | None) -> None:
        """Add a What/Why/How answer: its mark, its verdicts, or None when the judge failed or there is none."""
        self._what_why_how += 1
        self.marks.add(mark)

    def result(self, judge: str | None) -> VqaAccuracy:
        """The value so far."""
        acc_y = self._correct / self._yes_no if self._yes_no else None
        acc_w = self.marks.mean
        # Without a judge there is no total, also where no question asks for one: one rule, not two.
        total = None if judge is None else total_accuracy(acc_y, self._yes_no, acc_w, self._what_why_how)
        marks = self.marks.result(judge)
        return VqaAccuracy(
            acc_y, acc_w, total,
            self._yes_no, self._correct, self._malformed, self._what_why_how,
            judge, marks.judged, marks.failures if judge is not None else 0, self._absent,
        )  # fmt: skip


def yes_or_no(text: str) -> Literal["yes", "no"] | None:
    """The first word Yes or No in `text`, None without either; an echo of "yes or no" is left out.

    ```python
    >>> yes_or_no("I think yes, no doubt."), yes_or_no("Its eyes are not sharp.")
    ('yes', None)
    ```
    """
    found = _YES_NO.search(_BOTH.sub(" ", unicodedata.normalize("NFKC", text)))
    if found is None:
        return None
    return "yes" if found[1].lower() == "yes" else "no"


def total_accuracy(acc_y: float | None, yes_no: int, acc_w: float | None, what_why_how: int) -> float | None:
    """Acc (Total) = (yes_no * acc_y + what_why_how * acc_w) / (yes_no + what_why_how).

    Every question counts with its kind's accuracy, also one on which the judge failed. None without
    questions, or when a kind that has questions has no accuracy.
    """
    if yes_no + what_why_how == 0 or (yes_no and acc_y is None) or (what_why_how and acc_w is None):
        return None
    return (yes_no * (acc_y or 0.0) + what_why_how * (acc_w or 0.0)) / (yes_no + what_why_how)


def vqa_accuracy(
    predictions: Sequence[str],
    answers: Sequence[str],
    question_types: Sequence[str],
    questions: Sequence[str | None] | None = None,
    *,
    judge: JudgeChoice = None,
) -> VqaAccuracy:
    """Accuracy of a set of answers.

    Args:
        predictions (`list` of `str`): clean predicted answers.
        answers (`list` of `str`): clean true answers.
        question_types (`list` of `str`): `"yes_no"`, `"what"`, `"why"` or `"how"`.
        questions (`list` of `str`, *optional*): what was asked, for the judge.
        judge (`Judge`, *optional*, defaults to `LexicalJudge()`): marks the answers that are not Yes/No;
            False leaves
            Acc (W) and Acc (Total) without a value.

    Returns:
        `VqaAccuracy`: three values, 0..1 or None, and the counts.

    Raises:
        `ValueError`: on lists of unequal length, an unknown question type, a Yes/No question whose true
            answer is neither, or a judge that does not keep to its contract; it names the sample.

    Example (one of two Yes/No answers right, and a mark of 4 of 4: (2 * 0.5 + 1 * 1) / 3):

    ```python
    >>> kinds = ["yes_no", "yes_no", "what"]
    >>> vqa_accuracy(["Yes.", "No.", "blurry"], ["Yes.", "Yes.", "Blurred."], kinds).acc_total
    0.6666666666666666
    ```
    """
    asked: Sequence[str | None] = [None] * len(predictions) if questions is None else questions
    if not len(predictions) == len(answers) == len(question_types) == len(asked):
        raise ValueError(
            f"expected lists of one length, got {len(predictions)} predictions, {len(answers)} answers, "
            f"{len(question_types)} question_types and {len(asked)} questions"
        )
    chosen = resolve_judge(judge)
    sums = VqaAccuracySums()
    items: list[JudgeItem] = []
    for number, kind in enumerate(question_types):
        if kind == "yes_no":
            try:
                sums.add_yes_no(predictions[number], answers[number])
            except ValueError as error:
                raise ValueError(f"sample {number}: {error}") from None
        elif kind in ("what", "why", "how"):
            items.append(JudgeItem(asked[number], answers[number], predictions[number]))
        else:
            raise ValueError(
                f"sample {number}: expected question_type yes_no, what, why or how, got {kind!r:.80}"
            )
    for verdicts in verdicts_of(chosen, items) if chosen else [()] * len(items):
        sums.add_mark(verdicts)
    return sums.result(chosen.name if chosen else None)
