"""A file is there whole or not at all, and a place that cannot be written to is one clear sentence."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from giqa_hf import files
from giqa_hf.errors import GiqaError
from giqa_hf.files import atomic_write, write_bytes, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_new_file_and_replaced_file(tmp_path: Path) -> None:
    place = tmp_path / "made" / "on the way" / "a.bin"
    write_bytes(place, b"one")
    assert place.read_bytes() == b"one"
    write_bytes(str(place), b"two")
    assert place.read_bytes() == b"two"
    assert names(place.parent) == ["a.bin"]  # no temporary file is left


def test_the_old_content_stays_until_the_block_ends(tmp_path: Path) -> None:
    place = tmp_path / "a.txt"
    place.write_text("old")
    with atomic_write(place) as file:
        file.write(b"new")
        file.flush()
        assert place.read_text() == "old"
    assert place.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit, FileNotFoundError])
def test_an_error_in_the_block_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException]
) -> None:
    place = tmp_path / "a.txt"
    place.write_text("old")
    with pytest.raises(error), atomic_write(place) as file:  # passed on as it is: it is not about our file
        file.write(b"new")
        raise error("from the block")
    assert place.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_text_and_json(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "Grüße 🙂\r\nx\n")
    assert (tmp_path / "t").read_bytes() == "Grüße 🙂\r\nx\n".encode()  # line ends as they are
    write_text(tmp_path / "t", "a\udc80b")  # a lone surrogate, as a model may write it
    assert (tmp_path / "t").read_bytes() == b"a\\udc80b"
    value = {"größe": [1, None, 0.25], "text": "a\udc80b"}
    write_json(tmp_path / "j", value)
    raw = (tmp_path / "j").read_text("utf-8")
    assert json.loads(raw) == value and raw.endswith("}\n") and "größe" in raw
    write_json(tmp_path / "j", [1, 2], indent=None)
    assert (tmp_path / "j").read_text() == "[1, 2]\n"


@pytest.mark.parametrize("value, error", [([float("nan")], ValueError), ({"a": {1, 2}}, TypeError)])
def test_json_that_cannot_be_written_changes_nothing(
    tmp_path: Path, value: object, error: type[Exception]
) -> None:
    write_json(tmp_path / "j", 1)
    with pytest.raises(error):
        write_json(tmp_path / "j", value)
    assert (tmp_path / "j").read_text() == "1\n" and names(tmp_path) == ["j"]


# Where the system says no, and with what number: when the file is made, flushed, or moved.
FAILURES = [
    ("open", errno.EACCES, "not permitted"),
    ("open", errno.EROFS, "read-only"),
    ("open", errno.ENOSPC, "the disk is full"),
    ("fsync", errno.ENOSPC, "the disk is full"),
    ("fsync", errno.EDQUOT, "quota"),
    ("fsync", errno.EIO, "input/output"),
    ("replace", errno.ENOSPC, "the disk is full"),
    ("replace", errno.EPERM, "not permitted"),
    ("replace", errno.EBUSY, "check the place"),  # a number without advice of its own
]


@pytest.mark.parametrize("call, number, advice", FAILURES)
def test_what_the_system_refuses_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, advice: str
) -> None:
    place = tmp_path / "report.html"
    place.write_text("old")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, call, refuse)
    with pytest.raises(GiqaError) as error:
        write_text(place, "new")
    monkeypatch.undo()
    text = str(error.value)
    assert text.startswith(f"{place} could not be written ({os.strerror(number)}): ")
    assert advice in text and "\n" not in text
    assert place.read_text() == "old" and names(tmp_path) == ["report.html"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's always full device")
def test_a_disk_that_fills_up_while_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "a.bin"
    place.write_bytes(b"old")
    real_open = os.open
    full: list[int] = []

    def open_full(path: str, flags: int, *mode: int) -> int:
        full.append(1)
        os.close(real_open(path, flags, *mode))  # the temporary file is there, but its bytes go to /dev/full
        return real_open("/dev/full", os.O_RDWR)

    monkeypatch.setattr(files.os, "open", open_full)
    with pytest.raises(GiqaError, match="the disk is full"), atomic_write(place) as file:
        for _ in range(100):
            file.write(bytes(100_000))
    monkeypatch.undo()
    assert full and place.read_bytes() == b"old" and names(tmp_path) == ["a.bin"]


def test_places_that_cannot_hold_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    table = [
        (tmp_path / "file" / "report.html", "a part of its path is a file"),
        (tmp_path / "file" / "deep" / "report.html", "a part of its path is a file"),
        (tmp_path, "is a folder, expected a file to write"),
        (tmp_path / "pipe", "is a device or pipe"),
        ("/dev/null", "is a device or pipe"),  # replacing it, as root, would break the machine
        (tmp_path / ("x" * 300), "name is too long"),
        (tmp_path / "circle", "could not be written"),
    ]
    for place, words in table:
        with pytest.raises(GiqaError) as error:
            write_text(place, "new")
        assert words in str(error.value) and os.fspath(place) in str(error.value)
    assert (tmp_path / "file").read_text() == "mine"
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_a_folder_where_even_root_cannot_write() -> None:
    with pytest.raises(GiqaError, match=r"/proc/report\.html could not be written"):
        write_text("/proc/report.html", "x")


def test_links_are_followed_and_rights_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink() and real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_new_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    write_text(tmp_path / "ours", "x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
