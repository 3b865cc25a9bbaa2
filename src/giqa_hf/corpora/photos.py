"""Where a photo lies: a path from a table leads to a file inside the corpus' root, or is refused with the reason.

A table is somebody else's text. A path in it must not make us open, copy or publish a file that lies elsewhere.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

LEAVES_ROOT = "path leaves the root"
MISSING = "photo missing"
WEB_ADDRESS = "photo is a web address"

_WEB = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_DRIVE = re.compile(r"[a-z]:", re.IGNORECASE)


class Place(NamedTuple):
    """Where a photo is, or why it cannot be used."""

    path: str
    """Relative to the root, with forward slashes; empty where it leads out."""
    problem: str | None = None
    detail: str | None = None


class PhotoFolder:
    """The folder below which the photos of a corpus lie.

    Args:
        root (`Path`): the folder; it may itself be a link.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real = os.path.join(os.path.realpath(root), "")
        # As it was named and as it is: a table may hold either. Of "//" and "/." nothing is left in them.
        named = os.path.join(os.path.abspath(root), "")
        self._beginnings = tuple(dict.fromkeys(path.replace(os.sep, "/") for path in (named, self._real)))

    def check(self, path: str) -> Place:
        """Refuse what leads out of the root, by the look of the path alone; nothing is opened.

        An absolute path that begins with the root is taken as the relative one that it means.
        """
        shown = f"{path[:200]!r}"
        path = self._relative(path)
        if _WEB.match(path):
            return Place("", WEB_ADDRESS, f"{shown}: download it, and give its path relative to the root")
        reason = (
            "holds a NUL" if "\0" in path
            else "has backslashes; write / between folders" if "\\" in path
            else "is absolute and not below the root" if path.startswith("/") or _DRIVE.match(path)
            else 'goes up with ".."' if ".." in path.split("/")
            else None
        )  # fmt: skip
        if reason:
            return Place("", LEAVES_ROOT, f"{shown} {reason}")
        return Place(PurePosixPath(path).as_posix())

    def _relative(self, path: str) -> str:
        """The path without the root that it begins with; one with ".." in it is left to be refused."""
        if not path.startswith("/") and not _DRIVE.match(path):
            return path
        plain = PurePosixPath(path).as_posix()
        for beginning in self._beginnings:
            if len(plain) > len(beginning) and plain.startswith(beginning):
                return plain.removeprefix(beginning)
        return path

    def find(self, path: str, other_suffixes: tuple[str, ...] = ()) -> Place:
        """The photo at a path, links followed.

        Args:
            path (`str`): as the table has it.
            other_suffixes (`tuple` of `str`, *optional*): suffixes to try where there is no such file: the same
                photo is stored as .png in one copy of a corpus and as .jpg in another.

        Returns:
            `Place`: the path of a regular file inside the root, or the problem: `"path leaves the root"`, `"photo is
                a web address"`, `"photo missing"`.
        """
        place = self.check(path)
        if place.problem:
            return place
        stem = PurePosixPath(place.path)
        names = [place.path, *(stem.with_suffix(s).as_posix() for s in other_suffixes if stem.name)]
        for name in names:
            real = os.path.realpath(os.path.join(self._real, name))
            if not real.startswith(self._real) and real + os.sep != self._real:
                return Place(
                    "", LEAVES_ROOT, f"{name[:200]!r} is a link to {real}; name a root that holds both"
                )
            if os.path.isfile(real):
                return Place(name)
        # Told relative to the root: the build must not change when the corpus is moved.
        return Place(place.path, MISSING, f"no file {place.path[:500]!r} below the root")
