"""Rows to ask: what loads, what is refused, and a fingerprint that nothing escapes."""

from __future__ import annotations

import copy

import datasets
import pytest

from giqa_hf.benchmark.data import load_bench_data, row_ids, rows_fingerprint
from giqa_hf.errors import DataError
from giqa_hf.schema import features
from tests.benchmark.tiny_bench import SIZES, bench_rows, make_bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return make_bench(tmp_path_factory.mktemp("bench") / "data")


def test_a_folder_of_rows(bench):
    data = load_bench_data(str(bench))
    assert (data.name, data.split, len(data.rows)) == (str(bench), "test", 8)
    assert data.ids == row_ids(data.rows) and data.ids[5] == "000005:photo-1"
    assert data.photo(5).size == SIZES[1] and data.photo(5).mode == "RGB"
    assert "image" not in data.rows[0] and data.rows[1]["question"] == "Is the cup sharp?"
    told = data.settings()
    assert told["rows"] == 8 and told == load_bench_data(str(bench), "test", 8).settings()
    first = load_bench_data(str(bench), limit=3)
    assert first.ids == data.ids[:3] and first.settings()["rows_sha256"] != told["rows_sha256"]


def changes():
    """Everything that scoring reads, changed in one row."""
    for name, value in (
        ("question", "Is the cup dark?"), ("answer", "No."), ("task", "des"), ("question_type", "what"),
        ("width", 121), ("height", 81), ("image_id", "photo-9"), ("answer_regions", []), ("question_regions", []),
    ):  # fmt: skip
        yield name, lambda row, name=name, value=value: row.update({name: value})
    yield "a box", lambda row: row["question_regions"][0].update(boxes_norm=[[0.1, 0.2, 0.5, 0.61]])
    yield "a phrase", lambda row: row["question_regions"][0].update(phrase="mug")
    yield "a span", lambda row: row["question_regions"][0].update(span=[6, 9])


@pytest.mark.parametrize("change", [c for _, c in changes()], ids=[n for n, _ in changes()])
def test_the_fingerprint_knows_every_change(change):
    rows = [{key: value for key, value in row.items() if key != "image"} for row in bench_rows()]
    rows[1]["answer_regions"] = copy.deepcopy(rows[1]["question_regions"])
    changed = copy.deepcopy(rows)
    assert rows_fingerprint(changed) == rows_fingerprint(rows)
    change(changed[1])
    assert rows_fingerprint(changed) != rows_fingerprint(rows)


def test_rows_in_another_order_are_other_rows():
    """Their ids hold their numbers, so answers would go astray."""
    rows = bench_rows()
    assert rows_fingerprint(rows) != rows_fingerprint(rows[::-1])


def folder_of(folder, rows, split="test", columns=None):
    folder.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_list(rows, features=features())
    (table.select_columns(columns) if columns else table).to_parquet(
        folder / f"{split}-00000-of-00001.parquet"
    )
    return folder


def test_a_picture_of_another_size_than_its_row_says(tmp_path):
    rows = bench_rows()
    rows[2]["width"] = 60
    data = load_bench_data(str(folder_of(tmp_path / "d", rows)))
    with pytest.raises(DataError, match="row 2 of .*: expected a picture of 60 x 80 pixels, found 120 x 80"):
        data.photo(2)


def test_what_cannot_be_asked(tmp_path, bench):
    two = folder_of(folder_of(tmp_path / "two", bench_rows(), "train"), bench_rows(), "validation")
    bad = bench_rows()
    bad[3]["answer_regions"][0]["span"] = [0, 3]
    for name, options, said in (
        (tmp_path / "nowhere", {}, "expected the folder of a dataset, giqa-160k, giqa-bench, giqa-synth"),
        ("giqa-bench", {}, "giqa-bench: expected a copy that this machine can reach"),
        (bench, {"split": "train"}, "expected the split train, found test"),
        (bench, {"limit": 0}, "limit: expected at least 1, got 0"),
        (two, {}, "expected the split test, found train, validation"),
        (folder_of(tmp_path / "n", bench_rows(), columns=["question", "answer"]), {}, "with a column image"),
        (folder_of(tmp_path / "bad", bad), {}, f"row 3 of {tmp_path / 'bad'}"),
    ):
        with pytest.raises(DataError) as error:
            load_bench_data(str(name), **options)
        assert said in str(error.value) and "\n" not in str(error.value), error.value


def test_the_only_split_need_not_be_named(tmp_path):
    assert load_bench_data(str(folder_of(tmp_path / "d", bench_rows(), "validation"))).split == "validation"


def test_photos_that_were_not_published(tmp_path):
    rows = bench_rows()
    for row in rows[4:]:
        row["image"] = None
    datasets.Dataset.from_list(rows, features=features()).to_parquet(tmp_path / "test-00000-of-00001.parquet")
    with pytest.raises(
        DataError, match=r"found none in 4 of 8 rows \(the first: row 4\); .* `giqa dataset join`"
    ):
        load_bench_data(str(tmp_path))
    assert len(load_bench_data(str(tmp_path), limit=4).rows) == 4
