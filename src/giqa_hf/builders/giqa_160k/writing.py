"""Rows into Parquet shards with their photos inside, and a folder that appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...errors import GiqaError
from ...files import atomic_write

DATASET = "dataset.json"
"""By this file a folder is known again as one that `giqa dataset build` made."""
SHARD_BYTES = 500_000_000
_PATTERN_MARKS = ("*", "?", "[", "::")
"""In a path, `datasets` takes them for a pattern or a chain of file systems: it finds nothing, or other files too."""
_GROUP_ROWS, _GROUP_BYTES = 100, 64_000_000  # of a row group, the unit that a reader takes into memory


class ShardWriter:
    """Writes rows into Parquet shards, `<split>-<number>-of-<count>.parquet`.

    Rows of one photo that come one after the other share its bytes in the file: Parquet stores each value of a row
    group once. Memory is bounded by one row group.

    Args:
        folder (`Path`): where the shards go.
        split (`str`): first part of their names.
        shard_bytes (`int`, *optional*, defaults to `500_000_000`): a shard ends behind the row group that reaches it.
    """

    def __init__(self, folder: Path, split: str, shard_bytes: int = SHARD_BYTES) -> None:
        from ...schema import features

        self.folder = folder
        self.split = split
        self.shard_bytes = shard_bytes
        self._schema = features().arrow_schema
        self._group: list[Mapping[str, Any]] = []
        self._group_bytes = 0
        self._shards: list[Path] = []
        self._open = contextlib.ExitStack()
        self._file: Any = None
        self._writer: Any = None

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Args:
            row (`Mapping`): as `schema.features()` describes it; its image `{"bytes", "path"}`.
        """
        self._group.append(row)
        self._group_bytes += len(row["image"]["bytes"] or b"") if row["image"] else 0
        if len(self._group) >= _GROUP_ROWS or self._group_bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> list[Path]:
        """Finish, and return the shards under their final names; none where no row came."""
        self._flush()
        self._end_shard()
        count = len(self._shards)
        return [
            path.rename(self.folder / f"{self.split}-{number:05d}-of-{count:05d}.parquet")
            for number, path in enumerate(self._shards)
        ]

    def abandon(self, error: BaseException | None = None) -> None:
        """Let go of what is not finished; `atomic_write` removes its file, and says what the disk had against it.

        Args:
            error (`BaseException`, *optional*): why.
        """
        writer, self._writer = self._writer, None
        with contextlib.suppress(Exception):
            if writer is not None:
                writer.close()
        error = error or GiqaError("abandoned")
        self._open.__exit__(type(error), error, error.__traceback__)

    @contextlib.contextmanager
    def _abandoned_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.abandon(error)
            raise

    def _flush(self) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]  # datasets brings it; it ships no types
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        if not self._group:
            return
        if self._writer is None:
            path = self.folder / f"{self.split}-{len(self._shards):05d}.parquet"
            self._file = self._open.enter_context(atomic_write(path))
            self._writer = pq.ParquetWriter(
                self._file, self._schema, dictionary_pagesize_limit=2 * _GROUP_BYTES
            )
            self._shards.append(path)
        with self._abandoned_on_error():
            self._writer.write_table(pa.Table.from_pylist(self._group, schema=self._schema))
        self._group, self._group_bytes = [], 0
        if self._file.tell() >= self.shard_bytes:
            self._end_shard()

    def _end_shard(self) -> None:
        if self._writer is not None:
            with self._abandoned_on_error():
                self._writer.close()
            self._writer = None
            self._open.close()


@contextlib.contextmanager
def staged_folder(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends without an error, and is removed otherwise.

    Args:
        out (`Path`): the folder to be; absent, empty, or with `overwrite` an earlier dataset of ours.
        overwrite (`bool`, *optional*, defaults to `False`): whether an earlier dataset may be replaced.

    Yields:
        `Path`: the folder to write to. What a killed run has left there is gone.

    Raises:
        `GiqaError`: when `out` holds something else, another run is at work on it, or `datasets` cannot open a folder
            of that name.
    """
    out = Path(os.path.abspath(out))
    check_place(out, overwrite)
    stage, old = (out.parent / f".{out.name}.{end}" for end in ("part", "old"))
    with _explained(out):
        stage.mkdir(parents=True, exist_ok=True)
    with _held(stage, out):
        try:
            with _explained(out):
                for path in stage.iterdir():  # left by a killed run
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            yield stage
            check_place(out, overwrite)
            with _explained(out):
                shutil.rmtree(old, ignore_errors=True)
                if out.exists():
                    out.rename(old)
                stage.rename(out)
                shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(stage, ignore_errors=True)
            raise


def check_place(out: Path, overwrite: bool = False) -> None:
    """See that a dataset may be made at a place; `staged_folder` does so, and long work does before it begins.

    Args:
        out (`Path`): the folder to be.
        overwrite (`bool`, *optional*, defaults to `False`): whether an earlier dataset may be replaced.

    Raises:
        `GiqaError`: when it holds something else, or `datasets` cannot open a folder of that name.
    """
    out = Path(os.path.abspath(out))
    if marks := [mark for mark in _PATTERN_MARKS if mark in str(out)]:
        raise GiqaError(
            f"{out}: expected a path that load_dataset can open, found {' and '.join(marks)} in it, which datasets "
            "reads as a pattern; choose another folder"
        )
    if not out.exists():
        return
    if not out.is_dir():
        raise GiqaError(f"{out}: expected a folder to make, found a file; choose another folder")
    if not any(out.iterdir()):
        return
    if not (out / DATASET).is_file():
        raise GiqaError(
            f"{out}: expected no folder, an empty one or an earlier dataset, found other files; choose another folder"
        )
    if not overwrite:
        raise GiqaError(
            f"{out}: there is a dataset already; choose another folder, or replace it with --overwrite where the "
            "command has it"
        )


@contextlib.contextmanager
def _held(stage: Path, out: Path) -> Iterator[None]:
    """Hold a folder for this process; the system lets go of it however the process ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(stage, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems know no locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GiqaError(
                    f"{out}: another run is at work on it; wait for it, or choose another folder"
                ) from None
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _explained(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GiqaError(
            f"{out}: cannot be made ({error.strerror or error}); check the place, or choose another folder"
        ) from error
