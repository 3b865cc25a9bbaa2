"""Where a conversion reads: a file of another tool, and the folder that its pictures are looked for in."""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from pathlib import Path
from typing import Any

from ..corpora.photos import LEAVES_ROOT, MISSING, WEB_ADDRESS, PhotoFolder
from ..errors import DataError


class Inlet:
    """A file, its pictures, and what was noted while it was read.

    Args:
        path (`Path`): the file.
        pictures (`Path`, *optional*): the folder that names of pictures are relative to; the file's own.
    """

    def __init__(self, path: Path, pictures: Path | None = None) -> None:
        self.path = path
        self.notes: Counter[str] = Counter()
        """What was changed or left out, with how often."""
        self._folder = PhotoFolder(path.parent if pictures is None else pictures)

    def picture(self, name: str, where: str, below: str | None = None) -> dict[str, Any] | None:
        """The cell of a picture, `{"bytes", "path"}`; `None` where the file is not there or is a web address.

        Args:
            name (`str`): as the other tool has it, relative, or a data URI.
            where (`str`): what a message calls the record.
            below (`str`, *optional*): a folder in ours where it may lie as well.

        Raises:
            `DataError`: for a name that leads out of the folder.
        """
        if name.startswith("data:"):
            return {"bytes": _decoded(name, where), "path": None}
        place = self._folder.find(name)
        if place.problem == MISSING and below is not None:
            place = self._folder.find(f"{below}/{name}")
        if place.problem == LEAVES_ROOT:
            raise DataError(
                f"{where}: expected a picture below {self._folder.root}, found one that leaves it ({place.detail}); "
                "mend the name, or name the folder of the pictures with --images"
            )
        if place.problem is not None:
            self.notes[
                "pictures behind web addresses, not fetched"
                if place.problem == WEB_ADDRESS
                else "pictures that are not there"
            ] += 1
            return None
        return {"bytes": None, "path": str(self._folder.root / place.path)}


def _decoded(uri: str, where: str) -> bytes:
    """The content of `data:image/png;base64,...`."""
    head, _, content = uri.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise DataError(
            f"{where}: expected a picture as base64 in its data URI, found {uri[:60]!r}; export it again"
        ) from None
