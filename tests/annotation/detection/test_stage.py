"""Stage 2: what becomes of the boxes that a detector gives, good and bad."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from giqa_hf.annotation.detection.detector import Detections, nothing
from giqa_hf.annotation.detection.grounding_dino import GroundingDinoDetector
from giqa_hf.annotation.detection.owlv2 import Owlv2Detector
from giqa_hf.annotation.detection.stage import DetectBoxes
from giqa_hf.annotation.record import Fate, Record, Tag, count_outcomes, drop
from giqa_hf.annotation.stage import Pictures
from tests.make_tiny_detector import tiny_detector

NAN = float("nan")


class Scripted:
    """Says for each phrase what a test wants it to: broken detectors cannot be had otherwise."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def detect(self, images, phrases):
        self.asked += [(image.size, phrase) for image, phrase in zip(images, phrases, strict=True)]
        return [self.answers[phrase] for phrase in phrases]

    def settings(self):
        return {"detector": "scripted"}


def found(*rows):
    """Rows of x1, y1, x2, y2, score."""
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4])


def tag(phrase):
    return Tag(phrase, phrase, "blurry", "negative")


def record(record_id, image, *phrases):
    return Record(
        record_id, record_id, image, "A text.", "q-pathway", "unknown", tags=[tag(p) for p in phrases]
    )


@pytest.fixture
def pictures(tmp_path, photo):
    photo.crop((0, 0, 160, 120)).save(tmp_path / "wide.png")
    photo.crop((0, 0, 120, 160)).save(tmp_path / "high.png")
    photo.crop((0, 0, 160, 31)).save(tmp_path / "low.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff not a photo")
    turned = photo.crop((0, 0, 160, 120))
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(tmp_path / "turned.jpg", exif=exif)
    return Pictures(tmp_path, tmp_path)


def run(stage, records, pictures):
    records = stage(records, pictures)
    pictures.clear()
    return records


@pytest.mark.parametrize(
    "row, found_norm, fate",
    [
        ((0.1, 0.2, 0.3, 0.4, 0.9), (0.1, 0.2, 0.3, 0.4), None),
        ((0.1234567, 0.2, 0.3, 0.4, 0.9), (0.123457, 0.2, 0.3, 0.4), None),  # 6 decimals
        ((-0.1, 0.2, 1.3, 0.4, 0.9), (0.0, 0.2, 1.0, 0.4), None),  # clipped
        ((-0.0, 0.0, 1.0, 1.0, 0.9), (0.0, 0.0, 1.0, 1.0), None),  # the whole photo
        ((0.2, 0.2, 0.2, 0.4, 0.9), (0.2, 0.2, 0.2, 0.4), "no area"),
        ((0.2, 0.2, 0.2000001, 0.4, 0.9), (0.2, 0.2, 0.2, 0.4), "no area"),  # none that 6 decimals could hold
        ((0.3, 0.2, 0.2, 0.4, 0.9), (0.3, 0.2, 0.2, 0.4), "no area"),  # reversed corners are no box
        ((-0.2, 0.2, 0.0, 0.4, 0.9), (0.0, 0.2, 0.0, 0.4), "no area"),  # it touches the rim
        ((-0.2, 0.2, -0.1, 0.4, 0.9), (0.0, 0.2, 0.0, 0.4), "outside the photo"),
        ((0.2, 1.1, 0.4, 1.4, 0.9), (0.2, 1.0, 0.4, 1.0), "outside the photo"),
        ((1.2, 1.1, 1.4, 1.4, 0.9), (1.0, 1.0, 1.0, 1.0), "outside the photo"),
        ((0.1, NAN, 0.3, 0.4, 0.9), (0.0, 0.0, 0.0, 0.0), "not finite"),
        ((0.1, 0.2, float("inf"), 0.4, 0.9), (0.0, 0.0, 0.0, 0.0), "not finite"),
        (
            (0.1, 0.2, 0.3, 0.4, NAN),
            (0.0, 0.0, 0.0, 0.0),
            "not finite",
        ),  # a box without a score is broken too
    ],
)
def test_each_box_is_judged(row, found_norm, fate, pictures):
    stage = DetectBoxes(Scripted({"sky": found((0.5, 0.5, 0.6, 0.6, 0.95), row)}))
    (done,) = run(stage, [record("a", "wide.png", "sky")], pictures)
    good, box = done.tags[0].boxes
    assert good.fate is None and done.tags[0].fate is None
    assert box.found_norm == found_norm
    assert box.box_norm is None and box.judged is None
    assert (box.fate and (box.fate.status, box.fate.stage, box.fate.reason)) == (
        fate and ("dropped", "boxes", fate)
    )
    assert "-0.0" not in json.dumps(done.to_dict(), allow_nan=False)


def test_scores_are_rounded_and_what_was_broken_is_told(pictures):
    rows = [(0.1, 0.2, 0.3, 0.4, 0.98765432), (0.1, NAN, 0.3, 0.4, 0.5), (2.0, 2.0, 3.0, 3.0, NAN)]
    (done,) = run(DetectBoxes(Scripted({"sky": found(*rows)})), [record("a", "wide.png", "sky")], pictures)
    boxes = done.tags[0].boxes
    assert [box.score for box in boxes] == [0.987654, 0.5, None]
    assert [box.fate and box.fate.detail for box in boxes] == [
        None, "0.1, nan, 0.3, 0.4, score 0.5", "2, 2, 3, 3, score nan",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "answer, reason",
    [
        (nothing(), "nothing detected"),
        (nothing("phrase too long for the detector"), "phrase too long for the detector"),
        (found((0.2, 0.2, 0.2, 0.4, 0.9)), "no usable box"),  # there was one, but without area
    ],
)
def test_a_tag_without_boxes_is_dropped_with_its_reason(answer, reason, pictures):
    stage = DetectBoxes(Scripted({"sky": answer, "dog": found((0.1, 0.1, 0.2, 0.2, 0.5))}))
    (done,) = run(stage, [record("a", "wide.png", "sky", "dog")], pictures)
    assert done.fate is None
    assert done.tags[0].fate == Fate("dropped", "boxes", reason)
    assert done.tags[1].fate is None


def test_the_best_boxes_stay_within_the_limit(pictures):
    """Two may stay; the broken one between them takes no place."""
    rows = [(0.1 * n, 0.0, 1.0, 1.0, 0.9 - 0.1 * n) for n in range(4)]
    rows.insert(1, (NAN, 0.0, 1.0, 1.0, 0.85))
    stage = DetectBoxes(Scripted({"sky": found(*rows)}), max_boxes_per_tag=2)
    (done,) = run(stage, [record("a", "wide.png", "sky")], pictures)
    fates = [box.fate and (box.fate.reason, box.fate.score) for box in done.tags[0].boxes]
    assert fates == [
        None,
        ("not finite", None),
        None,
        ("over the limit per tag", 0.7),
        ("over the limit per tag", 0.6),
    ]


def test_only_live_tags_of_readable_photos_are_asked_for(pictures):
    detector = Scripted({"sky": found((0.1, 0.1, 0.2, 0.2, 0.5)), "dog": nothing()})
    dropped_tag = record("a", "wide.png", "sky", "tower")
    drop(dropped_tag.tags[1], "tags", "whole image")
    dropped_record = record("b", "wide.png", "sky")
    drop(dropped_record, "corpus", "duplicate id")
    records = [
        dropped_tag, dropped_record, record("c", "broken.jpg", "sky"), record("d", "gone.png", "sky"),
        record("e", "low.png", "sky"), record("f", "gone.png"), record("g", "turned.jpg", "sky", "dog"),
    ]  # fmt: skip
    run(DetectBoxes(detector), records, pictures)
    # The last one lies on its side: 160 x 120 in the file, 120 x 160 upright.
    assert detector.asked == [((160, 120), "sky"), ((120, 160), "sky"), ((120, 160), "dog")]
    reasons = [r.fate and (r.fate.stage, r.fate.reason) for r in records]
    assert reasons == [
        None, ("corpus", "duplicate id"), ("images", "photo cannot be read"), ("images", "photo cannot be read"),
        ("boxes", "photo too small"), None, None,
    ]  # fmt: skip
    assert records[4].fate.detail == "160 x 31 pixels, expected 32 a side"
    assert records[4].tags[0].fate.reason == "with its record: photo too small"
    assert (records[6].width, records[6].height) == (120, 160)


def test_no_tags_no_question(pictures):
    detector = Scripted({})
    run(DetectBoxes(detector), [record("a", "wide.png")], pictures)
    assert detector.asked == []


@given(
    hnp.arrays(
        np.float64, st.tuples(st.integers(0, 6), st.just(5)), elements=st.floats(allow_nan=True, width=32)
    ),
    st.integers(1, 4),
)
def test_whatever_a_detector_gives_is_in_the_audit(table, limit):
    """Candidates = kept + dropped, stored boxes lie in the photo, kept ones have an area, and JSON can hold them all."""
    stage = DetectBoxes(Scripted({}), max_boxes_per_tag=limit)
    done = record("a", "wide.png", "sky")
    stage._admit(done.tags[0], found(*table))
    done.settle()
    boxes = done.tags[0].boxes
    assert len(boxes) == len(table)
    outcomes = count_outcomes([done])
    assert sum(count for outcome, count in outcomes.items() if outcome.kind == "box") == len(table)
    assert all(0 <= value <= 1 for box in boxes for value in box.found_norm)
    live = done.tags[0].live_boxes
    assert len(live) <= limit
    assert all(x1 < x2 and y1 < y2 for x1, y1, x2, y2 in (box.found_norm for box in live))
    assert (done.tags[0].fate is None) == bool(live)
    written = json.dumps(done.to_dict(), allow_nan=False)
    assert Record.from_dict(json.loads(written)) == done


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: GroundingDinoDetector(
            str(tiny_detector("grounding_dino")), box_threshold=0.6, **options
        ),
        lambda **options: GroundingDinoDetector(
            str(tiny_detector("mm_grounding_dino")), box_threshold=0.6, **options
        ),
        lambda **options: Owlv2Detector(str(tiny_detector("owlv2")), threshold=0.6, **options),
    ],
    ids=["grounding_dino", "mm_grounding_dino", "owlv2"],
)
def test_real_detectors_write_the_same_bytes_again(make, pictures):
    """A batch gives the same lines each time; other batches give the same boxes to the last decimal but one."""

    def records():
        return [
            record("a", "wide.png", "the sky", "red dog"), record("b", "high.png", "tower"),
            record("c", "turned.jpg", "window", "the sky", ""), record("d", "wide.png", "water"),
        ]  # fmt: skip

    def lines(done):
        return [json.dumps(one.to_dict(), allow_nan=False) for one in done]

    def numbers(done):
        boxes = [box for one in done for found_tag in one.tags for box in found_tag.boxes]
        return np.array([[*box.found_norm, box.score] for box in boxes])

    together = run(DetectBoxes(make(batch_size=3)), records(), pictures)
    assert lines(run(DetectBoxes(make(batch_size=3)), records(), pictures)) == lines(together)
    stage = DetectBoxes(make(batch_size=1))
    alone = [run(stage, [one], pictures)[0] for one in reversed(records())][::-1]
    np.testing.assert_allclose(numbers(alone), numbers(together), atol=2e-6, rtol=0)
    assert [[t.fate for t in one.tags] for one in alone] == [[t.fate for t in one.tags] for one in together]
    assert sum(len(one.live_boxes) for done in together for one in done.tags) > 10
    assert together[2].tags[2].fate.reason == "phrase without a word"


def test_settings():
    assert DetectBoxes(Scripted({}), max_boxes_per_tag=9).settings() == {
        "detector": {"detector": "scripted"}, "max_boxes_per_tag": 9, "min_side": 32,
    }  # fmt: skip
    with pytest.raises(ValueError, match="max_boxes_per_tag: expected at least 1, got 0"):
        DetectBoxes(Scripted({}), max_boxes_per_tag=0)
