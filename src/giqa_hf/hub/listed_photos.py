"""The list of photos that goes with a dataset, with their hashes: that of the build, or one made of the rows."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from ..builders.giqa_160k.contamination import Photo
from ..builders.giqa_160k.held import held_photos
from ..builders.giqa_160k.licences import ANNOTATIONS, Terms
from ..builders.giqa_160k.photo_sets import PHOTOS, read_photo_lines
from ..errors import DataError
from ..files import atomic_write
from .photo_lines import photo_lines
from .plan import listed


def photo_list(folder: Path, names: Sequence[str], stage: Path) -> Path:
    """Where the list lies; one that the dataset lacks is made.

    Args:
        folder (`Path`): the dataset.
        names (sequence of `str`): its Parquet files.
        stage (`Path`): where a new list goes.
    """
    path = folder / PHOTOS
    if path.is_file():
        return path
    with atomic_write(stage / PHOTOS) as file:
        for line in photo_lines(folder, names):
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return stage / PHOTOS


def held_of_list(folder: Path, rows: Iterable[tuple[Terms, str]], path: Path) -> frozenset[str]:
    """Image ids of the photos that may not be passed on, see `held_photos`.

    Args:
        folder (`Path`): the dataset.
        rows (iterable of `(Terms, str)`): terms and image id of every row.
        path (`Path`): of the list.

    Raises:
        `DataError`: when a photo is held back and is not in the list, or, where any is, one that would be sent is not
            in the dataset's own list: it could be the same.
    """
    rows = list(rows)
    known: dict[str, Photo] = read_photo_lines(path)
    held = held_photos(rows, known)
    wanted = {image_id for _, image_id in rows} if held and path.parent == folder else held
    if lost := sorted(wanted - set(known)):
        raise DataError(
            f"{folder}: expected the hash of every photo in {PHOTOS}, for some may not be passed on, found none for "
            f"{len(lost):,} ({listed(lost)}); nobody could put them back, or see that they are not the same photo, so "
            "build the dataset again"
        )
    return held


def list_to_send(path: Path, held: Container[str], stage: Path) -> Path:
    """The list with `publish` as the photos are sent; written anew where it says otherwise of one that is held.

    Args:
        path (`Path`): of the list.
        held (container of `str`): image ids of the photos that stay.
        stage (`Path`): where a new list goes.
    """
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    wrong = [line for line in lines if line["image_id"] in held and line.get("publish") != ANNOTATIONS]
    if not wrong:
        return path
    for line in wrong:
        line["publish"] = ANNOTATIONS
    with atomic_write(stage / PHOTOS) as file:
        file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    return stage / PHOTOS
