"""From a build to a dataset that load_dataset opens: rows, photos, splits, guard, what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import giqa_hf  # noqa: F401  # makes "giqa-160k" known
from giqa_hf.annotation import build_rows, export
from giqa_hf.annotation.export import ExportSettings, build_dataset
from giqa_hf.annotation.record import drop
from giqa_hf.builders.giqa_160k.contamination import find_overlaps
from giqa_hf.builders.giqa_160k.photo_sets import read_photo_set
from giqa_hf.errors import DataError, GiqaError
from giqa_hf.images import read_image
from giqa_hf.schema import features, validate_row
from tests.annotation.handmade_build import make_record, save_photo, write_build

ANSWERS = {"astronaut": "ynwh", "camera": "ynrw", "chelsea": "yyn", "coffee": "wwh", "rocket": "n"}
# Yes: 1 + 1 + 2 = 4, No: 1 + 1 + 1 + 1 = 4, What/Why/How: 2 + 2 + 3 = 7; so min(4, 4, 7 // 2) = 3 of each answer stay
# and 6 What/Why/How: with 5 descriptions 5 + 3 + 3 + 6 = 17 rows.


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def records(root):
    made = [make_record(root, f"r{i}", photo, answers=ANSWERS[photo]) for i, photo in enumerate(ANSWERS)]
    made[1].source, made[1].license = "spaq", "research and education only"
    lost = make_record(root, "lost", "rocket", answers="y")
    drop(lost, "tags", "nothing found")
    lost.settle()
    return [*made, lost]


@pytest.fixture(scope="module")
def build(root, records, tmp_path_factory):
    return write_build(tmp_path_factory.mktemp("build"), root, records)


@pytest.fixture(scope="module")
def dataset(build, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "giqa-160k"
    build_dataset(build, out, say=lambda line: None)
    return out


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def make(build, out, **options):
    settings = ExportSettings(
        **{k: options.pop(k) for k in list(options) if k in ExportSettings.__dataclass_fields__}
    )
    return build_dataset(build, out, settings, say=lambda line: None, **options)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("config", "rows"), [(None, 17), ("all", 17), ("des", 5), ("vqa", 12)])
def test_load_dataset_opens_it(dataset, config, rows, streaming):
    loaded = datasets.load_dataset("giqa-160k", config, data_dir=str(dataset), streaming=streaming)
    assert list(loaded) == ["train"]
    assert loaded["train"].features == features()
    found = list(loaded["train"])
    assert len(found) == rows
    for row in found:
        validate_row(row)
        assert row["image"].size == (row["width"], row["height"])


def test_a_relative_folder_opens_as_well(dataset, monkeypatch):
    monkeypatch.chdir(dataset.parent)
    assert datasets.load_dataset("giqa-160k", data_dir="giqa-160k", split="train").num_rows == 17
    assert datasets.load_dataset("giqa-160k", "vqa", data_dir="giqa-160k/", split="train").num_rows == 12


def test_rows_are_balanced_and_hold_the_files_own_bytes(dataset, root):
    rows = [row for path in dataset.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]
    assert Counter(row["question_type"] or "des" for row in rows)["yes_no"] == 6
    assert Counter(row["answer"] for row in rows if row["question_type"] == "yes_no") == {
        "Yes.": 3,
        "No, it is not.": 3,
    }
    for row in rows:
        assert (
            row["image"]["bytes"] == (root / "photos" / row["image_id"]).read_bytes()
        )  # upright JPEG: not saved again
        assert row["image"]["path"] == row["image_id"]


def test_repeated_photos_cost_no_space(dataset, root):
    vqa = dataset / "vqa" / "train-00000-of-00001.parquet"
    table = pq.read_table(vqa, columns=["image", "image_id"]).to_pylist()
    each = sum(len(row["image"]["bytes"]) for row in {row["image_id"]: row for row in table}.values())
    assert len(table) == 12 > len({row["image_id"] for row in table})
    assert vqa.stat().st_size < each + 40_000  # every photo once, and the texts


def test_what_dataset_json_says(dataset):
    found = json.loads((dataset / "dataset.json").read_text())
    assert found["statistics"]["total"] == {"images": 5, "total": 17, "des": 5, "vqa_yes_no": 6, "vqa_wh": 6}
    assert found["balance_removed"] == {"surplus No": 1, "surplus What/Why/How": 1, "surplus Yes": 1}
    assert found["build"]["corpus"] == {"name": "handmade", "rows": 6} and found["build"]["root"] is None
    assert found["splits"] == {"des": ["train"], "vqa": ["train"]}
    shards = {name: digest for name, digest in tree(dataset).items() if name.endswith(".parquet")}
    assert found["files"] == shards
    photos = [json.loads(line) for line in (dataset / "photos.jsonl").read_text().splitlines()]
    assert [photo["image_id"] for photo in photos] == [f"{name}.jpg" for name in ANSWERS]
    assert [photo["publish"] for photo in photos] == ["whole", "annotations", "whole", "whole", "whole"]


def test_the_same_build_gives_the_same_bytes_and_another_seed_other_rows(build, dataset, tmp_path):
    make(build, tmp_path / "giqa-160k")  # the card has the folder's name
    assert tree(tmp_path / "giqa-160k") == tree(dataset)
    kept = {
        seed: make(build, tmp_path / f"s{seed}", seed=seed)["files"]["vqa/train-00000-of-00001.parquet"]
        for seed in range(4)
    }
    assert len(set(kept.values())) > 1


def test_the_shards_of_the_build_do_not_matter(root, records, dataset, tmp_path):
    other = write_build(tmp_path / "build", root, records, shard_size=4)
    make(other, tmp_path / "giqa-160k")
    found = tree(tmp_path / "giqa-160k")
    assert {k: v for k, v in found.items() if k != "dataset.json"} == {
        k: v for k, v in tree(dataset).items() if k != "dataset.json"
    }


def test_small_shards_hold_the_same_rows(build, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("giqa_hf.builders.giqa_160k.writing._GROUP_ROWS", 2)
    make(build, tmp_path / "out", shard_bytes=1)
    assert (
        len(list((tmp_path / "out" / "des").iterdir())) == 3
    )  # 5 rows, 2 in a row group, a shard ends behind each
    many, one = (
        datasets.load_dataset("giqa-160k", data_dir=str(folder), split="train")
        .remove_columns("image")
        .to_list()
        for folder in (tmp_path / "out", dataset)
    )
    assert many == one


def test_splits_share_no_photo_and_are_balanced_each(build, tmp_path):
    # With seed 1, of 5 photos 2 come into train and 3 into validation.
    found = make(build, tmp_path / "out", validation=0.5, seed=1)
    loaded = datasets.load_dataset("giqa-160k", data_dir=str(tmp_path / "out"))
    ids = {split: set(rows["image_id"]) for split, rows in loaded.items()}
    assert set(ids) == {"train", "validation"} and not ids["train"] & ids["validation"]
    assert ids["train"] | ids["validation"] == {f"{name}.jpg" for name in ANSWERS}
    for line in found["statistics"]["by_split"].values():
        assert line["vqa_yes_no"] == line["vqa_wh"]


def test_a_copy_of_a_photo_goes_where_the_photo_goes(root, tmp_path):
    records = [make_record(root, f"r{name}", name) for name in ANSWERS]
    folder = tmp_path / "corpus"
    for name in ANSWERS:
        save_photo(folder, name)
        with Image.open(folder / "photos" / f"{name}.jpg") as photo:
            photo.resize((photo.width // 2, photo.height // 2)).save(
                folder / "photos" / f"{name}-small.jpg", quality=60
            )
            size = photo.width // 2, photo.height // 2
        records.append(make_record(root, f"s{name}", name))
        records[-1].image, records[-1].image_id = f"photos/{name}-small.jpg", f"{name}-small.jpg"
        records[-1].width, records[-1].height = size
    found = make(write_build(tmp_path / "build", folder, records), tmp_path / "out", validation=0.3, test=0.3)
    assert found["look_alikes"] == 5
    for split in (loaded := datasets.load_dataset("giqa-160k", data_dir=str(tmp_path / "out"))):
        ids = {image_id.removesuffix(".jpg") for image_id in loaded[split]["image_id"]}
        assert {f"{name}-small" for name in ids if "-" not in name} == {name for name in ids if "-" in name}
    assert len(loaded) > 1


def test_a_turned_and_a_transparent_photo_become_upright_rgb_without_loss(root, tmp_path):
    folder = tmp_path / "corpus"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 270 degrees
    save_photo(folder, "coffee", exif=exif)
    record = make_record(folder, "r", "coffee")
    record.width, record.height = record.height, record.width
    glass = np.dstack(
        [np.asarray(Image.open(root / "photos" / "rocket.jpg")), np.full((160, 240), 128, np.uint8)]
    )
    Image.fromarray(glass).save(folder / "photos" / "glass.png")
    other = make_record(root, "g", "rocket")
    other.image, other.image_id = "photos/glass.png", "glass.png"
    make(write_build(tmp_path / "build", folder, [record, other]), tmp_path / "out")
    for row in pq.read_table(tmp_path / "out" / "des" / "train-00000-of-00001.parquet").to_pylist():
        with Image.open(io.BytesIO(row["image"]["bytes"])) as stored:
            assert (stored.mode, stored.size) == ("RGB", (row["width"], row["height"]))
            assert not stored.getexif()
            seen = read_image(folder / "photos" / row["image_id"])
            assert np.array_equal(np.asarray(stored), np.asarray(seen))


def test_publishable_leaves_out_the_photos_that_may_not_be_passed_on(build, tmp_path):
    make(build, tmp_path / "out", publishable=True)
    rows = datasets.load_dataset("giqa-160k", data_dir=str(tmp_path / "out"), split="train")
    assert {row["source"] for row in rows if row["image"] is None} == {"spaq"}
    assert {row["source"] for row in rows if row["image"] is not None} == {"mine"}
    page = (tmp_path / "out" / "noise.html").read_text()
    assert page.count("<img ") == 4 and "r1 · spaq" not in page  # the sheet shows no such photo either
    assert "their `image` is empty" in (tmp_path / "out" / "README.md").read_text()


def test_overlap_is_refused_with_names_and_allowed_with_a_note(build, root, tmp_path):
    bench = tmp_path / "bench"
    bench.mkdir()
    with Image.open(root / "photos" / "chelsea.jpg") as photo:
        photo.resize((336, 336)).save(bench / "cat.jpg", quality=70)
    with pytest.raises(GiqaError) as caught:
        make(build, tmp_path / "out", against=[bench])
    assert "found 1: 'chelsea.jpg' = 'cat.jpg' (same look)" in str(caught.value) and "\n" not in str(
        caught.value
    )
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))
    found = make(build, tmp_path / "out", against=[bench], allow_overlap=True)
    assert found["statistics"]["total"]["total"] == 17  # nothing is removed
    (report,) = found["contamination"]
    assert (report["against"], report["overlapping"], report["pairs"][0]["image_id"]) == (
        "bench",
        1,
        "chelsea.jpg",
    )
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| bench | 1 | 1 | 0 | 0 | 0 | 1 |" in card and "Nothing was removed" in card
    assert "--against bench --allow-overlap\n" in card


@pytest.fixture
def shared(root, tmp_path):
    """A build of five photos and a smaller copy of one of them, and two sets that hold two of the photos."""
    folder = tmp_path / "corpus"
    records = [make_record(folder, f"r{i}", photo, answers="ynww") for i, photo in enumerate(ANSWERS)]
    with Image.open(folder / "photos" / "chelsea.jpg") as photo:
        small = photo.resize((photo.width // 2, photo.height // 2))
        # Only the small copy is in a set by its bytes; that the large one is the same photo is found by its look.
        small.save(folder / "photos" / "small.png")
    copy = make_record(folder, "copy", "chelsea")
    copy.image, copy.image_id, (copy.width, copy.height) = "photos/small.png", "small.png", small.size
    for name, photo in (("bench", "small.png"), ("other", "coffee.jpg")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.png").write_bytes((folder / "photos" / photo).read_bytes())
    return write_build(tmp_path / "build", folder, [*records, copy])


def test_shared_photos_are_left_out_of_every_split_when_told(shared, tmp_path):
    shares = {"validation": 0.2, "test": 0.3}
    full = make(shared, tmp_path / "full", **shares)
    sets = [tmp_path / "bench", tmp_path / "other"]
    found = make(shared, tmp_path / "out", against=sets, leave_out_overlap=True, **shares)
    before, after = (
        {split: set(rows["image_id"]) for split, rows in datasets.load_dataset(str(folder)).items()}
        for folder in (tmp_path / "full", tmp_path / "out")
    )
    gone = {"chelsea.jpg", "small.png", "coffee.jpg"}
    # What stays, stays where it was: a benchmark that was made of the test split keeps its distance.
    assert after == {split: ids - gone for split, ids in before.items() if ids - gone}
    # 3 photos with a description, Yes, No and two What each
    assert found["statistics"]["total"] == {"images": 3, "total": 15, "des": 3, "vqa_yes_no": 6, "vqa_wh": 6}
    assert full["statistics"]["total"]["images"] == 6 and full["overlap"] == "refused"
    assert found["overlap"] == "left out" and [r["overlapping"] for r in found["contamination"]] == [2, 1]
    photos = [json.loads(line) for line in (tmp_path / "out" / "photos.jsonl").read_text().splitlines()]
    assert not gone & {photo["image_id"] for photo in photos}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "They were left out of this dataset" in card and "Nothing was removed" not in card
    assert "--against bench --against other --leave-out-overlap\n" in card
    for folder in sets:  # and so `giqa dataset check` is content
        assert find_overlaps(read_photo_set(tmp_path / "out"), read_photo_set(folder)) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leave_out_overlap": True}, "expected a set to compare with, found none; name it with --against"),
        ({"leave_out_overlap": True, "allow_overlap": True, "against": ["x"]}, "expected one of the two"),
        ({"against": [Path("x")]}, "^x: expected the folder of a dataset or of photos, found no such folder"),
    ],
)
def test_options_of_overlap_that_make_no_sense(build, tmp_path, options, message):
    with pytest.raises(GiqaError, match=message):
        make(build, tmp_path / "out", **options)


def test_when_all_photos_are_shared_nothing_is_made(build, root, tmp_path):
    with pytest.raises(GiqaError, match="expected photos that are in no other set, found none among 5;"):
        make(build, tmp_path / "out", against=[root / "photos"], leave_out_overlap=True)
    assert not (tmp_path / "out").exists()


def test_against_an_own_dataset_without_its_photos(build, tmp_path):
    make(build, tmp_path / "shared", publishable=True)  # the photo of "spaq" is only in photos.jsonl
    with pytest.raises(GiqaError, match="found 5:"):
        make(build, tmp_path / "out", against=[tmp_path / "shared"])


def test_rebuilt_in_place_the_new_rows_are_loaded(build, tmp_path):
    out = tmp_path / "giqa-160k"
    make(build, out)
    assert datasets.load_dataset("giqa-160k", data_dir=str(out), split="train").num_rows == 17
    with pytest.raises(
        GiqaError, match="there is a dataset already; choose another folder, or replace it with --overwrite"
    ):
        make(build, out)
    make(build, out, balance=False, overwrite=True)
    assert datasets.load_dataset("giqa-160k", data_dir=str(out), split="train").num_rows == 5 + 4 + 4 + 7
    assert [path.name for path in tmp_path.iterdir()] == ["giqa-160k"]


def test_without_questions_there_is_no_such_configuration(root, tmp_path):
    said: list[str] = []
    build = write_build(tmp_path / "build", root, [make_record(root, "r", "coffee", answers="yyy")])
    build_dataset(build, tmp_path / "out", say=said.append)
    assert any("no question is left" in line for line in said)
    assert datasets.get_dataset_config_names(str(tmp_path / "out")) == ["all", "des"]
    assert datasets.load_dataset("giqa-160k", data_dir=str(tmp_path / "out"), split="train").num_rows == 1


def _gone(root, records, build):
    (root / "photos" / "coffee.jpg").unlink()


def _spoiled(root, records, build):
    (root / "photos" / "coffee.jpg").write_bytes(b"no picture")


def _smaller(root, records, build):
    with Image.open(root / "photos" / "coffee.jpg") as photo:
        small = photo.resize((100, 80))
    small.save(root / "photos" / "coffee.jpg")


def _outside(root, records, build):
    records[0].image = "../secret.jpg"


def _twice(root, records, build):
    other = make_record(root, "other", "rocket")
    other.image_id = "coffee.jpg"
    records.append(other)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_gone, "found photo missing; put it back, or name the folder of the photos with --root"),
        (_spoiled, "could be read when it was annotated, and now it cannot"),
        (_smaller, "of 240 x 160 pixels, found one of 100 x 80"),
        (_outside, "found path leaves the root"),  # a build from a stranger must not publish our files
        (_twice, "expected one photo per image id, found two for 'coffee.jpg'"),
    ],
)
def test_photos_that_are_not_what_they_were(tmp_path, spoil, message):
    root = tmp_path / "corpus"
    records = [make_record(root, "r", "coffee")]
    spoil(root, records, tmp_path / "build")
    with pytest.raises(GiqaError, match=message) as caught:
        make(write_build(tmp_path / "build", root, records), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_photo_that_changes_between_the_passes(root, build, tmp_path, monkeypatch):
    monkeypatch.setattr(build_rows, "embeddable", lambda data: pytest.fail("the change was not seen"))
    fingerprint_all = export.fingerprint_all

    def then_change(source):
        found = fingerprint_all(source)
        return {key: (stored, mark._replace(sha256="0" * 64)) for key, (stored, mark) in found.items()}

    monkeypatch.setattr(export, "fingerprint_all", then_change)
    with pytest.raises(GiqaError, match="changed while the dataset was being made"):
        make(build, tmp_path / "out")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda build: (build / "shards" / "00001.jsonl").unlink(), "1 are missing"),
        (lambda build: (build / "manifest.json").unlink(), "expected a folder that `giqa annotate` has made"),
        (lambda build: (build / "shards" / "00000.jsonl").write_text("{}\n"), "line 1: expected a record"),
    ],
)
def test_a_build_that_is_none(root, records, tmp_path, spoil, message):
    build = write_build(tmp_path / "build", root, records)
    spoil(build)
    with pytest.raises(GiqaError, match=message):
        make(build, tmp_path / "out")


def test_a_build_without_rows(root, tmp_path):
    record = make_record(root, "r", "coffee")
    drop(record, "tags", "nothing found")
    record.settle()
    with pytest.raises(GiqaError, match="expected rows to make a dataset of, found none"):
        make(write_build(tmp_path / "build", root, [record]), tmp_path / "out")


def test_a_row_that_breaks_the_schema_stops_it(root, tmp_path):
    record = make_record(root, "r", "coffee")
    record.width = None
    with pytest.raises(DataError, match="record 'r', row 0, field width"):
        make(write_build(tmp_path / "build", root, [record]), tmp_path / "out")


def test_killed_in_the_middle_it_leaves_no_dataset_and_the_next_run_clears_up(build, dataset, tmp_path):
    out = tmp_path / "giqa-160k"
    program = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom giqa_hf.annotation import export\n"
        "def kill(*args, **kwargs): os.kill(os.getpid(), signal.SIGKILL)\n"
        "export.noise_report = kill\n"  # the shards are written, the card is not
        "export.build_dataset(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    source = str(Path(export.__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": source}
    killed = subprocess.run(
        [sys.executable, "-c", program, str(build), str(out)], env=env, capture_output=True, check=False
    )
    assert killed.returncode == -9, killed.stderr
    assert not out.exists() and list((tmp_path / ".giqa-160k.part").rglob("*.parquet"))
    make(build, out)
    assert tree(out) == tree(dataset)
    assert [path.name for path in tmp_path.iterdir()] == ["giqa-160k"]
