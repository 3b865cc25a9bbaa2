"""Photos put back into a dataset that was published without them: the user's own copies, known by their hashes.

A file is a photo of the dataset when its bytes are, or, for a lossless copy in another format, when its upright pixels
are; its name does not matter. Nothing else is taken.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from PIL import Image

from ..builders.giqa_160k.card import render_card
from ..builders.giqa_160k.contamination import Photo
from ..builders.giqa_160k.fingerprints import fingerprint
from ..builders.giqa_160k.photo_sets import PHOTOS, embeddable, read_photo_lines
from ..builders.giqa_160k.writing import DATASET, check_place, staged_folder
from ..errors import DataError, GiqaError, ImageError
from ..files import atomic_write, write_bytes, write_text
from ..progress import Progress, Say
from .dataset_plan import read_dataset
from .plan import CARD, folder_files

_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".ppm", ".avif"))


class Joined(NamedTuple):
    """What came of it."""

    joined: tuple[str, ...]
    """Image ids whose photo was put back."""
    missing: tuple[str, ...]
    """Image ids for which no file has the hash."""
    wrong: tuple[str, ...]
    """Those of the missing ones for which there is a file of that name, with other content."""


def join_photos(
    folder: Path, images: Path, out: Path, *, partial: bool = False, overwrite: bool = False, say: Say = print
) -> Joined:
    """Make a copy of a dataset with its photos in it; the folder appears whole, or not at all.

    Args:
        folder (`Path`): the dataset as it was downloaded, with `photos.jsonl`.
        images (`Path`): a folder with the photos, under whatever names.
        out (`Path`): the new dataset's folder.
        partial (`bool`, *optional*, defaults to `False`): go on without the photos that are not found; their rows keep
            an empty image.
        overwrite (`bool`, *optional*, defaults to `False`): replace an earlier dataset at `out`.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Returns:
        `Joined`

    Raises:
        `DataError`: when the folder is no such dataset.
        `GiqaError`: when `out` is taken, which is seen before any photo is read; when photos are missing and `partial`
            is not set; it names the first, with those of the right name and another content apart.
    """
    check_place(out, overwrite)  # before the photos are read
    _check_folder(folder)
    told = read_dataset(folder)
    if not (folder / PHOTOS).is_file():
        raise DataError(
            f"{folder}: expected {PHOTOS} with the hashes of its photos, found none; download it whole"
        )
    known = read_photo_lines(folder / PHOTOS)
    sizes = _sizes(folder / PHOTOS)
    wanted = {image_id: known.get(image_id) for image_id in _without_photo(folder, told["files"])}
    if unknown := [image_id for image_id, photo in wanted.items() if photo is None]:
        raise DataError(
            f"{folder / PHOTOS}: expected a hash for every photo that is left out, found none for "
            f"{len(unknown):,} (the "
            f"first: {unknown[0]!r}); download the dataset again"
        )
    photos = {image_id: photo for image_id, photo in wanted.items() if photo is not None}
    say(f"{len(photos):,} photos are left out of {folder}")
    found = _find(images, photos, sizes, say)
    missing = tuple(sorted(set(photos) - set(found)))
    names = {path.name for path in _pictures(images)} if missing else set()
    wrong = tuple(image_id for image_id in missing if PurePosixPath(image_id).name in names)
    if missing and not partial:
        raise GiqaError(_told_missing(images, missing, wrong))
    with staged_folder(out, overwrite) as stage:
        files = {}
        progress = Progress(say, "shards")
        for number, name in enumerate(sorted(told["files"]), start=1):
            files[name] = _fill(folder / name, stage / name, found, photos)
            progress(number, len(told["files"]))
        _copy_rest(folder, stage, set(told["files"]))
        content = {**told, "files": files}
        if isinstance(content.get("settings"), dict):
            content["settings"] = {**content["settings"], "publishable": bool(missing)}
        write_text(stage / DATASET, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
        write_text(stage / CARD, _card(folder, content, out.resolve().name))
    return Joined(tuple(sorted(found)), missing, wrong)


def _check_folder(folder: Path) -> None:
    """See that the dataset is a folder here; a name of the Hub must be downloaded first."""
    if folder.is_dir():
        return
    name = folder.as_posix()
    way_on = "check the path"
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", name, re.ASCII) and not folder.parent.is_dir():
        way_on = f"download it first: hf download {name} --repo-type dataset --local-dir {folder.name}"
    raise DataError(f"{name}: expected the folder of a dataset without its photos, found none; {way_on}")


def _told_missing(images: Path, missing: tuple[str, ...], wrong: tuple[str, ...]) -> str:
    other = (
        f"; of {len(wrong):,} there is a file of that name with another content ({_first(wrong)})"
        if wrong
        else ""
    )
    return (
        f"{images}: expected every photo that the dataset leaves out, found none with the right hash for "
        f"{len(missing):,} "
        f"({_first(missing)}){other}; get them from their sources, see the dataset's card, or add --partial to go on "
        "without them"
    )


def _first(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (", …" if len(names) > 5 else "")


def _without_photo(folder: Path, names: Mapping[str, str]) -> list[str]:
    """Image ids of the rows that have no photo."""
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # datasets brings it; it ships no types

    found: dict[str, None] = {}
    for name in sorted(names):
        with pq.ParquetFile(folder / name, pre_buffer=False) as file:
            for batch in file.iter_batches(64, columns=["image", "image_id"]):
                empty = batch.column("image").is_null().to_pylist()
                ids = batch.column("image_id").to_pylist()
                found.update(
                    (image_id, None) for image_id, is_empty in zip(ids, empty, strict=True) if is_empty
                )
    return list(found)


def _find(
    images: Path, photos: Mapping[str, Photo], sizes: Mapping[str, tuple[int, int]], say: Say
) -> dict[str, Path]:
    """The file of each photo: first by its bytes, then, among files of its size in pixels, by its pixels."""
    if not images.is_dir():
        raise DataError(
            f"{images}: expected a folder with your copies of the photos, found none; check the path"
        )
    paths = list(_pictures(images))
    by_bytes: dict[str, list[str]] = {}
    for image_id, photo in photos.items():
        by_bytes.setdefault(photo.sha256, []).append(image_id)
    found: dict[str, Path] = {}
    progress = Progress(say, "files read")
    for number, path in enumerate(paths, start=1):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.update(dict.fromkeys(by_bytes.get(digest, ()), path))
        progress(number, len(paths))
    left = {image_id: photo for image_id, photo in photos.items() if image_id not in found}
    by_pixels: dict[str, list[str]] = {}
    for image_id, photo in left.items():
        if photo.pixels_sha256 is not None:
            by_pixels.setdefault(photo.pixels_sha256, []).append(image_id)
    of_size = {frozenset(sizes[image_id]) for image_id in left if image_id in sizes}
    for path in paths if by_pixels else ():
        if (size := _size(path)) is None or frozenset(size) not in of_size:
            continue
        try:
            pixels = fingerprint(path.read_bytes()).pixels_sha256
        except ImageError:
            continue
        found.update(dict.fromkeys(by_pixels.get(pixels, ()), path))
    return found


def _fill(source: Path, target: Path, found: Mapping[str, Path], photos: Mapping[str, Photo]) -> str:
    """Write a shard with the photos in it; returns its SHA-256."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(source, pre_buffer=False) as file, atomic_write(target) as out:
        schema = file.schema_arrow
        with pq.ParquetWriter(out, schema, dictionary_pagesize_limit=128_000_000) as writer:
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group).to_pylist()
                cells: dict[str, dict[str, Any]] = {}  # rows of one photo share its bytes
                for row in rows:
                    image_id = row["image_id"]
                    if row["image"] is None and image_id in found:
                        if image_id not in cells:
                            cells[image_id] = _cell(found[image_id], photos[image_id])
                        row["image"] = cells[image_id]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    with target.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


def _cell(path: Path, photo: Photo) -> dict[str, Any]:
    """The photo as a dataset holds it. It is read again, so it is also checked again."""
    data = path.read_bytes()
    if (
        hashlib.sha256(data).hexdigest() != photo.sha256
        and fingerprint(data).pixels_sha256 != photo.pixels_sha256
    ):
        raise GiqaError(f"{path}: the file changed while it was being joined; let it be, and run again")
    stored = embeddable(data)
    name = PurePosixPath(photo.image_id).name
    return {"bytes": stored, "path": name if stored is data else f"{PurePosixPath(name).stem}.png"}


def _copy_rest(folder: Path, stage: Path, shards: set[str]) -> None:
    """The other files of the dataset, but what a download tool has left beside them."""
    for path in folder_files(folder):
        name = path.relative_to(folder)
        if name.as_posix() not in {*shards, DATASET, CARD}:
            write_bytes(stage / name, path.read_bytes())


def _card(folder: Path, content: Mapping[str, Any], name: str) -> str:
    """The card of the joined dataset. It names the content anew, or `datasets` would serve the old rows."""
    if "statistics" in content:
        return render_card(content, name, with_noise_page=(folder / "noise.html").is_file())
    digest = hashlib.sha256(json.dumps(content["files"], sort_keys=True).encode()).hexdigest()[:16]
    text = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else ""
    return re.sub(r"content [0-9a-f]{16}", f"content {digest}", text)


def _pictures(images: Path) -> Iterator[Path]:
    for path in sorted(images.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and path.is_file():
            yield path


def _size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _sizes(path: Path) -> dict[str, tuple[int, int]]:
    """Width and height of each photo of a `photos.jsonl`, which was read before."""
    lines = (json.loads(line) for line in path.read_bytes().splitlines())
    return {
        line["image_id"]: (line["width"], line["height"])
        for line in lines
        if "width" in line and "height" in line
    }
