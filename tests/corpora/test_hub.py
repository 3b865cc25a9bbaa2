"""Datasets are read as streams, with their photos encoded: folders here, for tests have no network."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from datasets import Dataset, DatasetDict, Features, Value
from datasets import Image as ImageFeature

from giqa_hf.corpora import open_corpus
from giqa_hf.corpora.columns import Wanted
from giqa_hf.corpora.hub import HubDataset
from giqa_hf.errors import DataError


def png(level: int) -> bytes:
    content = io.BytesIO()
    PIL.Image.fromarray(np.full((4, 6, 3), level, np.uint8)).save(content, "PNG")
    return content.getvalue()


def dataset(count: int, first: int = 0) -> Dataset:
    rows = [
        {"image": {"bytes": png(i), "path": None}, "text": f"Text {i}."} for i in range(first, first + count)
    ]
    return Dataset.from_list(rows, features=Features({"image": ImageFeature(), "text": Value("string")}))


def test_parquet_folder(tmp_path: Path) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    dataset(3).to_parquet(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    corpus = open_corpus(str(tmp_path / "set"), license="cc0-1.0", source="mine")
    rows = list(corpus)
    assert [(row.image, row.description, row.problem) for row in rows] == [
        (png(i), f"Text {i}.", None) for i in range(3)  # the very bytes: nothing was decoded and encoded again
    ]  # fmt: skip
    assert {(row.source, row.license) for row in rows} == {("mine", "cc0-1.0")}
    assert list(corpus) == rows
    settings = corpus.settings()
    assert settings["split"] == "train" and settings["columns"]["image"] == "image"
    assert [file["file"] for file in settings["files"]] == ["train-00000-of-00001.parquet"]
    assert len(settings["files"][0]["sha256"]) == 64
    json.dumps(settings)


def test_splits(tmp_path: Path) -> None:
    for name, part in DatasetDict(train=dataset(2), test=dataset(1, 7)).items():
        part.to_parquet(tmp_path / "data" / f"{name}-00000-of-00001.parquet")
    with pytest.raises(
        DataError, match="which split shall be read. Name it with --split; there are: train, test"
    ):
        open_corpus(str(tmp_path))
    with pytest.raises(DataError, match="it has no split 'dev'"):
        open_corpus(str(tmp_path), split="dev")
    assert [row.description for row in open_corpus(str(tmp_path), split="test")] == ["Text 7."]


def test_image_folder_keeps_its_paths(tmp_path: Path) -> None:
    """Photos that lie in the folder are not copied: their paths are relative to it."""
    (tmp_path / "train").mkdir()
    lines = []
    for i in range(2):
        (tmp_path / "train" / f"{i}.png").write_bytes(png(i))
        lines.append(json.dumps({"file_name": f"{i}.png", "caption": f"Text {i}."}))
    (tmp_path / "train" / "metadata.jsonl").write_text("\n".join(lines))
    corpus = open_corpus(str(tmp_path))
    assert [(row.image, row.description) for row in corpus] == [
        ("train/0.png", "Text 0."), ("train/1.png", "Text 1."),
    ]  # fmt: skip
    settings = corpus.settings()
    assert [file["file"] for file in settings["files"]] == ["metadata.jsonl"] and settings["other_files"] == 2


def test_photos_in_an_archive(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with zipfile.ZipFile(tmp_path / "set" / "train.zip", "w") as archive:
        archive.writestr("0.png", png(5))
        archive.writestr("metadata.csv", "file_name,text\n0.png,Dark.\n")
    assert [(row.image, row.description) for row in open_corpus(str(tmp_path / "set"))] == [(png(5), "Dark.")]


def test_a_column_of_paths(tmp_path: Path) -> None:
    """JSON lines in a folder have no types; their paths are relative to the folder, or to the root that is named."""
    (tmp_path / "set").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(png(1))
    rows = [{"img_path": "a.png", "text": "Dark."}, {"img_path": "../set/x", "text": "Bright."}]
    (tmp_path / "set" / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [row.problem for row in open_corpus(str(tmp_path / "set"))] == [
        "photo missing",
        "path leaves the root",
    ]
    read = list(open_corpus(str(tmp_path / "set"), tmp_path / "photos"))
    assert [(row.image, row.problem) for row in read] == [("a.png", None), ("", "path leaves the root")]


PLACES = {
    # what stands in a picture's struct without bytes -> what becomes of it
    "a file of this machine": ("/etc/passwd", "path leaves the root"),
    "the same, as an address": ("file:///etc/passwd", "photo is a web address"),
    "the same, in an archive": ("zip://x::/etc/passwd", "photo is a web address"),
    "somewhere on the web": ("http://192.0.2.1/a.png", "photo is a web address"),
    "another dataset": ("hf://datasets/other/set/a.png", "photo is a web address"),
    "nothing": (None, "no photo"),
}


@pytest.mark.parametrize("path, problem", PLACES.values(), ids=PLACES)
def test_a_table_cannot_make_us_read_elsewhere(path: Any, problem: str, tmp_path: Path) -> None:
    rows = [{"image": {"bytes": None, "path": path}, "text": "x"}]
    features = Features(
        {"image": {"bytes": Value("binary"), "path": Value("string")}, "text": Value("string")}
    )
    (tmp_path / "data").mkdir()
    Dataset.from_list(rows, features=features).to_parquet(tmp_path / "data" / "train.parquet")
    (row,) = open_corpus(str(tmp_path))
    assert (row.image, row.problem) == ("", problem)


def test_a_damaged_file_stops_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "train.jsonl"
    good = "\n".join(json.dumps({"image": "a.png", "text": f"Text {i}."}) for i in range(1000))
    path.write_text(good + '\n{"image": "b.p')
    with pytest.raises(DataError, match="cannot be (read|opened)"):
        list(open_corpus(str(tmp_path)))


def test_what_is_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened as a dataset"):
        open_corpus(str(tmp_path))
    with pytest.raises(DataError, match=r"nobody/nothing-at-all cannot be opened as a dataset"):
        HubDataset("nobody/nothing-at-all", None, None, Wanted())
