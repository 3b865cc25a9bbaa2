"""Stage 1 of the profile classic: one row per sentence pattern, and what no text breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import strategies as st

from giqa_hf.annotation.classic.tags import LexiconTags, find_tags
from giqa_hf.annotation.record import Record
from giqa_hf.annotation.stage import Pictures

SAID = {
    # sentence: (name, quality as the tag says it, sense) of each thing, in the order of the tags
    "The texture of the tower is clear.": [("tower", "clear", "clear")],
    "the background is blurry": [("background", "blurry", "blurry")],
    "It has a blurry background.": [("background", "blurry", "blurry")],
    "Blurry background, sharp flower.": [("background", "blurry", "blurry"), ("flower", "sharp", "clear")],
    "There is severe noise on the wall.": [("wall", "noisy", "noisy")],  # a defect becomes its adjective
    "On the helmet, severe noise catches the eye.": [("helmet", "noisy", "noisy")],  # the place stands in front
    "Motion blur affects the car and the wheels.": [("car", "blurry", "blurry"), ("wheels", "blurry", "blurry")],
    "The sky and the trees are overexposed.": [("sky", "overexposed", "overexposed"), ("trees", "overexposed", "overexposed")],
    "The dog is not clear, but the grass isn't blurry.": [("dog", "not clear", "blurry"), ("grass", "not blurry", "clear")],
    "The dog is not sharp or detailed.": [("dog", "not sharp", "blurry")],  # "or" goes on with the denial
    "The dog is not clear and blurry.": [("dog", "not clear", "blurry")],  # "and" does not; both say the same
    "Neither the road nor the trees are clear.": [("road", "not clear", "blurry"), ("trees", "not clear", "blurry")],
    "No noise on the wall.": [("wall", "noise-free", "noise-free")],
    "No noise is on the wall and the sky is clear.": [("wall", "noise-free", "noise-free"), ("sky", "clear", "clear")],
    "Nothing is wrong with the seat.": [("seat", "not wrong", "clean")],
    "The dog is sharp while the cat is dark; however the fox is noisy.": [
        ("dog", "sharp", "clear"), ("cat", "dark", "dark"), ("fox", "noisy", "noisy"),
    ],
    "The lighting on the wall is insufficient.": [("wall", "dark", "dark")],
    "The exposure of the sky is too high.": [("sky", "overexposed", "overexposed")],
    "The details of the face are lost.": [("face", "blurry", "blurry")],
    "The trees lack detail and the sky suffers from noise.": [("trees", "blurry", "blurry"), ("sky", "noisy", "noisy")],
    "Severe loss of detail in the shadows.": [("shadows", "blurry", "blurry")],
    "Only the outlines of the trees are visible.": [("trees", "blurry", "blurry")],
    "The wall has texture loss.": [("wall", "blurry", "blurry")],
    "The tower has rich texture details.": [("tower", "clear", "clear")],
    "The wall texture is clear and its colors are vivid.": [("wall", "clear", "clear"), ("wall", "vivid", "vivid")],
    "The surface of the table is dark.": [("table", "dark", "dark")],  # a part: the thing stands behind "of"
    "The focus is on the dog, making the background blurry.": [("dog", "in focus", "clear"), ("background", "blurry", "blurry")],
    "The camera is focused on the bird.": [("bird", "focused", "clear")],
    "The bird is well focused against a blurry wall.": [("wall", "blurry", "blurry"), ("bird", "well focused", "clear")],
    "The tower looks dark because of poor exposure.": [("tower", "dark", "dark")],  # a reason is no further quality
    "The dark jacket of the woman is clear.": [("jacket", "clear", "clear")],  # "dark" is what the jacket is like
    "The helmet loses quality through severe noise.": [("helmet", "noisy", "noisy"), ("helmet", "distorted", "distorted")],
    "The lighting is insufficient.": [],  # of no thing
    "It is blurry.": [],
    "The dog runs over the lawn.": [],
    "Le fond est flou et le chien est net.": [],
}  # fmt: skip


@pytest.mark.parametrize("sentence, expected", SAID.items(), ids=SAID)
def test_sentences(sentence, expected):
    found = [(sentence[t.name_start : t.name_end], t.quality, t.sense.adjective) for t in find_tags(sentence)]
    assert sorted(found) == sorted(expected)


PHRASES = {
    "The man in the white shirt is blurry.": "man in the white shirt",
    "The man wearing a hat is blurry.": "man wearing a hat",
    "The man in the picture is blurry.": "man",  # the picture is no place in the picture
    "The surface of the table is dark.": "surface of the table",
    "The dog's texture is clear.": "dog",
}


@pytest.mark.parametrize("sentence, phrase", PHRASES.items(), ids=PHRASES)
def test_phrases(sentence, phrase):
    (tag,) = find_tags(sentence)
    assert sentence[tag.phrase_start : tag.phrase_end] == phrase


WORDS = st.sampled_from(
    [
        "the",
        "a",
        "tower",
        "sky",
        "wall",
        "is",
        "are",
        "not",
        "no",
        "noise",
        "blurry",
        "clear",
        "dark",
        "texture",
        "of",
        "on",
        "in",
        "and",
        "or",
        "but",
        ",",
        ".",
        ";",
        "lost",
        "lacks",
        "loss",
        "too",
        "bright",
        "focus",
        "only",
        "making",
        "without",
        "its",
        "'s",
        "neither",
        "rich",
    ]
)


def test_a_repeated_sentence_gives_its_tags_each_time():
    # What was said before a full stop has no part in what is said behind it.
    once = "The sky is noisy. The tower and the wall are not clear, however the dog has rich texture. "
    assert len(find_tags(once * 50)) == 50 * len(find_tags(once)) == 50 * 4


def test_long_lists_do_not_multiply():
    # 300 qualities of 300 things are not 90,000 tags: 12 things are listed, and their qualities are all the same sense.
    text = "noise and " * 300 + "blur on " + "the wall and " * 300 + "the sky"
    assert len(find_tags(text)) <= 12 * 2
    assert (
        len(find_tags("The wall" + ", the sky" * 300 + " and the sea are " + "dark and " * 300 + "noisy."))
        <= 12 * 2
    )


def test_the_stage_admits_its_tags():
    text = "The image is dark. The man in the hat is blurry. Severe noise spoils the wall. The lighting of the wall is poor."
    record = Record("r", "i", "i.jpg", text, "mine", "CC0-1.0")
    LexiconTags()([record], Pictures(Path(), Path()))
    kept = [(tag.name, tag.phrase, tag.quality, tag.effect, tag.span) for tag in record.live_tags]
    assert kept == [
        (
            "man",
            "man in the hat",
            "blurry",
            "negative",
            (23, 26),
        ),  # "The image is dark. The " are 23 characters
        (
            "wall",
            "wall",
            "noisy",
            "negative",
            (73, 77),
        ),  # "The man ... . " ends at 49, "Severe noise spoils the " are 24
    ]
    reasons = [(tag.name, tag.fate.reason) for tag in record.tags if tag.fate]
    assert reasons == [("image", "whole image"), ("wall", "duplicate")]


def test_a_text_without_tags_is_dropped_with_the_reason():
    record = Record("r", "i", "i.jpg", "\u80cc\u666f\u5f88\u6a21\u7cca\u3002", "mine", "CC0-1.0")
    LexiconTags()([record], Pictures(Path(), Path()))
    assert record.fate is not None and (record.fate.stage, record.fate.reason) == ("tags", "no tags")
    assert LexiconTags().settings()["profile"] == "classic"
