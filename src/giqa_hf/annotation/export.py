"""From a finished build to the dataset giqa-160k: balance, splits, guard, statistics, photos into Parquet, card."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..builders.giqa_160k.balance import Answered, balance
from ..builders.giqa_160k.card import render_card
from ..builders.giqa_160k.contamination import (
    COARSE_BITS,
    Photo,
    find_overlaps,
    name_overlaps,
    overlap_report,
    same_photos,
)
from ..builders.giqa_160k.fingerprints import Fingerprint
from ..builders.giqa_160k.licences import WHOLE, Terms, licence_lines
from ..builders.giqa_160k.photo_sets import (
    PHOTOS,
    Stored,
    embeddable,
    fingerprints,
    photo_line,
    read_photo_set,
)
from ..builders.giqa_160k.splits import assign_splits, group_photos
from ..builders.giqa_160k.statistics import Tally
from ..builders.giqa_160k.writing import DATASET, SHARD_BYTES, ShardWriter, staged_folder
from ..corpora.photos import PhotoFolder
from ..errors import DataError, GiqaError, ImageError
from ..files import atomic_write, write_json, write_text
from ..schema import TASKS, validate_row
from .fusion import rows_of
from .noise import noise_report
from .record import Record
from .shards import read_build, read_manifest

CARD = "README.md"


@dataclass(frozen=True)
class ExportSettings:
    """What the rows of a dataset depend on, beside the build.

    Args:
        seed (`int`, *optional*, defaults to `0`): of balance, splits and the sheet to check.
        validation (`float`, *optional*, defaults to `0.0`): share of the photos for the split `validation`.
        test (`float`, *optional*, defaults to `0.0`): the same for `test`.
        balance (`bool`, *optional*, defaults to `True`): Yes = No and Y = W in each split, by removing questions.
        publishable (`bool`, *optional*, defaults to `False`): leave out photos that may not be passed on.
        coarse_bits (`int`, *optional*, defaults to `10`): see `builders.giqa_160k.contamination`.
    """

    seed: int = 0
    validation: float = 0.0
    test: float = 0.0
    balance: bool = True
    publishable: bool = False
    coarse_bits: int = COARSE_BITS


class _Row(NamedTuple):
    """What is held of a row until its place is settled."""

    key: str
    image_id: str
    task: str
    question_type: str | None
    answer: str
    """Its beginning, for Yes/No questions."""
    terms: Terms


def build_dataset(
    build: Path,
    out: Path,
    settings: ExportSettings | None = None,
    *,
    against: Sequence[Path] = (),
    allow_overlap: bool = False,
    root: Path | None = None,
    overwrite: bool = False,
    shard_bytes: int = SHARD_BYTES,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Make the dataset folder of a finished build; it appears whole, or not at all.

    The rows are read from the build twice, and never held in memory: first to settle which stay and where, then to
    write them. The same build and settings give the same bytes.

    Args:
        build (`Path`): the folder that `giqa annotate` made.
        out (`Path`): the dataset's folder to be.
        settings (`ExportSettings`, *optional*): seed, splits, balance.
        against (sequence of `Path`, *optional*): sets that must not share a photo with the dataset, see
            `photo_sets.read_photo_set`.
        allow_overlap (`bool`, *optional*, defaults to `False`): go on with shared photos; nothing is removed, and the
            card and `dataset.json` tell.
        root (`Path`, *optional*): of the corpus' photos; the manifest's, if not given.
        overwrite (`bool`, *optional*, defaults to `False`): replace an earlier dataset at `out`.
        shard_bytes (`int`, *optional*, defaults to `500_000_000`): of a Parquet file.
        say (`callable`, *optional*, defaults to `print`): takes the progress, a line at a time.

    Returns:
        `dict`: what `dataset.json` holds.

    Raises:
        `GiqaError`: when the build is not finished, has no rows, a photo is gone, the dataset shares photos with
            another set, or the place cannot be used.
    """
    settings = settings or ExportSettings()
    manifest = read_manifest(build)
    source = _Source(build, Path(manifest["root"]) if root is None else root)
    with staged_folder(out, overwrite) as stage:
        rows = list(source.outlines())
        if not rows:
            raise GiqaError(
                f"{build}: expected rows to make a dataset of, found none; see {build / 'audit.json'} for why"
            )
        found = _fingerprint_all(source, rows)
        photos = {
            image_id: Photo(image_id, stored.source, f.sha256, f.pixels_sha256, f.look)
            for image_id, (stored, f) in found.items()
        }
        say(f"{len(rows):,} rows on {len(photos):,} photos")
        groups = group_photos(photos, same_photos(list(photos.values()), settings.coarse_bits))
        splits = assign_splits(groups, validation=settings.validation, test=settings.test, seed=settings.seed)
        kept, removed = _balanced(rows, splits, settings)
        if removed:
            say("balance removes " + ", ".join(f"{count:,} {reason}" for reason, count in removed.items()))
            if all(row.task == "des" for row in rows if row.key in kept):
                say(
                    "no question is left: Yes, No or What/Why/How are missing altogether; --no-balance keeps all"
                )
        staying = [row for row in rows if row.key in kept]
        in_use = {row.image_id for row in staying}
        reports = _guard(
            [photos[image_id] for image_id in sorted(in_use)], against, settings, allow_overlap, say
        )
        tally, folders = _write_rows(source, stage, kept, splits, found, settings, shard_bytes, say)
        lines = [
            photo_line(stored, print_, row.terms.license, row.terms.publish)
            for row in {row.image_id: row for row in staying}.values()
            for stored, print_ in (found[row.image_id],)
        ]
        with atomic_write(stage / PHOTOS) as file:
            file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        dataset = {
            "made_by": "giqa dataset build",
            "giqa_hf": __version__,
            "corpus": manifest["corpus"].get("name", "a corpus"),
            "profile": manifest["profile"].get("name", "of its own"),
            "settings": asdict(settings),
            "splits": folders,
            "statistics": tally.to_dict(),
            "balance_removed": removed,
            "look_alikes": len(groups) - len(set(groups.values())),
            "contamination": reports,
            "licences": licence_lines((row.terms, row.image_id) for row in staying),
            "noise": noise_report(
                build, stage, root=source.root, seed=settings.seed, share=settings.publishable
            ),
            "files": {
                path.relative_to(stage).as_posix(): _sha256(path) for path in sorted(stage.rglob("*.parquet"))
            },
            "build": {**manifest, "root": None},  # where photos lay on this machine is nobody's business
        }
        write_json(stage / DATASET, dataset)
        write_text(stage / CARD, render_card(dataset, out.resolve().name))
    return dataset


class _Source:
    """The rows of a build, and its photos."""

    def __init__(self, build: Path, root: Path) -> None:
        self.build = build
        self.root = root
        self._folders = {False: PhotoFolder(root), True: PhotoFolder(build)}

    def rows(self) -> Iterator[tuple[str, Record, dict[str, Any]]]:
        """Every row with its key and its record, in the order of the corpus."""
        for record in read_build(self.build):
            for number, row in enumerate(rows_of(record)):
                yield f"{record.record_id}\0{number}", record, row

    def outlines(self) -> Iterator[_Row]:
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
            yield _Row(key, row["image_id"], row["task"], row["question_type"], row["answer"][:20], terms)

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
        if _sha256(self.paths[image_id]) != _sha256(other):
            raise DataError(
                f"{self.build}: expected one photo per image id, found two for {image_id!r}: "
                f"{self.paths[image_id]} and {other}; give them ids of their own in the corpus"
            )


def _fingerprint_all(source: _Source, rows: Sequence[_Row]) -> dict[str, tuple[Stored, Fingerprint]]:
    """The fingerprint of every photo, by image id; of `Stored` only the names are kept."""
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


def _balanced(
    rows: Sequence[_Row], splits: Mapping[str, str], settings: ExportSettings
) -> tuple[set[str], dict[str, int]]:
    """Keys of the rows that stay, and what was removed."""
    kept = {row.key for row in rows if row.task == "des" or not settings.balance}
    removed: Counter[str] = Counter()
    if settings.balance:
        questions: dict[str, list[Answered]] = defaultdict(list)
        for row in rows:
            if row.task == "vqa":
                questions[splits[row.image_id]].append(Answered(row.key, str(row.question_type), row.answer))
        for asked in questions.values():
            balanced = balance(asked, settings.seed)
            kept |= balanced.kept
            removed.update(balanced.removed)
    return kept, dict(sorted(removed.items()))


def _guard(
    photos: Sequence[Photo],
    against: Sequence[Path],
    settings: ExportSettings,
    allow_overlap: bool,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Compare with each other set; a report per set."""
    reports = []
    for folder in against:
        others = read_photo_set(folder, threads=os.cpu_count() or 1, say=say)
        overlaps = find_overlaps(photos, others, settings.coarse_bits)
        say(f"{folder}: {len(overlaps):,} of {len(photos):,} photos are among its {len(others):,} as well")
        if overlaps and not allow_overlap:
            raise GiqaError(
                f"{folder}: expected no photo that is in the dataset too, found {len(overlaps):,}: "
                f"{name_overlaps(overlaps)}; leave them out of the corpus, or add --allow-overlap to build all the same"
            )
        report = overlap_report(overlaps, photos, others, settings.coarse_bits)
        reports.append({"against": folder.resolve().name, **report})
    return reports


def _write_rows(
    source: _Source,
    stage: Path,
    kept: set[str],
    splits: Mapping[str, str],
    found: Mapping[str, tuple[Stored, Fingerprint]],
    settings: ExportSettings,
    shard_bytes: int,
    say: Callable[[str], None],
) -> tuple[Tally, dict[str, list[str]]]:
    """Write the shards; the statistics of what was written, and which splits each task has."""
    tally = Tally()
    writers: dict[tuple[str, str], ShardWriter] = {}
    with ExitStack() as on_error:
        photo_id: str | None = None
        photo: dict[str, Any] | None = None
        for key, record, row in source.rows():
            if key not in kept:
                continue
            split = splits[row["image_id"]]
            if (row["task"], split) not in writers:
                writer = ShardWriter(stage / row["task"], split, shard_bytes)
                writers[row["task"], split] = writer
                on_error.callback(writer.abandon)
            if row["image_id"] != photo_id:  # the rows of a record stand together
                photo_id, photo = row["image_id"], _photo(source, record, found[row["image_id"]][1], settings)
            writers[row["task"], split].write({**row, "image": photo})
            tally.add(row, split)
        for writer in writers.values():
            for path in writer.close():
                say(f"{path.relative_to(stage)}: {path.stat().st_size / 1e6:,.1f} MB")
        on_error.pop_all()
    return tally, {task: sorted(split for t, split in writers if t == task) for task in TASKS}


def _photo(
    source: _Source, record: Record, known: Fingerprint, settings: ExportSettings
) -> dict[str, Any] | None:
    """The cell of a row's photo, as `datasets` stores it."""
    path = source.paths[record.image_id]
    if settings.publishable and Terms(record.source, record.license).publish != WHOLE:
        return None  # datasets refuses one that is there and holds neither bytes nor path
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


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
