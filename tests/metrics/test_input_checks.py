"""Boxes that are none, or in another unit, are refused by the metrics that take bare boxes."""

from __future__ import annotations

import re

import evaluate
import pytest

import giqa_hf  # noqa: F401  # makes the metrics known

TRUE = [[[0.1, 0.1, 0.5, 0.5]]]
NAN = float("nan")
REFUSED = {
    # predictions, references: what the message begins with
    "NaN in the truth": (TRUE, [[[0.0, 0.0, NAN, 0.5]]], "references[0], box 0: expected finite"),
    "reversed truth": (
        TRUE,
        [[[0.0, 0.0, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0]]],
        "references[0], box 1: expected",
    ),
    "a prediction of NaN": ([[[NAN, 0.0, 1.0, 1.0]]], TRUE, "predictions[0], box 0: expected finite"),
    "a reversed prediction": ([[[0.5, 0.5, 0.0, 0.0]]], TRUE, "predictions[0], box 0: expected"),
    "pixels against shares": ([[[0.0, 0.0, 100.0, 200.0]]], TRUE, "predictions: expected boxes in the unit"),
}


@pytest.mark.parametrize("predictions, references, said", REFUSED.values(), ids=REFUSED)
def test_refused(predictions, references, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        evaluate.load("grounding_miou").compute(predictions=predictions, references=references)
    named = [
        [{"boxes": own, "names": ["cup"] * len(own)} for own in samples]
        for samples in (predictions, references)
    ]
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        evaluate.load("tag_recall").compute(predictions=named[0], references=named[1])


def test_pixels_on_both_sides_are_a_unit_too():
    pixels = [[[10.0, 10.0, 50.0, 50.0]]]
    assert (
        evaluate.load("grounding_miou").compute(predictions=pixels, references=pixels)["grounding_miou"]
        == 1.0
    )


def test_one_stray_box_among_good_ones_counts_and_stops_nothing():
    # the good one has IoU 1, the one far outside matches nothing: 1 of 1 true boxes found
    found = evaluate.load("grounding_miou").compute(
        predictions=[[[0.1, 0.1, 0.5, 0.5], [3.0, 3.0, 4.0, 4.0]]], references=TRUE
    )
    assert found["grounding_miou"] == 1.0 and found["predicted_boxes"] == 2
