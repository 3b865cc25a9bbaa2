"""The sentence forms: how many, all different, all fill, all in good grammar."""

from __future__ import annotations

import itertools
import re
import string

import numpy as np
import pytest

from giqa_hf.builders.synth import words
from giqa_hf.builders.synth.photos import PHOTOS
from giqa_hf.builders.synth.rows import fill
from giqa_hf.builders.synth.scenes import GRADES, SceneObject
from giqa_hf.distortions import FAMILIES

DES_POOLS = ("DES_SPOILED", "DES_CLEAN", "DES_CLOSING")
VQA_POOLS = (
    "YES_NO_FAMILY", "YES_NO_CLEAN", "WHAT_REFERRING", "WHAT_GROUNDING", "WHY_REFERRING", "WHY_GROUNDING",
    "HOW_SPOILED", "HOW_ANY",
)  # fmt: skip
FORMS = [(pool, form) for pool in DES_POOLS + VQA_POOLS for form in getattr(words, pool)]


def thing(name: str, plural: bool, family: str | None = None, severity: int = 0) -> SceneObject:
    boxes = np.array([[0.1, 0.1, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9]][: 1 + plural])
    return SceneObject(name, plural, boxes, "box", family, severity)


def filled(form: str, subject: SceneObject) -> str:
    """A form about one thing, with all that the code ever hands over."""
    family = subject.family or "noise"
    things = [subject] if "{obj" in form else []
    return fill(form, things, family=family, overall="good").text


def test_enough_forms_and_none_twice():
    assert sum(len(getattr(words, pool)) for pool in DES_POOLS) >= 40
    assert sum(len(getattr(words, pool)) for pool in VQA_POOLS) >= 60
    texts = [form.lower() for _, form in FORMS]
    assert len(set(texts)) == len(texts)


def test_every_pool_is_listed_here():
    """A pool that these tests do not know would go unchecked."""
    pools = {name for name, value in vars(words).items() if name.isupper() and isinstance(value, tuple)}
    assert pools == set(DES_POOLS + VQA_POOLS)


def test_every_family_and_grade_has_its_words():
    for table in (words.NOUNS, words.ADJECTIVES):
        assert tuple(table) == FAMILIES
        assert len(set(table.values())) == len(FAMILIES)  # two families with one word could not be told apart
        assert all(word == word.strip().lower() for word in table.values())
    assert set(words.ADVERBS) == set(GRADES.values())
    assert set(words.OVERALL) == {None, *GRADES.values()}
    assert len(set(words.OVERALL.values())) == 4
    assert set(GRADES) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    "pool", ["DES_SPOILED", "YES_NO_FAMILY", "WHAT_REFERRING", "WHY_REFERRING", "HOW_SPOILED"]
)
def test_forms_about_a_thing_name_it_once(pool):
    for form in getattr(words, pool):
        assert form.count("{obj}") == 1, form


def test_forms_that_ask_for_the_thing_do_not_name_it():
    for form in words.WHAT_GROUNDING + words.WHY_GROUNDING + words.DES_CLOSING:
        assert "{obj" not in form
    for form in words.WHAT_GROUNDING:  # or the question would have no answer of its own
        assert "{noun}" in form or "{adj}" in form
    for form in words.DES_SPOILED:  # says what, and how strong
        assert re.search(r"\{(noun|adj)\}", form, re.IGNORECASE)
        assert re.search(r"\{(grade|adverb)\}", form, re.IGNORECASE)
    for form in words.DES_CLOSING:
        assert form.count("{overall}") == 1


@pytest.mark.parametrize(("pool", "form"), FORMS)
def test_every_form_fills_for_every_family_and_number(pool, form):
    for family, plural in itertools.product(FAMILIES, (False, True)):
        subject = thing("eyes" if plural else "eye", plural, family, 3)
        text = filled(form, subject)
        assert not set("{}") & set(text)
        assert text[0].isupper()
        assert text.endswith("?" if pool in VQA_POOLS else ".")
        assert text[:-1].count("?") == text[:-1].count(".") == 0
        assert "  " not in text
        for slot, word in (
            ("noun", words.NOUNS[family]),
            ("adj", words.ADJECTIVES[family]),
            ("grade", "moderate"),
        ):
            if f"{{{slot}}}" in form:
                assert word in text


@pytest.mark.parametrize(("pool", "form"), [(pool, form) for pool, form in FORMS if "{obj" in form])
def test_the_verb_agrees_with_the_thing(pool, form):
    one, several = (
        filled(form, thing("coin", False, "blur", 3)),
        filled(form, thing("coins", True, "blur", 3)),
    )
    for singular, plural in words.VERBS.items():
        # as the subject: "The coins look"; turned around: "Do the coins look"
        assert not re.search(rf"^the coin {plural}\b|\b{plural} the coin\b", one, re.IGNORECASE), one
        assert not re.search(rf"^the coins {singular}\b|\b{singular} the coins\b", several, re.IGNORECASE), (
            several
        )
    # nothing but the thing's name and its verbs may change with the number
    assert len(one.split()) == len(several.split())
    for before, after in zip(*(re.findall(r"[\w-]+", text) for text in (one, several)), strict=True):
        if before.lower() != after.lower():
            assert (before.lower(), after.lower()) in {("coin", "coins"), *words.VERBS.items()}


def test_verbs_in_braces_are_known():
    slots = {slot.lower() for _, form in FORMS for _, slot, _, _ in string.Formatter().parse(form) if slot}
    known = {"obj", "objs", "noun", "adj", "grade", "adverb", "overall"}
    assert slots - known <= set(words.VERBS)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["flag"], "The flag is clean."),
        (["flag", "head"], "The flag and the head are clean."),
        (["flag", "head", "helmet"], "The flag, the head and the helmet are clean."),
        (["eyes"], "The eyes are clean."),
        (["eyes", "nose"], "The eyes and the nose are clean."),
    ],
)
def test_lists_of_things(names, sentence):
    grounded = fill("The {objs} {is} clean.", [thing(name, name == "eyes") for name in names])
    assert grounded.text == sentence
    assert [region.phrase for region in grounded.regions] == names


@pytest.mark.parametrize(
    ("form", "name", "family", "text"),
    [
        ("The {obj} {is} {adverb} {adj}.", "eyes", "blur", "The eyes are moderately blurry."),
        ("The {obj} {has} {grade} {noun}.", "eyes", "noise", "The eyes have moderate noise."),
        (
            "{Does} the {obj} suffer from {noun}?",
            "eyes",
            "compression",
            "Do the eyes suffer from compression damage?",
        ),
        ("{Does} the {obj} suffer from {noun}?", "nose", "blur", "Does the nose suffer from blur?"),
        (
            "{Has} the {obj} been degraded by {noun}?",
            "eyes",
            "pixelate",
            "Have the eyes been degraded by pixelation?",
        ),
        ("What flaw {does} the {obj} show?", "eyes", "blur", "What flaw do the eyes show?"),
        (
            "{Grade} {noun} spoils the {obj}.",
            "nose",
            "quantization",
            "Moderate color banding spoils the nose.",
        ),
        (
            "There is {grade} {noun} on the {obj}.",
            "eyes",
            "darken",
            "There is moderate underexposure on the eyes.",
        ),
    ],
)
def test_sentences_by_hand(form, name, family, text):
    assert fill(form, [thing(name, name == "eyes", family, 3)]).text == text


def test_names_of_things_are_plain_lower_case_words():
    """They are put after "the" and into the middle of sentences."""
    distortion_words = {word for table in (words.NOUNS, words.ADJECTIVES) for word in table.values()}
    for photo in PHOTOS:
        for marked in photo.objects:
            for name in (marked.name, marked.plural or marked.name):
                assert re.fullmatch(r"[a-z]+([ -][a-z]+)*", name)
                assert not any(word in name for word in distortion_words)
