"""The lexicon: one row per way of saying a quality, and the table's own consistency."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.annotation.classic.calibration import CURVES, probability
from giqa_hf.annotation.classic.lexicon import negated, read_quality, words_of
from giqa_hf.annotation.classic.vocabulary import BY_ADJECTIVE, SENSES
from giqa_hf.annotation.pairs import has_quality_word

READ = {
    "blurry": "blurry",
    "slightly out of focus": "blurry",  # the degree says nothing of what it is
    "not clear": "blurry",
    "isn\u2019t sharp": "blurry",  # a typographic apostrophe
    "not blurry": "clear",
    "rich texture": "clear",  # a grade and an attribute
    "lost details": "blurry",
    "loss of detail": "blurry",
    "texture": "clear",  # an attribute alone is praise: "texture: yes"
    "insufficient lighting": "dark",
    "lighting is too strong": "overexposed",
    "too bright": "overexposed",  # longest match: not "bright"
    "bright colors": "vivid",  # longest match: not "bright"
    "not too bright": "well exposed",
    "no noise": "noise-free",
    "severe color loss": "faded",
    "low contrast": "washed out",
    "good quality": "clean",
}


@pytest.mark.parametrize("text, adjective", READ.items(), ids=READ)
def test_read_quality(text, adjective):
    sense = read_quality(text)
    assert sense is not None and sense.adjective == adjective


@pytest.mark.parametrize("text", ["", "...", "purple", "on the table", "\u6a21\u7cca", "\ud800"])
def test_unknown_words_have_no_sense(text):
    assert read_quality(text) is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    sense = read_quality(text)
    assert sense is None or BY_ADJECTIVE[sense.adjective] is sense


def test_no_phrase_has_two_senses():
    phrases = [
        (kind, tuple(words_of(phrase)))
        for sense in SENSES
        for kind, listed in (("adjective", sense.adjectives), ("noun", sense.nouns))
        for phrase in listed.split(",")
        if words_of(phrase)
    ]
    words = Counter(words for _, words in phrases)
    assert [phrase for phrase, times in words.items() if times > 1] == []


@pytest.mark.parametrize("sense", SENSES, ids=[sense.adjective for sense in SENSES])
def test_a_sense_is_read_back_from_its_own_words(sense):
    assert read_quality(sense.adjective) is sense
    assert read_quality(f"not {sense.adjective}") is negated(sense)
    assert negated(sense).effect != sense.effect or sense.adjective == "well exposed"


def test_every_sense_with_a_map_has_a_curve_that_rises_in_its_direction():
    assert set(CURVES) == {sense.adjective for sense in SENSES if sense.measure}
    for sense in SENSES:
        if sense.measure:
            low, high = probability(sense, 0.0), probability(sense, 1.0)
            assert (high > low) == (sense.direction == "high"), sense.adjective


def test_answers_hold_a_quality_word_of_the_keyword_filter():
    # A pair whose words the filter does not know is lost: so each sense is said in words that it knows, or stands in
    # a question that says "quality".
    unknown = {s.adjective for s in SENSES if not has_quality_word(f"{s.adjective} {s.noun}")}
    assert unknown <= {"clean"}
