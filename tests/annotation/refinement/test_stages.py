"""Filter and merge on records: who leaves, why, and that nothing gets lost."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

from giqa_hf.annotation.record import Box, Record, Tag, count_outcomes, drop
from giqa_hf.annotation.refinement.stages import FilterBoxes, MergeBoxes, drop_unusable_boxes
from giqa_hf.annotation.stage import Pictures
from giqa_hf.errors import GiqaError

LEFT, RIGHT, MIDDLE = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.25, 0.0, 0.75, 1.0)


class Brightness:
    """A judge that measures: how bright is the crop, 0..1? It knows "bright", "dark", and nothing else."""

    def __init__(self):
        self.calls = []

    def yes_probability(self, crops, qualities):
        self.calls.append(len(crops))
        brightness = [float(np.asarray(crop).mean() / 255) for crop in crops]
        known = {
            "bright": lambda value: value,
            "dark": lambda value: 1 - value,
            "odd": lambda value: math.nan,
        }
        return [
            known.get(quality, lambda value: None)(value)
            for quality, value in zip(qualities, brightness, strict=True)
        ]

    def settings(self):
        return {"judge": "Brightness"}


@pytest.fixture
def pictures(tmp_path):
    """A photo 100 x 60: the left half white, the right half black."""
    pixels = np.zeros((60, 100, 3), dtype=np.uint8)
    pixels[:, :50] = 255
    Image.fromarray(pixels).save(tmp_path / "half.png")
    return Pictures(tmp_path, tmp_path)


def make_tag(*boxes, quality="bright"):
    return Tag("wall", "the wall", quality, "negative", (4, 8), [Box(box) for box in boxes])


def make_record(*tags, number=0, image="half.png"):
    return Record(f"r{number}", f"i{number}", image, "The wall is bright.", "s", "l", tags=list(tags))


def fates(tag):
    return [box.fate and (box.fate.status, box.fate.stage, box.fate.reason) for box in tag.boxes]


REJECTED = ("dropped", "filter", "judge says No")


@pytest.mark.parametrize(
    ("boxes", "quality", "options", "kept", "judged"),
    [
        # brightness: left 1, right 0, middle half white = .5
        ([LEFT, RIGHT], "bright", {}, [True, False], [1, 0]),
        ([LEFT, RIGHT], "dark", {}, [False, True], [0, 1]),
        ([LEFT, MIDDLE], "bright", {}, [True, True], [1, 0.5]),  # as likely as not: kept
        ([LEFT, MIDDLE], "bright", {"threshold": 0.51}, [True, False], [1, 0.5]),
        ([LEFT, RIGHT], "bright", {"threshold": 0}, [True, True], [1, 0]),
        # one box is not asked about, as the paper's text has it ...
        ([RIGHT], "bright", {}, [True], [None]),
        # ... but is as its algorithm has it, and kept as all are rejected
        ([RIGHT], "bright", {"only_multiple": False}, [True], [0]),
        ([RIGHT], "bright", {"only_multiple": False, "when_all_rejected": "drop"}, [False], [0]),
        ([RIGHT, RIGHT], "bright", {}, [True, True], [0, 0]),
        ([RIGHT, RIGHT], "bright", {"when_all_rejected": "drop"}, [False, False], [0, 0]),
        # a judge that cannot tell does not reject, nor one that says NaN
        ([LEFT, RIGHT], "sharp", {"when_all_rejected": "drop"}, [True, True], [None, None]),
        ([LEFT, RIGHT], "odd", {"when_all_rejected": "drop"}, [True, True], [None, None]),
        # no quality, no question
        ([LEFT, RIGHT], " ", {}, [True, True], [None, None]),
        ([], "bright", {}, [], []),
    ],
)
def test_who_leaves(pictures, boxes, quality, options, kept, judged):
    tag = make_tag(*boxes, quality=quality)
    record = make_record(tag)
    assert FilterBoxes(Brightness(), **options)([record], pictures) == [record]
    assert fates(tag) == [None if keep else REJECTED for keep in kept]
    assert [box.judged for box in tag.boxes] == judged
    assert [box.fate.score for box in tag.boxes if box.fate] == [
        p for p, keep in zip(judged, kept, strict=True) if not keep
    ]
    assert record.fate is None and tag.fate is None


def test_all_crops_of_a_batch_go_to_the_judge_in_one_call(pictures):
    judge = Brightness()
    gone = make_tag(LEFT, RIGHT)
    drop(gone, "tags", "no impact")
    records = [
        make_record(make_tag(LEFT, RIGHT), make_tag(RIGHT, LEFT, quality="dark"), gone, number=0),
        make_record(make_tag(RIGHT), number=1),
        make_record(make_tag(MIDDLE, LEFT, RIGHT), number=2),
    ]
    FilterBoxes(judge)(records, pictures)
    assert judge.calls == [2 + 2 + 3]
    assert [[len(tag.live_boxes) for tag in record.tags] for record in records] == [[1, 1, 0], [1], [2]]
    assert [box.fate.reason for box in gone.boxes] == ["with its tag: no impact"] * 2


def test_nothing_to_ask_is_no_call(pictures):
    judge = Brightness()
    record = make_record(make_tag(LEFT), make_tag())
    FilterBoxes(judge)([record], pictures)
    assert judge.calls == []
    assert record.width is None  # so the photo was not opened for nothing


def test_a_photo_that_cannot_be_read_costs_its_record_only(pictures):
    broken, good = (
        make_record(make_tag(LEFT, RIGHT), image=image, number=n)
        for n, image in enumerate(["no.png", "half.png"])
    )
    FilterBoxes(Brightness())([broken, good], pictures)
    assert broken.fate.reason == "photo cannot be read"
    assert len(good.tags[0].live_boxes) == 1


def test_too_little_memory_stops_the_build(pictures):
    class Full(Brightness):
        def yes_probability(self, crops, qualities):
            raise GiqaError("no memory")

    with pytest.raises(GiqaError, match="no memory"):
        FilterBoxes(Full())([make_record(make_tag(LEFT, RIGHT))], pictures)


def test_a_box_of_a_pixel_is_judged_by_its_surroundings(pictures):
    # 1 x 1 px at (50, 30), black; 32 px about (50.5, 30.5) go from 35 to 66: 15 of 32 columns are white
    tag = make_tag((0.5, 0.5, 0.51, 0.516), LEFT)
    FilterBoxes(Brightness())([make_record(tag)], pictures)
    assert tag.boxes[0].judged == pytest.approx(15 / 32)
    single = make_tag((0.5, 0.5, 0.51, 0.516), LEFT)
    FilterBoxes(Brightness(), min_crop_px=1)([make_record(single)], pictures)
    assert single.boxes[0].judged == 0


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("found", "reason", "now"),
    [
        ((0.1, 0.2, 0.3, 0.4), None, (0.1, 0.2, 0.3, 0.4)),
        ((NAN, 0.2, 0.3, 0.4), "coordinates are no numbers", None),
        ((0.1, 0.2, INF, 0.4), "coordinates are no numbers", None),
        ((0.1, 0.2, 0.1, 0.4), "no area", None),
        ((0.3, 0.2, 0.1, 0.4), "no area", None),  # reversed
        ((0.1, 0.4, 0.3, 0.2), "no area", None),
        ((1.1, 0.2, 1.3, 0.4), "outside the image", None),
        ((-0.5, 0.2, 0.0, 0.4), "outside the image", None),  # only its edge lies on the rim
        ((-0.1, 0.2, 0.3, 1.4), None, (0, 0.2, 0.3, 1)),  # cut
        ((100, 200, 300, 400), "outside the image", None),  # pixels
    ],
)
@pytest.mark.parametrize("stage", ["filter", "merge"])
def test_what_is_no_box_leaves_with_its_reason(pictures, stage, found, reason, now):
    tag = make_tag(found, (0.8, 0.8, 0.9, 0.9))
    record = make_record(tag)
    {"filter": FilterBoxes(Brightness(), threshold=0), "merge": MergeBoxes()}[stage]([record], pictures)
    box = tag.boxes[0]
    assert (box.fate and (box.fate.stage, box.fate.reason)) == (reason and (stage, reason))
    assert box.found_norm == found  # as found, for ever
    if reason is None:
        assert box.now_norm == now
        assert (box.box_norm is None) == (now == found)


def test_merging_grows_one_box_and_gives_the_others_their_fate(pictures):
    a, b, far, c = (0.0, 0.0, 0.1, 0.1), (0.1, 0.0, 0.2, 0.1), (0.8, 0.8, 0.9, 0.9), (0.2, 0.0, 0.3, 0.1)
    large, inside = (0.3, 0.3, 0.9, 0.78), (0.35, 0.35, 0.4, 0.4)  # .6 * .48 = .288
    tag = make_tag((NAN, 0, 1, 1), a, b, far, c, large, inside)
    rejected = tag.boxes[2]
    drop(rejected, "filter", "judge says No", score=0.1)
    other = make_tag(a, b)  # another tag's boxes do not mix with these
    MergeBoxes()([make_record(tag, other)], pictures)
    # a and c are apart, since b, between them, has left; large takes inside (coverage 1); far is apart from large
    assert fates(tag)[1:] == [
        None, REJECTED, None, None, None, ("merged", "merge", "overlapping"),
    ]  # fmt: skip
    assert (tag.boxes[6].fate.detail, tag.boxes[6].fate.score) == ("into box 5", 1.0)
    assert fates(other) == [None, ("merged", "merge", "touching, and the other is small")]
    assert other.boxes[0].now_norm == (0.0, 0.0, 0.2, 0.1) and other.boxes[0].found_norm == a
    assert (other.boxes[1].fate.detail, other.boxes[1].fate.score) == ("into box 0", pytest.approx(0.01))
    assert other.boxes[1].now_norm == b  # where it was, for the pictures of the audit
    assert tag.boxes[1].box_norm is None and tag.boxes[5].box_norm is None  # not grown, not written


def test_nine_hundred_boxes_of_one_tag(pictures, rng):
    corners = rng.uniform(0, 0.9, (900, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.001, 0.1, (900, 2))], axis=1)
    tag = make_tag(*map(tuple, boxes.tolist()))
    record = make_record(tag)
    judge = Brightness()
    for stage in (FilterBoxes(judge, min_crop_px=1), MergeBoxes()):
        stage([record], pictures)
    counts = count_outcomes([record])
    assert judge.calls == [900]
    # a box whose centre is right of the middle is less than half white, give or take a pixel
    rejected = sum(n for o, n in counts.items() if o.reason == "judge says No")
    assert rejected == pytest.approx((boxes[:, [0, 2]].mean(axis=1) > 0.5).sum(), abs=30)
    merged = sum(n for o, n in counts.items() if o.status == "merged")
    kept = sum(n for o, n in counts.items() if o.kind == "box" and o.status == "kept")
    assert kept + rejected + merged == 900 and 0 < kept < 900 - rejected


def test_the_audit_survives_json(pictures):
    record = make_record(make_tag(LEFT, RIGHT, (0.1, 0.1, 0.2, 0.2)), make_tag(RIGHT, LEFT, quality="dark"))
    for stage in (FilterBoxes(Brightness()), MergeBoxes()):
        stage([record], pictures)
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_settings_tell_all_that_results_depend_on():
    assert FilterBoxes(Brightness(), threshold=0.4).settings() == {
        "judge": {"judge": "Brightness"},
        "threshold": 0.4,
        "only_multiple": True,
        "when_all_rejected": "keep",
        "min_crop_px": 32,
    }
    assert MergeBoxes(symmetric=True).settings() == {
        "area_threshold": 0.256,
        "overlap_threshold": 0.95,
        "coverage": "min_area",
        "touch": "closed",
        "symmetric": True,
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"threshold": 1.5}, "threshold: expected a probability in 0..1, got 1.5"),
        ({"threshold": NAN}, "threshold: .*got nan"),
        ({"when_all_rejected": "ask"}, "when_all_rejected: expected 'keep' or 'drop', got 'ask'"),
        ({"min_crop_px": 0}, "min_crop_px: expected at least 1 pixel, got 0"),
    ],
)
def test_bad_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        FilterBoxes(Brightness(), **options)


def test_bad_options_of_merging_are_named_before_the_first_record():
    with pytest.raises(ValueError, match="coverage: expected one of"):
        MergeBoxes(coverage="all")


def test_unusable_boxes_keep_an_earlier_fate():
    tag = make_tag((NAN, 0, 1, 1))
    drop(tag.boxes[0], "boxes", "low score")
    drop_unusable_boxes(tag, "merge")
    assert tag.boxes[0].fate.reason == "low score"
