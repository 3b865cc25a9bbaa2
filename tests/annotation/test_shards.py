"""Shards: what is written is read back whatever the text holds; what is not ours is neither read nor removed."""

from __future__ import annotations

import hashlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.annotation import shards
from giqa_hf.annotation.record import Record
from giqa_hf.errors import DataError, GiqaError


def record(record_id, description="a tower"):
    return Record(record_id, "i", "i.png", description, "s", "l")


# Line ends of every kind and a lone surrogate: a line of a shard ends at "\n" alone.
AWKWARD = ["", "\n", "\r\n", "\u2028", "\x85", "\x0b", '"\\', "\ud800", "\\\ud800", "né", "💡", "\0"]


@given(st.lists(st.text() | st.sampled_from(AWKWARD), max_size=4))
def test_there_and_back(texts):
    records = [record(f"r{number}", text) for number, text in enumerate(texts)]
    data = shards.encode(records)
    assert shards.decode(data) == records
    assert data.count(b"\n") == len(records)
    for line in data.split(b"\n")[:-1]:
        json.loads(line)  # plain JSON, for whoever reads it without us


def test_no_word_for_nan():
    lost = record("r")
    lost.width = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        shards.encode([lost])


BROKEN = {
    "cut off": (b'{"record_id": "r"', 1),
    "no record": (b'{"record_id": "r"}', 1),
    "a list": (b"[]", 1),
    "not UTF-8": (b'"\xff"', 1),
}


@pytest.mark.parametrize("line, number", BROKEN.values(), ids=BROKEN)
def test_a_line_that_is_no_record_is_named(line, number):
    data = shards.encode([record("good")]) + line + b"\n"
    with pytest.raises(DataError, match="00003, line 2: expected a record"):
        shards.decode(data, "00003")


@pytest.fixture
def build(tmp_path):
    """Five rows in shards of two: two full ones and one of a single record."""
    (tmp_path / "manifest.json").write_text(
        json.dumps({"made_by": "giqa annotate", "corpus": {"rows": 5}, "shard_size": 2})
    )
    for index, ids in enumerate(["ab", "cd", "e"]):
        shards.write_shard(tmp_path, index, shards.encode([record(i) for i in ids]))
    return tmp_path


def test_a_build_is_read_in_the_order_of_its_corpus(build):
    assert [r.record_id for r in shards.read_build(build)] == list("abcde")
    assert shards.finished_shards(build) == [0, 1, 2]
    assert shards.shard_count(shards.read_manifest(build)) == 3  # ceil(5 / 2)


def test_after_99_999_shards_the_order_is_that_of_numbers(build):
    shards.write_shard(build, 100_000, b"")
    assert shards.finished_shards(build) == [0, 1, 2, 100_000]


def test_an_unfinished_build_is_refused_or_read_as_far_as_it_goes(build):
    shards.shard_path(build, 1).unlink()
    with pytest.raises(
        GiqaError, match="expected a finished build of 3 shards, 1 are missing \\(the first: 00001\\)"
    ):
        list(shards.read_build(build))
    assert [r.record_id for r in shards.read_build(build, partial=True)] == list("abe")


@pytest.mark.parametrize("content", [None, "{}", "[]", "no json", '{"made_by": "somebody"}'])
def test_no_build(tmp_path, content):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(GiqaError, match="expected a folder that `giqa annotate` has made"):
        shards.read_manifest(tmp_path)


def encoded(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (20, 10), "red").save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind, extension",
    [
        ("PNG", "png"),
        ("JPEG", "jpg"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("TIFF", "tif"),
        ("BMP", "bmp"),
        ("PPM", "ppm"),
        ("AVIF", "avif"),
    ],
)
def test_embedded_photos_are_stored_once_under_their_digest(tmp_path, kind, extension):
    content = encoded(kind)
    name = shards.store_photo(tmp_path, content)
    assert name == f"images/{hashlib.sha256(content).hexdigest()}.{extension}"
    assert (tmp_path / name).read_bytes() == content
    before = (tmp_path / name).stat().st_mtime_ns
    assert shards.store_photo(tmp_path, content) == name
    assert (tmp_path / name).stat().st_mtime_ns == before and len(list((tmp_path / "images").iterdir())) == 1


def test_what_is_no_photo_is_stored_all_the_same(tmp_path):
    assert shards.store_photo(tmp_path, b"text").endswith(".bin")  # the record is dropped when it is opened


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(build):
    image = shards.store_photo(build, encoded("PNG")).removeprefix("images/")
    ours = [
        build / "shards" / ".00002.jsonl.0123456789ab.part",
        build / ".manifest.json.0123456789ab.part",
        build / ".audit.json.0123456789ab.part",
        build / "images" / f".{image[:60]}.0123456789ab.part",
    ]
    others = [
        build / "shards" / ".mine.part",
        build / "shards" / "00002.jsonl.part",
        build / ".report.html.0123456789ab.part",
    ]
    kept = {path for path in build.rglob("*") if path.is_file()}
    for path in ours + others:
        path.write_bytes(b"half")
    shards.remove_leftovers(build)
    assert {path for path in build.rglob("*") if path.is_file()} == kept | set(others)


def test_the_names_of_leftovers_are_those_of_atomic_write(build, monkeypatch):
    """Killed between writing and renaming, as by kill -9: `os.replace` and `os.unlink` never come."""
    from giqa_hf import files

    def killed(*_):
        raise KeyboardInterrupt

    before = set(build.rglob("*"))
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", killed)
        patch.setattr(files.os, "unlink", lambda path: None)
        for write in (
            lambda: shards.write_shard(build, 7, b"x"),
            lambda: shards.store_photo(build, encoded("PNG")),
            lambda: files.write_json(build / shards.MANIFEST, {}),
            lambda: files.write_json(build / shards.AUDIT, {}),
        ):
            with pytest.raises(KeyboardInterrupt):
                write()
    left = [path for path in set(build.rglob("*")) - before if path.is_file()]
    assert len(left) == 4
    shards.remove_leftovers(build)
    assert not any(path.exists() for path in left)


def test_removing_a_build_leaves_what_others_put_there(build):
    shards.store_photo(build, encoded("PNG"))
    (build / "audit.json").write_text("{}")
    (build / "cache").mkdir()
    (build / "cache" / "llm.sqlite").write_bytes(b"answers")
    (build / "explain").mkdir()
    (build / "explain" / "r1-0123abcd.html").write_text("page")
    for name in ("notes.txt", "shards/mine.jsonl", "images/cat.png"):
        (build / name).write_text("mine")
    shards.remove_build(build)
    left = sorted(str(path.relative_to(build)) for path in build.rglob("*") if path.is_file())
    assert left == ["cache/llm.sqlite", "images/cat.png", "notes.txt", "shards/mine.jsonl"]
    assert not (build / "explain").exists()


UNUSED = {
    # what is in the folder, and whether a build can start there
    "nothing": ([], True),
    "the cache of a build that was removed": (["cache/llm.sqlite"], True),
    "a manifest that was being written": ([".manifest.json.0123456789ab.part"], True),
    "somebody's file": (["notes.txt"], False),
    "a build": (["manifest.json"], False),
}


@pytest.mark.parametrize("names, unused", UNUSED.values(), ids=UNUSED)
def test_unused(tmp_path, names, unused):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert shards.is_unused(tmp_path) is unused
    assert shards.is_unused(tmp_path / "absent")
