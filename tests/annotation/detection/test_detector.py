"""What every detector shares: its text, its order, and that opening the modules opens no model."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.annotation.detection.detector import best_first, caption, distinct, nothing, plain_phrase


@pytest.mark.parametrize(
    "phrase, expected",
    [
        ("tower", "tower."),
        ("The Red Tower", "the red tower."),
        ("  the\tred \n tower ", "the red tower."),  # any white space is one space
        ("the tower.", "the tower."),  # not two dots: the second would be a phrase of no words
        ("tower. window", "tower window."),  # one phrase, not two
        ("the U.S. flag", "the u s flag."),
        ("[SEP] tower", "[sep] tower."),  # lower case is no longer the tokenizer's mark
        ("Häuser, 木の", "häuser, 木の."),  # other languages are left as they are
        ("is it sharp?", "is it sharp?."),
        ("", ""),  # no caption at all, rather than "."
        (" . .. ", ""),
    ],
)
def test_a_caption_is_one_phrase(phrase, expected):
    assert caption(phrase) == expected


@given(st.text())
def test_any_text_gives_one_dot_at_the_end_or_nothing(text):
    plain = plain_phrase(text)
    assert "." not in plain and plain == " ".join(plain.split())
    assert caption(text) == (plain + "." if plain else "")


def rows(*numbers):
    """Boxes that can be told apart by their first coordinate."""
    return [[number / 100, 0.0, 1.0, 1.0] for number in numbers]


@pytest.mark.parametrize(
    "scores, max_boxes, order",
    [
        ([0.1, 0.9, 0.5], 9, [1, 2, 0]),
        ([0.1, 0.9, 0.5], 2, [1, 2]),  # the best two
        ([0.5, 0.5, 0.9, 0.5], 9, [2, 0, 1, 3]),  # ties stay in order
        ([0.5, 0.5000001, 0.4], 9, [0, 1, 2]),  # equal to 6 decimals: a tie
        ([0.5, 0.500002, 0.4], 9, [1, 0, 2]),  # not equal
        ([np.nan, 0.2, np.nan, 0.3], 9, [3, 1, 0, 2]),  # broken ones are kept, at the end
        ([np.nan, 0.2, np.nan, 0.3], 3, [3, 1, 0]),  # and are the first to go
        ([], 9, []),
    ],
)
def test_best_first(scores, max_boxes, order):
    found = best_first(rows(*range(len(scores))), scores, max_boxes)
    assert found.boxes_norm.dtype == found.scores.dtype == np.float64
    assert found.boxes_norm.shape == (len(order), 4)
    assert (found.boxes_norm[:, 0] * 100).round().tolist() == order
    np.testing.assert_array_equal(found.scores, np.array(scores, dtype=np.float64)[order])
    assert found.problem is None


def test_nothing_is_no_boxes_and_says_why():
    assert nothing().boxes_norm.shape == (0, 4) and nothing().scores.shape == (0,)
    assert nothing("phrase without a word").problem == "phrase without a word"


def test_distinct_goes_by_the_object_not_by_what_is_on_it():
    one, same_pixels = Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4))
    assert distinct([one, same_pixels, one, one]) == {0: [0, 2, 3], 1: [1]}


def test_making_a_detector_opens_nothing():
    """A profile is made, pickled and printed on machines without torch; models open at the first photo."""
    code = """
import pickle, sys
from giqa_hf.annotation.detection.grounding_dino import GroundingDinoDetector
from giqa_hf.annotation.detection.groundingdino_py import GroundingDinoPyDetector
from giqa_hf.annotation.detection.owlv2 import Owlv2Detector
from giqa_hf.annotation.detection.stage import DetectBoxes
for detector in (GroundingDinoDetector(), GroundingDinoPyDetector("x.safetensors"), Owlv2Detector()):
    stage = DetectBoxes(detector)
    assert pickle.loads(pickle.dumps(stage)).settings() == stage.settings()
assert GroundingDinoDetector().detect([], []) == [] == Owlv2Detector().detect([], [])
heavy = {"torch", "transformers", "torchvision", "datasets"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
