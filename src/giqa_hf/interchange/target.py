"""What an export asks of the tool that it is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from ..formats import BoxFormat, ModelFormat
from ..processing import Hidden
from ..schema import TEXT_FIELDS
from ..training.conversations import FrameOf, conversation
from .carries import TITLES
from .outlet import UNSEEN, Unusable

Row = Mapping[str, Any]
"""As `giqa_hf.schema.features` describes it, without its picture."""
REGION_FIELDS = tuple(f"{field}_regions" for field in TEXT_FIELDS)
UNBOXED = TITLES["unboxed"]


class Line(NamedTuple):
    """One row as the tool takes it."""

    value: dict[str, Any]
    """JSON-ready."""
    not_carried: Counter[str]
    """What of the row this form has no place for, with how often it was there."""


class Target(Protocol):
    """A tool's own form of a row."""

    @property
    def name(self) -> str:
        """As on the command line."""

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Words that the tool replaces wherever they stand: a text of the data must hold none of them."""

    def line(self, row: Row, picture: str) -> Line:
        """A row whose picture is the file `picture`, relative to the folder of the export.

        Raises:
            `Unusable`: when it cannot be written, but others can.
            `DataError`: when the row cannot be written.
        """

    def beside(self, dataset: str, rows_file: str) -> Mapping[str, Any]:
        """Further JSON files by name that the tool needs to find the rows."""

    def settings(self) -> dict[str, Any]:
        """What the lines depend on beside the rows, JSON-ready."""

    def command(self, dataset: str, rows_file: str, largest_pixels: int) -> list[str]:
        """Lines for the user: how the tool is started in the folder of the export."""


class Writing(NamedTuple):
    """How boxes become words, where a tool knows no boxes: a model's notation in a model's frame."""

    box_format: BoxFormat
    frame: FrameOf
    declared: str
    """Where the frame is from, for the record: a processor, or `"whole"`, `"square"`."""
    hidden: Hidden = "drop"

    def texts(self, row: Row) -> tuple[str, str, Counter[str]]:
        """Question and answer with their boxes, and what is not carried.

        Raises:
            `Unusable`: when the model takes no picture of this size or shape.
        """
        try:
            self.frame(row["width"], row["height"])
        except ValueError:
            raise Unusable(UNSEEN) from None
        written = conversation(row, self.box_format, self.frame, self.hidden)
        lost = judgements_of(row)
        if isinstance(self.box_format, ModelFormat) and not self.box_format.carries.unboxed:
            lost[UNBOXED] += unboxed_of(row)
        if written["hidden"] and self.hidden == "drop":
            lost["boxes that the frame hides"] += written["hidden"]
        return written["prompt"][0]["content"], written["completion"][0]["content"], +lost

    def settings(self) -> dict[str, Any]:
        """For the record."""
        return {"format": self.box_format.to_dict(), "frame": self.declared, "hidden": self.hidden}


def judgements_of(row: Row) -> Counter[str]:
    """What a region says of quality and effect, which no tool here has a place for."""
    lost: Counter[str] = Counter()
    for region in (region for name in REGION_FIELDS for region in row[name] or ()):
        lost[TITLES["quality"]] += region.get("quality") is not None
        lost[TITLES["effect"]] += region.get("effect") is not None
    return +lost


def unboxed_of(row: Row) -> int:
    """How many phrases of a row have no box."""
    return sum(not len(region["boxes_norm"]) for name in REGION_FIELDS for region in row[name] or ())


def origin_of(row: Row, row_id: str) -> dict[str, str]:
    """Columns that stay beside a row for people; both tools pass over them."""
    return {
        "id": row_id,
        "source": row["source"],
        "license": row["license"],
        "kind": row["question_type"] or row["task"],
    }
