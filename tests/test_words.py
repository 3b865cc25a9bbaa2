"""Words in a form that can be compared."""

from __future__ import annotations

import pytest

from giqa_hf.words import singular, words


def test_words_are_folded_and_lose_their_possessive():
    assert words("The Cat\u2019s whiskers aren't SHARP.") == ["the", "cat", "whiskers", "aren't", "sharp"]


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("tower", "towers"), ("bus", "buses"), ("box", "boxes"), ("branch", "branches"), ("house", "houses"),
        ("city", "cities"), ("glass", "glasses"), ("leaf", "leaves"), ("woman", "women"), ("lens", "lenses"),
        ("tree", "trees"), ("eye", "eyes"), ("axis", "axis"), ("person", "people"), ("nose", "noses"),
    ],
)  # fmt: skip
def test_singular_and_plural_share_a_form(one, many):
    assert singular(one) == singular(many)


def test_different_words_have_different_forms():
    different = [
        "car",
        "cart",
        "cat",
        "tie",
        "grass",
        "gas",
        "bus",
        "bush",
        "house",
        "horse",
        "face",
        "fact",
        "wall",
        "wallet",
        "lens",
        "len",
    ]
    assert len({singular(word) for word in different}) == len(different)
