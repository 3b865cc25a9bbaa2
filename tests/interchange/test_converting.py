"""A conversion: whole or not at all, what it refuses, what it tells; and files of other tools that are wrong."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from giqa_hf.cli import convert as command
from giqa_hf.cli import dataset_export
from giqa_hf.cli.main import main
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.interchange import CARRIES, convert, open_rows
from giqa_hf.interchange.carries import table
from giqa_hf.interchange.converting import FORMS, TRAINERS_CARRY, Rows
from tests.interchange.some_rows import candles, png
from tests.interchange.test_round_trips import assert_same

DOCS = Path(__file__).parent.parent.parent / "docs"


def rows_of(made):
    return Rows("test", "giqa", iter(made), len(made), Counter())


def made(tmp_path, form="coco", rows=None):
    convert(rows_of(rows or candles()), tmp_path / form, form, say=lambda line: None)
    return tmp_path / form / FORMS[form].FILE


def test_the_table_of_the_docs():
    assert table({**CARRIES, **TRAINERS_CARRY}) in (DOCS / "convert.md").read_text(encoding="utf-8")


def test_the_command_knows_all_forms():
    assert tuple(CARRIES) == command.FORMS
    assert tuple(TRAINERS_CARRY) == dataset_export.TARGETS


def test_a_dataset_to_coco_to_a_dataset(tmp_path, capsys):
    import datasets

    from giqa_hf.schema import features

    (tmp_path / "in").mkdir()
    table = datasets.Dataset.from_list(candles(), features=features())
    table.to_parquet(tmp_path / "in" / "train-00000-of-00001.parquet")
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "coco"), "--to", "coco"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"2 of 2 rows, giqa to coco: {tmp_path / 'coco'}\n  4 boxes: pixels, floats\n")
    assert "2/2 rows" in told.err
    assert main(["convert", str(tmp_path / "coco"), str(tmp_path / "back"), "--to", "giqa"]) == 0
    back = datasets.load_dataset(str(tmp_path / "back"), split="train").cast_column(
        "image", datasets.Image(decode=False)
    )
    assert back.features["answer_regions"] == table.features["answer_regions"]
    assert_same(list(back), candles())
    assert [row["image"]["bytes"] for row in back] == [row["image"]["bytes"] for row in candles()]


@pytest.mark.parametrize(
    ("others", "options", "line"),
    [
        ([], [], ""),
        (["test"], [], "split train; 2 rows of test are left out, name it with --split test\n"),
        (
            ["validation", "test"],
            [],
            "split train; 2 rows of validation, 2 rows of test are left out, name one with --split\n",
        ),
        (["test"], ["--split", "train"], ""),
        (["test"], ["--split", "test"], ""),
    ],
)
def test_other_splits_are_told(others, options, line, tmp_path, capsys):
    import datasets

    from giqa_hf.schema import features

    (tmp_path / "in").mkdir()
    for split in ("train", *others):
        table = datasets.Dataset.from_list(candles(), features=features())
        table.to_parquet(tmp_path / "in" / f"{split}-00000-of-00001.parquet")
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "coco"), "--to", "coco", *options]) == 0
    assert capsys.readouterr().out.startswith(f"{line}2 of 2 rows, giqa to coco")


def test_one_file_has_no_pictures(tmp_path):
    convert(rows_of(candles()), tmp_path / "a.json", "coco", say=lambda line: None)
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    found = open_rows(str(tmp_path / "a.json"), "coco")
    assert [row["image"] for row in found.rows] == [None, None]
    assert found.notes == {"pictures that are not there": 1}
    with pytest.raises(GiqaError, match="expected no file yet, found one"):
        convert(rows_of(candles()), tmp_path / "a.json", "coco")
    with pytest.raises(GiqaError, match="expected a folder, for coco-panoptic is more than one file"):
        convert(rows_of(candles()), tmp_path / "b.json", "coco-panoptic")
    with pytest.raises(DataError, match="expected to be told which form the file has"):
        open_rows(str(tmp_path / "a.json"))


@pytest.mark.parametrize("form", FORMS)
def test_an_interrupted_conversion_leaves_nothing(form, tmp_path):
    def cut():
        yield candles()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(Rows("test", "giqa", cut(), 2, Counter()), tmp_path / "out", form, say=lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_conversion_to_parquet_leaves_nothing(tmp_path):
    def cut():
        yield candles()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(Rows("test", "coco", cut(), 2, Counter()), tmp_path / "out", "giqa", say=lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_pictures_that_cannot_be_used_are_left_out(tmp_path):
    cut, gone, wrong, fine, none = (dict(candles()[0], image_id=name) for name in "abcde")
    cut["image"] = {"bytes": png(64, 48)[:90], "path": None}
    gone["image"] = {"bytes": None, "path": str(tmp_path / "gone.png")}
    wrong["image"] = {"bytes": png(48, 64), "path": None}
    none["image"] = None
    converted = convert(
        rows_of([cut, gone, wrong, fine, none]), tmp_path / "out", "coco", say=lambda line: None
    )
    assert converted.dropped == {"picture cannot be read": 2, "picture has another size than the row says": 1}
    assert (converted.rows, converted.written) == (5, 2)
    assert [row["image_id"] for row in open_rows(str(tmp_path / "out")).rows] == ["d", "e"]
    with pytest.raises(
        GiqaError, match="expected rows to convert, found none that can be .picture cannot be read: 1"
    ):
        convert(rows_of([cut]), tmp_path / "none", "coco", say=lambda line: None)
    assert not (tmp_path / "none").exists()


def test_two_pictures_of_one_id_are_refused(tmp_path):
    other = dict(candles()[0], image={"bytes": png(64, 48) + b" ", "path": None})
    with pytest.raises(DataError, match="image_id 'candles': expected the same picture in all its rows"):
        convert(rows_of([candles()[0], other]), tmp_path / "out", "cvat", say=lambda line: None)


WRONG = {
    # form, what is replaced in its file (first occurrence), by what, and what is said
    "leaves the folder": ("coco", "images/000000.png", "../../etc/passwd", "image 1: expected a picture below .* goes up with"),
    "absolute": ("cvat", 'name="000000.png', 'name="/etc/passwd', "expected a picture below .* is absolute"),
    "leaves, label studio": ("label-studio", "images/000000.png", "%2e%2e/x.png", r"task 0: .*goes up with"),
    "leaves, fiftyone": ("fiftyone", "images/000000.png", "a/../../x.png", "sample 0: .*goes up with"),
    "leaves, qwen": ("qwen", "images/000000.png", r"c:\\x.png", "record 0: .*has backslashes"),
    "no JSON": ("coco", '"images"', '"images', "expected a file with a JSON object, found none"),
    "no list": ("coco", '"images": [', '"pictures": [', "expected a list images, found None"),
    "no texts": ("coco", '"rows": [', '"lines": [', "expected the texts that the boxes belong to"),
    "no box": ("coco", '"bbox"', '"box"', "annotation 1: expected bbox of 4 numbers, found None"),
    "outside": ("coco", '"bbox": [41.6', '"bbox": [64.1', "annotation 1: expected a box .* of 64 x 48 pixels"),
    "huge": ("coco", '"bbox": [41.6', '"bbox": [1e999', "annotation 1: expected bbox of 4 numbers"),
    "huge whole": ("coco", '"width": 64', f'"width": {10**40}', "expected a whole number width"),
    "five thousand digits": ("coco", '"width": 64', '"width": 1' + "0" * 5000, "expected a file with a JSON object"),
    "deep": ("coco", '"info": {', '"x": ' + "[" * 100_000 + '"info": {', "lists inside lists too deep|JSON object"),
    "no span": ("coco", '"start": 4', '"begin": 4', "expected a whole number start, found None"),
    "another span": ("coco", '"start": 4', '"start": 5', "row 0, field answer_regions: region .candles.: expected regions .* without overlap"),
    "unknown field": ("coco", '"field": "answer"', '"field": "title"', "question or answer, found 'title'"),
    "unknown effect": ("coco", '"effect": "negative"', '"effect": "bad"', "effect: expected None or one of"),
    "row of nobody": ("coco", '"attributes": {"row": 0', '"attributes": {"row": 7', "found some of row 7"),
    "empty answer": ("qwen", '"value": "Yes."', '"value": ""', "record 1, field answer: expected a text that is not empty"),
    "one turn": ("qwen", '"from": "gpt"', '"from": "system"', "record 0: expected turns of human and gpt, .* in pairs, found human"),
    "turned box": ("cvat", 'occluded="0"', 'occluded="0" rotation="30"', "expected upright boxes"),
    "no corner": ("cvat", "xtl=", "left=", "expected a number xtl, found None"),
    "NaN": ("cvat", 'xtl="41.6', 'xtl="nan" a="', "xtl"),
    "no XML": ("cvat", "</annotations>", "</annotation>", "expected XML, found something else in line"),
    "turned rectangle": ("label-studio", '"rotation": 0', '"rotation": 30', "expected upright rectangles"),
    "a relation to nothing": ("label-studio", '"from_id"', '"form_id"', "found one without 'from_id'"),
    "outside, fiftyone": ("fiftyone", '"bounding_box": [0.65', '"bounding_box": [1.65', "expected a box"),
    "no label": ("fiftyone", '"phrase": "candles"', '"name": "candles"', "expected a text phrase"),
}  # fmt: skip


@pytest.mark.parametrize(("form", "before", "after", "said"), WRONG.values(), ids=WRONG)
def test_a_file_that_is_wrong(form, before, after, said, tmp_path):
    path = made(tmp_path, form)
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    with pytest.raises(DataError, match=said) as error:
        convert(open_rows(str(path), form), tmp_path / "out", "giqa", say=lambda line: None)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 600
    assert not (tmp_path / "out").exists()


def test_an_entity_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.xml"
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    path.write_text(
        f'<!DOCTYPE x [<!ENTITY e0 "ha">{levels}]><annotations><image name="&e9;"/></annotations>'
    )
    with pytest.raises(DataError, match="expected XML without a document type"):
        list(open_rows(str(path)).rows)


def test_plain_coco_is_refused_with_a_way_on(tmp_path):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    with pytest.raises(DataError, match="plain COCO has no sentences: .*`giqa annotate`"):
        list(open_rows(str(path), "coco").rows)


def test_over_the_rim_by_less_than_a_pixel_is_cut_off(tmp_path):
    path = made(tmp_path)
    document = json.loads(path.read_text())
    document["annotations"][0]["bbox"][2] = 22.9  # from 41.6 on: to 64.5 of 64
    path.write_text(json.dumps(document))
    rows = list(open_rows(str(path), "coco").rows)
    assert rows[0]["answer_regions"][0]["boxes_norm"][0] == pytest.approx([0.65, 0.05, 1.0, 0.9])


def test_a_box_that_somebody_drew_without_a_row_is_counted(tmp_path):
    path = made(tmp_path)
    document = json.loads(path.read_text())
    document["annotations"].append({"id": 99, "image_id": 1, "bbox": [0, 0, 1, 1], "category_id": 1})
    path.write_text(json.dumps(document))
    found = open_rows(str(path), "coco")
    assert len(list(found.rows)) == 2
    assert found.notes == {"boxes that belong to no row": 1}


def test_other_trainers_by_the_same_command(tmp_path, capsys):
    from tests.benchmark.tiny_bench import make_bench

    data = str(make_bench(tmp_path / "data"))
    words = ["--to", "llama-factory", "--frame", "whole", "--split", "test"]
    assert main(["convert", data, str(tmp_path / "a"), *words]) == 0
    assert main(["dataset", "export", data, str(tmp_path / "b"), *words]) == 0
    assert (tmp_path / "a" / "data_test.jsonl").read_bytes() == (
        tmp_path / "b" / "data_test.jsonl"
    ).read_bytes()
    capsys.readouterr()
    assert (
        main(["convert", data, str(tmp_path / "c"), "--to", "coco", "--frame", "whole", "--split", "test"])
        == 2
    )
    assert "expected no --backbone" in capsys.readouterr().err
    path = made(tmp_path)
    assert main(["convert", str(path), str(tmp_path / "c"), *words]) == 2
    assert f"{path}: expected a dataset for --to llama-factory" in capsys.readouterr().err
    assert set(dataset_export.TARGETS).isdisjoint(command.FORMS)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        # a box that somebody drew in CVAT, row, field and phrase typed in; "tower" has a box already
        ("tower", [[0.75, 0.05, 1.0, 0.8], [0, 0, 0.5, 0.5]]),
        ("sky", [[0, 0, 0.5, 0.5]]),
        ("dark", [[0, 0, 0.5, 0.5]]),
        ("is", "'is', which stands there 2 times"),
        ("moon", "'moon', which stands there 0 times"),
    ],
)
def test_a_new_box_of_cvat(phrase, expected, tmp_path):
    path = made(tmp_path, "cvat")
    values = {"row": "0", "field": "answer", "phrase": phrase, "start": "", "end": "", "quality": ""}
    inside = "".join(f'<attribute name="{name}">{value}</attribute>' for name, value in values.items())
    box = f'<box label="phrase" xtl="0" ytl="0" xbr="32" ybr="24">{inside}</box>'
    loose = '<box label="phrase" xtl="0" ytl="0" xbr="32" ybr="24"></box>'
    path.write_text(path.read_text().replace("  </image>", f"{box}{loose}  </image>", 1))
    found = open_rows(str(path))
    if isinstance(expected, str):
        with pytest.raises(DataError, match=expected):
            list(found.rows)
        return
    (region,) = (r for r in next(found.rows)["answer_regions"] if r["phrase"] == phrase)
    assert [pytest.approx(box) for box in expected] == region["boxes_norm"]
    assert found.notes == {"boxes without the label phrase and a row": 1}


def test_pictures_on_a_label_studio_server(tmp_path):
    path = made(tmp_path, "label-studio")
    path.write_text(path.read_text().replace("/data/local-files/?d=images", "/data/upload/1"))
    found = open_rows(str(path), "label-studio")
    assert [row["image"] for row in found.rows] == [None, None]
    assert found.notes["pictures on the Label Studio server, not fetched"] == 2


def test_a_split_that_leaves_the_folder_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"split: expected letters, digits and _, such as train, got '../train'"
    ):
        convert(rows_of(candles()), tmp_path / "out", "giqa", split="../train", say=lambda line: None)
    assert list(tmp_path.iterdir()) == []
