"""The agreed rows as a dataset folder that `load_dataset("giqa-bench", data_dir=…)` opens."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...builders.giqa_160k.writing import DATASET, ShardWriter, staged_folder
from ...files import write_json, write_text
from ...schema import validate_row
from .agreement import Agreement

SPLIT = "test"
_CARD = """\
---
pretty_name: GIQA-Bench, agreed by people
task_categories: [image-text-to-text]
annotations_creators: [expert-generated]
configs:
- config_name: default
  data_files:
  - split: test
    path: test-*.parquet
---

# A GIQA-Bench

{rows} rows on {photos} photos, each agreed on by most of at least {minimum} annotators. Names and boxes that more than
half of them marked were taken; corners are medians.

| Agreement of every two annotators | |
|---|---|
{table}

Made with `giqa bench import` of giqa_hf. It is no copy of the paper's GIQA-Bench, which its authors have not released.
"""


def write_bench(
    rows: Sequence[dict[str, Any]],
    out: Path,
    found: Agreement,
    *,
    min_annotators: int,
    overwrite: bool = False,
) -> None:
    """Write the benchmark; the folder appears whole or not at all.

    Args:
        rows (`list` of rows): with their photos as `{"bytes", "path"}`; each is checked against the schema.
        out (`Path`): the folder.
        found (`Agreement`): for the card.
        min_annotators (`int`): how many had to judge a row.
        overwrite (`bool`, *optional*, defaults to `False`): replace an earlier dataset there.

    Raises:
        `GiqaError`: when the folder holds something else.
        `DataError`: for a row that is not as the schema says.
    """
    for number, row in enumerate(rows):
        validate_row(row, f"row {number}")
    figures = found._asdict()
    table = "\n".join(
        f"| {name} | {'n/a' if value is None else f'{value:.3f}' if isinstance(value, float) else value} |"
        for name, value in figures.items()
    )
    with staged_folder(out, overwrite) as folder:
        writer = ShardWriter(folder, SPLIT)
        try:
            for row in rows:
                writer.write(row)
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        photos = len({row["image_id"] for row in rows})
        write_text(
            folder / "README.md",
            _CARD.format(rows=len(rows), photos=photos, minimum=min_annotators, table=table),
        )
        write_json(folder / DATASET, {"rows": len(rows), "photos": photos, "agreement": figures})
