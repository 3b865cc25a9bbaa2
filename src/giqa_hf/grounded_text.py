"""A grounded text as one value: clean text, and regions that tie a phrase in it to boxes.

Every box format is only a way to write this value and to read it back (`giqa_hf.formats`); nothing else in the
library passes strings with coordinates around.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from .boxes import Boxes, as_boxes

BOX_STATUSES = (
    "ok",
    "clipped",  # a corner lay slightly outside the image and was moved onto its rim
    "swapped",  # corners came reversed and were put in order
    "degenerate",  # no area
    "out_of_range",  # not a place in the image; nothing was invented for it
    "bad_arity",  # too few or too many numbers
    "truncated",  # the text ended inside the box
    "duplicate",  # the same box stands earlier in the same region
)
READABLE_STATUSES = ("ok", "clipped", "swapped", "degenerate", "duplicate")
_READABLE = frozenset(READABLE_STATUSES)


class Issue(NamedTuple):
    """A box that could not be read."""

    status: str
    """`out_of_range`, `bad_arity` or `truncated`."""
    raw: str
    """The untouched leftover, as it stood in the source string."""
    span: tuple[int, int]
    """Where it stood in the source string (not in the clean text)."""


@dataclass(eq=False)
class Region:
    """A phrase of a text with the boxes that it names.

    Args:
        phrase (`str`): the words, exactly as they stand in the clean text.
        span (`tuple` of two `int`): start and end of the phrase in the clean text, in characters, end exclusive.
        boxes_norm (`array` of shape (N, 4)): normalised `x1, y1, x2, y2` of the original upright image; N may be 0.
        statuses (`tuple` of `str`, *optional*): one of `READABLE_STATUSES` per box; empty means all `"ok"`.
        quality (`str`, *optional*): what the text says of the region, e.g. `"blurred"` (the paper's T_q).
        effect (`str`, *optional*): `"positive"`, `"negative"` or `"no impact"` on the image (the paper's T_e).
    """

    phrase: str
    span: tuple[int, int]
    boxes_norm: Boxes = field(default_factory=lambda: np.zeros((0, 4)))
    statuses: tuple[str, ...] = ()
    quality: str | None = None
    effect: str | None = None

    def __post_init__(self) -> None:
        boxes = self.boxes_norm
        if type(boxes) is not np.ndarray or boxes.dtype != np.float64 or boxes.shape[1:] != (4,):
            self.boxes_norm = as_boxes(self.boxes_norm)
        if self.statuses and len(self.statuses) != len(self.boxes_norm):
            raise ValueError(
                f"region {self.phrase!r}: expected one status per box ({len(self.boxes_norm)}), "
                f"got {len(self.statuses)}"
            )
        if self.statuses and not _READABLE.issuperset(self.statuses):
            raise ValueError(
                f"region {self.phrase!r}: expected statuses out of {', '.join(READABLE_STATUSES)}, got {self.statuses}"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Region):
            return NotImplemented
        return (
            (self.phrase, self.span, self.quality, self.effect)
            == (other.phrase, other.span, other.quality, other.effect)
            and self.box_statuses == other.box_statuses
            and np.array_equal(self.boxes_norm, other.boxes_norm)
        )

    @property
    def box_statuses(self) -> tuple[str, ...]:
        """One status per box."""
        return self.statuses or ("ok",) * len(self.boxes_norm)


@dataclass(eq=False)
class GroundedText:
    """Clean text with regions in reading order.

    Args:
        text (`str`): the text without any coordinates.
        regions (`list` of `Region`): sorted by span, not overlapping.
        issues (`list` of `Issue`, *optional*): boxes of the source string that could not be read.

    Raises:
        `ValueError`: when a region's span does not hold its phrase, or regions overlap or are out of order.
    """

    text: str
    regions: list[Region] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)

    def __post_init__(self) -> None:
        end_before = 0
        for region in self.regions:
            start, end = region.span
            if (
                start < end_before
                or self.text[start:end] != region.phrase
                or end - start != len(region.phrase)
            ):
                raise ValueError(self._complaint(region, end_before))
            end_before = end

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GroundedText):
            return NotImplemented
        return (self.text, self.regions, self.issues) == (other.text, other.regions, other.issues)

    @property
    def boxes_norm(self) -> Boxes:
        """All boxes in reading order, shape (M, 4), normalised."""
        return np.concatenate([np.zeros((0, 4)), *(region.boxes_norm for region in self.regions)])

    @property
    def phrases(self) -> list[str]:
        """The phrase of each row of `boxes_norm`."""
        return [region.phrase for region in self.regions for _ in range(len(region.boxes_norm))]

    def boxes_px(self, width: int, height: int) -> Boxes:
        """All boxes in pixels of the original upright image of `width` x `height`, shape (M, 4)."""
        return self.boxes_norm * np.array([width, height, width, height], dtype=np.float64)

    def map_boxes(self, change: Callable[[Boxes], Boxes]) -> GroundedText:
        """The same text with every region's boxes (N, 4) replaced by `change(boxes)`, of the same length."""
        return replace(self, regions=[replace(r, boxes_norm=change(r.boxes_norm)) for r in self.regions])

    def to_dict(self) -> dict[str, Any]:
        """The value as plain JSON-ready data."""
        return {
            "text": self.text,
            "regions": [
                {
                    "phrase": r.phrase,
                    "span": list(r.span),
                    "boxes_norm": r.boxes_norm.tolist(),
                    "statuses": list(r.box_statuses),
                    "quality": r.quality,
                    "effect": r.effect,
                }
                for r in self.regions
            ],
            "issues": [{"status": i.status, "raw": i.raw, "span": list(i.span)} for i in self.issues],
        }

    def _complaint(self, region: Region, end_before: int) -> str:
        start, end = region.span
        if not 0 <= start <= end <= len(self.text):
            return f"region {region.phrase!r}: expected a span inside the text (0..{len(self.text)}), got {region.span}"
        if start < end_before:
            return (
                f"region {region.phrase!r}: expected regions in reading order without overlap "
                f"(start >= {end_before}), got span {region.span}"
            )
        return f"region {region.phrase!r}: its span {region.span} holds {self.text[start:end]!r} instead"
