"""The base's lessons: places in words, and none of what the bench asks."""

from __future__ import annotations

import re

import numpy as np
import pytest

from giqa_hf.builders.questions import STEMS
from giqa_hf.builders.synth.scenes import make_scene
from giqa_hf.builders.synth.words import ADJECTIVES, NOUNS
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.models.giqa_tiny import lessons as words

GRID = Grid()


@pytest.fixture(scope="module")
def lessons():
    """Ten lessons on each of a dozen scenes: (scene, question, answer)."""
    scenes = [make_scene("train", np.random.default_rng([5, number])) for number in range(12)]
    rng = np.random.default_rng(6)
    return [
        (scene, *turn)
        for scene in scenes
        for lesson in 5 * [words.turns, words.judgements, words.checks]
        for turn in lesson(scene, rng, GRID)
    ]


# Cells of the 20 x 20 grid: columns floor(20 x1) to ceil(20 x2) - 1, rows likewise.
PLACES = [
    ([[0.0, 0.0, 0.5, 0.25]], "row 0 column 0 to row 4 column 9"),
    ([[0.99, 0.99, 1.0, 1.0]], "row 19 column 19 to row 19 column 19"),
    (
        [[0.1, 0.2, 0.3, 0.4], [0.5, 0.0, 1.0, 0.05]],
        "row 4 column 2 to row 7 column 5 and row 0 column 10 to row 0 column 19",
    ),
]


@pytest.mark.parametrize(("boxes", "said"), PLACES)
def test_places_in_words(boxes, said):
    assert words.place(np.array(boxes), GRID) == said


def test_places_stand_behind_their_names():
    grounded = GroundedText(
        "The cup and the plate are sharp.",
        [Region("cup", (4, 7), [[0.0, 0.0, 0.5, 0.25]]), Region("plate", (16, 21), [[0.5, 0.5, 1.0, 1.0]])],
    )
    assert words.placed(grounded, GRID) == (
        "The cup at row 0 column 0 to row 4 column 9 and the plate at row 10 column 10 to row 19 column 19 are sharp."
    )


def test_the_base_sees_neither_boxes_nor_the_benchs_questions(lessons):
    """Else "before tuning" would not be what the paper calls a general model."""
    for _, question, answer in lessons:
        assert not re.search(r"[\[\]<>]|\d\.\d", question + answer)
        request = next((request for request in words.CHECK_REQUESTS if question.startswith(request)), "")
        asked = (
            question.removeprefix(request).strip().lower()
        )  # of a request to check, the claim: no question
        if not question.startswith(STEMS):  # the requests for a description, of which some begin with "What"
            assert not re.match(r"(what|which|why|how|is|are|does|do|has|have|would|can)\b", asked)
        assert (answer in ("Yes.", "No.")) == bool(request)
        assert answer.strip() and answer[0].isupper() and answer.endswith(".")


def test_every_place_is_that_of_a_thing_in_the_scene(lessons):
    spot = r"row \d+ column \d+ to row \d+ column \d+"
    for scene, question, answer in lessons:
        true = {words.place(thing.boxes_norm, GRID) for thing in scene.objects}
        said = re.findall(rf"{spot}(?: and {spot})*", f"{question} | {answer}")
        assert set(said) <= true


def test_where_questions_are_answered_with_the_place_of_that_thing(lessons):
    asked = 0
    for scene, question, answer in lessons:
        if match := re.fullmatch(r"Where (?:is|are) the (.+)\?", question):
            (thing,) = [thing for thing in scene.objects if thing.name == match[1]]
            assert answer == f"At {words.place(thing.boxes_norm, GRID)}."
            asked += 1
    assert asked > 10


def test_places_are_told_by_cell_too():
    """Row 3, column 5 is cell 3 * 20 + 5 = 65; row 7, column 9 is 7 * 20 + 9 = 149."""
    told = words.in_cells("At row 3 column 5 to row 7 column 9 and row 0 column 0 to row 19 column 19.")
    assert told == "At cell 65 to cell 149 and cell 0 to cell 399."
    assert words.in_cells(f"Look. {words.PLACE_REQUEST}") == f"Look. {words.CELL_REQUEST}"


def quality_of(scene, name):
    """ "noisy" or the like of the one thing with this name; "clean" without a distortion."""
    (thing,) = [thing for thing in scene.objects if thing.name == name]
    return ADJECTIVES[thing.family] if thing.family else "clean"


AT = r"(?: at row [^.]*?)?"  # the place of a thing, where it is told
TO_ADJECTIVE = {noun: ADJECTIVES[family] for family, noun in NOUNS.items()}
CLAIMS = [
    # (how a claim ends, whether it is true of a thing of some quality, given the word it names)
    (
        rf"The (.+?){AT} (?:has no flaw|have no flaw|keeps? natural detail|(?:is|are) free of distortion|looks? natural)()\.",
        lambda quality, word: quality == "clean",
    ),
    (rf"The (.+?){AT} (?:is|are|looks?) (.+)\.", lambda quality, word: quality == word),
    (rf"There is (.+) on the (.+?){AT}\.", lambda quality, word: quality == TO_ADJECTIVE[word]),
    (rf"(.+) spoils the (.+?){AT}\.", lambda quality, word: quality == TO_ADJECTIVE[word.lower()]),
    (rf"The (.+?){AT} (?:shows?|suffers? from) (.+)\.", lambda quality, word: quality == TO_ADJECTIVE[word]),
]


def test_claims_are_true_of_the_scene_when_they_are_said_to_be(lessons):
    checked = {"Yes.": 0, "No.": 0}
    for scene, question, answer in lessons:
        request = next((request for request in words.CHECK_REQUESTS if question.startswith(request)), None)
        if request is None:
            continue
        claim = question.removeprefix(request).strip()
        found = next((match, holds) for form, holds in CLAIMS if (match := re.fullmatch(form, claim)))
        name, word = found[0].groups() if claim.startswith("The ") else found[0].groups()[::-1]
        assert answer == ("Yes." if found[1](quality_of(scene, name), word) else "No."), claim
        checked[answer] += 1
    assert min(checked.values()) > 20


def test_checks_are_half_true_and_often_name_a_neighbours_flaw():
    """Of false claims that name a flaw, 0.8 + 0.2 * (1 or 2) / 11 name one that is in the picture, if they can."""
    rng, near, far = np.random.default_rng(8), 0, 0
    told = {"Yes.": 0, "No.": 0}
    for _ in range(150):
        scene = make_scene("train", rng)
        lesson = words.checks(scene, rng, GRID)
        if not scene.spoiled:  # there is a claim of every spoiled thing, here perhaps of none
            continue
        assert len(scene.spoiled) <= len(lesson) <= len(scene.objects)
        for question, answer in lesson:
            claim = question.lower()
            named = [family for family in NOUNS if NOUNS[family] in claim or ADJECTIVES[family] in claim]
            things = [thing for thing in scene.objects if re.search(rf"\b{thing.name}\b", claim)]
            told[answer] += bool(named)
            if answer == "No." and len(named) == len(things) == 1:
                others = {thing.family for thing in scene.spoiled} - {things[0].family}
                near += bool(others) and named[0] in others
                far += bool(others) and named[0] not in others
    assert near + far > 20 and near / (near + far) > 0.65
    assert 0.4 < told["Yes."] / sum(told.values()) < 0.6


def test_flaws_are_named_graded_and_listed_as_they_are(lessons):
    seen = set()
    for scene, question, answer in lessons:
        if match := re.fullmatch(rf"Name the flaw of the (.+?){AT}\.", question):
            (thing,) = [thing for thing in scene.spoiled if thing.name == match[1]]
            assert answer.lower() == f"{thing.grade} {NOUNS[thing.family]}."
        elif match := re.fullmatch(rf"Grade the (.+?){AT}\.", question):
            quality = quality_of(scene, match[1])
            assert answer.lower().endswith(f"{quality}.") and (quality == "clean") == (answer == "Clean.")
        elif match := re.fullmatch(r"List the parts with (.+)\.", question):
            there = [t.name for t in scene.spoiled if NOUNS[t.family] == match[1]]
            assert re.findall(r"[Tt]he (.+?) at row", answer) == there and (answer == "None.") == (not there)
        elif question == "List the flaws.":
            said = re.findall(r"The (.+?) at row .+? (?:is|are) ([a-z ]+)\.", answer)
            assert said == [(t.name, ADJECTIVES[t.family]) for t in scene.spoiled]
        else:
            continue
        seen.add(re.match(r"Name|Grade|List the parts|List the flaws", question)[0])
    assert len(seen) == 4


def test_a_shortened_lesson_keeps_the_description(monkeypatch):
    monkeypatch.setattr(words, "CELL_SHARE", 0.0)
    rng = np.random.default_rng(0)
    long = [f"Describe it. {words.PLACE_REQUEST}", "A" * 200]
    lesson = [["Where?", "At row 1."], long, ["Describe the cup.", "Clean."]]
    for _ in range(20):
        kept = words.shortened([lesson], rng)
        assert len(kept) == 2 and long in kept and all(turn in lesson for turn in kept)
    plain = [["Describe it.", "A" * 200], *lesson[::2]]
    assert words.shortened([plain], rng) == plain  # short enough as it is
    kept = words.shortened([[*plain, ["List the flaws.", "None."]]], rng)
    assert len(kept) == 3 and kept == [
        turn for turn in [*plain, ["List the flaws.", "None."]] if turn in kept
    ]
    check = [f"{words.CHECK_REQUESTS[0]} The cup is noisy.", "No."]
    assert words.shortened([5 * [check]], rng) == 5 * [check]  # a lesson of claims alone stays whole
