"""From a finished build to the dataset giqa-160k: balance, splits, guard, statistics, photos into Parquet, card."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
from ..builders.giqa_160k.held import held_licence_lines, held_photos
from ..builders.giqa_160k.licences import ANNOTATIONS, WHOLE
from ..builders.giqa_160k.photo_sets import PHOTOS, Stored, photo_line, read_photo_set, require_folder
from ..builders.giqa_160k.splits import assign_splits, group_photos
from ..builders.giqa_160k.statistics import Tally, counted
from ..builders.giqa_160k.writing import DATASET, SHARD_BYTES, ShardWriter, staged_folder
from ..errors import GiqaError
from ..files import atomic_write, write_json, write_text
from ..schema import TASKS
from .build_rows import BuildRow, BuildRows, fingerprint_all, photo_cell
from .noise import NOISE_HTML, noise_report
from .rebuild import rebuild_commands
from .shards import read_manifest

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


def build_dataset(
    build: Path,
    out: Path,
    settings: ExportSettings | None = None,
    *,
    against: Sequence[Path] = (),
    allow_overlap: bool = False,
    leave_out_overlap: bool = False,
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
            `photo_sets.read_photo_set`. By default a shared photo is an error.
        allow_overlap (`bool`, *optional*, defaults to `False`): go on with shared photos; nothing is removed, and the
            card and `dataset.json` tell.
        leave_out_overlap (`bool`, *optional*, defaults to `False`): leave all rows of shared photos out of every
            split, and with a shared photo those of the build that look like it; the card and `dataset.json` tell.
        root (`Path`, *optional*): of the corpus' photos; the manifest's, if not given.
        overwrite (`bool`, *optional*, defaults to `False`): replace an earlier dataset at `out`.
        shard_bytes (`int`, *optional*, defaults to `500_000_000`): of a Parquet file.
        say (`callable`, *optional*, defaults to `print`): takes the progress, a line at a time.

    Returns:
        `dict`: what `dataset.json` holds.

    Raises:
        `GiqaError`: when the build is not finished, has no rows, a photo is gone, the dataset shares photos with
            another set, no photo is left, the options contradict each other, or the place cannot be used.
    """
    settings = settings or ExportSettings()
    _check_options(against, allow_overlap=allow_overlap, leave_out_overlap=leave_out_overlap)
    manifest = read_manifest(build)
    source = BuildRows(build, Path(manifest["root"]) if root is None else root)
    with staged_folder(out, overwrite) as stage:
        rows = list(source.outlines())
        if not rows:
            raise GiqaError(
                f"{build}: expected rows to make a dataset of, found none; see {build / 'audit.json'} for why"
            )
        found = fingerprint_all(source)
        photos = {
            image_id: Photo(image_id, stored.source, f.sha256, f.pixels_sha256, f.look)
            for image_id, (stored, f) in found.items()
        }
        held = held_photos([(row.terms, row.image_id) for row in rows], photos)
        say(f"{counted(len(rows), 'row')} on {counted(len(photos), 'photo')}")
        groups = group_photos(photos, same_photos(list(photos.values()), settings.coarse_bits))
        reports = _guard(photos, against, settings, allow_overlap or leave_out_overlap, say)
        if leave_out_overlap:
            rows, groups = _without_shared(rows, groups, reports, say)
        splits = assign_splits(groups, validation=settings.validation, test=settings.test, seed=settings.seed)
        kept, removed = _balanced(rows, splits, settings)
        if removed:
            say("balance removes " + ", ".join(f"{count:,} {reason}" for reason, count in removed.items()))
            if all(row.task == "des" for row in rows if row.key in kept):
                say(
                    "no question is left: Yes, No or What/Why/How are missing altogether; --no-balance keeps all"
                )
        staying = [row for row in rows if row.key in kept]
        empty = held if settings.publishable else frozenset[str]()
        tally, folders = _write_rows(source, stage, kept, splits, found, empty, shard_bytes, say)
        lines = [
            photo_line(stored, print_, row.terms.license, ANNOTATIONS if row.image_id in held else WHOLE)
            for row in {row.image_id: row for row in staying}.values()
            for stored, print_ in (found[row.image_id],)
        ]
        with atomic_write(stage / PHOTOS) as file:
            file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
        # The sheet shows photos: only those that are in the shards as well.
        drawable = {row.key.rpartition("\0")[0] for row in staying if row.image_id not in empty}
        noise = noise_report(build, stage, root=source.root, seed=settings.seed, shown=drawable)
        name = out.resolve().name
        overlap = "left out" if leave_out_overlap else "allowed" if allow_overlap else "refused"
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
            "overlap": overlap,
            "contamination": reports,
            "licences": held_licence_lines(((row.terms, row.image_id) for row in staying), held),
            "noise": noise.numbers,
            "noise_page": {"sha256": _sha256(stage / NOISE_HTML), "photos": list(noise.photos)},
            "files": {
                path.relative_to(stage).as_posix(): _sha256(path) for path in sorted(stage.rglob("*.parquet"))
            },
            "commands": rebuild_commands(manifest, asdict(settings), name, against, overlap),
            "build": {**manifest, "root": None},  # where photos lay on this machine is nobody's business
        }
        write_json(stage / DATASET, dataset)
        write_text(stage / CARD, render_card(dataset, name))
    return dataset


def _check_options(against: Sequence[Path], *, allow_overlap: bool, leave_out_overlap: bool) -> None:
    if allow_overlap and leave_out_overlap:
        raise GiqaError(
            "--allow-overlap keeps shared photos, --leave-out-overlap drops them: expected one of the two, found both"
        )
    if leave_out_overlap and not against:
        raise GiqaError(
            "--leave-out-overlap: expected a set to compare with, found none; name it with --against FOLDER"
        )
    for folder in against:  # before the photos of the build are looked at, which takes a while
        require_folder(folder)


def _balanced(
    rows: Sequence[BuildRow], splits: Mapping[str, str], settings: ExportSettings
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
    photos: Mapping[str, Photo],
    against: Sequence[Path],
    settings: ExportSettings,
    go_on: bool,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Compare with each other set; a report per set."""
    ours = [photos[image_id] for image_id in sorted(photos)]
    reports = []
    for folder in against:
        others = read_photo_set(folder, threads=os.cpu_count() or 1, say=say)
        overlaps = find_overlaps(ours, others, settings.coarse_bits)
        say(f"{folder}: {len(overlaps):,} of {len(ours):,} photos are among its {len(others):,} as well")
        if overlaps and not go_on:
            raise GiqaError(
                f"{folder}: expected no photo that is in the dataset too, found {len(overlaps):,}: "
                f"{name_overlaps(overlaps)}; add --leave-out-overlap to build without them, or --allow-overlap to "
                "build all the same"
            )
        report = overlap_report(overlaps, ours, others, settings.coarse_bits)
        reports.append({"against": folder.resolve().name, **report})
    return reports


def _without_shared(
    rows: Sequence[BuildRow],
    groups: Mapping[str, str],
    reports: Sequence[Mapping[str, Any]],
    say: Callable[[str], None],
) -> tuple[list[BuildRow], dict[str, str]]:
    """The rows and groups without photos of other sets; what looks like a shared photo goes with it."""
    shared = {groups[pair["image_id"]] for report in reports for pair in report["pairs"]}
    left = {image_id: group for image_id, group in groups.items() if group not in shared}
    staying = [row for row in rows if row.image_id in left]
    gone = counted(len(groups) - len(left), "photo")
    say(f"left out {gone} with {counted(len(rows) - len(staying), 'row')}")
    if not staying:
        raise GiqaError(
            f"--leave-out-overlap: expected photos that are in no other set, found none among {len(groups):,}; "
            "annotate other photos, or choose another set for --against"
        )
    return staying, left


def _write_rows(
    source: BuildRows,
    stage: Path,
    kept: set[str],
    splits: Mapping[str, str],
    found: Mapping[str, tuple[Stored, Fingerprint]],
    empty: Container[str],
    shard_bytes: int,
    say: Callable[[str], None],
) -> tuple[Tally, dict[str, list[str]]]:
    """Write the shards, photos in `empty` left out; the statistics of what was written, and the splits of each task."""
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
                photo_id, photo = row["image_id"], None
                # Of a photo that may not be passed on: datasets refuses a cell without bytes and path.
                if photo_id not in empty:
                    photo = photo_cell(source, record, found[photo_id][1])
            writers[row["task"], split].write({**row, "image": photo})
            tally.add(row, split)
        for writer in writers.values():
            for path in writer.close():
                say(f"{path.relative_to(stage)}: {path.stat().st_size / 1e6:,.1f} MB")
        on_error.pop_all()
    return tally, {task: sorted(split for t, split in writers if t == task) for task in TASKS}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
