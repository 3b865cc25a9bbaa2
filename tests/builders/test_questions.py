"""The pool of fifteen questions and its three ways to ask for positions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from giqa_hf.builders.questions import SHORT_REQUESTS, STEMS, SYNTAX_REQUESTS, draw_question, spell_out
from giqa_hf.formats import GiqaFormat, giqa
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText


def drawn(request, count=3000, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_question(rng, request) for _ in range(count)]


def test_fifteen_different_stems_as_in_the_paper():
    assert len(STEMS) == 15
    assert len({stem.lower() for stem in STEMS}) == 15
    # different in words, not only in punctuation: no two share more than half of theirs
    words = [set(stem.lower().replace(",", "").rstrip(".?").split()) for stem in STEMS]
    for i, one in enumerate(words):
        for other in words[:i]:
            assert len(one & other) / len(one | other) <= 0.5


@pytest.mark.parametrize("text", [*STEMS, *SHORT_REQUESTS, *SYNTAX_REQUESTS])
def test_each_is_one_clean_line(text):
    assert text == text.strip()
    assert text[0].isupper()
    assert text[-1] in ".?"
    assert "  " not in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("request_kind", "endings"),
    [("none", ("",)), ("short", SHORT_REQUESTS), ("syntax", SYNTAX_REQUESTS)],
)
def test_a_named_request_is_the_one_that_is_asked(request_kind, endings):
    possible = {f"{stem} {ending}".strip() for stem in STEMS for ending in endings}
    questions = drawn(request_kind)
    assert set(questions) == possible  # all of them come up in 3000 draws, at most 75 are possible
    shares = np.array(list(Counter(questions).values())) / len(questions)
    # even draws: each share within five standard deviations of 1 / n
    n = len(possible)
    assert np.abs(shares - 1 / n).max() < 5 * np.sqrt(1 / n * (1 - 1 / n) / len(questions))


def test_unnamed_is_short_in_60_and_syntax_in_40_of_100():
    questions = drawn(None)
    short = sum(question.endswith(SHORT_REQUESTS) for question in questions) / len(questions)
    assert short == pytest.approx(0.6, abs=0.045)  # 5 * sqrt(.6 * .4 / 3000)
    assert all(question.endswith(SHORT_REQUESTS + SYNTAX_REQUESTS) for question in questions)


def test_the_seed_alone_decides():
    assert drawn(None, 50, seed=3) == drawn(None, 50, seed=3)
    assert drawn(None, 50, seed=3) != drawn(None, 50, seed=4)


@pytest.mark.parametrize("request_text", SYNTAX_REQUESTS)
def test_the_notation_is_added_in_the_models_own_form(request_text):
    """What is added looks like the notation; written and read back it must still be the question."""
    question = f"{STEMS[0]} {request_text}"
    told = spell_out(question, GiqaFormat.notation)
    assert told == f"{question[:-1]} as [name](<first cell,last cell>)."
    assert giqa.read(giqa.write(GroundedText(told), Grid()), Grid()) == GroundedText(told)


@pytest.mark.parametrize(
    "question", ["How sharp is it?", *(f"{STEMS[0]} {request}" for request in SHORT_REQUESTS)]
)
def test_other_questions_stay_as_they_are(question):
    assert spell_out(question, GiqaFormat.notation) == question
