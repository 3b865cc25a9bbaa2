"""Pairs of the profile classic: every one is admitted, follows from a tag, and Yes and No are balanced."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.annotation.classic.lexicon import read_quality
from giqa_hf.annotation.classic.pairs import TemplatePairs
from giqa_hf.annotation.classic.vocabulary import SENSES
from giqa_hf.annotation.record import Box, Record, Tag, drop
from giqa_hf.annotation.stage import Pictures

NAMES = ("tower", "red wheels", "man")


def made(*tags: tuple[str, str, str], record_id: str = "r", boxed: bool = True) -> Record:
    boxes = [Box((0.1, 0.1, 0.5, 0.5))] if boxed else []
    record = Record(record_id, "i", "i.jpg", "-", "mine", "CC0-1.0")
    record.tags = [Tag(n, n, q, e, boxes=[Box(b.found_norm) for b in boxes]) for n, q, e in tags]
    TemplatePairs()([record], Pictures(Path(), Path()))
    return record


THREE = (
    ("tower", "blurry", "negative"),
    ("red wheels", "out of focus", "negative"),
    ("man", "bright", "positive"),
)


def test_all_are_admitted_and_all_types_are_there():
    record = made(*THREE)
    assert [(pair.question, pair.fate.reason) for pair in record.pairs if pair.fate] == []
    # 2 Yes/No, What, How and Why for each of 3 things; one grounding What for each of 2 senses
    assert Counter(pair.question_type for pair in record.pairs) == {
        "yes_no": 6,
        "what": 5,
        "how": 3,
        "why": 3,
    }
    assert Counter(pair.answer for pair in record.pairs if pair.question_type == "yes_no") == {
        "Yes.": 3,
        "No.": 3,
    }


def test_grounding_answers_name_all_things_of_the_sense():
    record = made(*THREE)
    grounding = [p for p in record.pairs if p.mentions and all(m.field == "answer" for m in p.mentions)]
    assert [p.answer for p in grounding] == ["The tower and the red wheels.", "The man."]
    assert [[record.tags[m.tag].name for m in p.mentions] for p in grounding] == [
        ["tower", "red wheels"],
        ["man"],
    ]


def test_verbs_follow_the_number_of_the_name():
    for number in range(20):  # so many draws meet every form
        for pair in made(*THREE, record_id=f"{number}").pairs:
            assert "red wheels is" not in pair.question and "Is the red wheels" not in pair.question
            assert "{" not in pair.question + pair.answer


@given(st.text(max_size=8), st.sampled_from([s for s in SENSES if s.adjective not in ("well exposed",)]))
@settings(max_examples=40, deadline=None)
def test_what_is_denied_is_not_what_the_tag_says(record_id, sense):
    record = made(("tower", sense.adjective, sense.effect), record_id=record_id)
    (no,) = [p for p in record.pairs if p.answer == "No."]
    asked = read_quality(no.question.replace("quality", "").replace("tower", ""))
    assert asked is not None and asked.adjective != sense.adjective
    assert no.fate is None or no.fate.reason == "no quality word"


@pytest.mark.parametrize("record", [made(), made(("tower", "purple", "negative")), made(*THREE, boxed=False)])
def test_without_a_boxed_thing_of_known_quality_there_are_no_pairs(record):
    assert record.pairs == [] and record.fate is None


def test_the_same_record_gives_the_same_pairs_and_another_other_ones():
    first, again, other = (made(*THREE, record_id=i).to_dict()["pairs"] for i in ("a", "a", "b"))
    assert first == again != other
    assert TemplatePairs(seed=4).settings() == {
        "profile": "classic", "method": "templates", "version": "2", "seed": 4,
    }  # fmt: skip


def questions(record, answer):
    return [pair.question for pair in record.pairs if pair.answer == answer]


def drawn(*tags, text="-", draws=60):
    """Records of the same tags with different chance."""
    for number in range(draws):
        record = made(*tags, record_id=f"{number}")
        record.description = text
        yield record


DENIALS = {
    # What the tag says: what is never denied of it, and what sometimes is.
    "oversaturated": ({"vivid", "oversaturation"}, {"dark", "blurry"}),  # too vivid is vivid
    "harsh": ({"high in contrast", "harsh"}, {"noisy"}),
    "oversharpened": ({"clear", "oversharpen"}, {"faded"}),
    "faded": ({"washed out", "low contrast"}, {"vivid", "noisy"}),  # both look pale
    "blurry": ({"pixelated", "compress", "washed out"}, {"clear", "noisy"}),
    "bright": ({"overexpos", "washed out"}, {"dark", "noisy"}),
    "dark": ({"underexposure"}, {"bright", "blurry"}),
    "clear": ({"harsh", "oversharpen"}, {"blurry", "noisy"}),
}


@pytest.mark.parametrize(("quality", "never", "sometimes"), [(q, *rest) for q, rest in DENIALS.items()])
def test_nothing_is_denied_that_may_hold(quality, never, sometimes):
    effect = read_quality(quality).effect
    denied = " ".join(q for record in drawn(("tower", quality, effect)) for q in questions(record, "No."))
    assert not [word for word in never if word in denied]
    assert all(word in denied for word in sometimes)


def test_what_else_is_said_of_a_thing_or_of_the_photo_is_not_denied():
    """The second quality of the sky was dropped as a duplicate, and "the photo is faded" as the whole image."""
    for number in range(60):
        record = Record(f"{number}", "i", "i.jpg", "-", "mine", "CC0-1.0")
        box = Box((0.1, 0.1, 0.5, 0.5))
        record.tags = [Tag("sky", "sky", "dark", "negative", boxes=[box])]
        for name, quality, reason in (("The sky", "grainy", "duplicate"), ("photo", "dull", "whole image")):
            record.tags.append(other := Tag(name, name, quality, "negative"))
            drop(other, "tags", reason)
        TemplatePairs()([record], Pictures(Path(), Path()))
        denied = " ".join(questions(record, "No."))
        assert denied and "nois" not in denied and "faded" not in denied and "color loss" not in denied


@pytest.mark.parametrize(
    ("quality", "effect", "spoken"),
    [
        ("out of focus", "negative", "out of focus"),  # the description's own words
        ("not clear", "negative", "blurry"),  # "Does it look not clear? Yes." is no English
        ("gloomy", "negative", "dark"),  # the keyword filter does not know "gloomy"
        ("harsh", "negative", "too harsh in contrast"),
    ],
)
def test_the_words_of_a_question(quality, effect, spoken):
    for record in drawn(("tower", quality, effect), draws=20):
        assert all(pair.fate is None for pair in record.pairs), [p.question for p in record.pairs if p.fate]
        (yes,) = questions(record, "Yes.")
        assert spoken in yes or "suffer from" in yes
        (how,) = (pair for pair in record.pairs if pair.question_type == "how")
        assert how.answer == f"{spoken[:1].upper()}{spoken[1:]}."
        assert "not" not in yes


def test_sentence_forms_fit_the_number():
    wrong = (
        "Why does the red wheels",
        "does the red wheels",
        "part of the picture are",
        "regions of the photo looks",
    )
    for record in drawn(*THREE):
        for pair in record.pairs:
            assert not any(words in pair.question for words in wrong), pair.question
