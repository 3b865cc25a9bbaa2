"""Label files: what cannot be opened is said, lines are bounded, the fingerprint is the file's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from giqa_hf.corpora import label_file
from giqa_hf.corpora.label_file import Line, fingerprint, lines_of, open_text
from giqa_hf.errors import DataError

REFUSED = {
    "UTF-16, as Excel saves 'Unicode text'": ("a,b".encode("utf-16"), "is UTF-16 text, expected UTF-8"),
    "UTF-16, big end first": (b"\xfe\xff\0a", "is UTF-16 text"),
    "UTF-32": ("a,b".encode("utf-32"), "is UTF-32 text"),  # its mark begins as that of UTF-16 does
    "empty": (b"", "is empty (0 bytes)"),
}


@pytest.mark.parametrize("content, said", REFUSED.values(), ids=REFUSED)
def test_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        open_text(path)
    assert said in str(error.value)


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read .No such file"):
        open_text(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="cannot be read .Is a directory"):
        open_text(tmp_path)


def test_lines_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_file, "LONGEST", 4)
    path = tmp_path / "t.csv"
    path.write_text("ab\n" + "abc\n" + "abcdefghij\n" + "abcd", newline="")
    with open_text(path) as file:
        # "abc\n" is 4 characters and whole; of the ten letters the first four come; the last has no line end
        assert list(lines_of(file)) == [
            Line(1, "ab\n", True), Line(2, "abc\n", True), Line(3, "abcd", False), Line(4, "abcd", False),
        ]  # fmt: skip


def test_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_bytes(b"[]" * 1000)
    digest = hashlib.sha256(b"[]" * 1000).hexdigest()
    assert fingerprint(path) == {"file": "labels.json", "bytes": 2000, "sha256": digest}
