"""What a form can carry of a row, said once: for the table of docs/convert.md and for what a conversion tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..schema import TEXT_FIELDS

NO = ""
"""The form has no place for it."""


@dataclass(frozen=True)
class Carries:
    """How a form carries each part of a row: a few words for people, or `NO`.

    Args:
        boxes (`str`): in what its numbers are, and how fine.
        question_boxes (`str`): boxes of the question (referring).
        several_boxes (`str`): several boxes of one phrase.
        unboxed (`str`): phrases without a box.
        spans (`str`): where in the text a phrase stands.
        quality, effect (`str`): what a region says of itself and of its effect on the picture.
        origin (`str`): source and licence of a row.
        pictures (`str`): the pictures' bytes.
        order (`str`): the order of the rows.
    """

    boxes: str
    question_boxes: str
    several_boxes: str
    unboxed: str
    spans: str
    quality: str
    effect: str
    origin: str
    pictures: str
    order: str = "kept"


TITLES = {
    "boxes": "numbers of a box",
    "question_boxes": "boxes of questions",
    "several_boxes": "several boxes of a phrase",
    "unboxed": "phrases without a box",
    "spans": "where a phrase stands",
    "quality": "quality of a region",
    "effect": "effect of a region",
    "origin": "source and licence",
    "pictures": "pictures",
    "order": "order of the rows",
}
"""What people call a part."""


class Tally:
    """Counts, row by row, how much there is of each part."""

    def __init__(self) -> None:
        self.rows = 0
        self.boxes = 0
        self.boxes_in_several = 0
        self.parts: Counter[str] = Counter()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row of the schema."""
        self.rows += 1
        self.parts["origin"] += 1
        self.parts["pictures"] += row.get("image") is not None
        for field in TEXT_FIELDS:
            for region in row[f"{field}_regions"]:
                count = len(region["boxes_norm"])
                self.boxes += count
                self.parts["spans"] += count > 0
                self.parts["question_boxes"] += count if field == "question" else 0
                self.parts["several_boxes"] += count > 1
                self.boxes_in_several += count if count > 1 else 0
                self.parts["unboxed"] += count == 0
                self.parts["quality"] += region.get("quality") is not None
                self.parts["effect"] += region.get("effect") is not None

    def lost(self, carries: Carries) -> dict[str, int]:
        """How much there was of each part that a form has no place for, by the part's title."""
        return {
            TITLES[part]: self.parts[part]
            for part in TITLES
            if getattr(carries, part) == NO and self.parts[part]
        }

    def kept(self, carries: Carries) -> list[str]:
        """A line for each part that took another shape, with its number."""
        told = [f"{self.boxes} boxes: {carries.boxes}"] if self.boxes else []
        if carries.several_boxes and self.parts["several_boxes"]:
            told.append(
                f"{self.parts['several_boxes']} phrases with several boxes ({self.boxes_in_several} boxes): "
                f"{carries.several_boxes}"
            )
        for part in ("unboxed", "spans", "quality", "effect"):
            if getattr(carries, part) and self.parts[part]:
                told.append(f"{TITLES[part]}, {self.parts[part]}: {getattr(carries, part)}")
        return told


def table(forms: Mapping[str, Carries]) -> str:
    """All forms as a table in Markdown, a column each.

    Args:
        forms (`Mapping` of `str` to `Carries`): by name.
    """
    lines = [f"| | {' | '.join(forms)} |", "|---" * (len(forms) + 1) + "|"]
    for field in fields(Carries):
        cells = (getattr(carries, field.name) or "no" for carries in forms.values())
        lines.append(f"| {TITLES[field.name]} | {' | '.join(cells)} |")
    return "\n".join(lines)
