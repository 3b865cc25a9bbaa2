"""The fingerprint of reference rows: what it sees, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.metrics.fingerprint import RowsFingerprint, texts_fingerprint

ROWS = [(["a", "b"], [0.0, 0.5]), (["c", None], []), ([["d", "e"], "f"], [1.0])]


def fingerprint(rows):
    found = RowsFingerprint()
    for texts, numbers in rows:
        found.add(texts, numbers)
    return found.result()


def test_the_order_of_rows_is_not_in_it():
    assert fingerprint(ROWS) == fingerprint(ROWS[::-1])
    assert len(fingerprint(ROWS)) == 16 and int(fingerprint(ROWS), 16) >= 0


def test_where_numbers_come_from_is_not_in_it():
    assert fingerprint([(["a"], np.array([0.25, 1.0]))]) == fingerprint([(("a",), [0.25, 1])])


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:2],  # a row less
        [*ROWS, ROWS[0]],  # a row twice
        [(["b", "a"], [0.0, 0.5]), *ROWS[1:]],  # texts the other way round
        [(["ab"], [0.0, 0.5]), *ROWS[1:]],  # joined texts
        [(["a", "b"], [0.5, 0.0]), *ROWS[1:]],  # numbers the other way round
        [(["a", "b"], [0.0, np.nextafter(0.5, 1)]), *ROWS[1:]],  # the last bit of a number
        [ROWS[0], (["c", "None"], []), ROWS[2]],  # a word instead of nothing
        [ROWS[0], ROWS[1], (["d", "e", "f"], [1.0])],  # another nesting
        [],
    ],
)
def test_differences_are_seen(rows):
    assert fingerprint(rows) != fingerprint(ROWS)


def test_lone_surrogates_are_texts_too():
    assert texts_fingerprint(["\ud800"]) != texts_fingerprint(["\ud801"])
