"""Rows: what validation says of bad ones, and the way through datasets and Parquet and back."""

from __future__ import annotations

import copy

import datasets
import numpy as np
import pytest
from PIL import Image

from giqa_hf.errors import DataError, GiqaError
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.schema import features, grounded_of, regions_of, validate_row


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def region(**changes):
    return {
        "phrase": "dog",
        "span": [4, 7],
        "quality": "too dark",
        "effect": "negative",
        "boxes_norm": [[0.1, 0.2, 0.3, 0.4]],
    } | changes


def row(**changes):
    return {
        "image": Image.new("RGB", (8, 6), (9, 8, 7)),
        "image_id": "a-1",
        "width": 8,
        "height": 6,
        "source": "here",
        "license": "CC0",
        "task": "des",
        "question_type": None,
        "question": "How good is it?",
        "question_regions": [],
        "answer": "The dog is too dark.",
        "answer_regions": [region()],
    } | changes


def vqa(**changes):
    return row(
        task="vqa", question_type="yes_no", question="The dog: clean?", question_regions=[region()],
        answer="No.", answer_regions=[],
    ) | changes  # fmt: skip


@pytest.mark.parametrize(
    "good",
    [
        row(),
        vqa(),
        vqa(question_type="how"),
        row(source="", license=""),  # unknown is not wrong
        row(answer_regions=[]),
        row(answer_regions=[region(boxes_norm=[])]),  # a phrase without a box
        row(answer_regions=[region(quality=None, effect=None)]),
        row(
            answer_regions=[region(effect="no impact"), region(phrase="is", span=(8, 10), effect="positive")]
        ),
        row(answer_regions=[region(boxes_norm=np.array([[0.0, 0.0, 1.0, 1.0]]))]),
        row(width=np.int32(8)),
        {key: value for key, value in row().items() if key != "image"},  # rows of text tables have none
    ],
)
def test_good_rows(good):
    assert validate_row(good) is None


@pytest.mark.parametrize(
    ("bad", "field", "expected", "found"),
    [
        # plain fields
        (row(image_id=7), "image_id", "a string", "7"),
        (row(image_id="  "), "image_id", "not empty", "'  '"),
        (row(source=None), "source", "a string", "None"),
        (row(license=[]), "license", "a string", "[]"),
        (row(question=None), "question", "a string", "None"),
        (row(question="", question_regions=[]), "question", "not empty", "''"),
        (row(answer=" \n", answer_regions=[]), "answer", "not empty", r"' \n'"),  # an empty description
        (row(width=0), "width", "above 0", "0"),
        (row(width=-8), "width", "above 0", "-8"),
        (row(height=6.0), "height", "whole number", "6.0"),
        (row(height=True), "height", "whole number", "True"),
        (row(height=None), "height", "whole number", "None"),
        (row(width="8"), "width", "whole number", "'8'"),
        # task and type
        (row(task="caption"), "task", "des, vqa", "'caption'"),
        (row(task=None), "task", "des, vqa", "None"),
        (row(question_type="what"), "question_type", "None for a description", "'what'"),
        (vqa(question_type=None), "question_type", "yes_no, what, why, how", "None"),
        (vqa(question_type="which"), "question_type", "yes_no, what, why, how", "'which'"),
        # regions
        (row(answer_regions=None), "answer_regions", "a list of regions", "None"),
        (row(question_regions={"phrase": []}), "question_regions", "a list of regions", "{'phrase': []}"),
        (row(answer_regions=[region(), "dog"]), "answer_regions[1]", "a region", "'dog'"),
        (row(answer_regions=[region(phrase=None)]), "answer_regions[0].phrase", "a string", "None"),
        (row(answer_regions=[region(span=4)]), "answer_regions[0].span", "start and end", "4"),
        (row(answer_regions=[region(span=[4])]), "answer_regions[0].span", "start and end", "[4]"),
        (row(answer_regions=[region(span=[4.0, 7.0])]), "answer_regions[0].span", "whole numbers", "[4.0"),
        (row(answer_regions=[region(span=None)]), "answer_regions[0].span", "start and end", "None"),
        (row(answer_regions=[region(effect="bad")]), "answer_regions[0].effect", "no impact", "'bad'"),
        (row(answer_regions=[region(quality=3)]), "answer_regions[0].quality", "None or a string", "3"),
        (row(answer_regions=[region(boxes_norm=7)]), "answer_regions[0].boxes_norm", "list of boxes", "7"),
        # spans and phrases against the text
        (row(answer_regions=[region(span=[3, 6])]), "answer_regions", "'dog'", "' do'"),
        (row(answer_regions=[region(span=[17, 20])]), "answer_regions", "'dog'", "'rk.'"),
        (row(answer_regions=[region(span=[18, 21])]), "answer_regions", "inside the text", "(18, 21)"),
        (row(answer_regions=[region(), region()]), "answer_regions", "without overlap", "(4, 7)"),
        (vqa(question="Clean?"), "question_regions", "inside the text", "(4, 7)"),
    ],
)  # fmt: skip
def test_a_bad_row_names_row_field_expected_and_found(bad, field, expected, found):
    with pytest.raises(DataError) as caught:
        validate_row(bad, "row 17 of des.jsonl")
    message = str(caught.value)
    assert message.startswith(f"row 17 of des.jsonl, field {field}: ")
    assert expected in message
    assert found in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "box",
    [
        [0.1, 0.2, float("nan"), 0.4],
        [0.1, 0.2, float("inf"), 0.4],
        [0.3, 0.2, 0.1, 0.4],  # reversed
        [0.1, 0.4, 0.3, 0.2],
        [-0.1, 0.2, 0.3, 0.4],  # outside
        [0.1, 0.2, 0.3, 1.2],
        [10, 20, 30, 40],  # pixels
        [0.1, 0.2, 0.3],  # three numbers
        [0.1, 0.2, 0.3, 0.4, 0.5],
        ["left", 0, 1, 1],
        0.5,
        None,
    ],
)
@pytest.mark.parametrize("field", ["question_regions", "answer_regions"])
def test_a_bad_box_is_named_by_its_place_and_value(box, field):
    good = vqa(answer="The dog.", answer_regions=[region()])
    bad = good | {field: [region(boxes_norm=[[0, 0, 1, 1], box])]}
    validate_row(good)
    with pytest.raises(DataError) as caught:
        validate_row(bad, "row 3")
    assert str(caught.value).startswith(
        f"row 3, field {field}[0].boxes_norm[1]: expected finite 0 <= x1 <= x2 <= 1"
    )
    assert str(caught.value).endswith(f"found {box!r}")


def test_a_missing_field_is_a_bad_row_not_a_key_error():
    for name in row():
        if name in ("image", "question_type"):  # may be absent; None in a description
            continue
        without = {key: value for key, value in row().items() if key != name}
        with pytest.raises(DataError, match=f"field {name}: "):
            validate_row(without)
    with pytest.raises(DataError, match="field question_type: "):
        validate_row({key: value for key, value in vqa().items() if key != "question_type"})


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(DataError) as caught:
        validate_row(row(task="x" * 5000))
    assert len(str(caught.value)) < 400


def test_a_data_error_is_both_of_our_kind_and_a_value_error():
    assert issubclass(DataError, GiqaError)
    assert issubclass(DataError, ValueError)


def test_regions_of_and_grounded_of_are_each_others_inverse():
    grounded = GroundedText(
        "The dog and a cat.",
        [
            Region(
                "dog", (4, 7), [[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]], quality="too dark", effect="negative"
            ),
            Region("cat", (14, 17)),
        ],
    )
    held = {"answer": grounded.text, "answer_regions": regions_of(grounded)}
    assert grounded_of(held, "answer") == grounded
    validate_row(row(**held))
    assert grounded_of({"question": "Why?", "question_regions": None}, "question") == GroundedText("Why?")
    with pytest.raises(ValueError, match="field: expected one of question, answer, got 'caption'"):
        grounded_of(held, "caption")


def test_rows_survive_datasets_and_parquet(tmp_path):
    rows = [row(), vqa(), row(answer_regions=[region(boxes_norm=[[1 / 3, 0, 2 / 3, 1], [0, 0, 1, 1]])])]
    table = datasets.Dataset.from_list(copy.deepcopy(rows), features=features())
    assert table.features == features()
    path = tmp_path / "rows.parquet"
    table.to_parquet(path)
    read = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert read.features == features()
    for ours, theirs in zip(rows, read, strict=True):
        validate_row(theirs)
        assert list(theirs) == list(ours)
        image, other = ours["image"], theirs["image"]
        assert (image.size, image.tobytes()) == (other.size, other.convert("RGB").tobytes())
        for field in ("question", "answer"):
            assert grounded_of(theirs, field) == grounded_of(ours, field)  # boxes to the last bit
        assert {k: v for k, v in theirs.items() if k != "image"} == {
            k: v for k, v in ours.items() if k != "image"
        }


def test_features_hold_lists_of_regions_not_regions_of_lists():
    """`Sequence({...})` would turn into a dict of lists."""
    for field in ("question_regions", "answer_regions"):
        assert isinstance(features()[field], datasets.List)
        assert isinstance(features()[field].feature, dict)
