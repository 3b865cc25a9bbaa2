"""Agreement of marks: worked by hand, and against the example that Krippendorff himself published."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.metrics.agreement import OrdinalAlphaSums, human_agreement, ordinal_alpha

NO = None
# Four observers, twelve units; "Computing Krippendorff's Alpha-Reliability" (2011), section C.
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
    [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
]


def test_the_published_example():
    assert ordinal_alpha(zip(*OBSERVERS, strict=True)) == pytest.approx(0.815, abs=0.0005)


@pytest.mark.parametrize(
    ("units", "alpha"),
    [
        # n_0 = n_1 = 3; two levels: 1 - (n - 1) * o_01 / (n_0 * n_1) = 1 - 5 * 1 / 9
        ([(0, 0), (1, 1), (0, 1)], 1 - 5 / 9),
        # a unit with one value pairs with nothing and changes nothing
        ([(0, 0), (1, 1), (0, 1), (NO, 4), (4,), ()], 1 - 5 / 9),
        # the values of two levels have no distance but their order
        ([(0, 0), (4, 4), (0, 4)], 1 - 5 / 9),
        ([(0, 0), (2, 2), (4, 4)], 1.0),
        # opposite: o_01 = 4, n_0 = n_1 = 4: 1 - 7 * 4 / 16; below 0, since chance would agree more often
        ([(0, 1), (1, 0)] * 2, 1 - 7 * 4 / 16),
        # n = (1, 2, 1): d_01 = d_12 = 1.5^2, d_02 = (4 - 1)^2; o_01 = o_12 = 1:
        # 1 - 3 * (2.25 + 2.25) / (2 * 2.25 + 2 * 2.25 + 1 * 9) = 1 - 13.5 / 18
        ([(0, 1), (1, 2)], 0.25),
        # the same marks, but one far apart: o_02 = 1, o_11 = 2: 1 - 3 * 9 / 18
        ([(0, 2), (1, 1)], -0.5),
        # three coders, m - 1 = 2: o_00 = 2 * 1/2, o_01 = 2 * 1/2, o_11 = 6/2; n_0 = 2, n_1 = 4: 1 - 5 * 1 / 8
        ([(0, 0, 1), (1, 1, 1)], 1 - 5 / 8),
        ([(3, 3), (3, 3)], None),  # one mark for everything shows nothing
        ([(1,), (NO, 2)], None),  # nothing to pair
        ([], None),
    ],
)
def test_by_hand(units, alpha):
    found = ordinal_alpha(units)
    assert found == (None if alpha is None else pytest.approx(alpha))


MARKS = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=4), max_size=12)


@given(MARKS, st.randoms())
def test_neither_order_nor_scale_matters(units, random):
    alpha = ordinal_alpha(units)
    mixed = [random.sample(own, len(own)) for own in units]
    random.shuffle(mixed)
    assert ordinal_alpha(mixed) == alpha  # to the last bit
    stretched = [[None if mark is None else mark**3 - 7.5 for mark in own] for own in units]
    assert ordinal_alpha(stretched) == alpha
    assert alpha is None or alpha <= 1


def exact(units):
    """The definition, pair by pair, in fractions."""
    pairs = [
        (Fraction(1, len(given) - 1), a, b)
        for own in units
        if len(given := [value for value in own if value is not None]) > 1
        for a, b in permutations(given, 2)
    ]
    n = {}
    for weight, a, _ in pairs:
        n[a] = n.get(a, 0) + weight

    def difference(a, b):
        low, high = min(a, b), max(a, b)
        return (sum(n[g] for g in n if low <= g <= high) - Fraction(n[a] + n[b], 2)) ** 2

    expected = sum(n[a] * n[b] * difference(a, b) for a in n for b in n)
    if not expected:
        return None
    return 1 - (sum(n.values()) - 1) * sum(w * difference(a, b) for w, a, b in pairs) / expected


@given(MARKS)
def test_is_its_definition(units):
    alpha, truth = ordinal_alpha(units), exact(units)
    assert alpha == (None if truth is None else pytest.approx(float(truth), abs=1e-12))


def test_running_sums():
    sums = OrdinalAlphaSums()
    for unit in zip(*OBSERVERS, strict=True):
        sums.add(unit)
    assert sums.result() == ordinal_alpha(zip(*OBSERVERS, strict=True))


def test_judge_beside_people():
    # the judge failed on the second, nobody marked the third: (4, 4), (0, 1), (2, 2), (3, 4) are left.
    # Ranks (4, 1, 2, 3) and (3.5, 1, 2, 3.5): covariance 4.5, variances 5 and 4.5: 4.5 / sqrt(22.5) = .94868
    found = human_agreement([4, None, 1, 0, 2.0, 3], [4, 2, None, 1, 2, 4.0])
    assert found.spearman == pytest.approx(0.9486833)
    assert found.alpha == pytest.approx(float(exact([(4, 4), (0, 1), (2, 2), (3, 4)])))
    assert found.texts == 4
    assert human_agreement([1, 2], [1, 2])[::2] == (None, 2)  # two points always lie on a line
    assert human_agreement([], []) == (None, None, 0)
    with pytest.raises(ValueError, match=r"one human mark \(or None\) per text, got 1 for 2 texts"):
        human_agreement([1, 2], [1])
