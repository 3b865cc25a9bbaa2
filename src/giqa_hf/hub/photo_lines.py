"""The list of photos of a dataset that has none of its own, so that those left out can be put back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..builders.giqa_160k.fingerprints import fingerprint
from ..builders.giqa_160k.licences import Terms
from ..builders.giqa_160k.photo_sets import Stored, photo_line

_ROWS = 32  # in memory


def photo_lines(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A line of `photos.jsonl` for each photo that the shards hold.

    Args:
        folder (`Path`): the dataset.
        names (sequence of `str`): its Parquet files.

    Raises:
        `ImageError`: when a photo cannot be decoded.
    """
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # datasets brings it; it ships no types

    seen: set[str] = set()
    for name in names:
        with pq.ParquetFile(folder / name, pre_buffer=False) as file:
            for batch in file.iter_batches(_ROWS, columns=["image", "image_id", "source", "license"]):
                for row in batch.to_pylist():
                    data = (row["image"] or {}).get("bytes")
                    if not data or row["image_id"] in seen:
                        continue
                    seen.add(row["image_id"])
                    stored = Stored(row["image_id"], row["source"], data)
                    publish = Terms(row["source"], row["license"]).publish
                    yield photo_line(stored, fingerprint(data), row["license"], publish)
