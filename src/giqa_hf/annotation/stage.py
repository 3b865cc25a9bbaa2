"""A stage of the pipeline: it takes a batch of records and returns it, with a reason for everything that it drops."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ..errors import ImageError
from ..images import read_image
from .record import Record, drop


class Pictures:
    """The decoded, upright photos of the batch that is being worked on, each opened once.

    Args:
        root (`Path`): folder of the corpus' photos.
        build (`Path`): folder of the build, for photos that came inside a table.
    """

    def __init__(self, root: Path, build: Path) -> None:
        self.root = root
        self.build = build
        self._open: dict[str, Image.Image] = {}

    def path(self, record: Record) -> Path:
        """Where the photo of a record lies."""
        return (self.build if record.embedded else self.root) / record.image

    def get(self, record: Record) -> Image.Image | None:
        """The photo, or `None` where it cannot be read; then the record is dropped with that reason.

        Width and height of the record are set on the way.
        """
        if (image := self._open.get(record.record_id)) is None:
            try:
                image = read_image(self.path(record))
            except ImageError as error:
                drop(record, "images", "photo cannot be read", detail=str(error))
                return None
            self._open[record.record_id] = image
            record.width, record.height = image.size
        return image

    def clear(self) -> None:
        """Forget the photos of a finished batch."""
        self._open.clear()


class Stage(ABC):
    """One step on the way of a record.

    A stage is made from plain settings, so that it can be made again in another process; models and connections are
    opened at the first batch. What it does must depend on the batch and its settings alone, never on the order in
    which batches come or on what was done before: an interrupted build goes on to the same bytes.
    """

    name: ClassVar[str]
    """As it stands in the audit."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Fields of the record that it needs: `"photo"`, `"description"`, `"tags"`, `"boxes"`, `"pairs"`."""
    adds: ClassVar[tuple[str, ...]] = ()
    """Fields that it adds to or judges."""

    @abstractmethod
    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Work on the records of a batch that are still in, in place.

        Raises:
            `GiqaError`: for what concerns the whole build (a dead server, too little memory): the build stops there
                and can go on later. What concerns one record is a drop.
        """

    def settings(self) -> dict[str, Any]:
        """Everything that its results depend on (ids, revisions, thresholds, prompt versions), for the manifest."""
        return {}

    def __call__(self, records: list[Record], pictures: Pictures) -> list[Record]:
        """Process those that are still in, settle what is inside dropped items, and return all of them."""
        live = [record for record in records if record.fate is None]
        if live:
            self.process(live, pictures)
        for record in records:
            record.settle()
        return records


def record_rng(record: Record, stage: str, seed: int = 0) -> np.random.Generator:
    """The source of chance of a stage for one record: the same whatever was drawn before."""
    digest = hashlib.sha256(f"{seed}\0{stage}\0{record.record_id}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
