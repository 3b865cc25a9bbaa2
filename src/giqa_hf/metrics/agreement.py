"""How far a judge's marks can be trusted: agreement with people's marks, and with its own on another day.

Spearman's correlation asks whether both put the texts into one order. Krippendorff's alpha asks whether they mean the
same by a mark: a judge that is always one mark too kind has a correlation of 1 and an alpha well below it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import permutations
from math import fsum
from typing import NamedTuple

from .score_correlation.correlations import spearman


class HumanAgreement(NamedTuple):
    """A judge's marks beside people's."""

    spearman: float | None
    """Rank correlation, -1..1; None below 3 texts, and when either gave one mark to all."""
    alpha: float | None
    """Krippendorff's alpha for ordinal data: 1 for the same marks, 0 for chance, below it for opposite marks."""
    texts: int
    """Texts that have both marks."""


class OrdinalAlphaSums:
    """Running sums of Krippendorff's alpha for ordinal values; units come and go, counts of values stay."""

    def __init__(self) -> None:
        # (values of the unit, value, value of another coder) -> how often: whole numbers, so that the order of the
        # units changes not even the last bit.
        self._coincidences: Counter[tuple[int, float, float]] = Counter()

    def add(self, values: Sequence[float | None]) -> None:
        """Add a unit: one value per coder, None where a coder gave none. One value alone pairs with nothing."""
        given = [value for value in values if value is not None]
        for a, b in permutations(given, 2):
            self._coincidences[len(given), a, b] += 1

    def result(self) -> float | None:
        """The alpha so far; None when no two values can be paired, or all are the same.

        alpha = 1 - (n - 1) * sum(o_ck * d_ck) / sum(n_c * n_k * d_ck) over c < k, with the coincidences o_ck = pairs
        of c and k in units of m values, each over (m - 1); n_c their sums; n the sum of those; and the ordinal
        difference d_ck = (n_c / 2 + all n_g between c and k + n_k / 2)^2 (Krippendorff, Computing Krippendorff's
        Alpha-Reliability, 2011).
        """
        levels = sorted({a for _, a, _ in self._coincidences})
        parts: dict[tuple[float, float], list[float]] = {}
        for (coders, a, b), count in self._coincidences.items():
            parts.setdefault((a, b), []).append(count / (coders - 1))
        pairs = {key: fsum(own) for key, own in parts.items()}
        sums = [fsum(pairs.get((level, other), 0.0) for other in levels) for level in levels]
        observed, expected = [], []
        for i, low in enumerate(levels):
            for j in range(i + 1, len(levels)):
                difference = (fsum(sums[i : j + 1]) - (sums[i] + sums[j]) / 2) ** 2
                observed.append(pairs.get((low, levels[j]), 0.0) * difference)
                expected.append(sums[i] * sums[j] * difference)
        if not expected:
            return None
        return 1.0 - (fsum(sums) - 1.0) * fsum(observed) / fsum(expected)


def ordinal_alpha(units: Iterable[Sequence[float | None]]) -> float | None:
    """Krippendorff's alpha for ordinal values.

    Args:
        units (iterable of `list` of `float` or None): what was judged: one value per coder, None where there is none.

    Returns:
        `float`: at most 1; None when no two values can be paired, or all values are the same.

    Example, by hand: two coders, units (0, 0), (1, 1), (0, 1). Coincidences: 00 twice, 11 twice, 01 once and 10 once;
    n_0 = n_1 = 3, n = 6. With two levels the difference is (3 / 2 + 3 / 2)^2 = 9 everywhere and falls out:
    1 - 5 * 1 / (3 * 3) = 0.4444.

    ```python
    >>> round(ordinal_alpha([(0, 0), (1, 1), (0, 1)]), 4)
    0.4444
    ```
    """
    sums = OrdinalAlphaSums()
    for values in units:
        sums.add(values)
    return sums.result()


def human_agreement(
    judge_marks: Sequence[float | None], human_marks: Sequence[float | None]
) -> HumanAgreement:
    """Compare a judge's marks with people's on the same texts.

    Args:
        judge_marks (`list` of `float` or None): a mark, or the mean of several, per text; None where it failed.
        human_marks (`list` of `float` or None): the same by people; None where nobody marked.

    Raises:
        `ValueError`: on lists of unequal length.

    Example (always one mark too kind: the same order; coincidences 01, 12, 23 and back, n = 1, 2, 2, 1, so the
    differences of neighbours are 1.5^2, 2^2, 1.5^2 and alpha = 1 - 5 * 8.5 / 99):

    ```python
    >>> found = human_agreement([1, 2, 3], [0, 1, 2])
    >>> found.spearman, round(found.alpha, 4), found.texts
    (1.0, 0.5707, 3)
    ```
    """
    if len(judge_marks) != len(human_marks):
        raise ValueError(
            f"expected one human mark (or None) per text, got {len(human_marks)} for {len(judge_marks)} texts"
        )
    both = [(a, b) for a, b in zip(judge_marks, human_marks, strict=True) if a is not None and b is not None]
    correlation = spearman([a for a, _ in both], [b for _, b in both])
    return HumanAgreement(correlation, ordinal_alpha(both), len(both))
