"""A photo that is in a dataset twice, once under terms that hold it back: it is sent in no row."""

from __future__ import annotations

import io
import json

import pyarrow.parquet as pq
import pytest
from PIL import Image

from giqa_hf.annotation.export import ExportSettings, build_dataset
from giqa_hf.benchmark.humans.agreement import Agreement
from giqa_hf.benchmark.humans.bench import write_bench
from giqa_hf.errors import DataError
from giqa_hf.hub.dataset_plan import dataset_plan
from giqa_hf.hub.join import join_photos
from giqa_hf.hub.plan import content_of
from tests.annotation.handmade_build import make_record, write_build
from tests.hub.small_dataset import ANSWERS, HELD

COPIES = ["pixels.jpg", "same.jpg"]


@pytest.fixture
def parts(tmp_path):
    """Five photos; "camera" is held, and there twice more under CC0: the same file, and the same pixels as a PNG."""
    root = tmp_path / "corpus"
    records = [make_record(root, f"r{i}", photo, answers=a) for i, (photo, a) in enumerate(ANSWERS.items())]
    records[1].source, records[1].license = "spaq", "research and education only"
    photo = root / "photos" / HELD
    (root / "photos" / "same.jpg").write_bytes(photo.read_bytes())
    Image.open(photo).save(root / "photos" / "pixels.jpg", "PNG")
    records += [make_record(root, name, name, answers="y") for name in ("same", "pixels")]
    return root, write_build(tmp_path / "build", root, records)


def built(parts, out, **settings):
    build_dataset(parts[1], out, ExportSettings(balance=False, **settings), say=lambda line: None)
    return out


def contents(folder):
    with dataset_plan(folder, "me/x") as plan:
        return plan, {file.path_in_repo: content_of(file) for file in plan.files}


def rows_of(files):
    return [
        row
        for name, data in files.items()
        if name.endswith(".parquet")
        for row in pq.read_table(io.BytesIO(data)).to_pylist()
    ]


@pytest.mark.parametrize("publishable", [False, True])
def test_it_is_sent_in_no_row(parts, tmp_path, publishable):
    folder = built(parts, tmp_path / "x", publishable=publishable)
    plan, files = contents(folder)
    rows = rows_of(files)
    assert {row["image_id"] for row in rows if row["image"] is None} == {HELD, *COPIES}
    assert {row["image_id"] for row in rows if row["image"]} == {
        "astronaut.jpg",
        "chelsea.jpg",
        "coffee.jpg",
        "rocket.jpg",
    }
    for name in (HELD, *COPIES):
        data = (parts[0] / "photos" / name).read_bytes()
        middle = data[len(data) // 2 :][:100]  # behind the tables that all such files have
        assert not [path for path, sent in files.items() if middle in sent]
    (note,) = [note for note in plan.notes if "same photo is in the dataset" in note]
    assert note.startswith("2 photos under open terms stay here too") and note.endswith(
        ": pixels.jpg, same.jpg"
    )
    lines = [json.loads(line) for line in files["photos.jsonl"].splitlines()]
    assert {line["image_id"] for line in lines if line["publish"] == "annotations"} == {HELD, *COPIES}
    # Of 2 copies, a description and a question each; of the held photo, a description and four questions.
    sums = {
        (line["source"], line["publish"]): line["rows"]
        for line in json.loads(files["dataset.json"])["licences"]
    }
    assert sums[("mine", "annotations")] == 4 and sums[("spaq", "annotations")] == 5
    assert sums[("mine", "whole")] == len(rows) - 9
    assert f"{len(rows) - 9} rows may be published with their photos" in plan.card
    assert "9 only as image ids and annotations" in " ".join(plan.card.split())


def test_in_the_folder_of_a_publishable_build_and_on_its_sheet(parts, tmp_path):
    folder = built(parts, tmp_path / "x", publishable=True)
    rows = rows_of({path.as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")})
    assert {row["image_id"] for row in rows if row["image"] is None} == {HELD, *COPIES}
    told = json.loads((folder / "dataset.json").read_text())
    assert told["noise_page"]["photos"] == ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"]


def test_whole_names_them_too(parts, tmp_path):
    with dataset_plan(built(parts, tmp_path / "x"), "me/x", whole=True) as plan:
        (refusal,) = plan.refusals
    assert "those of 9 rows on 3 photos may not be passed on" in refusal
    assert "4 of source 'mine' (licence 'CC0-1.0', but the same photo is held under other terms)" in refusal


def test_who_has_the_photo_puts_it_back_in_all_its_rows(parts, tmp_path):
    folder = built(parts, tmp_path / "x")
    sent, mine = tmp_path / "sent", tmp_path / "mine"
    for name, data in contents(folder)[1].items():
        (sent / name).parent.mkdir(parents=True, exist_ok=True)
        (sent / name).write_bytes(data)
    mine.mkdir()
    (mine / "any.jpg").write_bytes((parts[0] / "photos" / HELD).read_bytes())
    joined = join_photos(sent, mine, tmp_path / "whole", say=lambda line: None)
    assert set(joined.joined) == {HELD, *COPIES} and not joined.missing


def test_a_benchmark_that_has_no_list_of_its_own(parts, tmp_path):
    rows = pq.read_table(built(parts, tmp_path / "x") / "des").to_pylist()
    out = tmp_path / "bench"
    write_bench(rows, out, Agreement(**dict.fromkeys(Agreement._fields, 1)), min_annotators=3)
    _, files = contents(out)
    assert {row["image_id"] for row in rows_of(files) if row["image"] is None} == {HELD, *COPIES}


def test_one_photo_id_under_two_terms(parts, tmp_path):
    """A second description of the held photo, in a corpus that calls it its own."""
    root, _ = parts
    records = [
        make_record(root, f"r{i}", photo, answers="yn")
        for i, photo in enumerate(("camera", "camera", "coffee"))
    ]
    records[0].source, records[0].license = "spaq", "research and education only"
    folder = built((root, write_build(tmp_path / "two", root, records)), tmp_path / "x")
    plan, files = contents(folder)
    rows = rows_of(files)
    assert [row["image"] is None for row in rows] == [row["image_id"] == HELD for row in rows]
    assert {row["source"] for row in rows if row["image"] is None} == {"spaq", "mine"}
    assert any(note.endswith(f": {HELD}") for note in plan.notes)


def test_a_photo_without_a_hash_could_be_the_same(parts, tmp_path):
    folder = built(parts, tmp_path / "x")
    path = folder / "photos.jsonl"
    path.write_bytes(
        b"".join(line for line in path.read_bytes().splitlines(True) if b'"same.jpg"' not in line)
    )
    with (
        pytest.raises(
            DataError, match=r"found none for 1 \(same.jpg\).*or see that they are not the same photo"
        ),
        dataset_plan(folder, "me/x"),
    ):
        pass
