"""Stage 2, boxes: each tag's phrase is looked for in the photo (paper Sec. 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ...boxes import Boxes, area, clip
from ..record import Box, Record, Tag, drop
from ..stage import Pictures, Stage
from .detector import SCORE_DECIMALS, Detections, Detector

DECIMALS = 6
"""Of a stored box: a thousandth of a pixel of a photo 1,000 pixels wide. The same batch gives the same decimals each
time; in a batch of another size the last one may differ by one."""


class DetectBoxes(Stage):
    """Adds to each tag the boxes that the detector finds for its phrase T_r.

    All that the detector gives is kept in the record. Dropped are boxes that are "not finite", that lie "outside the
    photo", that have "no area" once clipped to it, and those "over the limit per tag". A tag for which nothing was
    found is dropped, so is one that the detector could not look for, each with that reason.

    Args:
        detector (`Detector`): what finds them.
        max_boxes_per_tag (`int`, *optional*, defaults to `50`): so many of the best stay in.
        min_side (`int`, *optional*, defaults to `32`): smallest width and height of a photo, in pixels; on smaller ones
            there is nothing to find, and the record is dropped.
    """

    name: ClassVar[str] = "boxes"
    reads: ClassVar[tuple[str, ...]] = ("photo", "tags")
    adds: ClassVar[tuple[str, ...]] = ("boxes",)

    def __init__(self, detector: Detector, *, max_boxes_per_tag: int = 50, min_side: int = 32) -> None:
        if max_boxes_per_tag < 1:
            raise ValueError(f"max_boxes_per_tag: expected at least 1, got {max_boxes_per_tag}")
        self.detector = detector
        self.max_boxes_per_tag = max_boxes_per_tag
        self.min_side = min_side

    def settings(self) -> dict[str, Any]:
        """The detector's settings and its own limits."""
        return {
            "detector": self.detector.settings(),
            "max_boxes_per_tag": self.max_boxes_per_tag,
            "min_side": self.min_side,
        }

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Look for the tags of all records at once, so that the detector can sort and batch them."""
        images: list[Image.Image] = []
        tags: list[Tag] = []
        for record in records:
            live = record.live_tags
            image = pictures.get(record) if live else None
            if image is None:
                continue
            if min(image.size) < self.min_side:
                detail = f"{image.width} x {image.height} pixels, expected {self.min_side} a side"
                drop(record, self.name, "photo too small", detail=detail)
                continue
            images += [image] * len(live)
            tags += live
        if not tags:
            return
        found = self.detector.detect(images, [tag.phrase for tag in tags])
        for tag, detections in zip(tags, found, strict=True):
            self._admit(tag, detections)

    def _admit(self, tag: Tag, detections: Detections) -> None:
        """Add what was found to a tag, and judge each box."""
        added = [
            _judged(row, float(score), self.name)
            for row, score in zip(detections.boxes_norm, detections.scores, strict=True)
        ]
        tag.boxes += added
        for box in [box for box in added if box.fate is None][self.max_boxes_per_tag :]:
            drop(box, self.name, "over the limit per tag", score=box.score)
        if not added:
            drop(tag, self.name, detections.problem or "nothing detected")
        elif not tag.live_boxes:
            drop(tag, self.name, "no usable box")


def _judged(found: Boxes, score: float, stage: str) -> Box:
    """What the detector gave, shape (4,), as an item of the record, with its fate if it is no box in the photo."""
    row = found[None]
    rounded_score = round(score, SCORE_DECIMALS) if np.isfinite(score) else None
    if not np.isfinite(row).all() or rounded_score is None:
        # JSON has no word for such numbers: they stand in the detail.
        box = Box((0.0, 0.0, 0.0, 0.0), rounded_score)
        drop(box, stage, "not finite", detail=f"{_written(found)}, score {score:.4g}")
        return box
    clipped = np.round(clip(row), DECIMALS) + 0.0  # + 0.0: no -0.0
    x1, y1, x2, y2 = clipped[0].tolist()
    box = Box((x1, y1, x2, y2), rounded_score)
    if (row[:, 2:] < 0).any() or (row[:, :2] > 1).any():
        drop(box, stage, "outside the photo", detail=_written(found))
    elif area(clipped)[0] == 0:
        drop(box, stage, "no area", detail=_written(found))
    return box


def _written(box: Boxes) -> str:
    return ", ".join(f"{value:.4g}" for value in box)
