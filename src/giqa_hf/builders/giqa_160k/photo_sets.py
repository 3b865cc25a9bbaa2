"""The photos of a dataset, or of any folder, with their fingerprints."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from ...corpora.photos import PhotoFolder
from ...errors import DataError, ImageError
from ...images import read_image
from .contamination import Photo
from .fingerprints import Fingerprint, Look, fingerprint

PHOTOS = "photos.jsonl"
"""One line per photo of a dataset: id, terms, size and fingerprint; enough to find the photo again in its source."""
_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".ppm", ".avif"))
_AT_ONCE = 64  # photos in memory
_BATCH_ROWS = 64
# Where Pillow itself balks at a file that `read_image` takes (more than 178 megapixels, odd metadata).
_HEADER_ERRORS = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


class Stored(NamedTuple):
    """A photo as a set holds it."""

    image_id: str
    source: str
    data: bytes


def fingerprints(
    photos: Iterable[Stored], threads: int = 1
) -> Iterator[tuple[Stored, Fingerprint | ImageError]]:
    """The fingerprint of each photo, in order, or the error where it cannot be decoded.

    Args:
        photos (iterable of `Stored`): read 64 at a time.
        threads (`int`, *optional*, defaults to `1`): that decode; Pillow lets them run side by side.
    """
    with ThreadPoolExecutor(threads) as pool:
        photos = iter(photos)
        while block := list(islice(photos, _AT_ONCE)):
            yield from zip(block, pool.map(_try, (photo.data for photo in block)), strict=True)


def read_photo_set(folder: Path, *, threads: int = 1, say: Callable[[str], None] = print) -> list[Photo]:
    """All photos of a set, each once.

    A set is a folder with Parquet files that have a column of images as `datasets` stores them (and, if they have
    them, columns `image_id` and `source`), or a folder of picture files. A photo whose bytes are not in the Parquet
    files is taken from `photos.jsonl`, which also saves decoding those whose SHA-256 it lists.

    Args:
        folder (`Path`): the set.
        threads (`int`, *optional*, defaults to `1`): that decode.
        say (`callable`, *optional*, defaults to `print`): told of photos that cannot be decoded; by their bytes and
            their ids they are compared all the same.

    Raises:
        `DataError`: when there is no such folder, or there are no photos in it.
    """
    require_folder(folder)
    known = read_photo_lines(folder / PHOTOS) if (folder / PHOTOS).is_file() else {}
    looked_up = {line.sha256: line for line in known.values()}
    photos: dict[tuple[str, str], Photo] = {}
    unknown: list[tuple[str, str]] = []

    def new() -> Iterator[Stored]:
        for stored in _stored(folder):
            if not stored.data:  # withheld
                line = known.get(stored.image_id)
                if line is None:
                    unknown.append((stored.image_id, stored.source))
                else:
                    photos[stored.image_id, line.sha256] = line
                continue
            sha256 = hashlib.sha256(stored.data).hexdigest()
            key = (stored.image_id, sha256)
            if key in photos:
                continue
            if sha256 in looked_up:
                photos[key] = looked_up[sha256]._replace(image_id=stored.image_id, source=stored.source)
            else:
                photos[key] = Photo(stored.image_id, stored.source, sha256, None, None)
                yield stored

    undecodable: list[str] = []
    for stored, found in fingerprints(new(), threads):
        if isinstance(found, ImageError):
            undecodable.append(stored.image_id)
            continue
        photo = Photo(stored.image_id, stored.source, found.sha256, found.pixels_sha256, found.look)
        photos[stored.image_id, found.sha256] = photo
    if undecodable:
        say(f"{folder}: {len(undecodable):,} photos cannot be decoded, the first is {undecodable[0]!r}")
    if unknown:
        raise DataError(
            f"{folder}: expected every photo in the Parquet files or in {PHOTOS}, found neither for "
            f"{len(unknown):,} (the first: {unknown[0][0]!r}); without them nothing can be compared"
        )
    if not photos:
        raise DataError(
            f"{folder}: expected photos (Parquet files with images, or picture files), found none"
        )
    return list(photos.values())


def require_folder(folder: Path) -> None:
    """See that a set is a folder.

    Raises:
        `DataError`: when it is none.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: expected the folder of a dataset or of photos, found "
            f"{'a file' if folder.is_file() else 'no such folder'}; check the path"
        )


def photo_line(stored: Stored, found: Fingerprint, license: str, publish: str) -> dict[str, Any]:
    """A line of `photos.jsonl`."""
    return {
        "image_id": stored.image_id, "source": stored.source, "license": license, "publish": publish,
        "width": found.width, "height": found.height,
        "sha256": found.sha256, "pixels_sha256": found.pixels_sha256,
        "look": None if found.look is None else [f"{found.look.coarse:016x}", f"{found.look.fine:064x}"],
    }  # fmt: skip


def read_photo_lines(path: Path) -> dict[str, Photo]:
    """The photos of a `photos.jsonl` by image id.

    Raises:
        `DataError`: naming the line that is none.
    """
    photos = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            value = json.loads(line)
            look = value["look"] and Look(*(int(bits, 16) for bits in value["look"]))
            photo = Photo(value["image_id"], value["source"], value["sha256"], value["pixels_sha256"], look)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: expected a photo as `giqa dataset build` writes it, found {line[:60]!r} "
                f"({error}); build the dataset again, or delete this file to have all photos decoded again"
            ) from error
        photos[photo.image_id] = photo
    return photos


def embeddable(data: bytes) -> bytes:
    """The photo as any reader shows it the way `read_image` does: the file itself, or a lossless PNG.

    A file that is upright 8-bit RGB or grey is taken as it is: to save a JPEG again would change its quality. Any
    other (turned by EXIF, transparent, CMYK, 16-bit, with a palette) becomes a PNG of what `read_image` sees.

    Args:
        data (`bytes`): the content of a picture file.

    Raises:
        `ImageError`: when it cannot be decoded.
    """
    with contextlib.suppress(*_HEADER_ERRORS), Image.open(io.BytesIO(data)) as image:
        plain = image.mode in ("RGB", "L") and "transparency" not in image.info
        if plain and image.getexif().get(0x0112, 1) == 1:
            return data
    buffer = io.BytesIO()
    read_image(data).save(buffer, "PNG")
    return buffer.getvalue()


def _try(data: bytes) -> Fingerprint | ImageError:
    try:
        return fingerprint(data)
    except ImageError as error:
        return error


def _stored(folder: Path) -> Iterator[Stored]:
    tables = sorted(folder.rglob("*.parquet"))
    for table in tables:
        yield from _stored_in_table(table, folder)
    if not tables:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                yield Stored(path.relative_to(folder).as_posix(), folder.name, path.read_bytes())


def _stored_in_table(table: Path, folder: Path) -> Iterator[Stored]:
    import pyarrow as pa  # type: ignore[import-untyped]  # datasets brings it; it ships no types
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    try:
        file = pq.ParquetFile(table, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{table}: expected a Parquet file, found none ({error}); copy or build it again"
        ) from error
    with file:
        column = _image_column(file.schema_arrow)
        if column is None:
            return
        wanted = [column, *(name for name in ("image_id", "source") if name in file.schema_arrow.names)]
        number = 0
        for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
            for row in batch.to_pylist():
                name = f"{table.relative_to(folder).as_posix()}, row {number}"
                yield _stored_row(row, column, name, folder)
                number += 1


def _stored_row(row: Mapping[str, Any], column: str, name: str, folder: Path) -> Stored:
    value = row[column] or {}
    data, path = value.get("bytes"), value.get("path")
    if not data and path and not (place := PhotoFolder(folder).find(path)).problem:
        data = (folder / place.path).read_bytes()
    return Stored(row.get("image_id") or path or name, row.get("source") or folder.name, data or b"")


def _image_column(schema: Any) -> str | None:
    """The column that `datasets` would decode as images: a struct of bytes and path."""
    import pyarrow as pa

    names: Sequence[str] = schema.names
    for name in sorted(names, key=lambda name: name != "image"):
        kind = schema.field(name).type
        if pa.types.is_struct(kind) and {kind.field(i).name for i in range(kind.num_fields)} == {
            "bytes",
            "path",
        }:
            return name
    return None
