"""How things are called in questions: articles, capitals, number."""

from __future__ import annotations

import pytest

from giqa_hf.annotation.classic.called import called
from giqa_hf.annotation.record import Tag

CALLED = [
    # description, name, words, plural
    ("Trees are hazy.", "Trees", "the trees", True),  # a capital for the sentence alone
    ("It is dark. Two dogs are blurry.", "Two dogs", "the two dogs", True),
    ("The trees are hazy.", "trees", "the trees", True),
    ("The Eiffel Tower is dark.", "Eiffel Tower", "the Eiffel Tower", False),  # the text has the article
    ("Mount Fuji is hazy.", "Mount Fuji", "Mount Fuji", False),  # the text has none
    ("The man is clear, John's hat is not.", "John's hat", "John's hat", False),
    ("John's hat is blurry.", "John's hat", "John's hat", False),
    ("NASA logos are sharp.", "NASA logos", "NASA logos", True),
    ("Anna is dark, but Anna is sharp.", "Anna", "Anna", False),  # has its capital elsewhere too
    ("The man's coat is dark.", "man's coat", "the man's coat", False),
    ("The sheep are noisy.", "sheep", "the sheep", True),  # told by the verb
    ("The sheep on the left is noisy.", "sheep", "the sheep", False),
    ("Clothes are vivid.", "Clothes", "the clothes", True),
    ("The lens is blurry.", "lens", "the lens", False),
    ("The women's faces are clear.", "women's faces", "the women's faces", True),
]


@pytest.mark.parametrize(("description", "name", "words", "plural"), CALLED)
def test_called(description, name, words, plural):
    start = description.index(name)
    tag = Tag(name, name, "dark", "negative", (start, start + len(name)))
    assert called(tag, description) == (words, plural)


def test_without_a_place_the_name_stays():
    assert called(Tag("Red wheels", "Red wheels", "dark", "negative"), "-") == ("the Red wheels", True)


@pytest.mark.parametrize("name", ["", "{it}", "(", "\\b", "0.3"])
def test_any_name_is_taken(name):
    assert called(Tag(name, name, "dark", "negative", (0, len(name))), name).words.endswith(name)
