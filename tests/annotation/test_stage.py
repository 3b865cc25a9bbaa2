"""What every stage gets from its base: only live records, settled afterwards; photos opened once; chance by record."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from giqa_hf.annotation.record import Box, Record, Tag, drop
from giqa_hf.annotation.stage import Pictures, Stage, record_rng


class DropTags(Stage):
    """Remembers whom it saw, and drops their tags."""

    name = "dropping"

    def __init__(self):
        self.seen = []

    def process(self, records, pictures):
        self.seen.append([record.record_id for record in records])
        for record in records:
            for tag in record.tags:
                drop(tag, self.name, "why")


def record(number, image="photo.png", embedded=False):
    tag = Tag("sky", "sky", "blurry", "negative", boxes=[Box((0.0, 0.0, 1.0, 1.0))])
    return Record(f"r{number}", "i", image, "sky", "s", "l", embedded=embedded, tags=[tag])


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "build").mkdir()
    Image.new("RGB", (30, 20), "red").save(tmp_path / "photo.png")
    Image.new("RGB", (7, 9), "blue").save(tmp_path / "build" / "inside.png")
    return Pictures(tmp_path, tmp_path / "build")


def test_only_what_is_still_in_is_processed_and_all_are_given_back(pictures):
    stage, records = DropTags(), [record(0), record(1), record(2)]
    drop(records[1], "before", "gone")
    assert stage(records, pictures) is records
    assert stage.seen == [["r0", "r2"]]
    assert [r.tags[0].boxes[0].fate.reason for r in records] == [
        "with its tag: why",
        "with its record: gone",  # settled too, although no stage saw it
        "with its tag: why",
    ]


def test_a_batch_of_which_nothing_is_in_is_not_processed(pictures):
    stage, lost = DropTags(), record(0)
    drop(lost, "before", "gone")
    stage([lost], pictures)
    assert stage.seen == []


def test_photos_are_opened_once_until_the_batch_is_over(pictures, tmp_path):
    one = record(0)
    first = pictures.get(one)
    (tmp_path / "photo.png").unlink()
    assert pictures.get(one) is first and first.size == (30, 20) and (one.width, one.height) == (30, 20)
    pictures.clear()
    assert pictures.get(one) is None


def test_a_photo_that_came_inside_the_table_lies_in_the_build(pictures):
    assert pictures.get(record(0, "inside.png", embedded=True)).size == (7, 9)
    assert pictures.get(record(1, "inside.png")) is None  # not in the corpus' folder


def test_a_photo_that_cannot_be_read_drops_its_record_with_the_reason(pictures, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"nothing of the kind")
    lost = record(0, "broken.png")
    assert pictures.get(lost) is None
    assert (lost.fate.stage, lost.fate.reason) == ("images", "photo cannot be read")
    assert "broken.png" in lost.fate.detail and lost.width is None


def test_chance_depends_on_record_stage_and_seed_alone():
    def draw(number, stage, seed):
        return record_rng(record(number), stage, seed).random(4)

    assert np.array_equal(draw(1, "a", 0), draw(1, "a", 0))
    others = [draw(2, "a", 0), draw(1, "b", 0), draw(1, "a", 1)]
    assert not any(np.array_equal(draw(1, "a", 0), other) for other in others)
