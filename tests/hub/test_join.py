"""Photos put back into a dataset that was published without them: found by content, checked by hash, or named."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from PIL import Image

import giqa_hf  # noqa: F401  # makes "giqa-160k" known
from giqa_hf.cli.main import main
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.hub.dataset_plan import dataset_plan
from giqa_hf.hub.join import join_photos
from giqa_hf.hub.plan import content_of
from tests.hub.small_dataset import HELD, corpus, small_dataset

PHOTO = corpus() / "photos" / HELD


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return small_dataset(tmp_path_factory.mktemp("made") / "giqa-160k")


@pytest.fixture(scope="module")
def published(whole, tmp_path_factory):
    """As `hf download` leaves it."""
    folder = tmp_path_factory.mktemp("published")
    with dataset_plan(whole, "me/giqa-160k") as plan:
        for file in plan.files:
            path = folder / file.path_in_repo
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content_of(file))
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x.lock").write_text("")
    return folder


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "mine" / "deep"
    folder.mkdir(parents=True)
    (folder / "not a photo.jpg").write_bytes(b"no picture")
    return folder.parent


def join(published, images, out, **options):
    return join_photos(published, images, out, say=lambda line: None, **options)


def rows(folder):
    return [row for part in ("des", "vqa") for row in pq.read_table(folder / part).to_pylist()]


def test_a_copy_under_another_name(published, whole, images, tmp_path):
    (images / "deep" / "IMG_0001.JPG").write_bytes(PHOTO.read_bytes())
    (images / HELD).write_bytes((corpus() / "photos" / "coffee.jpg").read_bytes())  # the name does not matter
    joined = join(published, images, tmp_path / "out")
    assert joined == ((HELD,), (), ())
    assert rows(tmp_path / "out") == rows(whole)  # with the photos' own bytes
    told = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert told["settings"]["publishable"] is False and not (tmp_path / "out" / ".cache").exists()
    loaded = datasets.load_dataset("giqa-160k", data_dir=str(tmp_path / "out"), split="train")
    assert all(row["image"].size == (row["width"], row["height"]) for row in loaded)
    # It can be published again, and then is what it was
    with dataset_plan(tmp_path / "out", "me/giqa-160k") as plan:
        again = {file.path_in_repo: content_of(file) for file in plan.files}
        assert not any(
            "not sent" in note for note in plan.notes
        )  # nothing of it is lost, LICENSE.md is made anew
    assert (
        again["des/train-00000-of-00001.parquet"]
        == (published / "des" / "train-00000-of-00001.parquet").read_bytes()
    )


def test_a_lossless_copy_in_another_format(published, whole, images, tmp_path):
    with Image.open(PHOTO) as photo:
        photo.save(images / "copy.png")
    assert join(published, images, tmp_path / "out").joined == (HELD,)
    for row, original in zip(rows(tmp_path / "out"), rows(whole), strict=True):
        if row["image_id"] == HELD:
            assert row["image"]["bytes"] == (images / "copy.png").read_bytes()
        else:
            assert row == original


@pytest.mark.parametrize("quality", [60, 95])
def test_a_photo_that_was_saved_again_is_not_the_photo(published, images, tmp_path, quality):
    with Image.open(PHOTO) as photo:
        photo.save(images / HELD, quality=quality)
    with pytest.raises(GiqaError) as caught:
        join(published, images, tmp_path / "out")
    assert f"none with the right hash for 1 ('{HELD}')" in str(caught.value)
    assert f"of 1 there is a file of that name with another content ('{HELD}')" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


def test_going_on_without(published, images, tmp_path):
    joined = join(published, images, tmp_path / "out", partial=True)
    assert joined == ((), (HELD,), ())
    assert sum(row["image"] is None for row in rows(tmp_path / "out")) == 3
    (images / "x.jpg").write_bytes(PHOTO.read_bytes())
    # later, on what was made: only the rest is looked for
    joined = join(tmp_path / "out", images, tmp_path / "more")
    assert joined.joined == (HELD,) and all(row["image"] for row in rows(tmp_path / "more"))


def test_the_cache_of_datasets_does_not_serve_the_old_rows(published, images, tmp_path):
    def empty(folder):
        loaded = datasets.load_dataset("giqa-160k", data_dir=str(folder), split="train")
        return sum(photo is None for photo in loaded["image"])

    assert empty(published) == 3
    (images / "x.jpg").write_bytes(PHOTO.read_bytes())
    join(published, images, tmp_path / published.name)
    assert empty(tmp_path / published.name) == 0


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda folder: (folder / "photos.jsonl").unlink(), "expected photos.jsonl with the hashes"),
        (lambda folder: (folder / "photos.jsonl").write_text(""), "expected a hash for every photo"),
        (lambda folder: (folder / "dataset.json").unlink(), "expected a dataset of"),
    ],
)
def test_what_cannot_be_joined(published, images, tmp_path, change, says):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(published, copy)
    change(copy)
    with pytest.raises(DataError, match=says):
        join(copy, images, tmp_path / "out")


def test_no_folder_with_photos(published, tmp_path):
    with pytest.raises(DataError, match="expected a folder with your copies of the photos, found none"):
        join(published, tmp_path / "gone", tmp_path / "out")


@pytest.mark.parametrize(
    "inside, overwrite, says",
    [
        (None, True, "found a file; choose another folder"),
        ("notes.txt", True, "found other files; choose another folder"),
        (
            "dataset.json",
            False,
            "there is a dataset already; choose another folder, or replace it with --overwrite",
        ),
    ],
)
def test_a_place_that_is_taken_is_seen_before_photos_are_read(published, tmp_path, inside, overwrite, says):
    out = tmp_path / "out"
    if inside is None:
        out.write_text("")
    else:
        out.mkdir()
        (out / inside).write_text("{}")
    with pytest.raises(GiqaError, match=says):  # and not that there is no folder with photos
        join(published, tmp_path / "gone", out, overwrite=overwrite)


@pytest.mark.parametrize(
    "name, says",
    [
        ("me/d_koniq", "download it first: hf download me/d_koniq --repo-type dataset --local-dir d_koniq"),
        ("here/d_koniq", "check the path"),
        ("d_koniq", "check the path"),
    ],
)
def test_a_dataset_that_is_not_here(images, tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with pytest.raises(DataError) as caught:
        join(Path(name), images, tmp_path / "out")
    assert (
        str(caught.value)
        == f"{name}: expected the folder of a dataset without its photos, found none; {says}"
    )


def test_the_command(published, images, tmp_path, capsys):
    arguments = ["dataset", "join", str(published), "--images", str(images), "--out", str(tmp_path / "out")]
    assert main(arguments) == 2 and "right hash for 1" in capsys.readouterr().err
    (images / "x.jpg").write_bytes(PHOTO.read_bytes())
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "1 photos put back, 0 missing" in out and f"data_dir='{tmp_path / 'out'}'" in out
    assert main(arguments) == 2  # there is a dataset already
    assert "--overwrite" in capsys.readouterr().err
