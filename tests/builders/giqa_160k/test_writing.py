"""Shards that hold every row once in bounded row groups, and a folder that appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
import resource

import datasets
import pyarrow.parquet as pq
import pytest

from giqa_hf.builders.giqa_160k import writing
from giqa_hf.builders.giqa_160k.writing import DATASET, ShardWriter, staged_folder
from giqa_hf.errors import GiqaError
from giqa_hf.schema import features


def row(number, data=b"x"):
    return {
        "image": None if data is None else {"bytes": data, "path": "a.png"}, "image_id": str(number), "width": 1, "height": 1,
        "source": "s", "license": "l", "task": "des", "question_type": None, "question": "q", "question_regions": [],
        "answer": "a", "answer_regions": [{"phrase": "a", "span": [0, 1], "quality": None, "effect": None, "boxes_norm": [[0.0, 0.0, 0.1, 1.0]]}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "shard_bytes", "shards"),
    [
        (0, 10**9, []),
        (1, 10**9, [1]),
        (100, 10**9, [100]),  # exactly one row group
        (250, 10**9, [250]),
        (250, 1, [100, 100, 50]),  # a shard ends behind the row group that reaches its size
    ],
)
def test_shards(tmp_path, rows, shard_bytes, shards):
    writer = ShardWriter(tmp_path, "train", shard_bytes)
    for number in range(rows):
        writer.write(row(number))
    paths = writer.close()
    assert [path.name for path in paths] == [
        f"train-{i:05d}-of-{len(shards):05d}.parquet" for i in range(len(shards))
    ]
    tables = [pq.read_table(path) for path in paths]
    assert [len(table) for table in tables] == shards
    assert [r for table in tables for r in table.to_pylist()] == [row(number) for number in range(rows)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in paths]
    for path in paths:
        schema = pq.read_schema(path)
        assert datasets.Features.from_arrow_schema(schema) == features()
        assert schema.metadata == features().arrow_schema.metadata


def test_a_row_group_is_bounded_by_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_GROUP_BYTES", 1000)
    writer = ShardWriter(tmp_path, "train")
    for number in range(7):
        writer.write(row(number, os.urandom(400)))
    (path,) = writer.close()
    groups = pq.ParquetFile(path)
    assert [groups.metadata.row_group(i).num_rows for i in range(groups.num_row_groups)] == [
        3,
        3,
        1,
    ]  # 3 x 400 > 1000


def test_equal_photos_of_a_row_group_are_stored_once(tmp_path):
    photo = os.urandom(3_000_000)  # more than the dictionary that Parquet keeps by default
    writer = ShardWriter(tmp_path, "train")
    for number in range(10):
        writer.write(row(number, photo))
    (path,) = writer.close()
    assert path.stat().st_size < 3_100_000
    assert [r["image"]["bytes"] == photo for r in pq.read_table(path).to_pylist()] == [True] * 10


def test_rows_without_a_photo(tmp_path):
    writer = ShardWriter(tmp_path, "train")
    writer.write(row(0, None))
    assert pq.read_table(writer.close()[0]).to_pylist() == [row(0, None)]


def test_abandoned_it_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "_GROUP_ROWS", 1)
    writer = ShardWriter(tmp_path, "train")
    writer.write(row(0))
    assert len(list(tmp_path.iterdir())) == 1  # hidden
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = ShardWriter(tmp_path, "train")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(GiqaError, match=r"train-00000\.parquet could not be written") as caught:
            for number in range(200):
                writer.write(row(number, os.urandom(5000)))
            writer.close()
    finally:
        writer.abandon()
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def fill(folder, text):
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text(text)
    (folder / DATASET).write_text("{}")


def test_a_folder_appears_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with staged_folder(out) as stage:
        fill(stage, "one")
        assert not out.exists()
    assert (out / "sub" / "a.txt").read_text() == "one"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_an_empty_folder_is_taken(tmp_path):
    with staged_folder(tmp_path) as stage:
        fill(stage, "one")
    assert (tmp_path / "sub").is_dir()


def test_an_error_leaves_what_was_there(tmp_path):
    out = tmp_path / "out"
    with staged_folder(out) as stage:
        fill(stage, "one")
    with pytest.raises(KeyboardInterrupt), staged_folder(out, overwrite=True) as stage:
        fill(stage, "two")
        raise KeyboardInterrupt
    assert (out / "sub" / "a.txt").read_text() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_overwrite_replaces_and_what_a_killed_run_left_is_gone(tmp_path):
    out = tmp_path / "out"
    for text in ("one", "two"):
        (tmp_path / ".out.part" / "old").mkdir(parents=True)
        with staged_folder(out, overwrite=True) as stage:
            assert list(stage.iterdir()) == []
            fill(stage, text)
    assert (out / "sub" / "a.txt").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("make", "overwrite", "message"),
    [
        (lambda out: out.write_text("x"), True, "expected a folder to make, found a file"),
        (lambda out: (out.mkdir(), (out / "thesis.txt").write_text("x")), True, "found other files"),
        (lambda out: (out.mkdir(), (out / DATASET).write_text("x")), False, "replace it with --overwrite"),
    ],
)
def test_a_place_that_is_taken(tmp_path, make, overwrite, message):
    make(tmp_path / "out")
    with pytest.raises(GiqaError, match=message), staged_folder(tmp_path / "out", overwrite):
        pytest.fail("it began")
    assert (tmp_path / "out").exists() and len(list(tmp_path.iterdir())) == 1


def test_two_at_once(tmp_path):
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "theirs").write_text("x")
    handle = os.open(tmp_path / ".out.part", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        with (
            pytest.raises(GiqaError, match="another run is at work"),
            staged_folder(tmp_path / "out"),
        ):
            pytest.fail("it began")
        assert (tmp_path / ".out.part" / "theirs").exists()
    finally:
        os.close(handle)


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(GiqaError, match="cannot be made"), staged_folder(tmp_path / "file" / "out"):
        pytest.fail("it began")
