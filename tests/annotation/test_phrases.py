"""Finding phrases: places counted by hand, and what must hold for any text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.annotation.phrases import (
    PROPERTIES,
    Finder,
    fold,
    forms_of,
    head_noun,
    names_a_thing,
    words_of,
)

TEXT = "The tall tower is clear, but the  cars\nnear the Tower's door are blurry. A man in a T-shirt stands there."
#       0         1         2         3          4         5         6         7         8         9         100


@pytest.mark.parametrize(
    ("phrase", "found"),
    [
        ("tall tower", "tall tower"),  # as it stands
        ("The tall tower", "The tall tower"),
        ("Tower", "Tower"),  # as it stands, though "tower" comes first in another case
        ("TALL tower", "tall tower"),  # case
        ("the cars near", "the  cars\nnear"),  # white space
        ("cars near the tower", "cars\nnear the Tower"),  # both, and a possessive
        ("a car", "cars"),  # another article, the singular
        ("towers", "tower"),  # the plural
        ("man in T-shirt", "man in a T-shirt"),  # an article left out inside
        ("the man in the t-shirt", "man in a T-shirt"),  # other articles
        ('"tall tower".', "tall tower"),  # quoted, with a full stop
        ("door", "door"),
        ("tow", None),  # half a word
        ("ower", None),
        ("shirt", None),  # half of "T-shirt"
        ("s door", None),  # half of "Tower's"
        ("clear tower", None),  # the words, in another order
        ("blurry a man", None),  # over the end of a sentence, though an article may be left out
        ("the", "the"),  # words of no weight are found as they stand
        ("an", None),
        ("", None),
        (" . ", None),  # no word in it
        ("boat", None),
    ],
)
def test_find(phrase, found):
    span = Finder(TEXT).find(phrase)
    assert (None if span is None else TEXT[slice(*span)]) == found


def test_find_gives_the_first_mention_and_its_exact_place():
    text = "A tree, the tree and more trees."
    finder = Finder(text)
    assert finder.find("tree") == (2, 6)
    assert finder.find("the tree") == (8, 16)
    assert list(dict.fromkeys(finder.places("tree"))) == [(2, 6), (12, 16), (26, 31)]  # the plural last
    assert finder.find_within("tree", (8, 16)) == (12, 16)
    assert finder.find_within("tree", (9, 15)) is None  # one letter short


@pytest.mark.parametrize(
    ("text", "phrase", "place"),
    [
        ("the café is dark", "cafe", (4, 8)),  # an accent that the model left out
        (
            "the cafe\u0301 is dark",
            "café",
            (4, 9),
        ),  # the accent as a character of its own belongs to the word
        ("the dog\u2019s fur", "dog's fur", (4, 13)),  # a curly apostrophe
        ("the man\u2013made lake", "man-made lake", (4, 17)),
        ("die Straße ist dunkel", "STRASSE", (4, 10)),  # one letter is two when folded
        ("ß", "s", (0, 1)),  # never an empty place
        ("a b  c", "b c", (2, 6)),
        ("  tower", "Tower", (2, 7)),
        ("3.5 m wall", "wall", (6, 10)),  # a number's point ends no sentence
        ("塔很模糊", "塔", None),  # a script without blanks: a character is part of a word
    ],
)
def test_find_beyond_ascii(text, phrase, place):
    assert Finder(text).find(phrase) == place


def test_words_and_forms():
    assert [word.folded for word in words_of("The dog's T-shirts, isn\u2019t_it?")] == [
        "the",
        "dog",
        "t-shirts",
        "isn't",
        "it",
    ]
    assert forms_of("The big Cities and a box") == ("big", "city", "and", "box")
    assert forms_of("all the people") == forms_of("a person")
    assert fold("ÀB\u201cc") == 'ab"c'


@pytest.mark.parametrize(
    ("phrase", "head"),
    [
        ("billiard table", "table"),  # the last word
        ("the man wearing a white t-shirt", "man"),  # before a participle (Fig. 4)
        ("the tower of the old church", "tower"),  # before a preposition
        ("the car parked in front", "car"),
        ("the car parked", "car"),
        ("the blurred red car", "car"),  # here the participle is an adjective
        ("the old painted door", "door"),
        ("the tall building in the back", "building"),  # a noun in -ing
        ("the small bed in the corner", "bed"),  # a noun in -ed
        ("the tower is blurry", "tower"),  # a clause
        ("the dog that runs", "dog"),
        ("trees and houses", "trees"),
        ("the woman, who smiles", "woman"),
        ("a group of people", "people"),  # behind a count
        ("the texture of the wall", "wall"),  # and behind a property
        ("the lower part of the group of flowers", "flowers"),  # twice
        ("in the background", "background"),  # a preposition before it
        ("the dog's fur", "fur"),
        ("T-shirt", "T-shirt"),
        ("it", None),
        ("the", None),
        ("", None),
        ("...", None),
    ],
)
def test_head_noun(phrase, head):
    span = head_noun(phrase)
    assert (None if span is None else phrase[slice(*span)]) == head


def test_names_a_thing():
    assert names_a_thing("the tower")
    assert not any(map(names_a_thing, ("it", "the", "this one", "", "?!")))


def test_properties_are_in_the_form_that_they_are_compared_in():
    assert all(
        form in PROPERTIES for word in ("noise", "details", "colours", "exposure") for form in forms_of(word)
    )


texts = st.text(st.sampled_from("aAs bé'\u0301-.,\n_ßİ塔\ud800"), max_size=40) | st.text(max_size=30)


@settings(max_examples=300, deadline=None)
@given(texts, texts)
def test_a_place_holds_whole_words_and_the_words_of_the_phrase(text, phrase):
    edges = {edge for word in words_of(text) for edge in word.span}
    inside = {i for word in words_of(text) for i in range(word.span[0] + 1, word.span[1])}
    for start, end in Finder(text).places(phrase):
        assert 0 <= start < end <= len(text)
        assert not {start, end} & inside
        assert edges & set(range(start, end + 1))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(["tower", "red", "the", "trees", "of", "café", "T-shirt", "is"]),
        min_size=1,
        max_size=9,
    ),
    st.data(),
)
def test_what_stands_there_is_found_where_it_stands_first(words, data):
    text = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, len(words) - 1))
    phrase = " ".join(words[first : last + 1])
    place = Finder(text).find(phrase)
    # The words in their order, found by comparing lists: the first run of words that is the phrase.
    run = next(i for i in range(len(words)) if words[i : i + last + 1 - first] == words[first : last + 1])
    start = len(" ".join([*words[:run], ""])) if run else 0
    assert place == (start, start + len(phrase))
    assert Finder(text.upper()).find(phrase) is not None


@settings(max_examples=200, deadline=None)
@given(texts)
def test_head_noun_is_a_word_of_the_phrase(phrase):
    span = head_noun(phrase)
    assert span is None or span in [word.span for word in words_of(phrase)]
