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

    def check(self, path: str) -> Place:
        """Refuse what is no plain relative path, by the look of it alone; nothing is opened."""
        shown = f"{path[:200]!r}"
        if _WEB.match(path):
            return Place("", WEB_ADDRESS, f"{shown}: download it, and give its path relative to the root")
        reason = (
            "holds a NUL" if "\0" in path
            else "has backslashes; write / between folders" if "\\" in path
            else "is absolute; give it relative to the root" if path.startswith("/") or _DRIVE.match(path)
            else 'goes up with ".."' if ".." in path.split("/")
            else None
        )  # fmt: skip
        if reason:
            return Place("", LEAVES_ROOT, f"{shown} {reason}")
        return Place(PurePosixPath(path).as_posix())

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
        return Place(place.path, MISSING, f"no file {os.path.join(self.root, place.path)[:500]}")
