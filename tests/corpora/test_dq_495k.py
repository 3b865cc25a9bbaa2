"""DQ-495K: the two sets of detailed descriptions, in the layouts that its users have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from giqa_hf.corpora import may_publish_photo, open_corpus
from giqa_hf.errors import DataError

SD, MD = "A_sd_detail/metas/train_A_sd_detail_20k.json", "A_md_detail/metas/train_A_md_detail_8k.json"


def record(
    stem: str, text: str = "The photo is blurry.", suffix: str = ".png", **more: Any
) -> dict[str, Any]:
    turns = [{"from": "human", "value": "What of its quality?"}, {"from": "gpt", "value": text}]
    image = f"KADIS700K/refA_sd_brief/dist_imgs/{stem}{suffix}"
    return {
        "distortion_class": "blur", "distortion_name": "blur_lens", "severity": 3, "id": stem, "image_ref": None,
        "image_A": image, "image_B": None, "task_type": "quality_single_A_noref", "conversations": turns, **more,
    }  # fmt: skip


def make(root: Path, sd: Any, md: Any, names: tuple[str, str] = (SD, MD), top: str = "KADIS700K") -> Path:
    for name, rows in zip(names, (sd, md), strict=True):
        path = root / top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows))
    photos = root / "KADIS700K" / "refA_sd_brief" / "dist_imgs"
    photos.mkdir(parents=True, exist_ok=True)
    for name in ("r1_0.png", "r2_0.jpg"):
        (photos / name).write_bytes(b"x")
    return root


def test_rows(tmp_path: Path) -> None:
    sd = [
        record("r1_0"),
        record("r2_0"),
        record("r3_0"),
        record("r1_0", "Another."),
        record("r1_0", "", id="e"),
        7,
    ]
    md = [
        record("r1_0", "Noise and blur.", distortion_classes=None, id="r1_0"),
        record("r1_0", id=None, image_A="/x.png"),
    ]
    corpus = open_corpus("dq-495k", make(tmp_path, sd, md))
    rows = list(corpus)
    stem = "KADIS700K/refA_sd_brief/dist_imgs"
    assert [(row.record_id, row.image, row.problem) for row in rows] == [
        ("A_sd_detail/r1_0", f"{stem}/r1_0.png", None),
        ("A_sd_detail/r2_0", f"{stem}/r2_0.jpg", None),  # .png in the metas, .jpg on the disk
        ("A_sd_detail/r3_0", f"{stem}/r3_0.png", "photo missing"),
        ("A_sd_detail/r1_0#2", f"{stem}/r1_0.png", "duplicate id"),
        ("A_sd_detail/e", f"{stem}/r1_0.png", "no description"),
        ("train_A_sd_detail_20k.json record 6", "", "unreadable line"),
        ("A_md_detail/r1_0", f"{stem}/r1_0.png", None),  # the same id in the other set is another row
        (rows[7].record_id, "", "path leaves the root"),
    ]
    assert rows[0].image_id == rows[6].image_id == f"{stem}/r1_0"
    assert rows[1].image_id == f"{stem}/r2_0"
    assert rows[0].description == "The photo is blurry."
    assert {row.source for row in rows} == {"kadis-700k, text by GPT-4V"}
    assert not may_publish_photo(rows[0].source, rows[0].license)
    assert list(corpus) == rows
    assert [file["file"] for file in corpus.settings()["files"]] == [Path(SD).name, Path(MD).name]


LAYOUTS = {
    # names of the two metas, name of the folder above
    "another count and suffix": (("A_sd_detail/metas/train_A_sd_detail_19k_noref.json", MD), "KADIS700K"),
    "without metas/": (("A_sd_detail/train_A_sd_detail_20k.json", "A_md_detail/train_A_md_detail_8k.json"), "KADIS700K"),
    "a smaller copy": ((SD, MD), "KADIS700K_s384"),
}  # fmt: skip


@pytest.mark.parametrize("names, top", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(names: tuple[str, str], top: str, tmp_path: Path) -> None:
    corpus = open_corpus("dq-495k", make(tmp_path, [record("r1_0")], [record("r2_0")], names, top))
    assert [row.problem for row in corpus] == [None, None]


def test_the_inner_folder_as_root(tmp_path: Path) -> None:
    make(tmp_path, [record("r1_0")], [record("r2_0")])
    corpus = open_corpus("dq-495k", tmp_path / "KADIS700K")
    assert [row.problem for row in corpus] == [None, None]


def test_what_is_not_clear_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError,
        match=r"gone is no folder; get DQ-495K .*zhiyuanyou/DataDepictQA .licence: Apache.*ModelScope",
    ):
        open_corpus("dq-495k", tmp_path / "gone")
    make(tmp_path, [], [])
    (tmp_path / "KADIS700K" / MD).rename(tmp_path / "KADIS700K" / "A_md_detail" / "test_A_md_detail_100.json")
    with pytest.raises(DataError, match=r"has no KADIS700K/A_md_detail/metas/train_A_md_detail_\*\.json"):
        open_corpus("dq-495k", tmp_path)
    make(tmp_path, [], [])
    (tmp_path / "KADIS700K" / "A_sd_detail" / "metas" / "train_A_sd_detail_mine.json").write_text("[]")
    with pytest.raises(
        DataError, match=r"2 files of training metas for A_sd_detail.*train_A_sd_detail_20k\.json, "
    ):
        open_corpus("dq-495k", tmp_path)
