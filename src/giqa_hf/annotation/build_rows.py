"""The rows of a finished build and the photos that they are on, as `giqa dataset build` reads them."""

from __future__ import annotations

import filecmp
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..builders.giqa_160k.fingerprints import Fingerprint
from ..builders.giqa_160k.licences import Terms
from ..builders.giqa_160k.photo_sets import Stored, embeddable, fingerprints
from ..corpora.photos import PhotoFolder
from ..errors import DataError, GiqaError, ImageError
from ..schema import validate_row
from .fusion import rows_of
from .record import Record
from .shards import read_build


class BuildRow(NamedTuple):
    """What is held of a row until its place is settled."""

    key: str
    image_id: str
    task: str
    question_type: str | None
    answer: str
    """Its beginning, for Yes/No questions."""
    terms: Terms


class BuildRows:
    """The rows of a build, and its photos; `outlines` comes first, for it finds the photos.

    Args:
        build (`Path`): the folder that `giqa annotate` made.
        root (`Path`): of the corpus' photos.
    """

    def __init__(self, build: Path, root: Path) -> None:
        self.build = build
        self.root = root
        self._folders = {False: PhotoFolder(root), True: PhotoFolder(build)}

    def rows(self) -> Iterator[tuple[str, Record, dict[str, Any]]]:
        """Every row with its key and its record, in the order of the corpus."""
        for record in read_build(self.build):
            for number, row in enumerate(rows_of(record)):
                yield f"{record.record_id}\0{number}", record, row

    def outlines(self) -> Iterator[BuildRow]:
        """What is to be known of each row before anything is written; every row is checked."""
        self.paths: dict[str, Path] = {}
        self.sources: dict[str, str] = {}
        for key, record, row in self.rows():
            validate_row(row, f"{self.build}, record {record.record_id!r}, row {key.rpartition(chr(0))[2]}")
            self.sources.setdefault(row["image_id"], row["source"])
            path = self._path(record)
            if self.paths.setdefault(row["image_id"], path) != path:
                self._check_same(row["image_id"], path)
            terms = Terms(row["source"], row["license"])
            yield BuildRow(key, row["image_id"], row["task"], row["question_type"], row["answer"][:20], terms)

    def read(self, image_id: str) -> bytes:
        """The bytes of a photo."""
        try:
            return self.paths[image_id].read_bytes()
        except OSError as error:
            raise GiqaError(
                f"{self.paths[image_id]}: the photo of {image_id!r} cannot be read ({error.strerror}); put it back, or "
                "name the folder of the photos with --root"
            ) from error

    def _path(self, record: Record) -> Path:
        folder = self._folders[record.embedded]
        place = folder.find(record.image)
        if place.problem:
            raise GiqaError(
                f"record {record.record_id!r}: expected its photo {record.image!r} below {folder.root}, found "
                f"{place.problem}; put it back, or name the folder of the photos with --root"
            )
        return Path(folder.root) / place.path

    def _check_same(self, image_id: str, other: Path) -> None:
        if not filecmp.cmp(self.paths[image_id], other, shallow=False):
            raise DataError(
                f"{self.build}: expected one photo per image id, found two for {image_id!r}: "
                f"{self.paths[image_id]} and {other}; give them ids of their own in the corpus"
            )


def fingerprint_all(source: BuildRows) -> dict[str, tuple[Stored, Fingerprint]]:
    """The fingerprint of every photo, by image id; of `Stored` only the names are kept.

    Args:
        source (`BuildRows`): after its `outlines`.

    Raises:
        `GiqaError`: for a photo that cannot be read any more.
    """
    stored = (Stored(image_id, source.sources[image_id], source.read(image_id)) for image_id in source.paths)
    found = {}
    for photo, print_ in fingerprints(stored, threads=os.cpu_count() or 1):
        if isinstance(print_, ImageError):
            raise GiqaError(
                f"{source.paths[photo.image_id]}: the photo could be read when it was annotated, and now it cannot "
                f"({print_}); put it back, or name the folder of the photos with --root"
            ) from print_
        found[photo.image_id] = (photo._replace(data=b""), print_)
    return found


def photo_cell(source: BuildRows, record: Record, known: Fingerprint) -> dict[str, Any]:
    """The cell of a row's photo, as `datasets` stores it.

    Args:
        source (`BuildRows`): the build.
        record (`Record`): whose photo it is.
        known (`Fingerprint`): of that photo, as `fingerprint_all` found it.

    Raises:
        `GiqaError`: when the photo has changed since then, or is not the one that was annotated.
    """
    path = source.paths[record.image_id]
    data = source.read(record.image_id)
    if hashlib.sha256(data).hexdigest() != known.sha256:
        raise GiqaError(
            f"{path}: the photo changed while the dataset was being made; let it be, and run again"
        )
    if (known.width, known.height) != (record.width, record.height):
        raise DataError(
            f"{path}: expected the photo that was annotated, of {record.width} x {record.height} pixels, found one of "
            f"{known.width} x {known.height}; put it back, or annotate again"
        )
    stored = embeddable(data)
    return {"bytes": stored, "path": path.name if stored is data else f"{path.stem}.png"}
