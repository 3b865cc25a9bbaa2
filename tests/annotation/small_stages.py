"""Small real stages, a corpus in memory and a profile of them, for the tests of the machinery.

They stand in a file of their own, because worker processes import them.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from giqa_hf.annotation.record import Box, Fate, Mention, Pair, Record, Tag, drop
from giqa_hf.annotation.stage import Pictures, Stage, record_rng
from giqa_hf.errors import GiqaError


@dataclass(frozen=True)
class Row:
    """As `CorpusRow`."""

    record_id: str
    image_id: str
    image: str | bytes
    description: str
    source: str = "made"
    license: str = "CC0-1.0"
    problem: str | None = None
    detail: str | None = None


@dataclass
class ListCorpus:
    """As `Corpus`."""

    root: Path
    rows: Sequence[Row]
    name: str = "list"
    extra: dict[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def settings(self) -> dict[str, Any]:
        return {"name": self.name, **self.extra}


class WordTags(Stage):
    """Every word of more than three letters is a tag; those that end in "ly" are dropped."""

    name = "tags"
    reads = ("description",)
    adds = ("tags",)

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        for record in records:
            at = 0
            for word in record.description.split():
                start = record.description.index(word, at)
                at = start + len(word)
                if len(word) > 3:
                    record.tags.append(Tag(word, word, "blurry", "negative", (start, at)))
            for tag in record.tags:
                if tag.name.endswith("ly"):
                    drop(tag, self.name, "no object")


class ChanceBoxes(Stage):
    """One to three boxes a tag by chance, seeded by the record, placed by the photo's mean grey."""

    name = "boxes"
    reads = ("photo", "tags")
    adds = ("boxes",)

    def __init__(self, most: int = 3) -> None:
        self.most = most

    def settings(self) -> dict[str, Any]:
        return {"most": self.most}

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        for record in records:
            if (image := pictures.get(record)) is None:
                continue
            grey = image.convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) / 255
            rng = record_rng(record, self.name)
            for tag in record.live_tags:
                for _ in range(int(rng.integers(1, self.most + 1))):
                    x, y = (float(value) for value in rng.random(2) / 2)
                    tag.boxes.append(Box((x, y, x + 0.1 + 0.3 * grey, y + 0.2), float(rng.random())))


class KeepBest(Stage):
    """Of a tag's boxes the first is grown by the second, others are dropped with their score."""

    name = "merge"
    reads = ("tags", "boxes")
    adds = ("boxes",)

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        for record in records:
            for tag in record.live_tags:
                first, *others = tag.boxes
                for number, box in enumerate(others):
                    if number:
                        drop(box, self.name, "too many boxes", score=box.score)
                    else:
                        first.box_norm = (*first.found_norm[:2], 1.0, 1.0)
                        box.fate = Fate("merged", self.name, "into the first")


class NamePairs(Stage):
    """A pair for the first tag of each record."""

    name = "pairs"
    reads = ("tags",)
    adds = ("pairs",)

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        for record in records:
            for tag in record.live_tags[:1]:
                question = f"Is the {tag.name} blurry?"
                mention = Mention("question", (7, 7 + len(tag.name)), record.tags.index(tag))
                record.pairs.append(Pair(question, "Yes", "yes_no", [mention]))


class Trap(Stage):
    """At the record `at` it does something terrible once: then `flag` exists, and it lets everything pass.

    Args:
        at (`str`): the record id.
        flag (`str`): a file.
        what (`str`): "kill" ends its own process; "dead server" raises a `GiqaError`; "bug" a `KeyError`.
    """

    name = "trap"
    reads = ("description",)

    def __init__(self, at: str, flag: str, what: str) -> None:
        self.at, self.flag, self.what = at, flag, what

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        if not any(record.record_id == self.at for record in records):
            return
        try:
            os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        if self.what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "dead server":
            raise GiqaError(
                "http://host:8000/v1 no longer answers; start it again, then run the same command again"
            )
        raise KeyError(self.what)


@dataclass(frozen=True)
class SmallProfile:
    """As `Profile`, of the first so many of the stages above, with a trap behind the tags."""

    name: str = "small"
    most: int = 3
    trap: Callable[[], Stage] | None = None
    length: int = 4

    def stages(self, build: Path | None = None) -> list[Callable[[], Stage]]:
        own = [WordTags, functools.partial(ChanceBoxes, self.most), KeepBest, NamePairs][: self.length]
        return [*own[:1], self.trap, *own[1:]] if self.trap else own

    def settings(self) -> dict[str, Any]:
        return {"name": self.name}

    def versions(self) -> dict[str, str]:
        return {}

    def explained(self, error: GiqaError) -> GiqaError:
        return error

    def setting_names(self) -> list[str]:
        return ["name", "most"]

    def model_stages(self) -> frozenset[str]:
        return frozenset({"boxes"})


WORDS = ("tower", "sky", "lake", "blurry", "slightly", "noisy", "face", "a", "dark", "tree")


def small_corpus(root: Path, count: int) -> ListCorpus:
    """So many rows over four photos, with a missing photo, a broken one, a duplicate id and a row without text."""
    for number in range(4):
        if not (path := root / f"{number}.png").exists():
            Image.new("RGB", (48 + number, 32), (60 * number, 40, 90)).save(path)
    (root / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    rows = []
    for number in range(count):
        text = " ".join(WORDS[(number * 7 + step * 3) % len(WORDS)] for step in range(5)) + " …"
        rows.append(Row(f"r{number:04d}", f"i{number % 4}", f"{number % 4}.png", text))
    changes = {
        3: {"image": "nowhere.png", "problem": "photo missing"},
        5: {"image": "broken.png"},
        8: {"record_id": "r0002"},
        9: {"description": "", "problem": "no description", "detail": "row 9"},
    }
    for number, change in changes.items():
        if number < count:
            rows[number] = Row(**{**vars(rows[number]), **change})
    return ListCorpus(root, rows)


class Pause(Stage):
    """Takes its time."""

    name = "trap"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        time.sleep(self.seconds)


def embedded_corpus(root: Path, count: int) -> ListCorpus:
    """As `small_corpus`, but some of the photos came inside the table."""
    corpus = small_corpus(root, count)
    for number in (number for number in (1, 2, 11, 12) if number < count):
        row = corpus.rows[number]
        content = (root / str(row.image)).read_bytes()
        corpus.rows[number] = Row(**{**vars(row), "image": content})
    return corpus


def files_of(build: Path) -> dict[str, bytes]:
    """Every file of a build with its content."""
    return {str(path.relative_to(build)): path.read_bytes() for path in build.rglob("*") if path.is_file()}
