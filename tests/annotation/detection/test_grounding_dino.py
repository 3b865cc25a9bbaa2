"""Grounding DINO and MM-Grounding-DINO, on tiny random checkpoints of the real classes, loaded by the real code."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from PIL import Image

from giqa_hf.annotation.detection.grounding_dino import GroundingDinoDetector
from giqa_hf.annotation.detection.loading import load_detector
from giqa_hf.annotation.detection.phrase_grounding import processed_hw
from giqa_hf.errors import GiqaError
from tests.make_tiny_detector import tiny_detector

KINDS = ("grounding_dino", "mm_grounding_dino")
# The random scores of both lie about evenly in 0.3..0.95.
THRESHOLDS = {"box_threshold": 0.6, "text_threshold": 0.25}


@functools.cache
def detector(kind="grounding_dino", **options):
    return GroundingDinoDetector(str(tiny_detector(kind)), **{**THRESHOLDS, "device": "cpu", **options})


@pytest.fixture(scope="module")
def crops(photo):
    """Parts of a photograph, in several sizes; the first, second and fourth have one size once they are processed."""
    windows = [
        (0, 0, 160, 120),
        (100, 80, 420, 320),
        (0, 200, 120, 360),
        (200, 0, 360, 120),
        (30, 30, 300, 400),
    ]
    return [photo.crop(window) for window in windows]


def assert_same(found, expected, tolerance=1e-5):
    """The same boxes in the same order."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.problem == other.problem
        assert one.boxes_norm.shape == other.boxes_norm.shape
        np.testing.assert_allclose(one.boxes_norm, other.boxes_norm, atol=tolerance, rtol=0)
        np.testing.assert_allclose(one.scores, other.scores, atol=tolerance, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_single_calls_give(kind, crops):
    """Photos of different sizes, captions of different lengths, a photo twice; in no order."""
    asked = [
        (crops[0], "the blurry tower"), (crops[1], "sky"), (crops[2], "window"), (crops[0], "dog"),
        (crops[3], "the red window of the tower in the background"), (crops[4], "water"), (crops[2], "a red dog"),
        (crops[1], "the water"), (crops[0], "the red window of the tower"), (crops[4], "sky"),
    ]  # fmt: skip
    images, phrases = zip(*asked, strict=True)
    single = [detector(kind, batch_size=1).detect([image], [phrase])[0] for image, phrase in asked]
    batched = detector(kind, batch_size=4).detect(images, phrases)
    assert_same(batched, single)
    # The test would prove nothing with no boxes, or with the same for all.
    counts = [len(found.scores) for found in batched]
    assert min(counts) > 0 and len({found.boxes_norm.tobytes() for found in batched}) == len(asked)
    assert all((np.diff(found.scores) <= 1e-6).all() for found in batched)


def test_padding_would_change_the_boxes(crops):
    """Why photos of different sizes never share a batch: this is what transformers' own padding does."""
    import torch

    network = detector()._network
    alone = network.image_processor(images=[crops[0]], return_tensors="pt")
    padded = network.image_processor(images=[crops[0], crops[2]], return_tensors="pt")
    assert alone["pixel_values"].shape[2:] != padded["pixel_values"].shape[2:]
    model = load_detector(
        str(tiny_detector("grounding_dino")), None, ("grounding-dino",), "float32", "cpu"
    ).model
    text = network.tokenizer(["the sky."] * 2, return_tensors="pt", return_token_type_ids=True)
    with torch.inference_mode():
        first = model(**alone, **{name: ids[:1] for name, ids in text.items()}).pred_boxes[0]
        second = model(**padded, **text).pred_boxes[0]
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_with_the_post_processing_of_transformers(kind, crops):
    """The same boxes and scores as the documented way, which our own arithmetic replaces to see broken numbers."""
    import torch
    from transformers import AutoModelForZeroShotObjectDetection, AutoTokenizer, GroundingDinoProcessor
    from transformers.models.grounding_dino import GroundingDinoImageProcessorPil

    folder = str(tiny_detector(kind))
    processor = GroundingDinoProcessor(
        GroundingDinoImageProcessorPil.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder)
    image = crops[1]
    inputs = processor(images=image, text="the red dog.", return_tensors="pt")
    with torch.inference_mode():
        output = model(**inputs)
    theirs = processor.post_process_grounded_object_detection(
        output,
        inputs["input_ids"],
        threshold=0.6,
        text_threshold=0.25,
        target_sizes=[(image.height, image.width)],
    )[0]
    order = np.argsort(-theirs["scores"].numpy(), kind="stable")
    ours = detector(kind).detect([image], ["The red dog"])[0]
    width, height = image.size
    assert len(ours.scores) == len(order) > 3
    np.testing.assert_allclose(ours.scores, theirs["scores"].numpy()[order], atol=1e-6)
    boxes_px = theirs["boxes"].numpy()[order]
    np.testing.assert_allclose(ours.boxes_norm * [width, height, width, height], boxes_px, atol=1e-3)


@pytest.mark.parametrize(
    "wh, expected_hw",
    [
        ((160, 120), (96, 128)),  # 160 * 96 / 120 = 128
        ((320, 240), (96, 128)),  # twice as large, the same as processed
        ((120, 160), (128, 96)),
        ((400, 100), (40, 160)),  # 96 would make it 384 wide: 160 is the limit, 100 * 160 / 400 = 40
        ((96, 96), (96, 96)),
    ],
)
def test_photos_are_grouped_by_the_size_that_they_really_get(wh, expected_hw):
    network = detector()._network
    image = Image.new("RGB", wh)
    assert processed_hw(network.image_processor, image) == expected_hw
    assert tuple(detector()._pixels(image).shape) == (3, *expected_hw)


def test_a_photo_is_prepared_once_and_batches_are_full(crops, monkeypatch):
    """Six phrases for one photo and two for another of the same processed size: two batches of four, two photos."""
    prepared, batches = [], []
    watched = GroundingDinoDetector(str(tiny_detector("grounding_dino")), batch_size=4, **THRESHOLDS)
    pixels, ask = watched._pixels, watched._ask
    monkeypatch.setattr(watched, "_pixels", lambda image: (prepared.append(image.size), pixels(image))[1])
    monkeypatch.setattr(watched, "_ask", lambda px, texts: (batches.append(len(texts)), ask(px, texts))[1])
    first, second, other = crops[0], crops[3], crops[2]
    images = [first, other, first, second, first, first, second, first, first]
    watched.detect(images, ["sky"] * 9)
    assert batches == [1, 4, 4]  # first the photo of another size: as many pixels, but higher
    assert sorted(prepared) == [(120, 160), (160, 120), (160, 120)]


LONG = "sky " * 300
PROBLEMS = {
    # phrase: what is said of it
    "": "phrase without a word",
    " . ": "phrase without a word",
    "?": "phrase without a word",
    "[PAD]": None,  # in lower case these are letters and brackets, of which the letters are known
    "木 の": "phrase without a word that the detector knows",
    "木 sky": None,  # one word is enough
    LONG: "phrase too long for the detector",  # 302 tokens, 256 is the limit; transformers would crash
    "sky " * 253: None,  # 253 + [CLS] . [SEP] = 256
    "sky " * 254: "phrase too long for the detector",
}


@pytest.mark.parametrize("kind", KINDS)
def test_phrases_that_cannot_be_asked_for(kind, crops):
    found = detector(kind).detect([crops[0]] * len(PROBLEMS), list(PROBLEMS))
    assert [one.problem for one in found] == list(PROBLEMS.values())
    assert all(len(one.scores) == 0 for one in found if one.problem)


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_too_small_for_the_queries_is_one_outcome_among_others(kind, crops):
    """400 x 8 becomes 160 x 3: on maps of 1/8, 1/16, 1/32, 1/64 that is 20 + 10 + 5 + 3 = 38 places for 40 queries."""
    strip = Image.new("RGB", (400, 8))
    first, second, third = detector(kind).detect([strip, crops[0], strip], ["sky", "sky", "dog"])
    assert first.problem == third.problem == "photo too small for the detector"
    assert second.problem is None and len(second.scores) > 0
    assert_same([second], detector(kind).detect([crops[0]], ["sky"]))


@pytest.mark.parametrize("threshold, more", [("box_threshold", 0.8), ("text_threshold", 0.8)])
def test_thresholds(threshold, more, crops):
    """Each takes boxes away, and leaves the others as they are."""
    loose = detector(box_threshold=0.0, text_threshold=0.0).detect([crops[0]], ["the sky"])[0]
    strict = detector(**{"box_threshold": 0.0, "text_threshold": 0.0, threshold: more}).detect(
        [crops[0]], ["the sky"]
    )[0]
    assert len(loose.scores) == 40  # all queries
    assert 0 < len(strict.scores) < 40
    kept = {tuple(box) for box in loose.boxes_norm.round(9)}
    assert all(tuple(box) in kept for box in strict.boxes_norm.round(9))
    if threshold == "box_threshold":
        assert len(strict.scores) == (loose.scores > 0.8).sum() and strict.scores.min() > 0.8


def test_a_box_that_only_a_mark_speaks_for_has_no_label_in_transformers_either(crops):
    """text_threshold is about words: what [CLS], [SEP] or "." light up is no detection of the phrase."""
    import torch

    found, asked = [], detector(box_threshold=0.0, text_threshold=0.7)
    network = asked._network
    with torch.inference_mode():
        text = network.tokenizer(["the sky."], return_tensors="pt", return_token_type_ids=True)
        logits, _ = network.forward(asked._pixels(crops[0])[None], ["the sky."], text)
    words = logits[0, :, 1:3].sigmoid().amax(-1)  # [CLS] the sky . [SEP]
    found = asked.detect([crops[0]], ["the sky"])[0]
    assert len(found.scores) == int((words > 0.7).sum()) < int((logits[0].sigmoid().amax(-1) > 0.7).sum())


def test_the_best_are_given(crops):
    whole = detector().detect([crops[0]], ["sky"])[0]
    three = detector(max_boxes=3).detect([crops[0]], ["sky"])[0]
    np.testing.assert_array_equal(three.boxes_norm, whole.boxes_norm[:3])
    assert len(whole.scores) > 3


@pytest.fixture
def breaking(monkeypatch):
    """A detector whose real network is made to fail in a way of its own."""

    def make(change, **options):
        own = GroundingDinoDetector(str(tiny_detector("grounding_dino")), **{**THRESHOLDS, **options})
        network = own._network
        own.__dict__["_network"] = network._replace(forward=change(network.forward))
        return own

    return make


def test_broken_numbers_come_through_to_be_counted(breaking, crops):
    """What a network in half precision may do: query 0 of photo 1 has no score, query 1 no place."""

    def change(forward):
        def broken(pixels, captions, texts):
            logits, boxes = forward(pixels, captions, texts)
            logits[1, 0], boxes[1, 1, 2] = float("nan"), float("nan")
            logits[1, 1, 1] = 9.0  # it scores 1.0
            return logits, boxes

        return broken

    images, phrases = [crops[0], crops[3]], ["sky", "dog"]
    good, bad = breaking(change).detect(images, phrases)
    assert_same([good], detector().detect(images[:1], phrases[:1]))
    assert (
        np.isnan(bad.boxes_norm).any(axis=1).tolist().index(True) == 0
    )  # the one without a place scores best
    assert np.isnan(bad.scores).tolist() == [False] * (len(bad.scores) - 1) + [True]


def test_memory_that_runs_out_makes_batches_smaller_and_changes_nothing(breaking, crops):
    """The refusal is the allocator's own."""
    import torch

    sizes = []

    def change(forward):
        def hungry(pixels, captions, texts):
            sizes.append(len(pixels))
            if len(pixels) > 2:
                torch.empty(2**46, dtype=torch.uint8)
            return forward(pixels, captions, texts)

        return hungry

    images, phrases = [crops[0], crops[3], crops[1]] * 2, ["sky", "dog", "the sky", "a dog", "tower", "water"]
    found = breaking(change, batch_size=6).detect(images, phrases)
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1]
    assert_same(found, detector().detect(images, phrases))


def test_no_memory_for_a_single_photo_stops_the_build(breaking, crops):
    import torch

    own = breaking(lambda forward: lambda *args: torch.empty(2**46, dtype=torch.uint8))
    with pytest.raises(
        GiqaError, match="too little memory for one photo of 128 x 96 pixels as processed alone"
    ):
        own.detect([crops[0]], ["sky"])


@pytest.mark.parametrize(
    "options, said",
    [
        ({"box_threshold": 1.0}, "box_threshold: expected a score in 0..1, got 1.0"),
        ({"text_threshold": -0.1}, "text_threshold: expected a score in 0..1, got -0.1"),
        ({"max_boxes": 0}, "max_boxes: expected at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(ValueError, match=said):
        GroundingDinoDetector("x", **options)


def test_pairs_must_be_pairs(photo):
    with pytest.raises(ValueError, match="expected as many phrases as photos, got 2 and 1"):
        detector().detect([photo], ["sky", "dog"])


def test_settings_hold_what_matters_and_no_more():
    one = GroundingDinoDetector(batch_size=1, device="cpu")
    assert one.settings() == GroundingDinoDetector(batch_size=64, device="cuda").settings()
    assert one.settings() == {
        "detector": "grounding-dino", "model": "IDEA-Research/grounding-dino-tiny", "revision": None,
        "dtype": "float32", "box_threshold": 0.35, "text_threshold": 0.25, "max_boxes": 100,
    }  # fmt: skip
