"""Signatures: written, read back, compared; and every metric has one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.errors import DataError
from giqa_hf.metrics.signature import parse_signature, signature, signature_differences


def test_by_hand():
    parts = {"similarity": "mean-pooled bert@1a2b", "judge": None, "data": "3f2a"}
    # the judge had no part in it, so it is not named
    assert signature("tag_recall", 2, parts) == (
        "metric:tag_recall|version:2|similarity:mean-pooled bert@1a2b|data:3f2a"
    )


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"\Ax[a-z0-9_]{0,8}\Z"), st.one_of(st.none(), st.text(st.characters())), max_size=5
    )
)
def test_reading_is_the_inverse_of_writing(parts):
    text = signature("m", 1, parts)
    assert text.isprintable() and len(text.splitlines()) == 1
    known = {key: value for key, value in parts.items() if value is not None}
    assert parse_signature(text) == {"metric": "m", "version": "1", **known}


def test_a_value_cannot_pretend_to_be_a_part():
    text = signature("m", 1, {"judge": "kind|version:2\n%7C"})
    assert text == "metric:m|version:1|judge:kind%7Cversion:2%0A%257C"
    assert parse_signature(text)["version"] == "1"


def test_differences():
    first = signature("m", 1, {"matching": "greedy", "data": "a"})
    second = signature("m", 2, {"data": "a", "judge": "x"})
    assert signature_differences(first, second) == {
        "version": ("1", "2"),
        "matching": ("greedy", None),
        "judge": (None, "x"),
    }
    assert signature_differences(first, first) == {}


@pytest.mark.parametrize(
    "text", ["", "nothing", "metric:m", "metric:m|version:1|version:2", "metric:m|version:1|A:b", "a:b|c:d"]
)
def test_no_signature(text):
    with pytest.raises(DataError, match="signature: expected"):
        parse_signature(text)


@pytest.mark.parametrize("key", ["", "Judge", "a|b", "1a", "a b"])
def test_names_of_parts(key):
    with pytest.raises(ValueError, match="expected names of small letters"):
        signature("m", 1, {key: "x"})
