"""LLM-Score (paper Sec. 3.4 (1)): the mean of a judge's marks 0 to 4, x 25, on texts without coordinates.

The mean is over the texts that were judged. A text that the judge failed on is in `failures`, beside the value: no 0
is invented for it, and it is not forgotten: `bounds` says where the value would lie whatever its mark had been.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import fsum, sqrt
from typing import NamedTuple

import numpy as np

from ..agreement import HumanAgreement, OrdinalAlphaSums, human_agreement
from .judge import MAX_MARK, NO_REASON, JudgeChoice, JudgeItem, Verdict, resolve_judge, verdicts_of

VERSION = 2
"""Raised by every change that changes a number; it stands in the signature.

2: thoughts are taken out of predictions.
"""


class LlmScore(NamedTuple):
    """LLM-Score with what it was computed from."""

    value: float | None
    """0..100; None when nothing was judged."""
    judge: str | None
    """The judge's name."""
    judged: int
    """Texts with a mark, in at least one run."""
    failures: int
    """Texts for which the judge gave none in any run."""
    marks: tuple[int, ...]
    """How many times 0, 1, 2, 3 and 4 were given; with one run, how many texts got them."""
    reasons: Mapping[str, int]
    """How many readings came to nothing, by reason; with `marks` they add up to texts x runs."""
    runs: tuple[float | None, ...]
    """The LLM-Score of each run by itself."""
    spread: float | None
    """Standard deviation of the runs' scores (n - 1); None below two."""
    self_agreement: float | None
    """Krippendorff's alpha (ordinal) between the runs: 1 when each text got the same mark each time."""
    human: HumanAgreement | None
    """Agreement with people's marks; None when there were none to compare with."""
    bounds: tuple[float, float] | None
    """The value if every text without a mark had 0, and if it had 4; the value twice without failures, None without
    texts."""


class MarkSums:
    """How often each mark was given, and what went wrong."""

    def __init__(self) -> None:
        self._marks = [0] * (MAX_MARK + 1)
        self._failures = 0
        self._reasons: Counter[str] = Counter()
        self._points: Counter[int] = Counter()  # of texts by how many marks they got,
        self._texts: Counter[int] = Counter()  # and the number of these texts
        self._runs: list[tuple[int, int]] = []  # points and marks of each run
        self._alpha = OrdinalAlphaSums()

    def add(self, mark: int | Sequence[Verdict] | None) -> None:
        """Add a text: its mark, None for a failure of the judge, or its verdicts, one per run."""
        if mark is None:
            mark = (Verdict(None, NO_REASON),)
        verdicts = (Verdict(mark, None),) if isinstance(mark, int) else mark
        given = [verdict.mark for verdict in verdicts if verdict.mark is not None]
        for value in given:
            self._marks[value] += 1
        self._reasons.update(verdict.problem for verdict in verdicts if verdict.problem is not None)
        if given:
            self._texts[len(given)] += 1
            self._points[len(given)] += sum(given)
        else:
            self._failures += 1
        self._alpha.add(given)
        self._runs += [(0, 0)] * (len(verdicts) - len(self._runs))
        for run, verdict in enumerate(verdicts):
            if verdict.mark is not None:
                points, count = self._runs[run]
                self._runs[run] = points + verdict.mark, count + 1

    @property
    def mean(self) -> float | None:
        """The mean mark over the best one, 0..1; None when nothing was judged.

        A text's mark is the mean of those that it got: each judged text weighs the same.
        """
        judged = sum(self._texts.values())
        return self._total / (MAX_MARK * judged) if judged else None

    @property
    def _total(self) -> float:
        """The sum of the mean marks of the judged texts; whatever their order, to the last bit."""
        return fsum(self._points[count] / count for count in self._texts)

    def _bounds(self) -> tuple[float, float] | None:
        texts = sum(self._texts.values()) + self._failures
        if not texts:
            return None
        whole = MAX_MARK * texts
        return 100.0 * (self._total / whole), 100.0 * ((self._total + MAX_MARK * self._failures) / whole)

    def result(self, judge: str | None) -> LlmScore:
        """The value so far."""
        mean = self.mean
        runs = tuple(100.0 * points / (MAX_MARK * count) if count else None for points, count in self._runs)
        return LlmScore(
            value=None if mean is None else 100.0 * mean,
            judge=judge,
            judged=sum(self._texts.values()),
            failures=self._failures,
            marks=tuple(self._marks),
            reasons=dict(sorted(self._reasons.items())),
            runs=runs,
            spread=_deviation([run for run in runs if run is not None]),
            self_agreement=self._alpha.result(),
            human=None,
            bounds=self._bounds(),
        )


def llm_score(
    predictions: Sequence[str],
    references: Sequence[str],
    questions: Sequence[str | None] | None = None,
    *,
    judge: JudgeChoice = None,
    human_marks: Sequence[float | None] | None = None,
) -> LlmScore:
    """LLM-Score of a set of texts.

    Args:
        predictions (`list` of `str`): clean predicted texts.
        references (`list` of `str`): one clean true text each.
        questions (`list` of `str`, *optional*): the questions, for answers; None for descriptions.
        judge (`Judge`, *optional*, defaults to `LexicalJudge()`): gives the marks.
        human_marks (`list` of `float` or None, *optional*): people's marks of the same texts, from 0 to 4 (a mean of
            several people too), to compare the judge's with; None where nobody marked.

    Returns:
        `LlmScore`: the value, 0..100 or None, the judge's name, and the counts.

    Raises:
        `ValueError`: on lists of unequal length, a human mark that is none, or a judge that does not keep to its
            contract.

    Example (marks 4 and 0):

    ```python
    >>> llm_score(["The dog is blurry.", ""], ["The dog is not sharp.", "Noise."]).value
    50.0
    ```
    """
    asked: Sequence[str | None] = [None] * len(predictions) if questions is None else questions
    if not len(predictions) == len(references) == len(asked):
        raise ValueError(
            f"expected lists of one length, got {len(predictions)} predictions, "
            f"{len(references)} references and {len(asked)} questions"
        )
    if human_marks is not None:
        _check_human_marks(human_marks, len(predictions))
    chosen = resolve_judge(judge)
    sums = MarkSums()
    if chosen is None:
        return sums.result(None)
    verdicts = verdicts_of(
        chosen, [JudgeItem(*item) for item in zip(asked, references, predictions, strict=True)]
    )
    for own in verdicts:
        sums.add(own)
    result = sums.result(chosen.name)
    if human_marks is None:
        return result
    return result._replace(human=human_agreement([mean_mark(own) for own in verdicts], human_marks))


def _check_human_marks(marks: Sequence[object], texts: int) -> None:
    """Refuse them before the judge is asked, which may take hours."""
    if len(marks) != texts:
        raise ValueError(f"expected one human mark (or None) per text, got {len(marks)} for {texts} texts")
    for number, mark in enumerate(marks):
        number_like = isinstance(mark, (int, float, np.integer, np.floating)) and not isinstance(mark, bool)
        if mark is not None and not (number_like and 0 <= mark <= MAX_MARK):  # type: ignore[operator]  # a number by then
            raise ValueError(
                f"human_marks[{number}]: expected a number from 0 to {MAX_MARK}, or None where nobody marked, "
                f"got {mark!r:.80}"
            )


def mean_mark(verdicts: Sequence[Verdict]) -> float | None:
    """The mean of a text's marks; None when no run gave one."""
    given = [verdict.mark for verdict in verdicts if verdict.mark is not None]
    return sum(given) / len(given) if given else None


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = fsum(values) / len(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
