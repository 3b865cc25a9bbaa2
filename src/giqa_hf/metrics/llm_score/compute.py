"""LLM-Score (paper Sec. 3.4 (1)): the mean of a judge's marks 0 to 4, x 25, on texts without coordinates.

The mean is over the texts that were judged. A text that the judge failed on is in `failures`, beside the
value: no 0 is invented for it, and it is not forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .judge import MAX_MARK, JudgeChoice, JudgeItem, marks_of, resolve_judge


class LlmScore(NamedTuple):
    """LLM-Score with what it was computed from."""

    value: float | None
    """0..100; None when nothing was judged."""
    judge: str | None
    """The judge's name."""
    judged: int
    """Texts with a mark."""
    failures: int
    """Texts for which the judge gave none."""
    marks: tuple[int, ...]
    """How many texts got 0, 1, 2, 3 and 4."""


class MarkSums:
    """How often each mark was given."""

    def __init__(self) -> None:
        self._marks = [0] * (MAX_MARK + 1)
        self._failures = 0

    def add(self, mark: int | None) -> None:
        """Add a mark, None for a failure of the judge."""
        if mark is None:
            self._failures += 1
        else:
            self._marks[mark] += 1

    @property
    def mean(self) -> float | None:
        """The mean mark over the best one, 0..1; None when nothing was judged."""
        judged = sum(self._marks)
        total = sum(mark * count for mark, count in enumerate(self._marks))
        return total / (MAX_MARK * judged) if judged else None

    def result(self, judge: str | None) -> LlmScore:
        """The value so far."""
        mean = self.mean
        return LlmScore(
            None if mean is None else 100.0 * mean,
            judge,
            sum(self._marks),
            self._failures,
            tuple(self._marks),
        )


def llm_score(
    predictions: Sequence[str],
    references: Sequence[str],
    questions: Sequence[str | None] | None = None,
    *,
    judge: JudgeChoice = None,
) -> LlmScore:
    """LLM-Score of a set of texts.

    Args:
        predictions (`list` of `str`): clean predicted texts.
        references (`list` of `str`): one clean true text each.
        questions (`list` of `str`, *optional*): the questions, for answers; None for descriptions.
        judge (`Judge`, *optional*, defaults to `LexicalJudge()`): gives the marks.

    Returns:
        `LlmScore`: the value, 0..100 or None, the judge's name, and the counts.

    Raises:
        `ValueError`: on lists of unequal length, or a judge that does not keep to its contract.

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
    chosen = resolve_judge(judge)
    sums = MarkSums()
    if chosen is None:
        return sums.result(None)
    items = [JudgeItem(*item) for item in zip(asked, references, predictions, strict=True)]
    for mark in marks_of(chosen, items):
        sums.add(mark)
    return sums.result(chosen.name)
