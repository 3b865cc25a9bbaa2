"""A dataset of the Hub, or a dataset folder, read as a stream; photos stay encoded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError
from .columns import Wanted, choose_columns
from .label_file import fingerprint
from .rows import CorpusRow, Found, admit
from .table import SUFFIXES


class HubDataset:
    """A corpus from `datasets.load_dataset(..., streaming=True)`.

    Args:
        what (`str`): a dataset id of the Hub, `owner/name` or `owner/name:config`, or a folder.
        root (`Path`, *optional*): folder of the photos, for a column of paths; by default the dataset's folder.
        split (`str`, *optional*): needed where the dataset has several.
        wanted (`Wanted`): columns, source and licence, where they are not to be found.

    Raises:
        `DataError`: when there is no such dataset, config or split, or the columns are not found.
    """

    def __init__(self, what: str, root: Path | None, split: str | None, wanted: Wanted) -> None:
        folder = Path(what) if Path(what).is_dir() else None
        self.name = what
        self.root = root or folder or Path()
        self.id, _, config = (what, "", "") if folder else what.partition(":")
        self._builder = _builder(self.id, config or None)
        self.split = self._choose_split(split)
        self._folder = None if folder is None else folder.resolve()
        with self._explained(0):
            stream = self._stream()
            features = stream.features or {}
            first: dict[str, Any] = {} if features else next(iter(stream.take(1)), {})
        pictures = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
        self.columns = choose_columns([*(features or first)], what, wanted, self.id.rstrip("/"), pictures)

    def __iter__(self) -> Iterator[CorpusRow]:
        return admit(self._found(), self.root)

    def settings(self) -> dict[str, Any]:
        """Name, config, split, columns, and the data files: of the Hub with their revision, of a folder with SHA-256.

        Photos that lie in a folder as files of their own are only counted.
        """
        files = [str(name) for name in (self._builder.config.data_files or {}).get(self.split, [])]
        settings = {
            "name": self.name, "config": self._builder.config.name, "split": self.split,
            "columns": self.columns.settings(),
        }  # fmt: skip
        if self._folder is None:
            return {**settings, "files": sorted(files)}
        tables = sorted(Path(name) for name in files if Path(name).suffix.lower() in SUFFIXES)
        return {
            **settings, "files": [fingerprint(path) for path in tables if path.is_file()],
            "other_files": len(files) - len(tables),
        }  # fmt: skip

    def _choose_split(self, split: str | None) -> str:
        there = list(self._builder.config.data_files or self._builder.info.splits or {})
        if split is None and len(there) == 1:
            return str(there[0])
        if split in there:
            return str(split)
        problem = "which split shall be read?" if split is None else f"it has no split {split!r};"
        raise DataError(
            f"{self.name}: {problem} Name it with --split; there are: {', '.join(map(str, there))}"
        )

    def _stream(self) -> Any:
        """The dataset as a stream, its pictures not decoded."""
        from datasets import Image

        stream = self._builder.as_streaming_dataset(split=self.split)
        for name, feature in (stream.features or {}).items():
            if isinstance(feature, Image):
                stream = stream.cast_column(name, Image(decode=False))
        return stream

    def _found(self) -> Iterator[Found]:
        number = 0
        stream = iter(self._stream())
        while True:
            with self._explained(number):
                values = next(stream, None)
            if values is None:
                return
            number += 1
            with self._explained(number - 1):
                photo = self._photo(values.get(self.columns.image))
            yield self.columns.found(f"row {number}", {**values, self.columns.image: photo})

    @contextlib.contextmanager
    def _explained(self, number: int) -> Iterator[None]:
        """Say where it happened when a file of the dataset cannot be read."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:  # what datasets' readers of files raise
            raise DataError(
                f"{self.name}, split {self.split}, behind row {number}: cannot be read ({_short(error)}); check the "
                "data, or the connection, and run again"
            ) from None

    def _photo(self, value: Any) -> Any:
        """What `admit` can take: bytes, or a path relative to the root.

        A picture without bytes has the place that datasets found it at: an absolute path in our folder, or an
        address inside the Hub or an archive, from where it is fetched now. A place that is not the dataset's own is
        left to `admit`, which refuses it: the table might have named it.
        """
        if not isinstance(value, Mapping) or value.get("bytes"):
            return value
        path = value.get("path")
        if not isinstance(path, str):
            return None
        place = path.rpartition("::")[2]  # "zip://a.jpg::hf://datasets/owner/name@main/photos.zip"
        if self._folder is None:
            own = place.startswith((f"hf://datasets/{self.id}@", f"hf://datasets/{self.id}/"))
        else:
            own = Path(place).is_absolute() and Path(place).resolve().is_relative_to(self._folder)
        if not own:
            return path
        if place == path and Path(path).resolve().is_relative_to(self.root.resolve()):
            return Path(path).resolve().relative_to(self.root.resolve()).as_posix()
        import fsspec  # type: ignore[import-untyped]  # datasets brings it; it ships no types

        try:
            with fsspec.open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None


def _builder(name: str, config: str | None) -> Any:
    from datasets import load_dataset_builder

    try:
        return load_dataset_builder(name, config)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{name} cannot be opened as a dataset ({_short(error)}); expected a dataset id of the Hub (owner/name, or "
            "owner/name:config) or a folder that datasets.load_dataset reads"
        ) from None


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
