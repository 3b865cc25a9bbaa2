"""The agreed rows as a dataset folder that `load_dataset("giqa-bench", data_dir=…)` opens, and its card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...builders.giqa_160k.licences import ANNOTATIONS, WHOLE, Terms, licence_lines, rows_to_publish
from ...builders.giqa_160k.statistics import cell, counted
from ...builders.giqa_160k.writing import DATASET, ShardWriter, staged_folder
from ...files import write_json, write_text
from ...schema import validate_row
from .agreement import Agreement

SPLIT = "test"
_TOLD = {
    "box_iou": "boxes: mean IoU, of names that both marked",
    "tag_f1": "names: F1, the same where their spans overlap",
    "usable": "same verdict on the row, share",
    "texts": "same words for question and answer, share",
    "rows": "rows judged",
    "annotators": "annotators",
    "pairs": "pairs of annotators on a row",
}
"""The figures of `Agreement` in words."""
_CARD = """\
---
pretty_name: {title}
license: other
license_name: "per row: column license"
language: ["en"]
task_categories: ["image-text-to-text", "visual-question-answering"]
annotations_creators: ["other"]
tags: ["image-quality-assessment", "visual-grounding", "giqa_hf"]
configs:
- config_name: default
  description: {content}
  data_files:
  - split: test
    path: test-*.parquet
---

# {name}

{rows} on {photos}, each agreed on by most of at least {minimum} annotators. Names and boxes that more than
half of them marked were taken; corners are medians. What was given to them, and who they are, this card does not know:
say it here before you publish. Made with `giqa bench import` of giqa_hf. It is no copy of the paper's GIQA-Bench,
which its authors have not released.

```python
import giqa_hf
from datasets import load_dataset

rows = load_dataset("giqa-bench", data_dir={folder}, split="test")  # the path of this folder
```

## Agreement

Of every two annotators who judged the same row:

| | |
|---|---:|
{table}

## Sources and licences

**publishable: {publishable}.** {why}

Each row has its terms in the column `license`; what the annotators added is theirs, and needs their consent as well.
This is a guard, no legal advice.

| Source | Licence | Rows | Photos | May be published | To know |
|---|---|---:|---:|---|---|
{sources}
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
    licences = licence_lines((Terms(row["source"], row["license"]), row["image_id"]) for row in rows)
    publishable = rows_to_publish(licences)[ANNOTATIONS] == 0
    with staged_folder(out, overwrite) as folder:
        writer = ShardWriter(folder, SPLIT)
        try:
            for row in rows:
                writer.write(row)
            shards = writer.close()
        except BaseException:
            writer.abandon()
            raise
        told = {
            "rows": len(rows),
            "photos": len({row["image_id"] for row in rows}),
            "agreement": figures,
            "min_annotators": min_annotators,
            "publishable": publishable,
            "why": _why(licences),
            "licences": licences,
            "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in shards},
        }
        write_text(folder / "README.md", _card(told, out.resolve().name))
        write_json(folder / DATASET, told)


def _card(told: Mapping[str, Any], name: str) -> str:
    """The README.md; everything that came from data is escaped."""
    content = hashlib.sha256(json.dumps(told["files"], sort_keys=True).encode()).hexdigest()[:16]
    table = "\n".join(f"| {_TOLD[key]} | {_shown(value)} |" for key, value in told["agreement"].items())
    sources = "\n".join(
        f"| {cell(line['source'])} | {cell(line['license'])} | {line['rows']:,} | {line['images']:,} | "
        f"{'whole' if line['publish'] == WHOLE else 'ids and annotations only'} | "
        f"{cell(line['note']) if line['note'] else ''} |"
        for line in told["licences"]
    )
    return _CARD.format(
        title=json.dumps(name, ensure_ascii=False),
        name=cell(name),
        folder=json.dumps(name, ensure_ascii=False),
        # Part of what `datasets` names its cache by: after a second import it must not serve the rows of before.
        content=json.dumps(f"content {content}"),
        rows=counted(told["rows"], "row"),
        photos=counted(told["photos"], "photo"),
        minimum=told["min_annotators"],
        table=table,
        publishable="yes" if told["publishable"] else "no",
        why=told["why"],
        sources=sources,
    )


def _why(licences: Sequence[Mapping[str, Any]]) -> str:
    """Why the folder may be published as it is, or may not, in words; everything from data is escaped."""
    held = [line for line in licences if line["publish"] == ANNOTATIONS]
    if not held:
        return "The terms of every source let its photos be passed on; keep the notices that they ask for."
    named = "; ".join(
        f"{cell(line['source'])} ({cell(line['license'])}): {counted(line['images'], 'photo')}, "
        f"{counted(line['rows'], 'row')}"
        for line in held
    )
    return (
        f"This folder holds photos whose terms do not let them be passed on: {named}. Share image ids and annotations "
        "of these rows without the photos."
    )


def _shown(value: float | int | None) -> str:
    return "n/a" if value is None else f"{value:.3f}" if isinstance(value, float) else f"{value:,}"
