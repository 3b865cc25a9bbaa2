"""What ms-swift and LLaMA-Factory take comes back as rows, and files of others in these forms are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from giqa_hf.benchmark.data import BenchData
from giqa_hf.cli.main import main
from giqa_hf.errors import DataError
from giqa_hf.formats import GiqaFormat, NormalizedFormat
from giqa_hf.interchange import LlamaFactory, MsSwift, Writing, export_data, open_rows
from giqa_hf.interchange.carries import NO, Carries
from giqa_hf.interchange.conversations import Conversations, whole
from tests.benchmark.tiny_bench import bench_rows

WORDS = Carries(*["words"] * 9, order=NO)


def exported(tmp_path, target):
    rows = bench_rows()
    rows[0]["answer_regions"][0]["boxes_norm"].append([0.6, 0.6, 0.7, 0.7])  # two boxes of one phrase
    plain = [{name: value for name, value in row.items() if name != "image"} for row in rows]
    export_data(
        BenchData("set", "train", plain, [row["image"] for row in rows]), tmp_path, target, say=lambda _: None
    )
    return rows, tmp_path / "set_train.jsonl"


def assert_same(found, rows, off):
    assert len(found) == len(rows)
    for row, wanted in zip(found, rows, strict=True):
        for name in (
            "image_id",
            "width",
            "height",
            "source",
            "license",
            "task",
            "question_type",
            "question",
            "answer",
        ):
            assert row[name] == wanted[name], name
        for name in ("question_regions", "answer_regions"):
            assert [(r["phrase"], list(r["span"])) for r in row[name]] == [
                (r["phrase"], r["span"]) for r in wanted[name]
            ]
            for region, right in zip(row[name], wanted[name], strict=True):
                for box, place in zip(region["boxes_norm"], right["boxes_norm"], strict=True):
                    assert box == pytest.approx(place, abs=off)
        assert Path(row["image"]["path"]).read_bytes() == wanted["image"]["bytes"]


def test_ms_swift(tmp_path):
    rows, path = exported(tmp_path, MsSwift())
    opened = open_rows(str(path), "ms-swift")
    assert_same(list(opened.rows), rows, 0.005 / 80)  # two decimals of a pixel, sides of 80 and more
    assert not +opened.notes


@pytest.mark.parametrize(
    ("notation", "off"),
    [(GiqaFormat(), 1 / 40 + 1e-9), (NormalizedFormat(), 0.005 + 1e-9)],  # half a cell of 20; half of 0.01
)
def test_words(notation, off, tmp_path):
    rows, path = exported(tmp_path, LlamaFactory(Writing(notation, whole, "whole")))
    words = Conversations(notation, whole, WORDS)
    assert_same(list(open_rows(str(path), "llama-factory", words=words).rows), rows, off)
    with pytest.raises(DataError, match="expected to be told in which words boxes stand"):
        open_rows(str(path), "llama-factory")


@pytest.mark.parametrize("form", ["ms-swift", "llama-factory"])
@pytest.mark.parametrize("named", [True, False])
def test_the_folder_of_an_export_names_its_file(form, named, tmp_path):
    target = MsSwift() if form == "ms-swift" else LlamaFactory(Writing(GiqaFormat(), whole, "whole"))
    _, path = exported(tmp_path, target)
    with pytest.raises(DataError) as caught:
        open_rows(str(tmp_path), form if named else None)
    assert str(caught.value) == (
        f"{tmp_path}: expected the file with the rows of an export for {form}, found its folder; give {path} with "
        f"--from {form}"
    )
    with pytest.raises(DataError, match="give --from with one of .*, ms-swift, llama-factory"):
        open_rows(str(path))


def test_the_command(tmp_path, capsys):
    _, path = exported(tmp_path / "factory", LlamaFactory(Writing(GiqaFormat(), whole, "whole")))
    back = ["convert", str(path), str(tmp_path / "coco"), "--to", "coco", "--from", "llama-factory"]
    assert main(back) == 2
    assert "give --format with --frame" in capsys.readouterr().err
    assert main([*back, "--frame", "whole", "--format", "giqa"]) == 0
    assert capsys.readouterr().out.startswith("8 of 8 rows, llama-factory to coco")
    document = json.loads((tmp_path / "coco" / "annotations.json").read_text())
    # of two pictures: 2 boxes of a description, 1 of a question, 1 of an answer; and the one that was added
    assert len(document["annotations"]) == 9


LINES = {
    # content of the answer, objects, and the boxes (in thousandths) or what is said
    "behind a blank": ("A <ref-object> <bbox> .", {"ref": ["cup"], "bbox": [[0, 0, 50, 100]]}, [("cup", [0, 0, 500, 1000])]),
    "shares": ("A <ref-object><bbox>.", {"ref": ["cup"], "bbox": [[0, 0, 0.5, 1]], "bbox_type": "norm1"}, [("cup", [0, 0, 500, 1000])]),
    "no phrase": ("Here: <bbox>.", {"ref": [], "bbox": [[0, 0, 50, 100]]}, []),
    "no objects": ("A cup.", None, []),
    "too few": ("A <ref-object><bbox>.", {"ref": ["cup"], "bbox": []}, "line 1: expected an entry of objects.bbox for every mark"),
    "no list": ("A <ref-object><bbox>.", {"ref": "cup", "bbox": []}, "line 1: expected a list objects.ref, found 'cup'"),
    "a point": ("A <ref-object><bbox>.", {"ref": ["cup"], "bbox": [[1, 2]]}, "line 1, objects.bbox: expected a box of 4 numbers"),
    "thousandths": ("A <ref-object><bbox>.", {"ref": ["cup"], "bbox": [[0, 0, 500, 1000]]}, "inside the picture of 100 x 100"),
    "unknown": ("A <ref-object><bbox>.", {"ref": ["cup"], "bbox": [[0, 0, 1, 1]], "bbox_type": "cells"}, "expected bbox_type real or norm1"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "objects", "expected"), LINES.values(), ids=LINES)
def test_lines_of_others(answer, objects, expected, tmp_path):
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    turns = [("system", "Be brief."), ("user", "<image>Where?"), ("assistant", answer)]
    line = {"messages": [{"role": role, "content": said} for role, said in turns], "images": ["a.png"]}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(line if objects is None else {**line, "objects": objects}) + "\n")
    opened = open_rows(str(path), "ms-swift")
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            list(opened.rows)
        return
    (row,) = opened.rows
    assert (row["image_id"], row["width"], row["source"], row["question"]) == (
        "a.png",
        100,
        "unknown",
        "Where?",
    )
    assert [(r["phrase"], [v * 1000 for v in r["boxes_norm"][0]]) for r in row["answer_regions"]] == expected
    assert opened.notes["boxes without a phrase, left out"] == ("Here" in answer)


def test_a_broken_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"messages"\n')
    with pytest.raises(DataError, match="rows.jsonl, line 1: expected a JSON object, found none"):
        list(open_rows(str(path), "ms-swift").rows)
