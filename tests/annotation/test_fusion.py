"""Fusion: which tags ground the description, why others leave, and the rows that come out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.annotation.fusion import Fuse, grounded_of_record, pair_texts, rows_of
from giqa_hf.annotation.record import Box, Mention, Pair, Record, Tag, count_outcomes, drop
from giqa_hf.annotation.refinement.stages import MergeBoxes
from giqa_hf.annotation.stage import Pictures
from giqa_hf.builders.questions import SHORT_REQUESTS, STEMS, SYNTAX_REQUESTS
from giqa_hf.errors import DataError
from giqa_hf.formats import giqa
from giqa_hf.schema import EFFECTS, validate_row

TEXT = "The old stone tower is sharp, but the water surface is noisy."
TOWER, WATER = (0.5, 0.1, 0.6, 0.9), (0.0, 0.7, 1.0, 1.0)


def make_tag(name, *boxes, text=TEXT, effect="positive", quality="sharp", span=None):
    start = text.index(name) if span is None else span[0]
    span = (start, start + len(name)) if span is None else span
    return Tag(name, name, quality, effect, span, [Box(box) for box in boxes])


def make_record(*tags, text=TEXT, number=0, size=(640, 480)):
    return Record(
        f"r{number}", f"image {number}", "photo.png", text, "koniq-10k", "CC-BY-4.0",
        width=size[0], height=size[1], tags=list(tags),
    )  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "photo.png")
    return Pictures(tmp_path, tmp_path)


def fused(record, pictures=None, **options):
    Fuse(**options)([record], pictures)
    return record


def reasons(record):
    return [tag.fate and tag.fate.reason for tag in record.tags]


def test_boxes_go_to_their_words_and_the_description_stays():
    record = fused(
        make_record(
            make_tag("water surface", WATER, effect="negative", quality="noisy"), make_tag("tower", TOWER)
        )
    )
    grounded = grounded_of_record(record)
    assert grounded.text == TEXT
    assert [(r.phrase, r.quality, r.effect) for r in grounded.regions] == [
        ("tower", "sharp", "positive"),  # in reading order
        ("water surface", "noisy", "negative"),
    ]
    # tower: x .5 -> column 10, y .1 -> row 2: 50; to column 11 (.6 = the end of it), row 17: 351
    # water: row 14, column 0: 280, to 399
    assert giqa.write(grounded) == (
        "The old stone [tower](<50,351>) is sharp, but the [water surface](<280,399>) is noisy."
    )


def test_boxes_stay_in_the_detectors_order_and_where_merging_has_put_them():
    low, high = (0.0, 0.9, 0.1, 1.0), (0.0, 0.0, 0.1, 0.1)
    tag = make_tag("tower", low, high, (0.05, 0.9, 0.2, 1.0))
    record = make_record(tag)
    MergeBoxes()([record], None)
    region = grounded_of_record(fused(record)).regions[0]
    assert region.boxes_norm.tolist() == [[0.0, 0.9, 0.2, 1.0], list(high)]


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        (make_tag("tower"), "no box found"),
        (make_tag("tower", (math.nan, 0, 1, 1)), "no box left"),
        (make_tag("tower", (0.5, 0.5, 0.5, 0.9)), "no box left"),
        (make_tag("tower", TOWER, span=(0, len(TEXT) + 1)), "its span is no place in the description"),
        (make_tag("tower", TOWER, span=(-3, 4)), "its span is no place in the description"),
        (make_tag("tower", TOWER, span=(4, 4)), "its span is no place in the description"),
        (make_tag("tower", TOWER, span=(3, 4)), "its span is no place in the description"),  # a space
        (Tag("tower", "tower", "sharp", "positive", None, [Box(TOWER)]), "its span is no place in the description"),
    ],
)  # fmt: skip
def test_a_tag_that_grounds_nothing_leaves(tag, reason):
    record = fused(make_record(tag, make_tag("water surface", WATER)))
    assert reasons(record) == [reason, None]
    assert [r.phrase for r in grounded_of_record(record).regions] == ["water surface"]
    assert all(box.fate for box in tag.boxes)  # its boxes leave with it


@pytest.mark.parametrize(
    ("spans", "kept"),
    [
        ([(4, 19), (14, 19)], [0]),  # "old stone tower" around "tower": the longer
        ([(14, 19), (4, 19)], [1]),  # whichever comes first in the record
        ([(8, 19), (4, 13)], [0]),  # "stone tower" (11) and "old stone" (9)
        ([(8, 13), (4, 9)], [1]),  # equal lengths: the first in the text
        ([(14, 19), (14, 19)], [0]),  # the same words twice: the first of the record
        ([(4, 7), (8, 13)], [0, 1]),  # side by side
        ([(4, 8), (8, 13)], [0, 1]),  # end on start is no overlap, the longer one behind ...
        ([(4, 13), (13, 17)], [0, 1]),  # ... or before
        # the middle one is longest and both others overlap it
        ([(0, 7), (4, 19), (14, 22)], [1]),
        # the longest takes the middle one away, so that the outer one stays
        ([(0, 10), (8, 17), (14, 30)], [0, 2]),
    ],
)
def test_of_overlapping_spans_the_longest_stays(spans, kept):
    record = fused(make_record(*(make_tag("tag", TOWER, span=span) for span in spans)))
    gone = [tag for place, tag in enumerate(record.tags) if place not in kept]
    assert [tag.fate for place, tag in enumerate(record.tags) if place in kept] == [None] * len(kept)
    assert {tag.fate.reason for tag in gone} <= {"overlaps another tag"}
    assert [region.span for region in grounded_of_record(record).regions] == sorted(spans[k] for k in kept)


def test_a_tag_without_boxes_takes_no_words_from_others():
    record = fused(make_record(make_tag("old stone tower"), make_tag("tower", TOWER)))
    assert reasons(record) == ["no box found", None]


def test_what_overlaps_says_what():
    record = fused(make_record(make_tag("tower", TOWER), make_tag("stone tower", TOWER)))
    assert record.tags[0].fate.detail == "'stone tower' at (8, 19)"


@pytest.mark.parametrize("tags", [[], [make_tag("tower")]])
def test_a_record_without_tags_is_dropped(tags):
    record = fused(make_record(*tags))
    assert (record.fate.stage, record.fate.reason) == ("fusion", "nothing grounded")
    assert record.question is None
    assert rows_of(record) == []


def test_the_limit_keeps_the_best_boxes_in_their_order():
    tag = make_tag("tower", *((x / 10, 0.0, x / 10 + 0.05, 1.0) for x in range(5)))
    for box, score in zip(tag.boxes, [0.4, 0.9, None, 0.4, 0.5], strict=True):
        box.score = score
    record = fused(make_record(tag), max_boxes_per_tag=3)
    # .9, .5 and the first .4
    assert [box.fate is None for box in tag.boxes] == [True, True, False, False, True]
    assert (tag.boxes[3].fate.reason, tag.boxes[3].fate.score) == ("over the limit of boxes per tag", 0.4)
    assert grounded_of_record(record).regions[0].boxes_norm[:, 0].tolist() == [0.0, 0.1, 0.4]


def test_nine_hundred_boxes_are_no_trouble(rng):
    corners = rng.uniform(0, 0.9, (900, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.001, 0.1, (900, 2))], axis=1)
    record = fused(make_record(make_tag("tower", *map(tuple, boxes.tolist()))))
    assert grounded_of_record(record).regions[0].boxes_norm.tolist() == boxes.tolist()


def test_the_question_belongs_to_the_record_and_the_seed():
    def questions(**options):
        return [fused(make_record(make_tag("tower", TOWER), number=n), **options).question for n in range(40)]

    assert questions() == questions()
    assert questions() != questions(seed=1)
    assert len(set(questions())) > 15
    # alone or in a batch with others
    records = [make_record(make_tag("tower", TOWER), number=n) for n in reversed(range(40))]
    Fuse()(records, None)
    assert [record.question for record in reversed(records)] == questions()


@pytest.mark.parametrize(
    ("request_", "ends"),
    [("none", STEMS), ("short", SHORT_REQUESTS), ("syntax", SYNTAX_REQUESTS), (None, SHORT_REQUESTS + SYNTAX_REQUESTS)],
)  # fmt: skip
def test_how_positions_are_asked_for(request_, ends):
    record = fused(make_record(make_tag("tower", TOWER)), position_request=request_)
    assert record.question.endswith(ends)


def test_the_size_is_read_where_no_stage_has_looked_yet(pictures):
    record = make_record(make_tag("tower", TOWER), size=(None, None))
    fused(record, pictures)
    assert (record.width, record.height) == (30, 20)
    lost = make_record(make_tag("tower", TOWER), size=(None, None), number=1)
    lost.image = "gone.png"
    fused(lost, pictures)
    assert (lost.fate.stage, lost.fate.reason) == ("images", "photo cannot be read")


def full_record():
    record = fused(
        make_record(
            make_tag("tower", TOWER), make_tag("water surface", WATER, effect="negative", quality="noisy")
        )
    )
    record.pairs = [
        Pair(
            "Is the tower sharper than the water?", "Yes.", "yes_no",
            [Mention("question", (30, 35), 1), Mention("question", (7, 12), 0)],
        ),
        Pair("What is noisy in the image?", "The water surface.", "what", [Mention("answer", (4, 17), 1)]),
        Pair("Why?", "Haze.", "why"),
    ]  # fmt: skip
    drop(record.pairs[2], "pairs", "no boxed object")
    return record


def test_a_pair_gets_boxes_in_its_question_or_its_answer():
    record = full_record()
    question, answer = pair_texts(record, record.pairs[0])
    assert giqa.write(question) == "Is the [tower](<50,351>) sharper than the [water](<280,399>)?"
    assert giqa.write(answer) == "Yes."
    assert giqa.write(pair_texts(record, record.pairs[1]).answer) == "The [water surface](<280,399>)."


def test_rows():
    rows = rows_of(full_record())
    for row in rows:
        validate_row(row)
    assert [(row["task"], row["question_type"]) for row in rows] == [
        ("des", None),
        ("vqa", "yes_no"),
        ("vqa", "what"),
    ]
    common = {
        "image_id": "image 0",
        "width": 640,
        "height": 480,
        "source": "koniq-10k",
        "license": "CC-BY-4.0",
    }
    assert all(row.items() >= common.items() for row in rows)
    des = rows[0]
    assert des["answer"] == TEXT and des["question_regions"] == []
    assert des["answer_regions"][0] == {
        "phrase": "tower", "span": [14, 19], "quality": "sharp", "effect": "positive", "boxes_norm": [list(TOWER)],
    }  # fmt: skip
    assert rows[2]["question_regions"] == [] and rows[2]["answer_regions"][0]["phrase"] == "water surface"
    assert json.loads(json.dumps(rows)) == rows
    assert rows_of(Record.from_dict(json.loads(json.dumps(full_record().to_dict())))) == rows


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Look 👩‍👩‍👧 at the 🐕 dog: blurry 😢", "🐕 dog"),  # joined emoji count as several characters
        ("البرج واضح لكن الماء مليء بالضوضاء.", "الماء"),  # from right to left
        ("塔很清晰但水面有噪点。", "水面"),
        ("e\u0301toile and e\u0301tang are sharp", "e\u0301tang"),  # an accent of its own
        ("The [tower](<1,2>) is sharp.", "tower"),  # a text that looks as if it had boxes
    ],
)
def test_descriptions_of_all_sorts(text, name):
    record = fused(make_record(make_tag(name, TOWER, text=text), text=text))
    row = rows_of(record)[0]
    validate_row(row)
    assert row["answer"] == text
    start, end = row["answer_regions"][0]["span"]
    assert text[start:end] == name
    read = giqa.read(giqa.write(grounded_of_record(record)))
    assert (read.text, read.phrases) == (text, [name])


def test_what_did_not_go_through_fusion_gives_no_rows_but_an_error():
    with pytest.raises(DataError, match='record r0: expected a question from the stage "fusion"'):
        rows_of(make_record(make_tag("tower", TOWER)))


def test_mentions_that_overlap_are_an_error_that_names_the_record():
    record = full_record()
    record.pairs[1].mentions.append(Mention("answer", (10, 17), 0))
    with pytest.raises(DataError, match="record r0: region 'surface': expected regions in reading order"):
        rows_of(record)


numbers = st.floats(-0.3, 1.3) | st.sampled_from([0.0, 1.0, math.nan, math.inf])
tags = st.builds(
    Tag,
    st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.sampled_from(EFFECTS),
    st.none() | st.tuples(st.integers(-2, 30), st.integers(-2, 30)),
    st.lists(st.builds(Box, st.tuples(numbers, numbers, numbers, numbers)), max_size=4),
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(tags, max_size=6), st.text(min_size=1, max_size=25), st.none() | st.integers(1, 2))
def test_whatever_comes_in_rows_are_valid_and_nothing_is_lost(found, text, limit):
    record = make_record(*found, text=text)
    number = sum(len(tag.boxes) for tag in found)
    for stage in (MergeBoxes(), Fuse(max_boxes_per_tag=limit)):
        stage([record], None)
    for row in rows_of(record):
        validate_row(row)
        assert row["answer"] == text
        regions = row["answer_regions"]
        assert len(regions) == len(record.live_tags) and all(region["boxes_norm"] for region in regions)
        assert limit is None or all(len(region["boxes_norm"]) <= limit for region in regions)
    counts = count_outcomes([record])
    assert sum(count for outcome, count in counts.items() if outcome.kind == "box") == number
    assert sum(count for outcome, count in counts.items() if outcome.kind == "tag") == len(found)
    assert bool(record.live_tags) == (record.fate is None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"position_request": "long"}, "position_request: expected None or one of short, syntax, none, got 'long'"),
        ({"max_boxes_per_tag": 0}, "max_boxes_per_tag: expected None or at least 1, got 0"),
    ],
)  # fmt: skip
def test_bad_options_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        Fuse(**options)


def test_settings():
    assert Fuse("short", seed=3).settings() == {
        "position_request": "short",
        "seed": 3,
        "max_boxes_per_tag": None,
    }
