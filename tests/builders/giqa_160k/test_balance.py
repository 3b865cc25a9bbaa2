"""Yes = No and Y = W, exactly, whatever the order; what is removed is counted."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.builders.giqa_160k.balance import Answered, balance, yes_or_no
from giqa_hf.errors import DataError

ANSWERS = {"y": ("yes_no", "Yes."), "n": ("yes_no", "No."), "w": ("what", "The sky."), "r": ("why", "Noise."), "h": ("how", "Very."), "?": ("yes_no", "Hard to say.")}  # fmt: skip


def rows(letters):
    return [Answered(f"{i}", *ANSWERS[letter]) for i, letter in enumerate(letters)]


def kept_letters(letters, seed=0):
    return Counter(letters[int(key)] for key in balance(rows(letters), seed).kept)


@pytest.mark.parametrize(
    ("letters", "kept", "removed"),
    [
        # min(Yes, No, W // 2) of each answer, twice that of W
        ("", {}, {}),
        ("ynww", {"y": 1, "n": 1, "w": 2}, {}),  # balanced already
        ("yyyynwwww", {"y": 1, "n": 1, "w": 2}, {"surplus Yes": 3, "surplus What/Why/How": 2}),  # min(4, 1, 2) = 1
        ("yyynnnw", {}, {"surplus Yes": 3, "surplus No": 3, "surplus What/Why/How": 1}),  # 1 // 2 = 0
        ("yyynnnwww", {"y": 1, "n": 1, "w": 2}, {"surplus Yes": 2, "surplus No": 2, "surplus What/Why/How": 1}),  # an odd W loses one more
        ("yyww", {}, {"surplus Yes": 2, "surplus What/Why/How": 2}),  # nobody says No
        ("ww", {}, {"surplus What/Why/How": 2}),
        ("ynww??", {"y": 1, "n": 1, "w": 2}, {"Yes/No answer that begins with neither": 2}),
    ],
)  # fmt: skip
def test_counts(letters, kept, removed):
    assert kept_letters(letters) == kept
    assert balance(rows(letters)).removed == removed


@given(st.text("ynwrh?", max_size=60), st.integers(0, 5), st.randoms())
def test_exactly_equal_as_many_as_can_stay_and_none_is_lost(letters, seed, rng):
    result = balance(rows(letters), seed)
    count = kept_letters(letters, seed)
    wide = count["w"] + count["r"] + count["h"]
    assert count["y"] == count["n"] and count["y"] + count["n"] == wide and count["?"] == 0
    there = Counter(letters)
    assert count["y"] == min(there["y"], there["n"], (there["w"] + there["r"] + there["h"]) // 2)
    assert len(result.kept) + sum(result.removed.values()) == len(letters)
    shuffled = rows(letters)
    rng.shuffle(shuffled)
    assert balance(shuffled, seed) == result


def test_the_paper_numbers():
    # Sec. 3.3: 25,242 Yes, 25,242 No and 50,484 What/Why/How; here a tenth, out of more.
    letters = "y" * 4000 + "n" * 2524 + "w" * 3000 + "r" * 2000 + "h" * 1000
    count = kept_letters(letters)
    assert (count["y"], count["n"], count["w"] + count["r"] + count["h"]) == (2524, 2524, 5048)
    # The filtering is random: What, Why and How keep their shares of 3 : 2 : 1, within 4 standard deviations (< 30).
    assert abs(count["w"] - 2524) < 120 and abs(count["r"] - 5048 / 3) < 120


def test_another_seed_takes_others_and_more_rows_change_little():
    letters = "y" * 200 + "n" * 100 + "w" * 400
    first, other = balance(rows(letters)).kept, balance(rows(letters), 1).kept
    assert first != other
    more = balance([*rows(letters), Answered("new", "yes_no", "Yes.")]).kept
    assert len(first ^ more) in (0, 2)  # the new one takes the place of one, or does not come in


def test_a_key_that_comes_twice_is_refused():
    with pytest.raises(DataError, match="'a' 2 times"):
        balance([Answered("a", "what", "x"), Answered("a", "yes_no", "Yes.")])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Yes.", "yes"), ("yes, it is", "yes"), ("**No**", "no"), ("No", "no"),
        ("Not really.", None), ("Yesterday.", None), ("", None), ("It is. Yes.", None), ("1 yes", "yes"), ("nO!", "no"),
    ],
)  # fmt: skip
def test_yes_or_no(answer, said):
    assert yes_or_no(answer) == said


def test_the_order_of_a_list_is_not_chance():
    letters = list("ynw" * 50)
    random.Random(0).shuffle(letters)
    kept = sorted(int(key) for key in balance(rows(letters)).kept)
    assert kept[:20] != list(range(20))
