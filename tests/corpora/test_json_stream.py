"""The streaming reader gives what json.loads gives, holds next to nothing, and names the place of a fault."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.corpora import json_stream, label_file
from giqa_hf.corpora.json_stream import stream_json_lines, stream_json_list
from giqa_hf.errors import DataError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(
    records=st.lists(values, max_size=8),
    chunk=st.integers(1, 40),
    escaped=st.booleans(),
    indent=st.sampled_from([None, 2]),
)
def test_it_reads_what_json_reads(
    records: list[Any],
    chunk: int,
    escaped: bool,
    indent: int | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever the values, the layout, and the places where a chunk of the file ends."""
    path = tmp_path_factory.getbasetemp() / "list.json"
    path.write_text(
        json.dumps(records, ensure_ascii=escaped, indent=indent), encoding="utf-8", errors="surrogatepass"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        assert list(stream_json_list(path)) == json.loads(path.read_text("utf-8", "surrogatepass"))


@pytest.mark.parametrize("chunk", range(1, 30))
def test_cut_anywhere(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of token, cut at every place: half of it must not be taken for the whole (12 of 123)."""
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    path = tmp_path / "list.json"
    text = (
        r'[123, -4.5e+10, true, false, null, NaN, -Infinity, "a\"b\\", "\ud83d\ude00é", {"k": [1, {}]}, []]'
    )
    path.write_text("\ufeff " + text + " \r\n", encoding="utf-8")
    assert repr(list(stream_json_list(path))) == repr(json.loads(text))  # repr: NaN is not equal to itself


def test_memory_is_bounded(tmp_path: Path) -> None:
    """2,000 records of 10,000 characters are 20 MB of file; json.load would take more than that.

    The window is two chunks of 262,144 ASCII characters; with the reader's own buffers, less than 3 MB.
    """
    path = tmp_path / "big.json"
    with path.open("w") as file:
        file.write("[")
        file.writelines(
            ("," if i else "") + json.dumps({"id": i, "text": "x" * 10_000}) for i in range(2_000)
        )
        file.write("]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in stream_json_list(path)) == 2_000
        streamed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        whole = json.loads(path.read_text())
        loaded = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(whole) == 2_000
    assert streamed < 3_000_000 < 20_000_000 < loaded


FAULTY = {
    # content of the file -> how many records come before the error, and what it says
    "cut in a text": ('[{"a": 1}, {"a": "half of', 1, "record 2 (at character 11): the file ends in the middle"),
    "cut behind a comma": ('[{"a": 1},', 1, "record 2 (at character 10): the file ends in the middle"),
    "cut before the end": ('[{"a": 1}', 1, "record 1 (at character 9): the file ends in the middle"),
    "only a bracket": ("[", 0, "record 1 (at character 1): the file ends in the middle"),
    "broken in the middle": (
        '[{"a": 1}, {"a" 2}, ' + '{"b": 1}, ' * 9 + "{}]", 1, "record 2 (at character 11): no valid JSON (Expecting ':'",
    ),
    "no comma": ("[{} {}" + " " * 40 + "]", 1, """expected "," or "]", found '{'"""),
    "two lists": ("[{}] [{}]", 1, "expected the end of the file behind the list"),
    "an object": ('{"images": []}', 0, "begins with '{', expected a JSON list"),
    "blank": (" \n ", 0, "begins with '', expected a JSON list"),
    "empty": ("", 0, "is empty (0 bytes)"),
    "too deep": ("[" * 100_000, 0, "too deep"),
}  # fmt: skip


@pytest.mark.parametrize("text, before, said", FAULTY.values(), ids=FAULTY)
def test_a_fault_names_its_place(text: str, before: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    read = []
    with pytest.raises(DataError) as error:
        read.extend(iter_into(path, read))
    assert len(read) == before
    assert str(path) in str(error.value) and said in str(error.value)


def iter_into(path: Path, read: list[Any]) -> list[Any]:
    """Read on until an error comes; what came before it stays in `read`."""
    for value in stream_json_list(path):
        read.append(value)
    return []


def test_a_huge_record_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "LONGEST", 1_000)
    monkeypatch.setattr(json_stream, "_CHUNK", 100)
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(["x" * 900, "y" * 5_000]))
    stream = stream_json_list(path)
    assert next(stream) == "x" * 900
    with pytest.raises(DataError, match="record 2 .*longer than 1,000 characters"):
        next(stream)


def test_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken line is told with its number, and the next ones are read."""
    monkeypatch.setattr(label_file, "LONGEST", 50)
    monkeypatch.setattr(json_stream, "LONGEST", 50)  # for the message
    path = tmp_path / "table.jsonl"
    path.write_bytes(
        b'\xef\xbb\xbf{"a": 1}\r\n'  # a byte order mark, and Windows' line end
        b"\n"  # blank: passed over, but counted
        b'{"a": \n'
        b'{"a": "' + b"x" * 200 + b'"}\n'  # longer than 50: skipped to its end
        b'{"a": "\xff"}\n'  # not UTF-8: read, for `admit` to judge
        b'{"a": NaN}'  # no line end
    )
    lines = list(stream_json_lines(path))
    assert [line.number for line in lines] == [1, 3, 4, 5, 6]
    assert [line.value for line in lines[:4]] == [{"a": 1}, None, None, {"a": "\udcff"}]
    assert lines[4].value["a"] != lines[4].value["a"]
    assert [line.fault for line in lines] == [
        None,
        "Expecting value",
        "longer than 50 characters",
        None,
        None,
    ]


def test_lines_too_deep(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("[" * 100_000 + "\n{}\n")
    assert [line.fault for line in stream_json_lines(path)] == ["lists inside lists too deep", None]
