"""Where a conversion writes: rows with the names of their pictures, lists of a document in pieces, rows by picture.

Nothing of a row stays in memory beside its place: 100,000 rows are a few megabytes of ids.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from ..errors import DataError, ImageError
from ..files import atomic_write, write_bytes
from ..images import image_size
from .marks import Row
from .pictures import FOLDER, shown_file


class Item(NamedTuple):
    """A row on its way into another form."""

    number: int
    """Of the row, from 0."""
    row: Row
    picture: str
    """File of the picture, relative to the folder of the form, with `/`; there is none where the row has none."""


UNREADABLE = "picture cannot be read"
UNSEEN = "the model takes no picture of this size or shape"


class Unusable(Exception):
    """Why a row cannot be converted; the others can."""


class _Stored(NamedTuple):
    name: str
    size: tuple[int, int]
    content: str


class Outlet:
    """The folder, or the one file, that a form is written to.

    Args:
        folder (`Path`): of the file; pictures go below it.
        file (`str`): its name.
        pictures (`bool`): whether pictures are written beside it.
    """

    def __init__(self, folder: Path, file: str, *, pictures: bool) -> None:
        self.folder = folder
        self.file = file
        self.pictures = pictures
        self.notes: Counter[str] = Counter()
        """What was changed or left out beside what `Carries` says, with how often."""
        self.lost_boxes: Counter[str] = Counter()
        """Boxes that the form had no place for, by reason."""
        self.dropped: Counter[str] = Counter()
        """Rows that are not written, by reason."""
        self._stored: dict[str, _Stored] = {}

    def open(self) -> contextlib.AbstractContextManager[BinaryIO]:
        """The file, to be written whole or not at all."""
        return atomic_write(self.folder / self.file)

    def items(self, rows: Iterable[Row]) -> Iterator[Item]:
        """Number rows and write their pictures; a row whose picture cannot be used is counted in `dropped`.

        Raises:
            `DataError`: when rows of one `image_id` have pictures of different content or size.
        """
        for number, row in enumerate(rows):
            try:
                name = self._picture(row)
            except Unusable as reason:
                self.dropped[str(reason)] += 1
            else:
                yield Item(number, row, name)

    def _picture(self, row: Row) -> str:
        data, size = checked_picture(row)
        content = "" if data is None else hashlib.sha256(data).hexdigest()
        known = self._stored.get(row["image_id"])
        if known is None:
            known = self._stored[row["image_id"]] = self._store(data, size, content)
        elif (size, content) != known[1:]:
            raise DataError(
                f"image_id {row['image_id']!r}: expected the same picture in all its rows, found two of different "
                "size or content; give each picture an id of its own"
            )
        return known.name

    def _store(self, data: bytes | None, size: tuple[int, int], content: str) -> _Stored:
        stem = f"{FOLDER}/{len(self._stored):06d}"
        if data is None:
            return _Stored(f"{stem}.jpg", size, content)
        try:
            shown = shown_file(data)
        except ImageError:
            raise Unusable(UNREADABLE) from None
        name = f"{stem}{shown.suffix}"
        if self.pictures:
            write_bytes(self.folder / name, shown.data)
        return _Stored(name, size, content)


class Checked(NamedTuple):
    """A picture's file, if there is one, and the size that it has in any case."""

    data: bytes | None
    size: tuple[int, int]


def checked_picture(row: Row) -> Checked:
    """The picture of a row, which has the size that the row says: in another one its boxes would lie elsewhere.

    Raises:
        `Unusable`: when it has another, or is no picture.
    """
    data = picture_bytes(row)
    size = (int(row["width"]), int(row["height"]))
    try:
        if data is not None and tuple(image_size(data)) != size:
            raise Unusable("picture has another size than the row says")
    except ImageError:
        raise Unusable(UNREADABLE) from None
    return Checked(data, size)


def picture_bytes(row: Row) -> bytes | None:
    """The encoded picture of a row, `None` where it has none.

    Raises:
        `Unusable`: when its file cannot be read.
    """
    cell = row.get("image")
    if cell is None:
        return None
    if isinstance(cell, bytes):
        return cell
    if cell.get("bytes") is not None:
        return bytes(cell["bytes"])
    if not cell.get("path"):
        return None
    try:
        return Path(cell["path"]).read_bytes()
    except OSError:
        raise Unusable(UNREADABLE) from None


def encoded(value: Any) -> bytes:
    """A value as JSON in one line; a lone surrogate, which UTF-8 cannot hold, as its escape."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace")


class Spool:
    """A list of a JSON document that grows in a temporary file while the others do."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the list
        self._count = 0

    def add(self, value: Any) -> None:
        """Add a value to the list."""
        self._file.write((b",\n" if self._count else b"\n") + encoded(value))
        self._count += 1

    def copy_to(self, file: BinaryIO) -> None:
        """Write the list as JSON, and let go of the temporary file."""
        file.write(b"[")
        self._file.seek(0)
        shutil.copyfileobj(self._file, file)
        file.write(b"\n]")
        self._file.close()


def write_document(file: BinaryIO, parts: Mapping[str, Any]) -> None:
    """Write a JSON object; a `Spool` becomes a list, anything else is written as it is."""
    for number, (name, part) in enumerate(parts.items()):
        file.write((b",\n" if number else b"{") + encoded(name) + b": ")
        if isinstance(part, Spool):
            part.copy_to(file)
        else:
            file.write(encoded(part))
    file.write(b"}\n")


def by_picture(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The rows of one picture together, pictures in the order of their first row.

    The rows wait in a temporary file, without their pictures.
    """
    places: dict[str, list[int]] = {}
    with tempfile.TemporaryFile() as file:
        for number, row, picture in items:
            places.setdefault(row["image_id"], []).append(file.tell())
            plain = {name: value for name, value in row.items() if name != "image"}
            file.write(encoded([number, plain, picture]) + b"\n")
        for offsets in places.values():
            group = []
            for offset in offsets:
                file.seek(offset)
                group.append(Item(*json.loads(file.readline())))
            yield group


def write_list(items: Iterable[Any], file: BinaryIO) -> None:
    """Write a JSON list, a value a line."""
    file.write(b"[")
    for number, value in enumerate(items):
        file.write((b",\n" if number else b"\n") + encoded(value))
    file.write(b"\n]\n")
