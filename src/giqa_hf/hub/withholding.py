"""Shards without the photos that may not be published: such a row keeps its id, its terms and its annotations.

The rows themselves are asked, not what `dataset.json` says of them. A photo that one row holds back is held in all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..builders.giqa_160k.held import held_licence_lines
from ..builders.giqa_160k.licences import WHOLE, Terms
from ..errors import DataError
from ..files import atomic_write

TERMS_COLUMNS = ("image_id", "source", "license")


class Held(NamedTuple):
    """Rows whose photos may not be published."""

    rows: Mapping[Terms, int]
    """How many there are of each source and licence."""
    images: frozenset[str]
    """Image ids."""
    copies: frozenset[str]
    """Image ids of those whose own terms would let them go, in some row at least; the same photo is held elsewhere."""
    with_photo: int
    """Rows of them that have their photo in the folder."""

    def told(self) -> str:
        """Which rows, and why, in words."""
        named = (
            f"{count:,} of source {terms.source!r} (licence {terms.license!r}"
            + (", but the same photo is held under other terms)" if terms.publish == WHOLE else ")")
            for terms, count in sorted(self.rows.items())
        )
        return "; ".join(named)


class Shards(NamedTuple):
    """Shards as they may be sent."""

    paths: Mapping[str, Path]
    """Where the content of each lies, by its path in the dataset."""
    held: Held
    licences: list[dict[str, Any]]
    """Rows and photos per source and licence, as the rows have them, see `licence_lines`."""


def check_digests(folder: Path, files: Mapping[str, str]) -> None:
    """See that the shards are those that `dataset.json` lists.

    Args:
        folder (`Path`): the dataset.
        files (`Mapping`): SHA-256 of each shard by its path in the dataset.

    Raises:
        `DataError`: when one is missing, has another content, or is not listed.
    """
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    if strange := sorted(found ^ set(files)):
        raise DataError(
            f"{folder}: expected the Parquet files that its dataset.json lists, found a difference in "
            f"{strange[0]!r}; build "
            "the dataset again"
        )
    for name, digest in files.items():
        with (folder / name).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                raise DataError(
                    f"{folder / name}: expected the file that was built, found another content; build the "
                    "dataset again"
                )


def row_terms(folder: Path, names: Iterable[str]) -> list[tuple[Terms, str]]:
    """Terms and image id of every row.

    Args:
        folder (`Path`): the dataset.
        names (iterable of `str`): its Parquet files.

    Raises:
        `DataError`: when a file is no Parquet file, or has no columns with the terms of its rows.
    """
    found: list[tuple[Terms, str]] = []
    for name in sorted(names):
        with _opened(folder / name) as file:
            for group in range(file.num_row_groups):
                found += _terms(file, group)
    return found


def shards_to_send(
    folder: Path, names: Iterable[str], stage: Path, rows: Collection[tuple[Terms, str]], held: frozenset[str]
) -> Shards:
    """The shards of a dataset, those with photos that may not be published written anew without them.

    The same shard gives the same bytes each time, so an upload that was interrupted goes on.

    Args:
        folder (`Path`): the dataset.
        names (iterable of `str`): its Parquet files.
        stage (`Path`): where new shards go; memory is bounded by a row group.
        rows (collection of `(Terms, str)`): from `row_terms`.
        held (`frozenset` of `str`): image ids, see `builders.giqa_160k.held.held_photos`.
    """
    paths: dict[str, Path] = {}
    with_photo = 0
    for name in sorted(names):
        paths[name] = folder / name
        with _opened(folder / name) as file:
            masks = [
                [image_id in held for _, image_id in _terms(file, group)]
                for group in range(file.num_row_groups)
            ]
            if any(map(any, masks)):
                emptied = _write_without(file, masks, stage / name)
                with_photo += emptied
                if emptied:
                    paths[name] = stage / name
                else:
                    (stage / name).unlink()
    held_rows = [(terms, image_id) for terms, image_id in rows if image_id in held]
    told = Held(
        Counter(terms for terms, _ in held_rows),
        frozenset(image_id for _, image_id in held_rows),
        frozenset(image_id for terms, image_id in held_rows if terms.publish == WHOLE),
        with_photo,
    )
    return Shards(paths, told, held_licence_lines(rows, held))


def _terms(file: Any, group: int) -> list[tuple[Terms, str]]:
    rows = file.read_row_group(group, columns=list(TERMS_COLUMNS)).to_pylist()
    return [(Terms(row["source"] or "", row["license"] or ""), row["image_id"]) for row in rows]


def _write_without(file: Any, masks: Sequence[Sequence[bool]], path: Path) -> int:
    """Write a shard again with empty images where the mask says so; returns how many were not empty."""
    import pyarrow as pa  # type: ignore[import-untyped]  # datasets brings it; it ships no types
    import pyarrow.compute as pc  # type: ignore[import-untyped]
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    emptied = 0
    schema = file.schema_arrow
    place = schema.get_field_index("image")
    with (
        atomic_write(path) as target,
        pq.ParquetWriter(target, schema, dictionary_pagesize_limit=128_000_000) as writer,
    ):
        for group, mask in enumerate(masks):
            table = file.read_row_group(group)
            held = pa.array(mask)
            image = table.column(place).combine_chunks()
            image = image.combine_chunks() if isinstance(image, pa.ChunkedArray) else image
            emptied += pc.sum(pc.and_(held, pc.is_valid(image))).as_py() or 0
            kept = pc.if_else(held, pa.scalar(None, image.type), image)
            writer.write_table(table.set_column(place, schema.field(place), kept))
    return int(emptied)


def _opened(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path}: expected a Parquet file, found none ({error}); build the dataset again"
        ) from error
    if missing := [name for name in ("image", *TERMS_COLUMNS) if name not in file.schema_arrow.names]:
        file.close()
        raise DataError(
            f"{path}: expected rows with the columns {', '.join(('image', *TERMS_COLUMNS))}, found none called "
            f"{', '.join(missing)}; without them nobody can tell what may be published"
        )
    return file
