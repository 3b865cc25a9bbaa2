"""The rows that a benchmark asks, each with an id of its own, and a fingerprint of all that stands in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..builders.published import MADE_HERE as SYNTH
from ..builders.published import dataset_source
from ..errors import DataError, GiqaError
from ..images import read_image
from ..schema import TEXT_FIELDS, validate_row

BENCH = "giqa-bench"
_TRUTH = (
    "width",
    "height",
    "task",
    "question_type",
    "question",
    "question_regions",
    "answer",
    "answer_regions",
)


@dataclass(frozen=True)
class BenchData:
    """Rows of the schema without their pictures, and the pictures on demand.

    Args:
        name (`str`): what was asked for.
        split (`str`): of the dataset.
        rows (`list` of `dict`): as `giqa_hf.schema.features` describes them, without `image`.
        photos (sequence): by place, the picture's encoded bytes, or a mapping with `bytes` or `path` as
            `datasets` has it.
    """

    name: str
    split: str
    rows: list[dict[str, Any]]
    photos: Sequence[Any] = field(repr=False)

    @property
    def ids(self) -> list[str]:
        """The id of each row, see `row_ids`."""
        return row_ids(self.rows)

    def photo_bytes(self, place: int) -> bytes:
        """The encoded picture of a row."""
        photo = self.photos[place]
        if isinstance(photo, Mapping):
            if photo.get("bytes") is not None:
                return bytes(photo["bytes"])
            photo = Path(photo["path"]).read_bytes()
        return bytes(photo)

    def photo(self, place: int) -> Image.Image:
        """The upright picture of a row.

        Raises:
            `DataError`: when it has another size than the row says; its boxes would lie elsewhere.
        """
        image = read_image(self.photo_bytes(place))
        row = self.rows[place]
        if image.size != (row["width"], row["height"]):
            raise DataError(
                f"row {place} of {self.name}: expected a picture of {row['width']} x {row['height']} pixels, found "
                f"{image.size[0]} x {image.size[1]}; build the data again"
            )
        return image

    def settings(self) -> dict[str, Any]:
        """What a number depends on: how many rows, and digests of the rows' content and of the pictures' files."""
        photos = hashlib.sha256()
        for place in range(len(self.rows)):
            photos.update(hashlib.sha256(self.photo_bytes(place)).digest())
        return {
            "name": self.name,
            "split": self.split,
            "rows": len(self.rows),
            "rows_sha256": rows_fingerprint(self.rows),
            "photos_sha256": photos.hexdigest(),
        }


def load_bench_data(name: str, split: str | None = None, limit: int | None = None) -> BenchData:
    """Load benchmark rows.

    Args:
        name (`str`): `"giqa-bench"`, `"giqa-synth"`, the folder of a dataset, or a dataset of the Hub.
        split (`str`, *optional*): `"test"` where there is one, else the only one.
        limit (`int`, *optional*): only the first rows.

    Returns:
        `BenchData`

    Raises:
        `DataError`: when there is no such data, or rows are not of the schema.
    """
    import datasets

    if limit is not None and limit < 1:
        raise DataError(f"limit: expected at least 1, got {limit}")
    found = open_split(name, split)
    if limit is not None:
        found = found.select(range(min(limit, len(found))))
    if "image" not in found.column_names:
        raise DataError(
            f"{name}: expected rows of giqa_hf.schema with a column image, found {', '.join(found.column_names)}; give "
            "another dataset"
        )
    check_photos(name, found)
    photos = found.cast_column("image", datasets.Image(decode=False))["image"]
    rows = found.remove_columns("image").to_list()
    if not rows:
        raise DataError(f"{name}: expected at least one row, found none; give another dataset or split")
    for number, row in enumerate(rows):
        validate_row(row, f"row {number} of {name}")
    return BenchData(name, str(found.split), rows, photos)


def check_photos(name: str, rows: Any) -> None:
    """See that every row has a photo; datasets are published without those that may not be passed on.

    Args:
        name (`str`): of the data, for the message.
        rows (`datasets.Dataset`): with a column image.

    Raises:
        `DataError`: with how many have none.
    """
    import datasets

    stored = (
        rows.select_columns(["image"]).with_format("arrow").cast_column("image", datasets.Image(decode=False))
    )
    empty: list[int] = []
    start = 0
    for batch in stored.iter(batch_size=1000):
        column = batch["image"].combine_chunks()
        parts = (column.field("bytes").is_valid(), column.field("path").is_valid())
        there = np.logical_or(*(np.asarray(part) for part in parts)) & np.asarray(column.is_valid())
        empty += (start + np.flatnonzero(~there)).tolist()
        start += len(there)
    if empty:
        raise DataError(
            f"{name}: expected a picture in every row, found none in {len(empty)} of {len(rows)} rows (the first: row "
            f"{empty[0]}); of a dataset that was published without them put your own copies back with "
            "`giqa dataset join`, else build the data again"
        )


def row_ids(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The id of each row: its number and its picture's id, as `giqa bench export` has it too.

    ```python
    >>> row_ids([{"image_id": "koniq-17"}, {"image_id": "koniq-17"}])
    ['000000:koniq-17', '000001:koniq-17']
    ```
    """
    return [f"{number:06d}:{row['image_id']}" for number, row in enumerate(rows)]


def rows_fingerprint(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of what scoring reads of the rows, in their order."""
    whole = hashlib.sha256()
    for row_id, row in zip(row_ids(rows), rows, strict=True):
        content = {name: row.get(name) for name in _TRUTH}
        for name in TEXT_FIELDS:
            content[f"{name}_regions"] = [
                [
                    region["phrase"],
                    list(region["span"]),
                    [list(map(float, box)) for box in region["boxes_norm"]],
                ]
                for region in row.get(f"{name}_regions") or ()
            ]
        whole.update(json.dumps([row_id, content], sort_keys=True).encode("ascii") + b"\n")
    return whole.hexdigest()


def open_split(name: str, split: str | None, limit: int | None = None) -> Any:
    """One split of a dataset, whatever the name means; see `load_bench_data`.

    With a `limit`, no more of giqa-synth is drawn than so many rows need; the caller still takes the first rows.

    Raises:
        `DataError`: when there is no such data or split.
    """
    import datasets
    from datasets.exceptions import DatasetGenerationError

    from ..builders.synth.dataset import SynthConfig

    source = dataset_source(name)
    options: dict[str, Any] = {}
    if name == SYNTH:  # only one split, and the other one is not drawn for nothing
        split = split or "test"
        options = {"split": split, "test_scenes" if split == "train" else "train_scenes": 0}
        if limit is not None and split == "train" and limit < SynthConfig.train_scenes:
            options["train_scenes"] = limit + limit % 2  # each picture has a row or more; as many Yes as No
    try:
        found = datasets.load_dataset(source, **options)
    except GiqaError as error:
        if name != BENCH:
            raise
        raise DataError(
            f"{BENCH}: expected a copy that this machine can reach, found none, for its authors have published none; "
            "give the folder of a build with --data FOLDER, or set GIQA_HF_NAMESPACE to who shares one on the Hub"
        ) from error
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, GiqaError):  # scikit-image is not installed
            raise error.__cause__ from None
        raise _unusable(name, error.__cause__ or error) from error
    except Exception as error:  # files, the Hub, the network: datasets has an error of its own for each
        raise _unusable(name, error) from error
    if name == SYNTH:
        return found
    splits = {key: part for key, part in found.items() if part.num_rows}
    chosen = split or ("test" if "test" in splits else next(iter(splits)) if len(splits) == 1 else None)
    if chosen not in splits:
        raise DataError(
            f"{name}: expected the split {chosen or 'test'}, found {', '.join(splits) or 'no rows'}; name "
            "one with --split"
        )
    return splits[chosen]


def _unusable(name: str, error: BaseException) -> DataError:
    words = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if "gated dataset" in words:  # its name is right
        return DataError(
            f"{name}: expected a dataset that you may read, found that its terms must be agreed to ({words})"
        )
    return DataError(
        f"{name}: expected {BENCH}, {SYNTH}, the folder of a dataset or the name of one on the Hub, found none that "
        f"can be opened ({words}); check the name"
    )
