"""Photos out of datasets and folders, each once; files stay as they are wherever a reader sees them right."""

from __future__ import annotations

import io
import json

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from giqa_hf.builders.giqa_160k import photo_sets
from giqa_hf.builders.giqa_160k.fingerprints import fingerprint
from giqa_hf.builders.giqa_160k.photo_sets import (
    PHOTOS,
    Stored,
    embeddable,
    fingerprints,
    photo_line,
    read_photo_lines,
    read_photo_set,
)
from giqa_hf.errors import DataError, ImageError
from giqa_hf.images import read_image


def encoded(photo, kind="PNG", **options):
    buffer = io.BytesIO()
    photo.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def jpeg(photo):
    small = photo.resize((96, 64))
    return encoded(small, "JPEG")


def table(folder, rows, name="a", **columns):
    folder.mkdir(exist_ok=True)
    made = datasets.Dataset.from_dict(
        {**columns, "image": rows}, features=datasets.Features({**{c: datasets.Value("string") for c in columns}, "image": datasets.Image()})
    )  # fmt: skip
    made.to_parquet(folder / f"{name}.parquet")


def quiet(folder, **options):
    said: list[str] = []
    return read_photo_set(folder, say=said.append, **options), said


def test_rows_of_one_photo_are_one_photo(tmp_path, jpeg):
    cell = {"bytes": jpeg, "path": "p.jpg"}
    table(tmp_path / "set", [cell] * 3, image_id=["1", "1", "2"], source=["s"] * 3)
    photos, said = quiet(tmp_path / "set")
    mark = fingerprint(jpeg)
    assert [p.image_id for p in photos] == ["1", "2"] and said == []
    assert photos[0][1:] == ("s", mark.sha256, mark.pixels_sha256, mark.look)


def test_any_parquet_with_images(tmp_path, jpeg):
    table(
        tmp_path / "set",
        [{"bytes": jpeg, "path": "p.jpg"}, {"bytes": encoded(Image.new("RGB", (4, 4))), "path": None}],
    )
    photos, _ = quiet(tmp_path / "set")
    assert [(p.image_id, p.source) for p in photos] == [("p.jpg", "set"), ("a.parquet, row 1", "set")]
    renamed = datasets.Dataset.from_parquet(str(tmp_path / "set" / "a.parquet")).rename_column(
        "image", "picture"
    )
    (tmp_path / "other").mkdir()
    renamed.to_parquet(tmp_path / "other" / "b.parquet")
    assert len(quiet(tmp_path / "other")[0]) == 2


def test_a_folder_of_pictures(tmp_path, jpeg, photo):
    (tmp_path / "set" / "sub").mkdir(parents=True)
    (tmp_path / "set" / "sub" / "b.JPG").write_bytes(jpeg)
    (tmp_path / "set" / "a.png").write_bytes(encoded(photo.resize((64, 64))))
    (tmp_path / "set" / "notes.txt").write_text("no picture")
    photos, _ = quiet(tmp_path / "set", threads=2)
    assert [(p.image_id, p.source) for p in photos] == [("a.png", "set"), ("sub/b.JPG", "set")]


def test_undecodable_photos_are_told_and_compared_by_bytes(tmp_path, jpeg):
    table(
        tmp_path / "set",
        [{"bytes": b"broken", "path": None}, {"bytes": jpeg, "path": None}],
        image_id=["b", "j"],
    )
    photos, said = quiet(tmp_path / "set")
    assert [p.pixels_sha256 is None for p in photos] == [True, False]
    assert len(said) == 1 and "1 photos cannot be decoded, the first is 'b'" in said[0]


def write_lines(folder, *photos):
    lines = [photo_line(Stored(i, "s", b""), fingerprint(data), "CC0", "whole") for i, data in photos]
    (folder / PHOTOS).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_withheld_photos_are_known_from_their_lines(tmp_path, jpeg):
    table(tmp_path / "set", [None, None], image_id=["1", "2"])
    write_lines(tmp_path / "set", ("1", jpeg))
    with pytest.raises(DataError, match="found neither for 1 \\(the first: '2'\\)"):
        quiet(tmp_path / "set")
    write_lines(tmp_path / "set", ("1", jpeg), ("2", encoded(Image.new("RGB", (9, 9)))))
    photos, _ = quiet(tmp_path / "set")
    assert [p.image_id for p in photos] == ["1", "2"]
    assert photos[0].look == fingerprint(jpeg).look and photos[1].look is None


def test_known_bytes_are_not_decoded_again_and_others_are(tmp_path, jpeg, monkeypatch):
    other = encoded(Image.new("RGB", (9, 9)))
    table(
        tmp_path / "set", [{"bytes": jpeg, "path": None}, {"bytes": other, "path": None}], image_id=["1", "2"]
    )
    write_lines(
        tmp_path / "set", ("1", jpeg), ("2", jpeg)
    )  # the line of 2 is of another photo: its bytes count
    decoded = []
    monkeypatch.setattr(photo_sets, "fingerprint", lambda data: decoded.append(data) or fingerprint(data))
    photos, _ = quiet(tmp_path / "set")
    assert decoded == [other]
    assert photos[1].sha256 == fingerprint(other).sha256


def test_lines_come_back(tmp_path, jpeg):
    flat = encoded(Image.new("RGB", (9, 9)))
    write_lines(tmp_path, ("é/1", jpeg), ("2", flat))
    found = read_photo_lines(tmp_path / PHOTOS)
    mark = fingerprint(jpeg)
    assert (
        found["é/1"] == ("é/1", "s", mark.sha256, mark.pixels_sha256, mark.look) and found["2"].look is None
    )


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "{}",
        '{"image_id": "a", "source": "s", "sha256": "", "pixels_sha256": "", "look": ["x", "y"]}',
    ],
)
def test_a_line_that_is_none(tmp_path, line):
    (tmp_path / PHOTOS).write_text(line + "\n")
    with pytest.raises(DataError, match=r"photos\.jsonl, line 1: expected a photo"):
        read_photo_lines(tmp_path / PHOTOS)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "or of photos, found no such folder; check the path"),
        (lambda p: p.touch(), "or of photos, found a file; check the path"),
        (lambda p: p.mkdir(), "expected photos"),
        (lambda p: (p.mkdir(), (p / "a.txt").touch()), "expected photos"),
    ],
)
def test_no_photos(tmp_path, make, said):
    make(tmp_path / "set")
    with pytest.raises(DataError, match=said):
        quiet(tmp_path / "set")


def test_no_parquet(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(DataError, match=r"a\.parquet: expected a Parquet file"):
        quiet(tmp_path)


def test_a_path_in_a_table_does_not_lead_out(tmp_path, jpeg):
    (tmp_path / "secret.jpg").write_bytes(jpeg)
    (tmp_path / "set").mkdir()
    cell = pa.array(
        [{"bytes": None, "path": "../secret.jpg"}], pa.struct({"bytes": pa.binary(), "path": pa.string()})
    )
    pq.write_table(pa.table({"image": cell}), tmp_path / "set" / "a.parquet")
    with pytest.raises(DataError, match="found neither"):
        quiet(tmp_path / "set")


def test_more_than_fit_at_once(jpeg):
    many = [Stored(str(i), "s", jpeg if i % 3 else b"broken") for i in range(150)]
    found = list(fingerprints(iter(many), threads=3))
    assert [stored.image_id for stored, _ in found] == [str(i) for i in range(150)]
    assert [isinstance(mark, ImageError) for _, mark in found] == [i % 3 == 0 for i in range(150)]


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize(
    ("make", "as_it_is"),
    [
        (lambda p: encoded(p, "JPEG"), True),
        (lambda p: encoded(p, "JPEG", exif=exif(1)), True),
        (lambda p: encoded(p.convert("L"), "JPEG"), True),
        (lambda p: encoded(p, "WEBP"), True),
        (lambda p: encoded(p, "PNG"), True),
        (lambda p: encoded(p, "JPEG", exif=exif(6)), False),
        (lambda p: encoded(p, "PNG", exif=exif(3)), False),
        (lambda p: encoded(p.convert("RGBA"), "PNG"), False),
        (lambda p: encoded(p.convert("P"), "PNG"), False),
        (lambda p: encoded(p.convert("CMYK"), "JPEG"), False),
        (lambda p: encoded(p, "PNG", transparency=(0, 0, 0)), False),
        (lambda p: encoded(Image.fromarray(np.asarray(p.convert("L")).astype(np.uint16) * 257), "PNG"), False),
    ],
)  # fmt: skip
def test_embeddable(photo, make, as_it_is):
    data = make(photo.resize((48, 32)))
    stored = embeddable(data)
    assert (stored is data) == as_it_is
    # Whatever reads it without knowing of EXIF or transparency sees what we see.
    with Image.open(io.BytesIO(stored)) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(read_image(data)))


def test_what_is_no_picture_is_not_embedded():
    with pytest.raises(ImageError):
        embeddable(b"no picture")
