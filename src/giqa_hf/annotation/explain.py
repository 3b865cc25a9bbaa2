"""One record's way through the stages: what was found, what became of it and why, for a terminal."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..errors import GiqaError
from .record import Box, Fate, Pair, Record, Tag
from .shards import EXPLAIN, finished_shards, read_manifest, read_shard, shard_path

SHOWN_NEAREST = 5
SHOWN_CHARACTERS = 40


def find_record(build: Path, wanted: str) -> Record:
    """Look a record up in a build, also in an unfinished one.

    Args:
        build (`Path`): the folder that `annotate` wrote.
        wanted (`str`): the record's id; or its photo, by id, path or file name, where only one record is meant by it.

    Raises:
        `GiqaError`: when there is none, naming the nearest ids; when several records are meant, naming them, or the
            photos where several have that file name.
    """
    manifest = read_manifest(build)
    there = finished_shards(build)
    encoded = json.dumps(wanted, ensure_ascii=False).encode("utf-8", "backslashreplace")
    for index in there:
        if encoded in shard_path(build, index).read_bytes():
            for record in read_shard(build, index):
                if record.record_id == wanted:
                    return record
    paths = {wanted, _below(wanted, Path(str(manifest["root"])))}
    ids: list[str] = []
    same: list[Record] = []
    named: list[Record] = []
    for index in there:
        for record in read_shard(build, index):
            ids.append(record.record_id)
            if record.image and paths & {record.image, record.image_id}:
                same.append(record)
            elif record.image and PurePosixPath(record.image).name == wanted:
                named.append(record)
    if meant := same or named:
        return _only(build, meant, wanted)
    near = difflib.get_close_matches(wanted, ids, n=SHOWN_NEAREST, cutoff=0.3) or ids[:SHOWN_NEAREST]
    hint = f"the nearest are {', '.join(near)}" if near else "it has no finished shard yet"
    raise GiqaError(
        f"{build}: expected the id or the photo of one of its {len(ids):,} records, found {wanted!r}; {hint}"
    )


def _below(wanted: str, root: Path) -> str:
    """A path to a file in the folder of the photos, as the records have it; any other text stays as it is."""
    try:
        return Path(os.path.abspath(wanted)).relative_to(root).as_posix()
    except ValueError:  # it lies elsewhere, or is no path at all
        return wanted


def _only(build: Path, meant: Sequence[Record], wanted: str) -> Record:
    """The one record that a photo stands for."""
    if len(meant) == 1:
        return meant[0]
    photos = list(dict.fromkeys(record.image for record in meant))
    if len(photos) > 1:
        said = (
            f"expected one photo called {wanted!r}, found {len(photos):,}: {_listed(photos)}; give its path"
        )
    else:
        rows = [f"{record.record_id} ({_beginning(record.description)!r})" for record in meant]
        said = f"expected one record of {wanted!r}, found {len(meant):,}: {_listed(rows)}; give the id of one"
    raise GiqaError(f"{build}: {said}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN_NEAREST:,} more" if len(names) > SHOWN_NEAREST else ""
    return ", ".join(names[:SHOWN_NEAREST]) + more


def _beginning(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS].rstrip() + "…"


def photo_path(build: Path, record: Record, root: Path | None = None) -> Path:
    """Where the photo of a record lies.

    Args:
        build (`Path`): the folder that `annotate` wrote.
        record (`Record`): one of its records.
        root (`Path`, *optional*): folder of the corpus' photos; by default where it was when the build was made.
    """
    return (build if record.embedded else root or Path(read_manifest(build)["root"])) / record.image


def page_path(build: Path, record: Record) -> Path:
    """Where the page of a record goes: a name that any disk takes, whatever the id is."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", record.record_id)[:60].lstrip(".")
    digest = hashlib.sha256(record.record_id.encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return build / EXPLAIN / f"{readable}-{digest}.html"


def explain_text(record: Record) -> str:
    """The record's way as lines for a terminal; characters that could steer it are shown as "�"."""
    size = f", {record.width} x {record.height} pixels" if record.width else ""
    lines = [f"{record.record_id}: {told_fate(record.fate)}", f"  photo: {record.image or '(none)'}{size}"]
    lines += [f"  source: {record.source}, licence: {record.license}", f"  description: {record.description}"]
    if record.question:
        lines.append(f"  question: {record.question}")
    lines.append(f"tags: {len(record.tags)} found, {len(record.live_tags)} kept")
    for number, tag in enumerate(record.tags, start=1):
        lines.append(f"  {number} {tag.name}: {told_fate(tag.fate)}")
        lines.append(f"      {told_tag(tag)}")
        lines += [f"      box {at}: {told_box(box)}" for at, box in enumerate(tag.boxes)]
    lines.append(f"pairs: {len(record.pairs)} made, {len(record.live_pairs)} kept")
    for pair in record.pairs:
        lines += [f"  {told_fate(pair.fate)}", f"      {told_pair(pair)}"]
    return "\n".join(_plain(line) for line in lines)


def told_fate(fate: Fate | None) -> str:
    """A fate in words.

    Example:
        >>> told_fate(Fate("dropped", "filter", "judge says No", score=0.25))
        'dropped at filter: judge says No (0.25)'
    """
    if fate is None:
        return "kept"
    special = [f"{fate.score:.4g}"] if fate.score is not None else []
    special += [fate.detail] if fate.detail else []
    return f"{fate.status} at {fate.stage}: {fate.reason}" + (f" ({', '.join(special)})" if special else "")


def told_tag(tag: Tag) -> str:
    """What a tag says: phrase, quality and effect."""
    return f'"{tag.phrase}", {tag.quality or "no quality"}, {tag.effect or "no effect"}'


def told_box(box: Box) -> str:
    """A box with its scores and fate in words; corners are normalised."""
    told = _corners(box.found_norm)
    if box.box_norm is not None and box.box_norm != box.found_norm:
        told += f", now {_corners(box.box_norm)}"
    if box.score is not None:
        told += f", score {box.score:.3f}"
    if box.judged is not None:
        told += f', "Yes" {box.judged:.3f}'
    return f"{told}: {told_fate(box.fate)}"


def told_pair(pair: Pair) -> str:
    """A question with its answer, and where its boxes go."""
    names = [(pair.question if m.field == "question" else pair.answer)[slice(*m.span)] for m in pair.mentions]
    where = [f"{name} (in the {m.field})" for name, m in zip(names, pair.mentions, strict=True)]
    return f"{pair.question} {pair.answer} [{pair.question_type}]" + (
        f", boxes of {', '.join(where)}" if where else ""
    )


def _corners(box_norm: tuple[float, float, float, float]) -> str:
    return " ".join(f"{value:.3f}" for value in box_norm)


def _plain(line: str) -> str:
    return "".join(c if c.isprintable() else " " if c in "\t\n\r" else "\ufffd" for c in line)
