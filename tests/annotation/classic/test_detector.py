"""Stage 2 of the profile classic: boxes where a photo was spoiled, and a reason where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.annotation.classic.detector import MapBoxes, is_plural, locate, prior
from giqa_hf.annotation.classic.maps import PhotoMaps
from giqa_hf.annotation.classic.vocabulary import BY_ADJECTIVE, SENSES
from giqa_hf.annotation.record import Record, Tag
from giqa_hf.annotation.stage import Pictures
from giqa_hf.boxes import check_norm, iou
from giqa_hf.builders.synth.photos import load_photo
from giqa_hf.distortions import box_mask, distort_region

CAT_WH = (320, 214)


NAMES = {"noise": "gaussian_rgb", "pixelate": "pixelate", "saturate_strengthen": "ycrcb"}


def spoiled_cat(family: str, boxes_norm: list[tuple[float, float, float, float]]) -> Image.Image:
    """The photo of a cat with some boxes spoiled; the rest is untouched."""
    cat = load_photo("chelsea.png").resize(CAT_WH)
    pixels = np.asarray(cat)
    for box in boxes_norm:
        mask = box_mask(np.array(box) * [*CAT_WH, *CAT_WH], CAT_WH)
        pixels = distort_region(pixels, mask, family, NAMES[family], severity=5, seed=3)
    return Image.fromarray(pixels)


ONE = [(0.35, 0.3, 0.65, 0.7)]
TWO = [(0.08, 0.2, 0.32, 0.55), (0.62, 0.5, 0.9, 0.85)]


@pytest.mark.parametrize(
    "family, adjective",
    [("noise", "noisy"), ("pixelate", "pixelated"), ("saturate_strengthen", "oversaturated")],
)
def test_a_spoiled_region_is_found(family, adjective):
    maps = PhotoMaps(spoiled_cat(family, ONE))
    found = locate(maps, BY_ADJECTIVE[adjective], "nose")
    assert found.boxes_norm.shape == (1, 4)
    assert iou(found.boxes_norm, np.array(ONE))[0, 0] > 0.5
    assert found.scores[0] > 0.5


def test_a_plural_gets_several_boxes_and_a_singular_one():
    maps = PhotoMaps(spoiled_cat("noise", TWO))
    several = locate(maps, BY_ADJECTIVE["noisy"], "eyes of the cat")
    assert (iou(several.boxes_norm, np.array(TWO)).max(axis=0) > 0.5).all()
    assert len(locate(maps, BY_ADJECTIVE["noisy"], "eye").boxes_norm) == 1
    assert len(locate(maps, BY_ADJECTIVE["noisy"], "eyes", max_boxes=1).boxes_norm) == 1
    assert (np.diff(several.scores) <= 0).all()  # best first


PLACES = {"left": 0, "right": 1, "upper": 0, "bottom": 1}  # of TWO, the first is at the upper left


@pytest.mark.parametrize("word, number", PLACES.items(), ids=PLACES)
def test_words_of_place_decide_between_two_regions(word, number):
    maps = PhotoMaps(spoiled_cat("noise", TWO))
    found = locate(maps, BY_ADJECTIVE["noisy"], f"{word} side")
    assert iou(found.boxes_norm, np.array(TWO))[0].argmax() == number


def test_a_background_gets_one_box_around_all():
    maps = PhotoMaps(spoiled_cat("noise", TWO))
    (around,) = locate(maps, BY_ADJECTIVE["noisy"], "background").boxes_norm
    assert around == pytest.approx([0.08, 0.2, 0.9, 0.85], abs=0.06)


def test_priors_are_weights():
    for words in ({"background"}, {"sky", "left"}, {"corner"}, set()):
        weight = prior(words, (20, 30))
        assert weight.shape == (20, 30) and weight.min() >= 0 and weight.max() <= 1
    assert (prior(set(), (4, 4)) == 1).all()  # no word, no prior


PLURALS = {"eyes": True, "the eyes of the cat": True, "people": True, "leaves on the tree": True,
           "house": False, "glass on the tables": False, "man with glasses": False, "bus": False, "": False}  # fmt: skip


@pytest.mark.parametrize("phrase, plural", PLURALS.items(), ids=PLURALS)
def test_is_plural(phrase, plural):
    assert is_plural(phrase) is plural


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([s for s in SENSES if s.measure]),
    st.sampled_from(["wheels", "sky", "dog"]),
)
@settings(max_examples=15, deadline=None)
def test_boxes_lie_in_the_photo(seed, sense, phrase):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((int(rng.integers(32, 120)), int(rng.integers(32, 120))))
    found = locate(PhotoMaps(picture), sense, phrase)
    check_norm(found.boxes_norm)
    assert len(found.scores) == len(found.boxes_norm) <= 5
    assert ((found.scores >= 0.25) & (found.scores <= 1)).all()


def staged(tmp_path, picture: Image.Image, *tags: Tag) -> Record:
    picture.save(tmp_path / "photo.png")
    record = Record("r", "i", "photo.png", "-", "mine", "CC0-1.0", tags=list(tags))
    MapBoxes()([record], Pictures(tmp_path, tmp_path))
    return record


def test_each_tag_gets_boxes_or_a_reason(tmp_path):
    record = staged(
        tmp_path,
        spoiled_cat("noise", ONE),
        Tag("nose", "nose", "noisy", "negative"),
        Tag("ear", "ear", "purple", "negative"),
        Tag("eye", "eye", "clean", "positive"),
        Tag("fur", "fur", "pixelated", "negative"),
    )
    nose, ear, eye, fur = record.tags
    assert nose.fate is None and len(nose.boxes) == 1 and nose.boxes[0].score > 0.5
    assert nose.boxes[0].found_norm == tuple(round(v, 6) for v in nose.boxes[0].found_norm)
    reasons = [tag.fate.reason for tag in (ear, eye, fur)]
    assert reasons == ["quality word unknown", "no map shows its quality", "nothing to see in its map"]
    assert (record.width, record.height) == CAT_WH


def test_a_flat_picture_shows_nothing(tmp_path):
    record = staged(
        tmp_path, Image.new("RGB", (64, 64), (90, 90, 90)), Tag("sky", "sky", "blurry", "negative")
    )
    assert record.tags[0].fate.reason == "nothing to see in its map"


def test_a_tiny_photo_drops_the_record(tmp_path):
    record = staged(tmp_path, Image.new("RGB", (64, 31)), Tag("sky", "sky", "dark", "negative"))
    assert (record.fate.reason, record.fate.detail) == (
        "photo too small",
        "64 x 31 pixels, expected 32 a side",
    )


def test_settings_and_bad_limits():
    assert MapBoxes(max_boxes=3).settings()["max_boxes"] == 3
    with pytest.raises(ValueError, match="max_boxes: expected at least 1, got 0"):
        MapBoxes(max_boxes=0)
