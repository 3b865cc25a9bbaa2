"""What is written is read: every form, rows of any kind, as far as the form says that it carries them."""

from __future__ import annotations

import copy
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from giqa_hf.errors import DataError
from giqa_hf.interchange.coco_panoptic import NO_PIXEL
from giqa_hf.interchange.converting import FORMS, Rows, convert, open_rows
from giqa_hf.schema import TEXT_FIELDS
from tests.interchange.some_rows import candles, png, rows

EXACT = ("coco", "label-studio", "cvat", "fiftyone")
"""Forms that carry all of a row; Kosmos-2 all but quality and effect."""


def there_and_back(made, form, folder):
    source = Rows("test", "giqa", iter(copy.deepcopy(made)), len(made), Counter())
    converted = convert(source, folder / "out", form, say=lambda line: None)
    back = open_rows(str(folder / "out"))
    assert back.form == form
    return converted, list(back.rows), back.notes


def assert_same(found, expected, *, judged=True):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        for name in other.keys() - {"image", "question_regions", "answer_regions"}:
            assert one[name] == other[name], name
        for field in TEXT_FIELDS:
            regions = one[f"{field}_regions"], other[f"{field}_regions"]
            assert len(regions[0]) == len(regions[1])
            for region, wanted in zip(*regions, strict=True):
                said = {"quality": wanted["quality"], "effect": wanted["effect"]} if judged else {}
                plain = {"phrase": wanted["phrase"], "span": list(wanted["span"]), **said}
                assert {
                    name: list(v) if name == "span" else v for name, v in region.items() if name in plain
                } == plain
                assert len(region["boxes_norm"]) == len(wanted["boxes_norm"])
                for box, right in zip(region["boxes_norm"], wanted["boxes_norm"], strict=True):
                    assert box == pytest.approx(right, abs=1e-9)


@pytest.mark.parametrize("form", EXACT)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=rows())
def test_any_rows(form, made):
    with tempfile.TemporaryDirectory() as folder:
        converted, found, _ = there_and_back(made, form, Path(folder))
    assert_same(found, made)
    assert (converted.written, converted.lost, converted.dropped) == (len(made), {}, {})


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=rows())
def test_any_rows_as_kosmos2(made):
    with tempfile.TemporaryDirectory() as folder:
        _, found, _ = there_and_back(made, "kosmos2", Path(folder))
    assert_same(found, made, judged=False)


@pytest.mark.parametrize("form", [*EXACT, "coco-panoptic"])
def test_pictures_and_judgements_come_back(form, tmp_path):
    converted, found, notes = there_and_back(candles(), form, tmp_path)
    assert_same(found, candles())
    assert not +notes
    for row in found:
        assert Path(row["image"]["path"]).read_bytes() == candles()[0]["image"]["bytes"]
    # 3 boxes of the answer and 1 of the question; "candles" has two, "sky" none
    assert converted.kept[0].startswith("4 boxes: ")
    assert converted.kept[1].startswith("1 phrases with several boxes (2 boxes): ")
    assert any(line.startswith("phrases without a box, 1: ") for line in converted.kept)


@pytest.mark.parametrize(
    ("form", "lost", "off"),
    [
        # Qwen3-VL: thousandths, rounded: half of one at most
        ("qwen", {"phrases without a box": 1, "quality of a region": 1, "effect of a region": 1}, 0.0005),
        # Qwen2.5-VL: 64 x 48 is resized to 56 x 56; the far rim is its last pixel, 55
        ("qwen2.5", {"phrases without a box": 1, "quality of a region": 1, "effect of a region": 1}, 1 / 56),
    ],
)
def test_what_words_round_and_lose(form, lost, off, tmp_path):
    converted, found, _ = there_and_back(candles(), form, tmp_path)
    assert converted.lost == lost
    assert converted.notes == {}  # each phrase is found at its place
    assert [row["answer"] for row in found] == [row["answer"] for row in candles()]
    first, second = found[0]["answer_regions"]  # the sky had no box
    assert [first["phrase"], second["phrase"]] == ["candles", "tower"]
    for region, wanted in (
        (first, candles()[0]["answer_regions"][0]),
        (second, candles()[0]["answer_regions"][1]),
    ):
        for box, right in zip(region["boxes_norm"], wanted["boxes_norm"], strict=True):
            assert box == pytest.approx(right, abs=off + 1e-9)


def test_a_phrase_that_qwen_will_not_find_at_its_place_is_counted(tmp_path):
    row = candles()[0]
    row |= {"answer": "A cup and a cup.", "answer_regions": []}
    second = {
        "phrase": "cup",
        "span": [12, 15],
        "quality": None,
        "effect": None,
        "boxes_norm": [[0, 0, 1, 1]],
    }
    row["answer_regions"] = [second]  # the first "cup" is found when read
    converted, found, _ = there_and_back([row], "qwen", tmp_path)
    assert converted.notes == {"phrases that are not found again at their place": 1}
    assert found[0]["answer_regions"][0]["span"] != [12, 15]


def test_kosmos_entities_must_agree_with_the_texts(tmp_path):
    converted, _, _ = there_and_back(candles(), "kosmos2", tmp_path)
    assert converted.lost == {"quality of a region": 1, "effect of a region": 1}
    path = tmp_path / "out" / FORMS["kosmos2"].FILE
    plain = path.read_text()
    path.write_text(plain.replace('[["candles", [4, 11]', '[["andles", [5, 11]'))
    with pytest.raises(ValueError, match="record 0: expected entities that name what the texts name"):
        list(open_rows(str(tmp_path / "out")).rows)
    # without them the boxes are cells of 32 x 32: half a cell off at most, inside
    path.write_text(plain.replace('"entities"', '"left_out"'))
    first = next(iter(open_rows(str(tmp_path / "out")).rows))["answer_regions"][0]
    for box, right in zip(first["boxes_norm"], candles()[0]["answer_regions"][0]["boxes_norm"], strict=True):
        assert box == pytest.approx(right, abs=1.5 / 32)


def test_rows_of_a_picture_that_stand_apart_come_back_together(tmp_path):
    one, two = candles()
    other = {**one, "image_id": "other"}
    _, found, _ = there_and_back([one, other, two], "cvat", tmp_path)
    assert_same(found, [one, two, other])
    _, found, _ = there_and_back([one, other, two], "coco", tmp_path / "coco")
    assert_same(found, [one, other, two])


def test_panoptic_leaves_out_what_is_covered(tmp_path):
    row = candles()[0]
    # the small box covers the left half of the large one, the third has no area
    left, whole, none = [0, 0, 0.5, 1], [0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5]
    row["answer_regions"] = [{**row["answer_regions"][0], "boxes_norm": [left, whole, none, left]}]
    converted, found, _ = there_and_back([row], "coco-panoptic", tmp_path)
    assert converted.lost == {NO_PIXEL: 1}
    assert converted.kept[0].startswith("3 boxes: ")
    assert found[0]["answer_regions"][0]["boxes_norm"] == [left, whole, left]


def test_panoptic_keeps_a_phrase_whose_boxes_are_all_covered(tmp_path):
    first, second = candles()
    candle, tower, _ = first["answer_regions"]
    # painted largest first: the candles' boxes, of another phrase, cover both of the tower's to the last pixel
    candle["boxes_norm"] = [[0, 0, 0.5, 0.5], [0, 0.5, 0.5, 1], [0.5, 0, 1, 1]]
    tower |= {"boxes_norm": [[0, 0, 0.5, 1], [0, 0, 1, 1]], "quality": "dark", "effect": "no impact"}
    second["question_regions"][0]["boxes_norm"] = [[0.75, 0.25, 0.75, 0.5]]  # no area
    converted, found, notes = there_and_back([first, second], "coco-panoptic", tmp_path)
    assert converted.lost == {NO_PIXEL: 3} and not +notes
    assert converted.kept[0].startswith("3 boxes: ")
    tower["boxes_norm"] = second["question_regions"][0]["boxes_norm"] = []
    assert_same(found, [first, second])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made=rows())
def test_panoptic_carries_all_of_any_rows_but_the_boxes_that_it_counts(made):
    with tempfile.TemporaryDirectory() as folder:
        converted, found, _ = there_and_back(made, "coco-panoptic", Path(folder))
    assert_same([without_boxes(row) for row in found], [without_boxes(row) for row in made])
    assert boxes_in(found) == boxes_in(made) - converted.lost.get(NO_PIXEL, 0)


def without_boxes(row):
    bare = {
        f"{field}_regions": [{**r, "boxes_norm": []} for r in row[f"{field}_regions"]]
        for field in TEXT_FIELDS
    }
    return {**row, **bare}


def boxes_in(found):
    return sum(
        len(r["boxes_norm"]) for row in found for field in TEXT_FIELDS for r in row[f"{field}_regions"]
    )


def thin(width, height):
    """A row on a picture of which one side is more than 200 times the other, and the others of `candles`."""
    picture = {"image": {"bytes": png(width, height), "path": None}, "image_id": "thin"}
    return [candles()[0] | picture | {"width": width, "height": height}, *candles()]


def test_a_picture_that_qwen25_does_not_take_is_counted(tmp_path):
    converted, found, _ = there_and_back(thin(2049, 3), "qwen2.5", tmp_path)
    assert converted.dropped == {"the model takes no picture of this size or shape": 1}
    assert (converted.rows, converted.written) == (3, 2)
    assert [row["image_id"] for row in found] == ["candles", "candles"]


def test_a_record_that_qwen25_does_not_take_is_named(tmp_path):
    _, found, _ = there_and_back(thin(3000, 10), "qwen", tmp_path)  # which takes any
    assert len(found) == 3
    path = tmp_path / "out" / "conversations.json"
    with pytest.raises(DataError) as caught:
        list(open_rows(str(path), "qwen2.5").rows)
    assert str(caught.value).startswith(
        f"{path}, record 0: expected a picture that the model takes, found one of 3000 x 10 pixels"
    )
