"""The rows that a model is tuned on, and those that are held out of them to watch it by."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..benchmark.data import check_photos, open_split
from ..errors import DataError, ImageError
from ..images import image_size

_MOST_HELD_OUT = 0.1


class Split(NamedTuple):
    """Numbers of the rows to tune on, and of rows of other pictures to watch the model by."""

    train: list[int]
    held_out: list[int]


def load_rows(name: str, split: str = "train", limit: int | None = None) -> Any:
    """Load rows to tune on.

    Args:
        name (`str`): `"giqa-160k"`, `"giqa-synth"`, the folder of a dataset, or a dataset of the Hub.
        split (`str`, *optional*, defaults to `"train"`): of it.
        limit (`int`, *optional*): only the first rows.

    Returns:
        `datasets.Dataset`

    Raises:
        `DataError`: when there is no such data, or rows have no pictures.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit: expected at least 1, got {limit}")
    rows = open_split(name, split, limit)
    if limit is not None:
        rows = rows.select(range(min(limit, len(rows))))
    _check_pictures(name, rows)
    return rows


def hold_out(rows: Any, *, count: int | None = None, share: float | None = None, seed: int = 0) -> Split:
    """Hold some pictures out, with all their rows.

    Args:
        rows (`datasets.Dataset`): of the schema.
        count (`int`, *optional*): about so many rows: whole pictures until there are as many, but never more than a
            tenth of all pictures (and one at least); 0 holds out nothing.
        share (`float`, *optional*): of the pictures instead, above 0 and below 1.
        seed (`int`, *optional*, defaults to `0`): of the choice.

    Returns:
        `Split`

    Raises:
        `DataError`: when the numbers cannot be, or nothing would be left to tune on.
    """
    if share is not None and not 0 < share < 1:
        raise DataError(f"eval share: expected a number above 0 and below 1, got {share}")
    if count is not None and count < 0:
        raise DataError(f"eval rows: expected 0 or more, got {count}")
    if share is None and not count:
        return Split(list(range(len(rows))), [])
    names = rows["image_id"][:]
    images = list(dict.fromkeys(names))
    order = np.random.default_rng([seed, 17]).permutation(len(images))
    if share is not None:
        chosen = {images[i] for i in order[: max(1, round(len(images) * share))]}
    else:
        chosen = _enough(names, [images[i] for i in order], count or 0)
    if len(chosen) == len(images):
        raise DataError(
            f"data: expected rows of at least two pictures, one to hold out, found {len(images)}; give more rows, or "
            "hold out none with --eval-rows 0"
        )
    held_out = [n for n, name in enumerate(names) if name in chosen]
    return Split([n for n, name in enumerate(names) if name not in chosen], held_out)


def _enough(names: list[str], images: list[str], count: int) -> set[str]:
    """The first pictures that have so many rows together, a tenth of them at most."""
    rows_of: dict[str, int] = {}
    for name in names:
        rows_of[name] = rows_of.get(name, 0) + 1
    chosen: set[str] = set()
    found = 0
    for image in images[: max(1, int(_MOST_HELD_OUT * len(images)))]:
        if found >= count:
            break
        chosen.add(image)
        found += rows_of[image]
    return chosen


def _check_pictures(name: str, rows: Any) -> None:
    if "image" not in rows.column_names:
        raise DataError(
            f"{name}: expected rows of giqa_hf.schema with a column image, found {', '.join(rows.column_names)}; give "
            "another dataset"
        )
    if not len(rows):
        raise DataError(f"{name}: expected at least one row, found none; give another dataset or split")
    check_photos(name, rows)
    _check_headers(name, rows)


def _check_headers(name: str, rows: Any) -> None:
    """See that each picture is there, can be opened, and has the size that its row says; no pixel is decoded.

    Else the first that is not would end the training at its step, hours later, or its boxes would lie elsewhere.
    """
    import datasets

    has_size = {"width", "height"} <= set(rows.column_names)
    columns = ["image", *(("width", "height") if has_size else ())]
    stored = rows.select_columns(columns).cast_column("image", datasets.Image(decode=False))
    for number, row in enumerate(stored):
        data, path = row["image"]["bytes"], row["image"]["path"]
        try:
            size = image_size(path if data is None else data)
        except ImageError as error:
            raise DataError(f"{name}, row {number}: {error}") from error
        if has_size and tuple(size) != (row["width"], row["height"]):
            raise DataError(
                f"{name}, row {number}: expected a picture of {row['width']} x {row['height']} pixels, found "
                f"{size[0]} x {size[1]}; its boxes would lie elsewhere, build the data again"
            )
