"""The audit: its sums, its order, and that it does not believe a stage that loses something."""

from __future__ import annotations

import json

import pytest

from giqa_hf.annotation import audit
from giqa_hf.annotation.record import Box, Fate, Mention, Outcome, Pair, Record, Tag, drop
from giqa_hf.errors import DataError


def example() -> list[Record]:
    """Three records; the arithmetic of the table below is in the comments."""
    corner = (0.0, 0.0, 0.5, 0.5)
    sky = Tag("sky", "sky", "dull", "negative", boxes=[Box(corner), Box(corner), Box(corner)])
    drop(sky.boxes[1], "filter", "judge says No", score=0.1)
    sky.boxes[2].fate = Fate("merged", "merge", "touching")
    sea = Tag("sea", "sea", "dull", "negative", boxes=[Box(corner)])
    drop(sea, "fusion", "no box left")
    pair = Pair("Is the sea dull?", "Yes", "yes_no", [Mention("question", (7, 10), 1)])
    one = Record("a", "i", "i.png", "sky and sea", "s", "l", tags=[sky, sea], pairs=[pair])
    two, three = (Record(i, "i", "i.png", "", "s", "l") for i in "bc")
    drop(two, "corpus", "no description")
    drop(three, "tags", "no tags")
    for record in (one, two, three):
        record.settle()
    return [one, two, three]


TABLE = """
records: candidates                                            3
  = kept                                                       1
  + dropped at corpus: no description                          1
  + dropped at tags: no tags                                   1
tags: candidates                                               2
  = kept                                                       1
  + dropped at fusion: no box left                             1
boxes: candidates                                              4
  = kept                                                       1
  + dropped at filter: judge says No                           1
  + merged at merge: touching                                  1
  + dropped at fusion: with its tag: no box left               1
pairs: candidates                                              1
  = kept                                                       0
  + dropped at fusion: with a tag that it mentions: no box left 1
"""


def test_the_table():
    """3 records: 1 kept, 2 dropped. 2 tags: 1 + 1. 4 boxes: 1 kept, 1 No, 1 merged, 1 with its tag. 1 pair, lost."""
    lines = audit.count(example(), ["tags", "boxes", "filter", "merge", "fusion"]).table().splitlines()
    assert [line.split() for line in lines] == [line.split() for line in TABLE.strip().splitlines()]
    assert len({len(line) for line in lines}) == 1  # the numbers stand below each other


def test_the_order_is_that_of_the_stages_then_of_the_numbers():
    records = example()
    for number, (stage, reason) in enumerate(
        [
            ("fusion", "x"),
            ("tags", "rare"),
            ("tags", "often"),
            ("tags", "often"),
            ("images", "y"),
            ("elsewhere", "z"),
        ]
    ):
        records.append(Record(str(number), "i", "i.png", "", "s", "l", fate=Fate("dropped", stage, reason)))
    told = audit.count(records, ["tags", "fusion"]).lines()
    assert [line.outcome[2:] for line in told if line.outcome.kind == "record"] == [
        ("", ""), ("corpus", "no description"), ("images", "y"), ("tags", "often"), ("tags", "no tags"), ("tags", "rare"),
        ("fusion", "x"), ("elsewhere", "z"),
    ]  # fmt: skip


def test_the_sums_of_every_kind():
    told = audit.count(example()).to_dict()
    assert told["candidates"] == {"record": 3, "tag": 2, "box": 4, "pair": 1}
    assert told["kept"] == {"record": 1, "tag": 1, "box": 1, "pair": 0}
    for kind, candidates in told["candidates"].items():
        assert candidates == sum(line["count"] for line in told["outcomes"] if line["kind"] == kind)


def test_what_the_reader_has_left_out_is_no_candidate():
    made = audit.count(example(), left_out={"yes or no": 7, "too short": 1_200})
    assert made.candidates["record"] == 3 and made.to_dict()["left_out"] == {
        "yes or no": 7,
        "too short": 1_200,
    }
    top = [line.rsplit(maxsplit=1) for line in made.table().splitlines()[:3]]
    assert top == [
        ["left out by the corpus' reader, before any record", "1,207"],
        ["  too short", "1,200"],
        ["  yes or no", "7"],
    ]
    assert "left out" not in audit.count(example()).table()


def test_no_records_at_all():
    made = audit.count([])
    assert made.kept("record") == 0 and made.table().splitlines()[0].split() == [
        "records:",
        "candidates",
        "0",
    ]


def test_as_a_file(tmp_path):
    made = audit.count(example())
    made.write(tmp_path / "audit.json")
    assert json.loads((tmp_path / "audit.json").read_text()) == made.to_dict()
    assert made.to_dict()["outcomes"][0] == {
        "kind": "record",
        "status": "kept",
        "stage": "",
        "reason": "",
        "count": 1,
    }


def unsettled(change):
    record = Record(
        "r7",
        "i",
        "i.png",
        "sky",
        "s",
        "l",
        tags=[Tag("sky", "sky", "dull", "negative", boxes=[Box((0, 0, 1, 1))])],
    )
    record.pairs.append(Pair("Is the sky dull?", "Yes", "yes_no", [Mention("question", (7, 10), 0)]))
    change(record)
    return record


FAULTS = {
    "a tag in a dropped record": (lambda r: drop(r, "s", "why"), "tag 'sky' or a box of it is kept"),
    "a box of a dropped tag": (lambda r: drop(r.tags[0], "s", "why"), "tag 'sky' or a box of it is kept"),
    "a pair of a dropped tag": (
        lambda r: (drop(r.tags[0], "s", "why"), drop(r.tags[0].boxes[0], "s", "why")),
        "pair 0 is kept but what it speaks of was dropped",
    ),
    "a pair in a dropped record": (
        lambda r: [drop(item, "s", "why") for item in (r, r.tags[0], r.tags[0].boxes[0])],
        "pair 0 is kept",
    ),
}


@pytest.mark.parametrize("change, said", FAULTS.values(), ids=FAULTS)
def test_a_stage_that_keeps_something_inside_what_is_dropped_is_found_out(change, said):
    with pytest.raises(DataError, match=f"record 'r7': {said}"):
        audit.count([unsettled(change)])
    settled = unsettled(change)
    settled.settle()
    audit.count([settled])


def test_a_sum_that_does_not_come_out_is_found_out(monkeypatch):
    """As if an item had been counted twice."""

    def doubled(records):
        counted = true_count(records)
        counted[Outcome("box", "kept", "", "")] += 1
        return counted

    true_count = audit.count_outcomes
    monkeypatch.setattr(audit, "count_outcomes", doubled)
    with pytest.raises(DataError, match="expected 4 boxes to be kept, dropped or merged, found 5"):
        audit.count(example())
