"""The rows of a corpus, and the one gate that all of them pass, whatever they were read from."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from .photos import LEAVES_ROOT, MISSING, WEB_ADDRESS, PhotoFolder

LONGEST_DESCRIPTION = 20_000
"""Most characters of a description: some fifty times the longest of Q-Pathway (100 words)."""

PROBLEMS: dict[str, str] = {
    "unreadable line": "the line or record of the table cannot be parsed",
    "no photo": "the cell of the photo is empty, or holds neither a path nor an image",
    LEAVES_ROOT: "the path is absolute and not below the root, goes up, or is a link to a place outside the root",
    WEB_ADDRESS: "the photo has to be downloaded first",
    MISSING: "there is no such file below the root",
    "photo of another set": "Q-Pathway's COCO photos, distorted by machine, which the paper leaves out",
    "no description": "the description is empty, or says nan, null or none",
    "description is no text": "the description is a number, a list or the like",
    "description too long": f"the description has more than {LONGEST_DESCRIPTION:,} characters",
    "not valid Unicode": "the text or the path holds bytes that are not UTF-8, or half of a surrogate pair",
    "duplicate id": "an earlier row has the same id",
    "duplicate description": "an earlier row has the same description of the same photo",
}
"""Every `CorpusRow.problem` there is, with its meaning."""

ADVICE: dict[str, str] = {
    "unreadable line": "mend the table: often a quote is not doubled",
    "no photo": "name the column of the photos with --image-column",
    LEAVES_ROOT: "name the folder that holds all photos with --root",
    WEB_ADDRESS: "download the photos, and write their paths into the table",
    MISSING: "name the folder that the photos' paths start from with --root",
    "photo of another set": "check that these are the labels of Q-Instruct-DB",
    "no description": "name the column of the descriptions with --text-column",
    "description is no text": "name the column of the descriptions with --text-column",
    "description too long": "shorten the descriptions",
    "not valid Unicode": "save the table as UTF-8",
    "duplicate id": "name another column of ids with --id-column, or none",
    "duplicate description": "give each photo a description of its own",
}
"""What to do where it is the problem of all rows."""

_SAYS_NOTHING = frozenset({"", "nan", "null", "none", "n/a", "<na>"})


@dataclass(frozen=True)
class CorpusRow:
    """One photo with one description, as its corpus gives it.

    Args:
        record_id (`str`): unique in the corpus. A row whose id was seen before has `#2`, `#3`, ... behind it.
        image_id (`str`): the same for all descriptions of one photo.
        image (`str` or `bytes`): path relative to the corpus' root, with forward slashes, or the encoded photo where
            it came inside the table. Empty where there is none, or where its path leads out of the root.
        description (`str`): the text, untouched. Cut after 1,000 characters where it is too long.
        source (`str`): the corpus, or the part of it, that the photo comes from; see `sources`.
        license (`str`): of this row: of the text and of the photo where they differ.
        problem (`str`, *optional*): why it cannot be used, one of `PROBLEMS`. The row still becomes a record, dropped
            at the stage "corpus": nothing disappears without being counted.
        detail (`str`, *optional*): what is special to this row, with its place in the file.
    """

    record_id: str
    image_id: str
    image: str | bytes
    description: str
    source: str
    license: str
    problem: str | None = None
    detail: str | None = None


class Corpus(Protocol):
    """Photos with descriptions. Iterating twice gives the same rows in the same order."""

    name: str
    root: Path
    """Folder that the photos' paths are relative to."""

    def __iter__(self) -> Iterator[CorpusRow]:
        """The rows, one at a time; the whole is never held in memory."""
        ...

    def settings(self) -> dict[str, Any]:
        """What the rows depend on (files with size and SHA-256, chosen columns), for the manifest."""
        ...


@runtime_checkable
class ChoosingCorpus(Corpus, Protocol):
    """One whose reader does not take everything for a row: it chooses the descriptions out of other texts."""

    left_out: Counter[str]
    """Of the last pass: how much was no row, by reason."""


@dataclass(frozen=True)
class Found:
    """A row as a reader found it, unchecked: cells may hold anything.

    Args:
        where (`str`): its place in the corpus, e.g. `"line 17"`; unique.
        image (`Any`): a path, the encoded photo as `bytes`, or `{"bytes", "path"}` as datasets stores images.
        description (`Any`): the text.
        source, license (`str`): of this row.
        record_id (`Any`, *optional*): its id in the corpus; without one it is made of the photo and the description.
        image_id (`str`, *optional*): without one it is the photo's path, or the SHA-256 of an embedded photo.
        problem, detail (`str`, *optional*): what the reader itself has against it.
    """

    where: str
    image: Any
    description: Any
    source: str
    license: str
    record_id: Any = None
    image_id: str | None = None
    problem: str | None = None
    detail: str | None = None


def is_blank(value: object) -> bool:
    """Whether a cell says nothing: absent, NaN, or an empty text, `"nan"`, `"null"`, `"none"`, `"n/a"`."""
    if isinstance(value, str):
        said = value.strip()
        return len(said) <= 4 and said.lower() in _SAYS_NOTHING
    return value is None or (isinstance(value, float) and math.isnan(value))


def admit(found: Iterable[Found], root: Path, other_suffixes: tuple[str, ...] = ()) -> Iterator[CorpusRow]:
    """Check what a reader found: each comes out as a row, with its problem if it has one.

    Of several problems the first of this order is told: a path that leads out, what the reader said, the photo's cell,
    the description, the missing photo, the duplicate. Two digests per row are kept in memory
    to know duplicates: measured, less than 40 MB for 200,000 rows.

    Args:
        found (iterable of `Found`): in the order of the corpus.
        root (`Path`): folder of the photos.
        other_suffixes (`tuple` of `str`, *optional*): see `PhotoFolder.find`.
    """
    folder = PhotoFolder(root)
    ids = _Ids()
    texts: set[int] = set()
    for item in found:
        photo = _photo(item, folder, other_suffixes)
        text, problem, detail = _text(item.description)
        if photo.problem == MISSING:  # the rest weighs more: it would still be there with the photo
            problem, detail = (problem, detail) if problem else (photo.problem, photo.detail)
        elif photo.problem:
            problem, detail = photo.problem, photo.detail
        image_id = _valid(item.image_id or photo.image_id).text
        wanted = "" if is_blank(item.record_id) else _valid(str(item.record_id)).text
        if not wanted:
            wanted = f"{image_id}#{_digest(text):016x}"[:-8] if image_id else item.where
        record_id = ids.unique(wanted)
        if not problem:
            key = _digest(f"{image_id}\0{text}")
            if key in texts:
                problem, detail = "duplicate description", "an earlier row has it for the same photo"
            elif record_id != wanted:
                problem, detail = "duplicate id", f"an earlier row has {wanted!r:.200}"
            texts.add(key)
        yield CorpusRow(
            record_id, image_id or record_id, photo.image, text, _valid(item.source).text, _valid(item.license).text,
            problem, None if problem is None else _valid(f"{item.where}: {detail}" if detail else item.where).text,
        )  # fmt: skip


class _Photo(NamedTuple):
    image: str | bytes
    image_id: str
    problem: str | None = None
    detail: str | None = None


def _photo(item: Found, folder: PhotoFolder, other_suffixes: tuple[str, ...]) -> _Photo:
    value = item.image
    if isinstance(value, Mapping):  # datasets' Image: the bytes, or else the path
        value = value.get("bytes") or value.get("path")
    if isinstance(value, (bytes, bytearray, memoryview)) and len(value):
        data = bytes(value)
        return _Photo(data, hashlib.sha256(data).hexdigest()[:32], item.problem, item.detail)
    if isinstance(value, str) and not is_blank(value):
        if not _valid(value).as_it_was:
            return _Photo("", "", "not valid Unicode", "the photo's path")
        place = folder.check(value) if item.problem else folder.find(value, other_suffixes)
        problem, detail = (place.problem, place.detail) if place.problem else (item.problem, item.detail)
        return _Photo(place.path, place.path, problem, detail)
    kind = "" if is_blank(value) or isinstance(value, str) else f"found {type(value).__name__}"
    return _Photo("", "", item.problem or "no photo", item.detail if item.problem else kind)


class _Text(NamedTuple):
    text: str
    problem: str | None
    detail: str | None = None


def _text(value: object) -> _Text:
    if is_blank(value):
        return _Text("", "no description")
    if not isinstance(value, str):
        return _Text("", "description is no text", f"found {type(value).__name__}")
    if len(value) > LONGEST_DESCRIPTION:
        return _Text(_valid(value[:1000]).text, "description too long", f"{len(value):,} characters")
    valid = _valid(value)
    return _Text(valid.text, None if valid.as_it_was else "not valid Unicode", "the description")


class _Valid(NamedTuple):
    text: str
    as_it_was: bool


def _valid(text: str) -> _Valid:
    """The text as UTF-8 can hold it: lone surrogates become their escapes."""
    data = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _Valid(data, data == text)


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "big")


class _Ids:
    """The ids that were given, as digests, so that they take little memory."""

    def __init__(self) -> None:
        self._given: set[int] = set()
        self._times: dict[int, int] = {}  # of those that came more than once

    def unique(self, wanted: str) -> str:
        """The id, with `#2`, `#3`, ... behind it where it was given before."""
        key = _digest(wanted)
        name = wanted
        while (mark := _digest(name)) in self._given:
            self._times[key] = self._times.get(key, 1) + 1
            name = f"{wanted}#{self._times[key]}"
        self._given.add(mark)
        return name
