"""Rows to tune on: where they come from, which pictures are held out, and data that cannot be used."""

from __future__ import annotations

import datasets
import pytest

from giqa_hf.errors import DataError
from giqa_hf.training.rows import hold_out, load_rows
from tests.training.small_rows import small_dataset, small_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small_folder(tmp_path_factory.mktemp("data") / "rows", photos=20)


@pytest.fixture(scope="module")
def rows():
    return small_dataset(20)  # 40 rows, two of each picture


def images(rows, numbers):
    return {rows[n]["image_id"] for n in numbers}


def test_a_folder(folder):
    assert load_rows(str(folder)).num_rows == 40
    assert load_rows(str(folder), limit=3)["image_id"][:] == ["photo-0", "photo-0", "photo-1"]


BAD = {
    "no such data": (
        {"name": "/nowhere/at/all"},
        "/nowhere/at/all: expected the folder of a dataset, giqa-160k",
    ),
    "no such split": ({"split": "dev"}, "expected the split dev, found train; name one with --split"),
    "no rows asked for": ({"limit": 0}, "limit: expected at least 1, got 0"),
}


@pytest.mark.parametrize("options, message", BAD.values(), ids=BAD)
def test_data_that_is_not_there(folder, options, message):
    with pytest.raises(DataError, match=message) as error:
        load_rows(**{"name": str(folder), **options})
    assert "\n" not in str(error.value)


def write(rows, folder):
    folder.mkdir()
    rows.to_parquet(folder / "train-00000-of-00001.parquet")
    return str(folder)


def test_rows_without_pictures(tmp_path, rows):
    with pytest.raises(
        DataError, match="expected rows of giqa_hf.schema with a column image, found image_id, width"
    ):
        load_rows(write(rows.remove_columns("image"), tmp_path / "none"))
    some = [{**row, "image": None if n in (3, 5) else row["image"]} for n, row in enumerate(rows.to_list())]
    broken = datasets.Dataset.from_list(some, features=rows.features)
    with pytest.raises(
        DataError,
        match=r"found none in 2 of 40 rows \(the first: row 3\); of a dataset .* `giqa dataset join`",
    ):
        load_rows(write(broken, tmp_path / "some"))


def test_pictures_that_would_end_the_training_later(tmp_path, rows):
    """No pixel is decoded: a header that is none, a size that is not the row's."""
    table = rows.cast_column("image", datasets.Image(decode=False)).to_list()
    for number, change, said in [
        (2, {"image": {"bytes": b"no picture", "path": None}}, "row 2: "),
        (4, {"width": 1}, "row 4: expected a picture of 1 x "),
    ]:
        broken = [{**row, **(change if n == number else {})} for n, row in enumerate(table)]
        made = datasets.Dataset.from_list(broken, features=rows.features)
        with pytest.raises(DataError, match=said):
            load_rows(write(made, tmp_path / str(number)))


# options -> pictures held out, of twenty
HELD = [
    ({"count": 0}, 0),
    ({"count": 1}, 1),  # a picture comes with all its rows
    ({"count": 3}, 2),  # two pictures have four rows
    ({"count": 200}, 2),  # never more than a tenth of the pictures
    ({"share": 0.25}, 5),
    ({"share": 0.01}, 1),  # one at least
]


@pytest.mark.parametrize(("options", "pictures"), HELD)
def test_pictures_are_held_out_with_all_their_rows(rows, options, pictures):
    split = hold_out(rows, **options)
    held, train = images(rows, split.held_out), images(rows, split.train)
    assert len(held) == pictures and len(train) == 20 - pictures and not held & train
    assert sorted([*split.held_out, *split.train]) == list(range(40)) and len(split.held_out) == 2 * pictures


def test_the_choice_is_seeded(rows):
    chosen = [hold_out(rows, share=0.25, seed=seed).held_out for seed in (0, 0, 1)]
    assert chosen[0] == chosen[1] != chosen[2]


WRONG = [
    ({"share": 1.0}, "eval share: expected a number above 0 and below 1, got 1.0"),
    ({"share": 0.0}, "eval share"),
    ({"count": -1}, "eval rows: expected 0 or more, got -1"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_numbers_that_cannot_be(rows, options, message):
    with pytest.raises(DataError, match=message):
        hold_out(rows, **options)


def test_a_single_picture_cannot_be_split(rows):
    with pytest.raises(
        DataError, match="rows of at least two pictures, one to hold out, found 1; .*--eval-rows 0"
    ):
        hold_out(rows.select([0, 1]), count=1)


def test_of_giqa_synth_no_more_is_drawn_than_the_limit_needs():
    """A picture has one row or more, so four pictures are enough for three rows: their number has to be even."""
    rows = load_rows("giqa-synth", limit=3)
    assert rows.num_rows == 3
    assert rows.info.splits["train"].num_examples == 12  # four pictures with three rows each
