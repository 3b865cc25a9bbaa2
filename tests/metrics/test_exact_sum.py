"""The sum of floats in any order."""

from __future__ import annotations

import random
from math import fsum

from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.metrics.exact_sum import ExactSum


def summed(values):
    total = ExactSum()
    for value in values:
        total.add(value)
    return total.value


@given(st.lists(st.floats(-1e300, 1e300)), st.randoms())
def test_order_does_not_matter(values, shuffled: random.Random):
    expected = fsum(values)
    shuffled.shuffle(values)
    assert summed(values) == expected


def test_where_plain_sums_differ():
    assert sum([0.1] * 10) != 1.0 and summed([0.1] * 10) == 1.0  # ten tenths, rounded once
    assert summed([1e16, 1.0, -1e16]) == 1.0
    assert summed([]) == 0.0
