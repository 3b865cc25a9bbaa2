"""Rows: what they say is checked anew against the scene, in words of the test's own."""

from __future__ import annotations

import re

import numpy as np
import pytest

from giqa_hf.builders.questions import SHORT_REQUESTS, STEMS, SYNTAX_REQUESTS
from giqa_hf.builders.synth import words
from giqa_hf.builders.synth.rows import (
    MAX_CLEAN_NAMED,
    QuestionAnswer,
    des_row,
    describe,
    fill,
    join,
    open_pairs,
    vqa_row,
    worst_grade,
    yes_no_pairs,
)
from giqa_hf.builders.synth.scenes import Scene, SceneObject
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.schema import features, grounded_of, validate_row

FAMILY_OF_WORD = {
    word: family for table in (words.NOUNS, words.ADJECTIVES) for family, word in table.items()
}  # fmt: skip


def family_in(text: str) -> str | None:
    """The distortion that a text names, if it names one: the longest word of the tables found in it."""
    found = [word for word in FAMILY_OF_WORD if re.search(rf"\b{word}\b", text, re.IGNORECASE)]
    longest = [word for word in found if not any(word != other and word in other for other in found)]
    families = {FAMILY_OF_WORD[word] for word in longest}
    assert len(families) <= 1, text
    return families.pop() if families else None


def thing_of(scene: Scene, region: Region) -> SceneObject:
    """The thing of a scene that a region is tied to, by name and by every box."""
    (thing,) = (
        thing
        for thing in scene.objects
        if thing.name == region.phrase and np.array_equal(thing.boxes_norm, region.boxes_norm)
    )
    return thing


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_yes_answers_are_true_and_no_answers_are_not(all_scenes, rng):
    asked = {"family": 0, "clean": 0, "absent": 0, "neighbour": 0}
    for scene in all_scenes:
        for answer in (True, False):
            for pair in yes_no_pairs(scene, answer, rng):
                assert pair.answer == GroundedText("Yes." if answer else "No.")
                (region,) = pair.question.regions
                thing = thing_of(scene, region)
                family = family_in(pair.question.text)
                if family is None:  # is it clean?
                    assert (thing.family is None) == answer
                    asked["clean"] += 1
                else:  # does it have this distortion?
                    assert (thing.family == family) == answer
                    neighbour = family in {other.family for other in scene.spoiled if other is not thing}
                    asked["family" if answer else "neighbour" if neighbour else "absent"] += 1
    assert min(asked.values()) > 10, asked


def test_one_pair_per_thing_and_kind(all_scenes, rng):
    for scene in all_scenes:
        yes, no = yes_no_pairs(scene, True, rng), yes_no_pairs(scene, False, rng)
        # yes: the family of each spoiled thing, the cleanness of each clean one; no: another family on every
        # thing, and the cleanness of each spoiled one
        assert len(yes) == len(scene.objects)
        assert len(no) == len(scene.objects) + len(scene.spoiled)


def test_what_names_the_distortion_or_the_things(all_scenes, rng):
    referring = grounding = 0
    for scene in all_scenes:
        for pair in open_pairs(scene, "what", rng):
            if pair.question.regions:
                thing = thing_of(scene, pair.question.regions[0])
                noun = words.NOUNS[thing.family]
                assert pair.answer == GroundedText(f"{noun[0].upper()}{noun[1:]}.")
                referring += 1
            else:
                family = family_in(pair.question.text)
                answered = [thing_of(scene, region) for region in pair.answer.regions]
                assert answered == [thing for thing in scene.spoiled if thing.family == family]
                assert answered
                grounding += 1
    assert min(referring, grounding) > 20


def test_why_gives_the_distortion_of_the_thing_or_of_all(all_scenes, rng):
    referring = grounding = 0
    for scene in all_scenes:
        for pair in open_pairs(scene, "why", rng):
            if pair.question.regions:
                thing = thing_of(scene, pair.question.regions[0])
                assert pair.answer.text == f"{thing.grade} {words.NOUNS[thing.family]}.".capitalize()
                referring += 1
            else:
                assert [thing_of(scene, region) for region in pair.answer.regions] == list(scene.spoiled)
                sentences = re.findall(r"[^.]+\.", pair.answer.text)
                for thing, sentence in zip(scene.spoiled, sentences, strict=True):
                    assert family_in(sentence) == thing.family
                grounding += 1
    assert min(referring, grounding) > 20


def test_how_gives_the_strength_of_what_is_on_the_thing(all_scenes, rng):
    seen = {"strength": 0, "look": 0, "clean": 0}
    for scene in all_scenes:
        for pair in open_pairs(scene, "how", rng):
            (region,) = pair.question.regions
            thing = thing_of(scene, region)
            assert pair.answer.regions == []
            named = family_in(pair.question.text)
            if named:
                assert named == thing.family
                assert pair.answer.text == f"{thing.grade.capitalize()}."
                seen["strength"] += 1
            elif thing.family:
                assert (
                    pair.answer.text
                    == f"{words.ADVERBS[thing.grade].capitalize()} {words.ADJECTIVES[thing.family]}."
                )
                seen["look"] += 1
            else:
                assert pair.answer.text == "Clean."
                seen["clean"] += 1
    assert min(seen.values()) > 20, seen


def test_a_clean_scene_has_no_answer_to_what_and_why(all_scenes, rng):
    clean = [scene for scene in all_scenes if not scene.spoiled]
    assert clean
    for scene in clean:
        assert open_pairs(scene, "what", rng) == open_pairs(scene, "why", rng) == []
        assert len(open_pairs(scene, "how", rng)) == 1


def test_a_description_names_every_spoiled_thing_and_the_verdict(all_scenes, rng):
    for scene in all_scenes:
        text = describe(scene, rng)
        named = [thing_of(scene, region) for region in text.regions]
        assert named == [*scene.spoiled, *scene.clean[:MAX_CLEAN_NAMED]]
        for thing, region in zip(named, text.regions, strict=True):
            assert region.effect == ("negative" if thing.family else "positive")
            assert region.quality == (words.ADJECTIVES[thing.family] if thing.family else "clean")
        sentences = [sentence.strip() for sentence in re.findall(r"[^.]+\.", text.text)]
        assert len(sentences) == len(scene.spoiled) + bool(scene.clean) + 1
        for thing, sentence in zip(scene.spoiled, sentences, strict=False):
            assert family_in(sentence) == thing.family
            assert thing.name in sentence
            strengths = [grade for grade in words.ADVERBS if grade in sentence.lower()]
            assert strengths == [thing.grade]
        assert re.search(rf"\b{words.OVERALL[worst_grade(scene)]}\b", sentences[-1])


@pytest.mark.parametrize(
    ("severities", "grade"),
    [
        ((), None),  # nothing spoiled
        ((1,), "slight"),
        ((2, 1), "slight"),
        ((2, 3), "moderate"),  # the worst counts, not the first
        ((4, 2), "severe"),
        ((3, 5, 2), "severe"),
    ],
)
def test_the_verdict_goes_by_the_worst(all_scenes, severities, grade):
    base = all_scenes[0]
    things = tuple(
        SceneObject(f"part {n}", False, np.zeros((1, 4)), "box", "blur", s) for n, s in enumerate(severities)
    )
    scene = Scene(
        base.image,
        base.photo,
        base.window_px,
        False,
        (*things, SceneObject("sky", False, np.ones((1, 4)), "box")),
    )
    assert worst_grade(scene) == grade


def test_every_row_is_valid_and_tells_where_its_photo_comes_from(all_scenes, rng):
    count = 0
    for number, scene in enumerate(all_scenes):
        pairs = [*yes_no_pairs(scene, True, rng), *yes_no_pairs(scene, False, rng)]
        pairs += [pair for kind in ("what", "why", "how") for pair in open_pairs(scene, kind, rng)]
        for row in [
            des_row(scene, f"s-{number}", rng),
            *(vqa_row(scene, f"s-{number}", pair) for pair in pairs),
        ]:
            validate_row(row, f"scene {number}")
            assert set(row) == set(features())
            assert (row["width"], row["height"]) == row["image"].size
            assert row["image_id"] == f"s-{number}"
            assert row["license"] == scene.photo.license
            assert scene.photo.name in row["source"]
            count += 1
    assert count > 10 * len(all_scenes)


def test_des_rows_ask_for_positions_and_vqa_rows_keep_their_regions(all_scenes, rng):
    requests = set()
    for scene in all_scenes:
        row = des_row(scene, "x", rng)
        assert (row["task"], row["question_type"], row["question_regions"]) == ("des", None, [])
        assert row["question"].startswith(STEMS)
        requests |= {
            request for request in SHORT_REQUESTS + SYNTAX_REQUESTS if row["question"].endswith(request)
        }
        assert des_row(scene, "x", rng, "none")["question"] in STEMS
    assert requests == {*SHORT_REQUESTS, *SYNTAX_REQUESTS}
    scene = next(scene for scene in all_scenes if scene.spoiled)
    pair = QuestionAnswer("what", fill("What spoils the {obj}?", [scene.spoiled[0]]), GroundedText("Blur."))
    row = vqa_row(scene, "y", pair)
    assert (row["task"], row["question_type"]) == ("vqa", "what")
    assert grounded_of(row, "question") == pair.question
    assert grounded_of(row, "answer") == pair.answer


def test_equal_seeds_equal_words(all_scenes):
    def written(seed):
        rng = np.random.default_rng(seed)
        return [describe(scene, rng) for scene in all_scenes] + [
            pair
            for scene in all_scenes
            for pair in yes_no_pairs(scene, False, rng) + open_pairs(scene, "what", rng)
        ]

    assert written(1) == written(1)
    assert written(1) != written(2)


def test_join_moves_the_spans_along():
    one = GroundedText(
        "The dog.", [Region("dog", (4, 7), [[0, 0, 1, 1]], quality="blurry", effect="negative")]
    )
    two = GroundedText("A cat.", [Region("cat", (2, 5))])
    # "The dog. A cat. The dog.": the cat moves by 8 + 1, the second dog by 8 + 1 + 6 + 1
    joined = join([one, two, one])
    assert joined.text == "The dog. A cat. The dog."
    assert [region.span for region in joined.regions] == [(4, 7), (11, 14), (20, 23)]
    assert joined.regions[2].quality == "blurry"
    assert joined.regions[2].effect == "negative"
    assert join([]) == GroundedText("")
    assert one.regions[0].span == (4, 7)


def test_fill_by_hand():
    boxes = np.array([[0.1, 0.2, 0.3, 0.4]])
    seat = SceneObject("seat", False, boxes, "box", "blur", 4)
    grounded = fill("{Grade} {noun} spoils the {obj}.", [seat])
    assert grounded.text == "Severe blur spoils the seat."
    (region,) = grounded.regions
    assert (region.span, region.quality, region.effect) == ((23, 27), "blurry", "negative")
    np.testing.assert_array_equal(region.boxes_norm, boxes)
    # another family than the thing's own, for questions whose answer is no
    assert fill("{Is} the {obj} {adj}?", [seat], family="noise").text == "Is the seat noisy?"
    assert fill("The verdict is {overall}.", [], overall="fair").text == "The verdict is fair."
    assert fill("{Adverb} {adj}.", [seat], name_things=False).text == "Severely blurry."
    with pytest.raises(KeyError, match="grade"):  # a clean thing has no strength
        fill("{Grade} {noun}.", [SceneObject("sky", False, boxes, "box")], family="blur")
