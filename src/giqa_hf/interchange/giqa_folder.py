"""Our own form: a folder of Parquet that `load_dataset` reads, and any dataset of the schema as rows."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..benchmark.data import open_split
from ..builders.giqa_160k.writing import ShardWriter
from ..errors import DataError, ImageError
from ..schema import validate_row
from .carries import Carries
from .marks import Row
from .outlet import UNREADABLE, Unusable, checked_picture
from .pictures import shown_file

CARRIES = Carries(
    boxes="shares of the picture, floats",
    question_boxes="yes",
    several_boxes="yes",
    unboxed="yes",
    spans="yes",
    quality="yes",
    effect="yes",
    origin="yes",
    pictures="in the rows",
)
_ROWS_AT_ONCE = 16
"""Rows that are in memory with their pictures."""


def open_rows(
    name: str, split: str, limit: int | None = None
) -> tuple[Iterator[dict[str, Any]], int, dict[str, int]]:
    """The rows of a dataset, one after the other, their number, and the number of rows of each other split.

    Args:
        name (`str`): the folder of a dataset, `"giqa-synth"`, or a dataset of the Hub.
        split (`str`): of it.
        limit (`int`, *optional*): only the first rows.

    Raises:
        `DataError`: when there is no such data; while reading, for a row that is not of the schema.
    """
    import datasets

    found = open_split(name, split, limit)
    others = {
        key: info.num_examples
        for key, info in (found.info.splits or {}).items()
        if key != split and info.num_examples
    }
    if "image" in found.column_names:
        found = found.cast_column("image", datasets.Image(decode=False))
    count = len(found) if limit is None else min(limit, len(found))
    if not count:
        raise DataError(f"{name}: expected at least one row, found none; give another dataset or split")

    def rows() -> Iterator[dict[str, Any]]:
        batches = (batch for batch in found.iter(batch_size=_ROWS_AT_ONCE))
        single = (
            {column: values[place] for column, values in batch.items()}
            for batch in batches
            for place in range(len(batch["image_id"]))
        )
        for number, row in enumerate(itertools.islice(single, count)):
            validate_row(row, f"row {number} of {name}")
            yield row

    if missing := [
        column for column in ("image_id", "question", "answer") if column not in found.column_names
    ]:
        raise DataError(
            f"{name}: expected rows of giqa_hf.schema, found no column {', '.join(missing)} among "
            f"{', '.join(found.column_names)}; give another dataset"
        )
    return rows(), count, others


def write(rows: Iterable[Row], folder: Path, split: str, dropped: Counter[str]) -> None:
    """Write rows as Parquet.

    Args:
        rows (iterable of rows): of the schema.
        folder (`Path`): where the files go.
        split (`str`): what they are called.
        dropped (`Counter` of `str`): takes rows whose picture cannot be used, by reason.

    Raises:
        `DataError`: for a name that no split can have.
    """
    if not re.fullmatch(r"\w+(\.\w+)*", split):
        raise DataError(f"split: expected letters, digits and _, such as train, got {split!r:.80}")
    writer = ShardWriter(folder, split)
    try:
        for row in rows:
            try:
                cell = _embedded(row)
            except Unusable as reason:
                dropped[str(reason)] += 1
            else:
                writer.write({**row, "image": cell})
        writer.close()
    except BaseException as error:
        writer.abandon(error)
        raise


def _embedded(row: Row) -> dict[str, Any] | None:
    data, _ = checked_picture(row)
    if data is None:
        return None
    try:
        return {"bytes": shown_file(data).data, "path": None}
    except ImageError:
        raise Unusable(UNREADABLE) from None
