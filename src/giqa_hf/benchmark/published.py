"""The numbers that the paper prints, as data: published by its authors, measured by nobody here.

Tab. 5 (all 16 rows), Tab. 2 (a and b) and Tab. 3 of arXiv:2411.17237, to the digit; some cells of Tab. 5 are cut off
and not rounded there (0.3888 is 35/90). The judge's prompt, the name similarity and the pictures are not published, so
a number of one's own beside them is not measured in the same way.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

TableName = Literal["table_2a", "table_2b", "table_3", "table_5"]
_FILE = Path(__file__).with_name("published.json")


class PublishedRow(NamedTuple):
    """A row of a table."""

    method: str
    group: str | None
    """`"General"`, `"Ground"`, `"IQA"` or `"Ours"` in Tab. 5; `None` in the others."""
    printed: dict[str, str | None]
    """By column, the digits as they are printed; `None` where the paper has N/A."""

    @property
    def figures(self) -> dict[str, float | None]:
        """By column, the numbers: mIoU, Tag-Recall and accuracies 0..1, BLEU@4 and LLM-Score 0..100."""
        return {name: None if text is None else float(text) for name, text in self.printed.items()}


class PublishedTable(NamedTuple):
    """A table of the paper."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[PublishedRow, ...]


@cache
def published_table(name: TableName) -> PublishedTable:
    """One of the tables.

    Args:
        name (`str`): `"table_2a"`, `"table_2b"`, `"table_3"` or `"table_5"`.

    Returns:
        `PublishedTable`

    Raises:
        `ValueError`: on another name.

    Example:

    ```python
    >>> published_table("table_5").rows[-1].figures["VQA Acc (Total)"]
    0.7417
    ```
    """
    tables = json.loads(_FILE.read_text(encoding="utf-8"))
    if name not in tables:
        raise ValueError(f"published_table: expected one of {', '.join(tables)}, got {name!r}")
    found = tables[name]
    columns = tuple(found["columns"])
    rows = (
        PublishedRow(row["method"], row.get("group"), dict(zip(columns, row["values"], strict=True)))
        for row in found["rows"]
    )
    return PublishedTable(found["source"], columns, tuple(rows))


def published_text(name: TableName) -> str:
    """A table for a terminal, below what it is and where it comes from."""
    table = published_table(name)
    lines = [["", *table.columns]]
    lines += [[row.method, *(row.printed[column] or "N/A" for column in table.columns)] for row in table.rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(table.columns) + 1)]
    shown = [
        "  ".join(
            [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    ]
    return "\n".join([f"published, not measured: {table.source}", *(line.rstrip() for line in shown)])
