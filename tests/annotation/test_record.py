"""Records: what is written is read back, fates pass on to what is inside, and every item is counted once."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.annotation.record import Box, Fate, Mention, Outcome, Pair, Record, Tag, count_outcomes, drop

texts = st.text(max_size=8)
units = st.floats(0, 1)
corners = st.tuples(units, units, units, units)
fates = st.none() | st.builds(
    Fate, st.sampled_from(["dropped", "merged"]), texts, texts, st.none() | texts, st.none() | units
)
boxes = st.builds(Box, corners, st.none() | units, st.none() | corners, fates, st.none() | units)
spans = st.tuples(st.integers(0, 9), st.integers(0, 9))
tags = st.builds(Tag, texts, texts, texts, texts, st.none() | spans, st.lists(boxes, max_size=3), fates)


@st.composite
def records(draw):
    some = draw(st.lists(tags, max_size=3))
    mentions = st.builds(
        Mention, st.sampled_from(["question", "answer"]), spans, st.integers(0, max(0, len(some) - 1))
    )
    pairs = st.builds(
        Pair, texts, texts, st.just("why"), st.lists(mentions, max_size=2 if some else 0), fates
    )
    return Record(
        draw(texts), draw(texts), draw(texts), draw(texts), "s", "l", draw(st.booleans()), draw(st.none() | st.integers(1, 9)),
        7, draw(st.none() | texts), some, draw(st.lists(pairs, max_size=2)), draw(fates),
    )  # fmt: skip


@given(records())
def test_there_and_back_through_json(record):
    plain = json.loads(json.dumps(record.to_dict()))
    assert Record.from_dict(plain) == record
    assert Record.from_dict(plain).to_dict() == record.to_dict()


@given(records())
def test_settled_means_that_nothing_is_kept_inside_what_is_dropped(record):
    record.settle()
    for tag in record.tags:
        assert record.fate is None or tag.fate
        assert tag.fate is None or not tag.live_boxes
    for pair in record.live_pairs:
        assert record.fate is None and all(record.tags[m.tag].fate is None for m in pair.mentions)


@given(st.lists(records(), max_size=4))
def test_every_item_is_counted_once(some):
    totals = Counter()
    for outcome, number in count_outcomes(some).items():
        totals[outcome.kind] += number
    assert totals["record"] == len(some)
    assert totals["tag"] == sum(len(record.tags) for record in some)
    assert totals["box"] == sum(len(tag.boxes) for record in some for tag in record.tags)
    assert totals["pair"] == sum(len(record.pairs) for record in some)


def test_the_first_fate_stays():
    box = Box((0.0, 0.0, 1.0, 1.0))
    drop(box, "filter", "judge says No", score=0.2)
    drop(box, "merge", "too late")
    assert box.fate == Fate("dropped", "filter", "judge says No", None, 0.2)


def example() -> Record:
    """Two tags, one box each, and a pair that speaks of the second tag."""
    one, two = (
        Tag(name, name, "blurry", "negative", boxes=[Box((0.0, 0.0, 0.5, 0.5))]) for name in ("sky", "sea")
    )
    pair = Pair("Is the sea blurry?", "Yes", "yes_no", [Mention("question", (7, 10), 1)])
    return Record("r", "i", "i.png", "sky and sea", "s", "CC0-1.0", tags=[one, two], pairs=[pair])


# what is dropped; reasons of record, tags, boxes (one per tag) and the pair afterwards
PASSED_ON = {
    "nothing": (lambda r: None, [None, None, None, None, None, None]),
    # A box of the first tag alone: nothing else is touched.
    "a box": (lambda r: r.tags[0].boxes[0], [None, None, None, "why", None, None]),
    "the first tag": (lambda r: r.tags[0], [None, "why", None, "with its tag: why", None, None]),
    # The pair speaks of the second tag.
    "the second tag": (
        lambda r: r.tags[1], [None, None, "why", None, "with its tag: why", "with a tag that it mentions: why"],
    ),
    # From record to tag to box the reason is prefixed once.
    "the record": (lambda r: r, ["why", *["with its record: why"] * 5]),
}  # fmt: skip


@pytest.mark.parametrize("choose, reasons", PASSED_ON.values(), ids=PASSED_ON)
def test_a_fate_passes_on_to_what_is_inside(choose, reasons):
    record = example()
    if (item := choose(record)) is not None:
        drop(item, "stage", "why")
    record.settle()
    items = [record, *record.tags, *(tag.boxes[0] for tag in record.tags), *record.pairs]
    assert [item.fate and item.fate.reason for item in items] == reasons
    assert {item.fate.stage for item in items if item.fate} <= {"stage"}
    kept = sum(n for outcome, n in count_outcomes([record]).items() if outcome.status == "kept")
    assert kept == reasons.count(None)


def test_what_is_kept_has_no_stage_and_no_reason():
    assert count_outcomes([example()])[Outcome("tag", "kept", "", "")] == 2


def test_a_box_as_it_is_now():
    assert Box((0.1, 0.2, 0.3, 0.4)).now_norm == (0.1, 0.2, 0.3, 0.4)
    assert Box((0.1, 0.2, 0.3, 0.4), box_norm=(0.0, 0.0, 1.0, 1.0)).now_norm == (0.0, 0.0, 1.0, 1.0)
