"""A path of a table leads to a regular file inside the root, or is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.corpora.photos import LEAVES_ROOT, MISSING, WEB_ADDRESS, PhotoFolder


@pytest.fixture
def folder(tmp_path: Path) -> PhotoFolder:
    """root/ with photos and links, beside secret.jpg, which must never be reached."""
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "in" / "a.jpg").write_bytes(b"a")
    (root / "..b.jpg").write_bytes(b"b")
    (tmp_path / "secret.jpg").write_bytes(b"s")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "c.jpg").write_bytes(b"c")
    (root / "link.jpg").symlink_to("in/a.jpg")
    (root / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "outfolder").symlink_to(tmp_path / "root2")
    (root / "circle.jpg").symlink_to("circle.jpg")
    (root / "hole.jpg").symlink_to(tmp_path / "gone.jpg")
    os.mkfifo(root / "pipe.jpg")
    return PhotoFolder(root)


PATHS = {
    # path of the table -> path that is used, problem
    "in/a.jpg": ("in/a.jpg", None),
    "./in//a.jpg": ("in/a.jpg", None),
    "..b.jpg": ("..b.jpg", None),  # a name may begin with dots
    "link.jpg": ("link.jpg", None),  # a link inside the root
    "in/gone.jpg": ("in/gone.jpg", MISSING),
    "in": ("in", MISSING),  # a folder is no photo
    ".": (".", MISSING),
    "pipe.jpg": ("pipe.jpg", MISSING),  # opening it would hang
    "circle.jpg": ("circle.jpg", MISSING),
    "x" * 5000: ("x" * 5000, MISSING),  # longer than any name may be
    "~/a.jpg": ("~/a.jpg", MISSING),  # no shell here
    "out.jpg": ("", LEAVES_ROOT),
    "hole.jpg": ("", LEAVES_ROOT),
    "outfolder/c.jpg": ("", LEAVES_ROOT),  # root2 begins like root, and is another folder
    "../secret.jpg": ("", LEAVES_ROOT),
    "in/../in/a.jpg": ("", LEAVES_ROOT),  # stays inside, but needs looking to know
    "/etc/passwd": ("", LEAVES_ROOT),
    "//server/share/a.jpg": ("", LEAVES_ROOT),
    "C:/photos/a.jpg": ("", LEAVES_ROOT),
    "c:a.jpg": ("", LEAVES_ROOT),
    "in\\a.jpg": ("", LEAVES_ROOT),
    "..\\secret.jpg": ("", LEAVES_ROOT),
    "in/a.jpg\0.png": ("", LEAVES_ROOT),
    "https://example.org/a.jpg": ("", WEB_ADDRESS),
    "file:///etc/passwd": ("", WEB_ADDRESS),
    "hf://datasets/a/b/c.jpg": ("", WEB_ADDRESS),
}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:30].encode("unicode_escape").decode())
def test_paths(path: str, folder: PhotoFolder) -> None:
    place = folder.find(path)
    assert (place.path, place.problem) == PATHS[path]
    assert (place.problem is None) == (place.detail is None)


ABSOLUTE = {
    # behind tmp_path -> path that is used, problem
    "root/in/a.jpg": ("in/a.jpg", None),
    "root/./in//a.jpg": ("in/a.jpg", None),
    "root/in/gone.jpg": ("in/gone.jpg", MISSING),
    "root": ("", LEAVES_ROOT),  # the root itself is no photo
    "root2/c.jpg": ("", LEAVES_ROOT),  # begins like the root, and is another folder
    "root/../secret.jpg": ("", LEAVES_ROOT),
    "root/in/../in/a.jpg": ("", LEAVES_ROOT),
    "root/out.jpg": ("", LEAVES_ROOT),  # a link that leads out
    "root//root2/c.jpg": ("root2/c.jpg", MISSING),
}


@pytest.mark.parametrize("path", ABSOLUTE)
def test_an_absolute_path_is_taken_where_it_lies_below_the_root(
    path: str, folder: PhotoFolder, tmp_path: Path
) -> None:
    place = folder.find(f"{tmp_path}/{path}")
    assert (place.path, place.problem) == ABSOLUTE[path]
    if path in ("root", "root2/c.jpg"):
        assert "is absolute and not below the root" in str(place.detail)


def test_a_root_that_is_a_link(folder: PhotoFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute path may name the link or the folder that it leads to; a root that is relative is no other."""
    (tmp_path / "alias").symlink_to(folder.root)
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path / "alias", Path("alias"), Path("root")):
        assert PhotoFolder(root).find("in/a.jpg").problem is None
        assert PhotoFolder(root).find(f"{tmp_path}/root/in/a.jpg").path == "in/a.jpg"
    assert PhotoFolder(tmp_path / "alias").find(f"{tmp_path}/alias/in/a.jpg").path == "in/a.jpg"


def test_a_missing_photo_is_told_relative_to_the_root(folder: PhotoFolder, tmp_path: Path) -> None:
    """What is told goes into the build, which must not change when the corpus is moved."""
    for path in ("in/gone.jpg", f"{tmp_path}/root/in/gone.jpg"):
        assert folder.find(path).detail == "no file 'in/gone.jpg' below the root"


def test_other_suffixes(folder: PhotoFolder) -> None:
    """The named file goes first; without the list, nothing else is tried."""
    assert folder.find("in/a.png", (".png", ".jpg")).path == "in/a.jpg"
    assert folder.find("in/a.png").problem == MISSING
    (folder.root / "in" / "a.png").write_bytes(b"png")
    assert folder.find("in/a.png", (".png", ".jpg")).path == "in/a.png"
    assert folder.find("in/b.png", (".png", ".jpg")).path == "in/b.png"
    assert folder.find("out.png", (".png", ".jpg")).problem == LEAVES_ROOT


@given(
    parts=st.lists(
        st.sampled_from(["in", "a.jpg", "..", ".", "/", "\\", "out.jpg", "outfolder", "c.jpg", "\0"]),
        max_size=6,
    )
)
def test_nothing_outside_is_ever_reached(parts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp() / "walk" / "root"
    if not root.exists():
        (root / "in").mkdir(parents=True)
        (root.parent / "c.jpg").write_bytes(b"c")
        (root / "in" / "a.jpg").write_bytes(b"a")
        (root / "out.jpg").symlink_to("../c.jpg")
        (root / "outfolder").symlink_to("..")
    place = PhotoFolder(root).find("/".join(parts))
    if place.problem is None:
        assert (root / place.path).resolve() == root.resolve() / "in" / "a.jpg"
