"""A few rows as pictures with their boxes: the Hub's viewer shows photos, and draws no boxes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from ..errors import ImageError
from ..images import read_image
from ..report.drawing import draw_regions
from ..schema import grounded_of

FOLDER = "previews"
_COUNT, _SIDE_PX = 4, 512
_SCANNED = 64  # rows


def draw_previews(shards: Mapping[str, Path]) -> dict[str, bytes]:
    """Pictures of the first rows that have a photo and boxes, each of another photo; JPEG by path in the repository.

    Args:
        shards (`Mapping`): where each Parquet file lies, by its path in the dataset: as they are sent, so that no photo
            is shown that is not in them.
    """
    import pyarrow.parquet as pq  # type: ignore[import-untyped]  # datasets brings it; it ships no types

    found: dict[str, bytes] = {}
    seen: set[str] = set()
    for name in sorted(shards):
        with pq.ParquetFile(shards[name], pre_buffer=False) as file:
            rows = next(file.iter_batches(_SCANNED), None)
        for row in [] if rows is None else rows.to_pylist():
            data = (row["image"] or {}).get("bytes")
            if len(found) >= _COUNT or not data or row["image_id"] in seen or not row["answer_regions"]:
                continue
            try:
                photo = read_image(data)
            except ImageError:
                continue  # a preview is an extra
            seen.add(row["image_id"])
            picture = draw_regions(photo, grounded_of(row, "answer"))
            picture.thumbnail((_SIDE_PX, _SIDE_PX))
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=85)
            found[f"{FOLDER}/row-{len(found)}.jpg"] = buffer.getvalue()
    return found
