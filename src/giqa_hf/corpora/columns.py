"""Which columns of a table hold the photo, the description, and what else a row needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import DataError
from .rows import Found, is_blank

IMAGE_NAMES = (
    "image", "image_path", "img_path", "image_file", "image_name", "file_name", "filename", "file_path", "filepath",
    "img", "path", "file", "photo", "picture", "jpg", "jpeg", "png", "webp",
)  # fmt: skip
TEXT_NAMES = (
    "description", "quality_description", "desc", "text", "caption", "answer", "response", "comment", "txt",
)  # fmt: skip
ID_NAMES = ("record_id", "id", "uid", "__key__")
SOURCE_NAMES = ("source",)
LICENSE_NAMES = ("license", "licence")


@dataclass(frozen=True)
class Columns:
    """The columns that are read, and what stands in for those that are not there.

    Args:
        image, text (`str`): of the photo and of the description.
        id, source, license (`str`, *optional*): where the table has them.
        default_source, default_license (`str`): for rows without.
    """

    image: str
    text: str
    id: str | None
    source: str | None
    license: str | None
    default_source: str
    default_license: str

    def names(self) -> list[str]:
        """All that are read, in the order image, text, id, source, license."""
        return [
            name for name in (self.image, self.text, self.id, self.source, self.license) if name is not None
        ]

    def settings(self) -> dict[str, Any]:
        """For the manifest."""
        return dict(vars(self))

    def found(self, where: str, cells: Mapping[str, Any]) -> Found:
        """The row that the cells of a line make; a cell that is not there counts as empty."""

        def text_of(name: str | None, default: str) -> str:
            value = None if name is None else cells.get(name)
            return default if is_blank(value) else str(value)

        return Found(
            where,
            cells.get(self.image),
            cells.get(self.text),
            text_of(self.source, self.default_source),
            text_of(self.license, self.default_license),
            None if self.id is None else cells.get(self.id),
        )

    def unreadable(self, where: str, why: str) -> Found:
        """The row that stands for a line which cannot be read."""
        return Found(
            where,
            None,
            None,
            self.default_source,
            self.default_license,
            problem="unreadable line",
            detail=why,
        )


@dataclass(frozen=True)
class Wanted:
    """What the user says of the columns; see `open_corpus`."""

    image_column: str | None = None
    text_column: str | None = None
    id_column: str | None = None
    source: str | None = None
    license: str | None = None


def choose_columns(
    there: Sequence[str], table: str, wanted: Wanted, source: str, pictures: Iterable[str] = ()
) -> Columns:
    """Choose the columns of a table: those that the user names, or else the usual names, whatever their case.

    Args:
        there (`Sequence` of `str`): the columns that the table has.
        table (`str`): what the table is called in a message.
        wanted (`Wanted`): what the user says. A `source` or `license` given by the user is for all rows: the columns
            of that name are then not read.
        source (`str`): the source of rows that do not say theirs.
        pictures (iterable of `str`): columns that hold pictures by their type; they go before the usual names.

    Raises:
        `DataError`: naming the columns there are, when one is not found or stands there twice.
    """

    def find(what: str, named: str | None, usual: Iterable[str]) -> str | None:
        for name in [named] if named is not None else usual:
            exact = [column for column in there if column == name]
            hits = exact or ([] if named else [c for c in there if c.strip().lower() == name.lower()])
            if len(hits) > 1:
                raise DataError(f"{table} has {len(hits)} columns {name!r}, expected one; rename the others")
            if hits:
                return hits[0]
        if named is not None:
            raise DataError(f"{table} has no column {named!r} for the {what}; {_list(there)}")
        return None

    def need(what: str, option: str, named: str | None, usual: Iterable[str]) -> str:
        column = find(what, named, usual)
        if column is None:
            raise DataError(f"{table}: which column holds the {what}? Name it with {option}; {_list(there)}")
        return column

    return Columns(
        need("photo", "--image-column", wanted.image_column, [*pictures, *IMAGE_NAMES]),
        need("description", "--text-column", wanted.text_column, TEXT_NAMES),
        find("id", wanted.id_column, ID_NAMES),
        None if wanted.source else find("source", None, SOURCE_NAMES),
        None if wanted.license else find("license", None, LICENSE_NAMES),
        wanted.source or source,
        wanted.license or "unknown",
    )


def _list(there: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in there[:40])
    more = f" and {len(there) - 40} more" if len(there) > 40 else ""
    return f"the columns there are: {shown}{more}"
