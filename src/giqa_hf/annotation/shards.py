"""A build on disk: shards of records that appear whole or not at all, and the photos that came inside a table."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, GiqaError
from ..files import atomic_write, write_bytes
from .record import Record

MADE_BY = "giqa annotate"
MANIFEST = "manifest.json"
AUDIT = "audit.json"
SHARDS = "shards"
IMAGES = "images"
CACHE = "cache"
EXPLAIN = "explain"

_SHARD = re.compile(r"(\d{5,})\.jsonl")
_PAGE = re.compile(r"[A-Za-z0-9._-]*-[0-9a-f]{8}\.html")
_IMAGE = re.compile(r"[0-9a-f]{64}\.[a-z]+")
# What `atomic_write` leaves beside a file when the process is killed in the middle of it.
_PART = re.compile(
    r"\.(?:\d{5,}\.jsonl|[0-9a-f]{60}|manifest\.json|audit\.json)\.[0-9a-f]{12}\.part"
)  # fmt: skip

# First bytes of the formats that `giqa_hf.images` reads. An extension is for people: reading looks at the content.
_EXTENSIONS = (
    (re.compile(rb"\xff\xd8\xff"), "jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "png"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "webp"),
    (re.compile(rb"GIF8[79]a"), "gif"),
    (re.compile(rb"II\*\0|MM\0\*"), "tif"),
    (re.compile(rb"BM"), "bmp"),
    (re.compile(rb"P[1-6]\s"), "ppm"),
    (re.compile(rb".{4}ftypavi[fs]", re.DOTALL), "avif"),
)


def encode(records: Sequence[Record]) -> bytes:
    """The content of a shard: a line of JSON per record.

    Lone surrogates, which UTF-8 cannot hold and a description may contain, become their JSON escapes.

    Raises:
        `ValueError`: when a stage has put NaN or an infinity into a record; JSON has no word for them.
    """
    lines = (
        json.dumps(record.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        for record in records
    )
    return "".join(lines).encode("utf-8", "backslashreplace")


def decode(data: bytes, where: str = "shard") -> list[Record]:
    """Read back what `encode` wrote.

    Args:
        data (`bytes`): the content of a shard.
        where (`str`, *optional*, defaults to `"shard"`): what a message calls it.

    Raises:
        `DataError`: naming the line that is no record.
    """
    records = []
    for number, line in enumerate(data.split(b"\n")[:-1], start=1):
        try:
            records.append(Record.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError(
                f"{where}, line {number}: expected a record as `giqa annotate` writes it, found {line[:60]!r} "
                f"({error}); delete this shard and run `giqa annotate` again, it makes only what is missing"
            ) from error
    return records


def shard_path(build: Path, index: int) -> Path:
    """Where a shard lies; `index` counts from 0."""
    return build / SHARDS / f"{index:05d}.jsonl"


def write_shard(build: Path, index: int, data: bytes) -> None:
    """Let a shard appear, whole. Errors as in `files.atomic_write`."""
    write_bytes(shard_path(build, index), data)


def finished_shards(build: Path) -> list[int]:
    """The numbers of the shards that are there, in order."""
    folder = build / SHARDS
    names = (_SHARD.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(match[1]) for match in names if match)


def kept_nothing(build: Path) -> bool:
    """Whether a build was finished, and its audit says that no record of it is kept."""
    try:
        return bool(json.loads((build / AUDIT).read_text(encoding="utf-8"))["kept"]["record"] == 0)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_shard(build: Path, index: int) -> list[Record]:
    """The records of a shard."""
    path = shard_path(build, index)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise GiqaError(
            f"{path}: cannot be read ({error.strerror}); check the place and its access rights"
        ) from error
    return decode(data, str(path))


def read_manifest(build: Path) -> dict[str, Any]:
    """What a build was made from and with.

    Raises:
        `GiqaError`: when the folder is no build.
    """
    path = build / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("made_by") != MADE_BY:
        raise GiqaError(
            f"{build}: expected a folder that `giqa annotate` has made, found no {MANIFEST} of it; "
            "name the folder that was given to it as --out"
        )
    return manifest


def shard_count(manifest: Mapping[str, Any]) -> int:
    """How many shards a finished build has."""
    return -(-int(manifest["corpus"]["rows"]) // int(manifest["shard_size"]))


def read_build(build: Path, *, partial: bool = False) -> Iterator[Record]:
    """All records of a build, in the order of its corpus, a shard at a time in memory.

    Args:
        build (`Path`): the folder that `annotate` wrote.
        partial (`bool`, *optional*, defaults to `False`): take what is there of an unfinished build.

    Raises:
        `GiqaError`: when the folder is no build, or an unfinished one.
    """
    there, count = finished_shards(build), shard_count(read_manifest(build))
    missing = sorted(set(range(count)).difference(there))
    if missing and not partial:
        raise GiqaError(
            f"{build}: expected a finished build of {count} shards, {len(missing)} are missing (the first: "
            f"{missing[0]:05d}); run `giqa annotate` again, it goes on where it was"
        )
    for index in there:
        yield from read_shard(build, index)


def store_photo(build: Path, content: bytes) -> str:
    """Put the bytes of a photo into the build, named by their SHA-256, and return the path relative to the build.

    Equal photos are stored once. A file under its final name is whole, so it is not written again.
    """
    extension = next((end for start, end in _EXTENSIONS if start.match(content)), "bin")
    name = f"{IMAGES}/{hashlib.sha256(content).hexdigest()}.{extension}"
    path = build / name
    if not path.exists():
        with atomic_write(path) as file:
            file.write(content)
    return name


def remove_leftovers(build: Path) -> None:
    """Remove the half-written files of a run that was killed."""
    for folder in (build, build / SHARDS, build / IMAGES):
        for path in folder.iterdir() if folder.is_dir() else ():
            if _PART.fullmatch(path.name):
                path.unlink(missing_ok=True)


def remove_build(build: Path) -> None:
    """Remove what `annotate` has made, and nothing else; the cache of LLM answers stays, for it holds for any build.

    The manifest, by which we know the folder again, goes last.
    """
    remove_leftovers(build)
    for name, pattern in ((SHARDS, _SHARD), (IMAGES, _IMAGE), (EXPLAIN, _PAGE)):
        folder = build / name
        if folder.is_dir():
            for path in folder.iterdir():
                if pattern.fullmatch(path.name):
                    path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()
    (build / AUDIT).unlink(missing_ok=True)
    (build / MANIFEST).unlink(missing_ok=True)


def is_unused(build: Path) -> bool:
    """Whether nothing in a folder is a stranger's: a build can start there."""
    if not build.exists():
        return True
    return all(path.name == CACHE or _PART.fullmatch(path.name) for path in build.iterdir())
