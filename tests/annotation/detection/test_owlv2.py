"""OWLv2, on a tiny random checkpoint of the real class, loaded by the real code."""

from __future__ import annotations

import functools
import importlib.util

import numpy as np
import pytest
from PIL import Image

from giqa_hf.annotation.detection.owlv2 import Owlv2Detector, owlv2_frame
from giqa_hf.errors import MissingExtraError
from tests.make_tiny_detector import SQUARE, tiny_detector

THRESHOLD = 0.6  # the random scores lie in 0.2..0.95


@functools.cache
def detector(**options):
    return Owlv2Detector(str(tiny_detector("owlv2")), **{"threshold": THRESHOLD, "device": "cpu", **options})


@pytest.fixture(scope="module")
def crops(photo):
    return [photo.crop(window) for window in [(0, 0, 160, 120), (0, 200, 90, 360), (100, 80, 420, 400)]]


def assert_same(found, expected, tolerance=1e-5):
    for one, other in zip(found, expected, strict=True):
        assert one.problem == other.problem
        np.testing.assert_allclose(one.boxes_norm, other.boxes_norm, atol=tolerance, rtol=0)
        np.testing.assert_allclose(one.scores, other.scores, atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    "wh, box_px",
    [
        ((200, 100), (50, 25, 150, 75)),  # the lower half of the square is padding
        ((100, 200), (20, 100, 80, 180)),  # the right half is
        ((128, 128), (32, 32, 96, 64)),  # no padding
        ((300, 40), (150, 8, 280, 36)),
    ],
)
def test_where_a_painted_box_lies_for_the_model(wh, box_px):
    """A white box on black: its weighted centre in the model's pixels, through the frame, is its centre in the photo."""
    processor = detector()._checkpoint.image_processor
    canvas = np.zeros((wh[1], wh[0], 3), dtype=np.uint8)
    x1, y1, x2, y2 = box_px
    canvas[y1:y2, x1:x2] = 255
    pixels = processor(images=Image.fromarray(canvas), return_tensors="np")["pixel_values"][0, 0]
    white = (pixels - pixels.min()) / (pixels.max() - pixels.min())
    places = (np.arange(SQUARE) + 0.5) / SQUARE
    seen = np.array([(white.sum(0) * places).sum(), (white.sum(1) * places).sum()]) / white.sum()
    found = owlv2_frame(processor, Image.fromarray(canvas)).to_image_norm([[*seen, *seen]])[0, :2]
    expected = [(x1 + x2) / 2 / wh[0], (y1 + y2) / 2 / wh[1]]
    assert np.abs(found - expected).max() < 0.25 * max(wh) / SQUARE / min(
        wh
    )  # a quarter of a pixel of the model


def test_the_frame_without_padding_is_the_whole_photo():
    processor = type(detector()._checkpoint.image_processor)(do_pad=False, size={"height": 64, "width": 64})
    box = [[0.25, 0.5, 0.75, 1.0]]
    assert owlv2_frame(processor, Image.new("RGB", (200, 100))).to_image_norm(box).tolist() == box


@pytest.mark.parametrize("which", [0, 1, 2])
def test_agrees_with_the_post_processing_of_transformers(which, crops):
    """The documented way, with the photo's size as the target: pixels of the photo. 160 x 120, 90 x 160, 320 x 320."""
    import torch

    model, processor, tokenizer = detector()._checkpoint
    image = crops[which]
    text = tokenizer(["the red dog"], padding="max_length", max_length=16, return_tensors="pt")
    with torch.inference_mode():
        output = model(pixel_values=processor(images=image, return_tensors="pt")["pixel_values"], **text)
    theirs = processor.post_process_object_detection(
        output, threshold=THRESHOLD, target_sizes=[(image.height, image.width)]
    )[0]
    order = np.argsort(-theirs["scores"].numpy(), kind="stable")
    ours = detector().detect([image], ["The red dog."])[0]
    assert len(ours.scores) == len(order) > 3
    np.testing.assert_allclose(ours.scores, theirs["scores"].numpy()[order], atol=1e-6)
    width, height = image.size
    found_px = ours.boxes_norm * [width, height, width, height]
    np.testing.assert_allclose(found_px, theirs["boxes"].numpy()[order], atol=1e-2)


def test_some_boxes_lie_in_the_padding(crops):
    """They come out beyond 1, for the stage to drop: a photo of 160 x 120 ends at 3/4 of the square's height."""
    found = detector(threshold=0.0).detect([crops[0]], ["sky"])[0]
    assert len(found.scores) == 64  # all patches
    assert (found.boxes_norm[:, 1] > 1).any() and found.boxes_norm[:, 0].max() < 1


def test_a_batch_gives_what_single_calls_give(crops):
    """Several photos, some with several phrases, which share one look at the photo."""
    images = [crops[0], crops[1], crops[0], crops[2], crops[0], crops[1]]
    phrases = ["the sky", "dog", "the red tower of", "window", "a dog", "dog"]
    batched = detector(batch_size=2).detect(images, phrases)
    single = [detector(batch_size=1).detect([i], [p])[0] for i, p in zip(images, phrases, strict=True)]
    assert_same(batched, single)
    assert_same([batched[1]], [batched[5]])  # the same question
    assert min(len(found.scores) for found in batched) > 0
    assert batched[0].boxes_norm.tobytes() != batched[4].boxes_norm.tobytes()  # one photo, two phrases


def test_the_phrases_of_a_photo_share_one_look(crops):
    looked = []
    own = Owlv2Detector(str(tiny_detector("owlv2")), threshold=THRESHOLD)
    handle = own._checkpoint.model.owlv2.vision_model.register_forward_pre_hook(
        lambda module, args, kwargs: looked.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    own.detect([crops[0]] * 5 + [crops[1]], ["sky", "dog", "tower", "a dog", "red", "water"])
    handle.remove()
    assert looked == [2]


@pytest.mark.parametrize(
    "phrase, problem",
    [
        ("", "phrase without a word"),
        (" . ", "phrase without a word"),
        ("dog " * 14, None),  # 14 + start and end of text = 16, the model's limit
        ("dog " * 15, "phrase too long for the detector"),
        ("<|endoftext|>", None),  # text like any other: 13 letters and marks
        ("木", None),  # its bytes
    ],
)
def test_phrases_that_cannot_be_asked_for(phrase, problem, crops):
    found, other = detector().detect([crops[0]] * 2, [phrase, "sky"])
    assert found.problem == problem
    assert problem is None or len(found.scores) == 0
    assert_same([other], detector().detect([crops[0]], ["sky"]))


def test_a_mark_in_a_description_does_not_end_the_text(crops):
    tokenizer = detector()._checkpoint.tokenizer
    end = tokenizer.eos_token_id
    assert tokenizer("a <|endoftext|>").input_ids.count(end) == 2  # what would happen
    written, plain = detector(threshold=0.0).detect([crops[0]] * 2, ["a <|endoftext|>", "a"])
    assert np.abs(written.scores - plain.scores).max() > 1e-3  # it is text; cut off, it would be "a" alone


def test_broken_numbers_come_through_to_be_counted(crops):
    """Weights that give no number make all boxes of the photo broken; none is silently lost."""
    import torch

    own = Owlv2Detector(str(tiny_detector("owlv2")), threshold=THRESHOLD)
    with torch.no_grad():
        own._checkpoint.model.box_head.dense2.bias[2] = float("nan")
    found = own.detect([crops[0]], ["sky"])[0]
    whole = detector().detect([crops[0]], ["sky"])[0]
    assert np.isnan(found.boxes_norm).any(axis=1).all() and len(found.scores) == len(whole.scores) > 0
    with torch.no_grad():
        own._checkpoint.model.class_head.dense0.bias[0] = float("nan")
    assert np.isnan(own.detect([crops[0]], ["sky"])[0].scores).sum() == 64  # no score is above any threshold


def test_memory_that_runs_out_makes_batches_smaller(crops):
    import torch

    own = Owlv2Detector(str(tiny_detector("owlv2")), threshold=THRESHOLD, batch_size=4)
    sizes = []

    def hungry(module, args, kwargs):
        sizes.append(len(kwargs["pixel_values"]))
        if sizes[-1] > 1:
            torch.empty(2**46, dtype=torch.uint8)

    own._checkpoint.model.register_forward_pre_hook(hungry, with_kwargs=True)
    found = own.detect(crops, ["sky", "dog", "window"])
    assert sizes == [3, 1, 1, 1]
    assert_same(found, detector().detect(crops, ["sky", "dog", "window"]))


def test_without_scipy(monkeypatch, photo):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "scipy" else real(name, *rest)
    )
    with pytest.raises(MissingExtraError, match='OWLv2 needs the extra "models"'):
        Owlv2Detector(str(tiny_detector("owlv2"))).detect([photo], ["sky"])


@pytest.mark.parametrize(
    "options, said",
    [
        ({"threshold": 1.0}, "threshold: expected a score in 0..1, got 1.0"),
        ({"max_boxes": 0}, "max_boxes: expected at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(ValueError, match=said):
        Owlv2Detector("x", **options)


def test_pairs_must_be_pairs(photo):
    with pytest.raises(ValueError, match="expected as many phrases as photos, got 0 and 1"):
        detector().detect([photo], [])


def test_settings_hold_what_matters_and_no_more():
    assert Owlv2Detector(batch_size=1, device="cpu").settings() == Owlv2Detector(device="cuda").settings() == {
        "detector": "owlv2", "model": "google/owlv2-base-patch16-ensemble", "revision": None, "dtype": "float32",
        "threshold": 0.1, "max_boxes": 100,
    }  # fmt: skip
