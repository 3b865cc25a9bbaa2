"""A table of one's own, CSV, TSV, JSON lines, a JSON list or Parquet: a column of photos and one of descriptions."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from .columns import Columns, Wanted, choose_columns
from .json_stream import stream_json_lines, stream_json_list
from .label_file import Line, fingerprint, lines_of, open_text
from .rows import CorpusRow, Found, admit

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
_BATCH = 32  # rows of a Parquet table at once: with photos of 5 MB in it that is 160 MB


class Cells(NamedTuple):
    """A line of a table."""

    where: str
    values: Mapping[str, Any]
    fault: str | None = None
    """Why it cannot be read."""


class Table:
    """A corpus from one file.

    A cell of the photo is a path relative to the root, or holds the photo itself (Parquet: bytes, or the struct
    `{bytes, path}` that datasets makes of an `Image()`). Rows without an id get one from the photo and the text, the
    same however the table is sorted.

    Args:
        path (`Path`): the file; its suffix says what it is.
        root (`Path`, *optional*, defaults to the file's folder): what the photos' paths are relative to.
        wanted (`Wanted`): columns, source and licence, where they are not to be found.

    Raises:
        `DataError`: when the file cannot be opened, or the columns are not found; it lists those there are.
    """

    def __init__(self, path: Path, root: Path | None, wanted: Wanted) -> None:
        self.path = path
        self.name = path.name
        self.root = path.parent if root is None else root
        self.form = _form(path)
        self.delimiter = _delimiter(path) if self.form == "csv" else None
        there, pictures = self._header()
        self.columns: Columns = choose_columns(there, str(path), wanted, path.stem, pictures)

    def __iter__(self) -> Iterator[CorpusRow]:
        return admit(self._found(), self.root)

    def settings(self) -> dict[str, Any]:
        """Name, file and columns."""
        settings = {"name": self.name, "files": [fingerprint(self.path)], "columns": self.columns.settings()}
        return settings if self.delimiter is None else {**settings, "delimiter": self.delimiter}

    def _found(self) -> Iterator[Found]:
        for cells in self._cells():
            if cells.fault is not None:
                yield self.columns.unreadable(cells.where, cells.fault)
            else:
                yield self.columns.found(cells.where, cells.values)

    def _header(self) -> tuple[list[str], list[str]]:
        """The columns there are, and those of them that hold pictures by their type."""
        if self.form == "csv":
            with open_text(self.path) as file:
                header = next(csv.reader(file, delimiter=self.delimiter or ",", skipinitialspace=True), [])
            return header, []
        if self.form == "parquet":
            return _parquet_header(self.path)
        # Names only: a hundred records may be large.
        names = [list(cells.values) for cells in itertools.islice(self._cells(), 100) if cells.fault is None]
        if not names:
            raise DataError(
                f"{self.path}: none of its first records can be read, expected objects with a photo and a description, "
                "as a JSON list or one per line; check the file"
            )
        return list(dict.fromkeys(itertools.chain.from_iterable(names))), []

    def _cells(self) -> Iterator[Cells]:
        if self.form == "csv":
            return _csv_cells(self.path, self.delimiter or ",")
        if self.form == "parquet":
            return _parquet_cells(self.path, self.columns.names())
        return _json_cells(self.path, lines=self.form == "lines")


def _form(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return "csv"
    if suffix == ".json":  # some write JSON lines into .json
        with open_text(path) as file:
            return "list" if file.read(4096).lstrip().startswith("[") else "lines"
    return "parquet" if suffix == ".parquet" else "lines"


def _delimiter(path: Path) -> str:
    """A tab in .tsv; in .csv a comma, or what stands in the first line instead (spreadsheets write semicolons)."""
    with open_text(path) as file:
        first = file.readline(1 << 16)
    if path.suffix.lower() == ".tsv":
        return "\t"
    return next((mark for mark in (",", ";", "\t") if mark in first), ",")


def _csv_cells(path: Path, delimiter: str) -> Iterator[Cells]:
    """Rows of a CSV table. A row with a broken quote goes as far as the csv module reads it, 131,072 characters."""

    def whole(line: Line) -> str:
        if not line.whole:
            raise DataError(
                f"{path}, line {line.number}, is longer than {len(line.text):,} characters; check the file"
            )
        return line.text

    with open_text(path) as file:
        reader = csv.reader(
            map(whole, lines_of(file)), delimiter=delimiter, strict=True, skipinitialspace=True
        )
        header = next(reader)
        while True:
            begin = reader.line_num + 1
            fault, row = None, []
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fault = str(error)
            where = f"line {begin}" if reader.line_num == begin else f"lines {begin} to {reader.line_num}"
            if fault is None and len(row) != len(header):
                if not row:
                    continue  # a blank line
                fault = f"expected {len(header)} cells, found {len(row)}"
            yield Cells(where, dict(zip(header, row, strict=False)), fault)


def _json_cells(path: Path, *, lines: bool) -> Iterator[Cells]:
    if lines:
        read = ((f"line {line.number}", line.value, line.fault) for line in stream_json_lines(path))
    else:
        read = ((f"record {number}", value, None) for number, value in enumerate(stream_json_list(path), 1))
    for where, value, fault in read:
        if fault is None and not isinstance(value, Mapping):
            fault = f"expected an object, found {type(value).__name__}"
        yield Cells(where, value if fault is None else {}, fault)


def _parquet_header(path: Path) -> tuple[list[str], list[str]]:
    import pyarrow  # type: ignore[import-untyped]  # datasets brings it; it ships no types
    import pyarrow.parquet  # type: ignore[import-untyped]

    try:
        schema = pyarrow.parquet.read_schema(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as a Parquet table ({_first_line(error)}); check the file"
        ) from None
    pictures = [
        field.name
        for field in schema
        if pyarrow.types.is_struct(field.type)
        and {"bytes", "path"} <= {field.type.field(i).name for i in range(field.type.num_fields)}
    ]
    return list(schema.names), pictures


def _parquet_cells(path: Path, columns: list[str]) -> Iterator[Cells]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        # Without pre_buffer and with a small buffer, pages are read as they are needed, not whole row groups.
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                for values in batch.to_pylist():
                    number += 1
                    yield Cells(f"row {number}", values)
    except (OSError, pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}, behind row {number}, cannot be read ({_first_line(error)}); copy it again"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
