"""Tables of one's own, healthy and damaged, in every form."""

from __future__ import annotations

import hashlib
import json
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from datasets import Dataset, Features, Image, Value

from giqa_hf.corpora import CorpusRow, open_corpus
from giqa_hf.errors import DataError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def read(path: Path, content: str | bytes, **options: str) -> list[CorpusRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_corpus(str(path), **options))


def said(rows: list[CorpusRow]) -> list[tuple[str | bytes, str, str | None]]:
    return [(row.image, row.description, row.problem) for row in rows]


GOOD = [("a.jpg", "A dark photo.", None), ("b.jpg", 'Sharp, "crisp".', None)]
TWO = [{"image": "a.jpg", "text": "A dark photo."}, {"image": "b.jpg", "text": 'Sharp, "crisp".'}]
FORMS = {
    "csv": ("t.csv", 'image,text\na.jpg,A dark photo.\nb.jpg,"Sharp, ""crisp""."\n'),
    "csv of Excel": ("t.CSV", '\ufeffimage;text\r\na.jpg;A dark photo.\r\n\r\nb.jpg;"Sharp, ""crisp""."\r\n'),
    "csv by hand": ("t.csv", 'image, text\na.jpg, A dark photo.\nb.jpg, "Sharp, ""crisp""."'),
    "tsv": ("t.tsv", 'image\ttext\na.jpg\tA dark photo.\nb.jpg\t"Sharp, ""crisp""."\n'),
    "jsonl": ("t.jsonl", "\n\n".join(json.dumps(row) for row in TWO)),
    "json list": ("t.json", "\ufeff" + json.dumps(TWO, indent=1)),
    "json lines in .json": ("t.json", "\n".join(json.dumps(row) for row in TWO) + "\n"),
}


@pytest.mark.parametrize("name, content", FORMS.values(), ids=FORMS)
def test_forms(name: str, content: str, photos: Path) -> None:
    rows = read(photos / name, content)
    assert said(rows) == GOOD
    assert [(row.source, row.license) for row in rows] == [("t", "unknown")] * 2
    corpus = open_corpus(str(photos / name))
    assert list(corpus) == list(corpus) == rows
    assert corpus.root == photos
    digest = hashlib.sha256(content.encode()).hexdigest()
    settings = corpus.settings()
    assert settings["files"] == [{"file": name, "bytes": len(content.encode()), "sha256": digest}]
    assert settings["columns"]["image"] == "image"
    json.dumps(settings)


def test_optional_columns_and_another_root(photos: Path, tmp_path: Path) -> None:
    content = "id,image,text,source,license\n1,a.jpg,Dark.,flickr,cc0-1.0\n2,b.jpg,Bright.,,\n"
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "t.csv"
    assert [row.problem for row in read(path, content)] == ["photo missing"] * 2
    rows = list(open_corpus(str(path), photos, license="mit"))
    assert [(r.record_id, r.source, r.license) for r in rows] == [("1", "flickr", "mit"), ("2", "t", "mit")]


def test_damaged_csv(photos: Path) -> None:
    rows = read(
        photos / "t.csv",
        b"image,text\n"
        b"a.jpg,Fine.\n"
        b"a.jpg\n"  # line 3: a cell is missing
        b"a.jpg,one,two\n"  # line 4: one too many
        b'a.jpg,"broken" quote\n'  # line 5
        b"b.jpg,caf\xe9\n"  # line 6: Latin-1
        b'b.jpg,"over\ntwo lines"\n'  # lines 7 and 8
        b"b.jpg,nan\n"  # line 9: what str() makes of an empty cell
        b"b.jpg,Nu\0l.\n"
        b'b.jpg,"never closed\nb.jpg,lost\n',  # lines 11 and 12
    )
    assert [(row.description, row.problem, row.detail) for row in rows] == [
        ("Fine.", None, None),
        ("", "unreadable line", "line 3: expected 2 cells, found 1"),
        ("", "unreadable line", "line 4: expected 2 cells, found 3"),
        ("", "unreadable line", "line 5: ',' expected after '\"'"),
        ("caf\\udce9", "not valid Unicode", "line 6: the description"),
        ("over\ntwo lines", None, None),
        ("", "no description", "line 9"),
        ("Nu\0l.", None, None),
        ("", "unreadable line", "lines 11 to 12: unexpected end of data"),
    ]
    assert len({row.record_id for row in rows}) == len(rows)


def test_a_quote_that_is_never_closed_costs_a_part_of_the_table(photos: Path) -> None:
    """The csv module gives up after 131,072 characters; the rows behind that are read, the lines lost are named."""
    good = "".join(f"a.jpg,Text {number:05}.\n" for number in range(10_000))  # 10,000 lines of 18 characters
    rows = read(photos / "t.csv", f'image,text\na.jpg,"open\n{good}')
    assert rows[0].problem == "unreadable line"
    first, last = (int(word) for word in str(rows[0].detail).split(":")[0].split() if word.isdigit())
    assert first == 2 and 131_072 // 18 <= last <= 131_072 // 18 + 3
    assert [row.problem for row in rows[1:]] == [None] * (10_002 - last)


def test_damaged_json_lines(photos: Path) -> None:
    content = "\n".join(
        [
            '{"image": "a.jpg", "text": "Fine."}',
            "{broken",
            "[1]",
            '{"image": "b.jpg"}',
            '{"text": "x", "image": NaN}',
        ]
    )
    assert [(row.problem, row.detail) for row in read(photos / "t.jsonl", content)] == [
        (None, None),
        ("unreadable line", "line 2: Expecting property name enclosed in double quotes"),
        ("unreadable line", "line 3: expected an object, found list"),
        ("no description", "line 4"),
        ("no photo", "line 5"),
    ]


def test_a_half_written_list(photos: Path) -> None:
    content = json.dumps([{"image": "a.jpg", "text": f"Text {number}."} for number in range(300)])
    (photos / "t.json").write_text(content[: len(content) // 2])
    rows = []
    with pytest.raises(DataError, match=r"t\.json, record 15\d .*the file ends in the middle"):
        for row in open_corpus(str(photos / "t.json")):
            rows.append(row)
    assert len(rows) in range(149, 160)


def test_two_descriptions_of_one_photo(photos: Path) -> None:
    one, two = read(photos / "t.csv", "image,text\na.jpg,Dark.\na.jpg,Blurry.\n")
    assert one.problem is two.problem is None
    assert one.image_id == two.image_id and one.record_id != two.record_id


REFUSED = {
    "no columns of the usual names": ("t.csv", "foto,words\n", "the columns there are: 'foto', 'words'"),
    "empty": ("t.csv", "", "is empty"),
    "no object at all": ("t.jsonl", "1\n2\n", "none of its first records can be read"),
    "COCO's form": (
        "t.json",
        '{"images": [], "annotations": []}',
        "the columns there are: 'images', 'annotations'",
    ),
    "not Parquet": ("t.parquet", "image,text\n", "cannot be read as a Parquet table"),
}


@pytest.mark.parametrize("name, content, message", REFUSED.values(), ids=REFUSED)
def test_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path / name, content)
    assert message in str(error.value) and name in str(error.value)


def test_a_line_without_end(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("giqa_hf.corpora.label_file.LONGEST", 1000)
    with pytest.raises(DataError, match="line 2, is longer than 1,000 characters"):
        read(photos / "t.csv", "image,text\na.jpg," + "x" * 5000)


def test_parquet_with_paths(photos: Path) -> None:
    table = pyarrow.table(
        {"text": ["Dark.", None, "Sharp."], "file_name": ["a.jpg", "b.jpg", None], "id": [1, 2, 3]}
    )
    pyarrow.parquet.write_table(table, photos / "t.parquet")
    rows = list(open_corpus(str(photos / "t.parquet")))
    assert said(rows) == [
        ("a.jpg", "Dark.", None),
        ("b.jpg", "", "no description"),
        ("", "Sharp.", "no photo"),
    ]
    assert [row.record_id for row in rows] == ["1", "2", "3"]
    assert rows[2].detail == "row 3"


def test_parquet_of_datasets_with_embedded_photos(photos: Path) -> None:
    """As datasets writes an Image() column: a struct of bytes and path, whatever the column is called."""
    rows = [
        {"shot": {"bytes": f"photo {i}".encode(), "path": "x.png"}, "text": f"Text {i}."} for i in range(70)
    ]
    features = Features({"shot": Image(), "text": Value("string")})
    Dataset.from_list(rows, features=features).to_parquet(photos / "t.parquet")
    read_back = list(open_corpus(str(photos / "t.parquet")))
    assert said(read_back) == [(f"photo {i}".encode(), f"Text {i}.", None) for i in range(70)]
    assert len({row.image_id for row in read_back}) == 70


def test_parquet_cut_short(photos: Path) -> None:
    table = pyarrow.table({"image": ["a.jpg"] * 1000, "text": [f"Text {i}." for i in range(1000)]})
    pyarrow.parquet.write_table(table, photos / "t.parquet", compression="none")
    content = (photos / "t.parquet").read_bytes()
    (photos / "t.parquet").write_bytes(content[:-100])
    with pytest.raises(DataError, match="cannot be read as a Parquet table"):
        open_corpus(str(photos / "t.parquet"))
    (photos / "t.parquet").write_bytes(
        content[:4] + b"\xff" * 3000 + content[3004:]
    )  # the end, with the columns, is whole
    corpus = open_corpus(str(photos / "t.parquet"))
    with pytest.raises(DataError, match="behind row 0, cannot be read"):
        list(corpus)


@pytest.mark.parametrize("name", ["t.csv", "t.json", "t.jsonl"])
def test_memory_is_bounded(name: str, photos: Path) -> None:
    """1,000 rows with texts of 20,000 characters: 20 MB of file.

    Held are the window over it, at most two chunks of 262,144 characters, a line and its parts, and two digests of
    each row: less than 3 MB.
    """
    texts = [f"{number:04} " + "x" * 19_995 for number in range(1_000)]
    if name == "t.csv":
        content = "image,text\n" + "".join(f"a.jpg,{text}\n" for text in texts)
    else:
        records = [json.dumps({"image": "a.jpg", "text": text}) for text in texts]
        content = f"[{','.join(records)}]" if name == "t.json" else "\n".join(records)
    (photos / name).write_text(content)
    size = len(content)
    del texts, content
    tracemalloc.start()
    try:
        assert sum(row.problem is None for row in open_corpus(str(photos / name))) == 1_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000 < 20_000_000 < size
