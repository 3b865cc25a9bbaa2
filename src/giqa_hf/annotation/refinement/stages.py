"""Stage 3: boxes that do not look as their tag says leave (IQA-Filter), the others unite where they may (Box-Merge)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from PIL import Image

from ...boxes import Boxes, clip
from ..record import Box, Fate, Record, Tag, drop
from ..stage import Pictures, Stage
from .judge import CropJudge, Crops
from .merge import Coverage, Touch, merge_boxes

WhenAllRejected = Literal["keep", "drop"]


class FilterBoxes(Stage):
    """IQA-Filter (paper Algorithm 1, lines 4 to 9): each box's crop is asked whether its quality is the tag's.

    The crops of the whole batch go to the judge in one call. What it said stands in `Box.judged`, of kept boxes too. A
    box of which it cannot tell anything stays in, as do those of a tag without a quality, which are not asked about.

    Args:
        judge (`CropJudge`): who is asked.
        threshold (`float`, *optional*, defaults to `0.5`):
            the least probability of "Yes" that keeps a box; 0.5 is where "Yes" is as likely as "No" (certain: the paper
            removes what is answered "No").
        only_multiple (`bool`, *optional*, defaults to `True`):
            ask only about tags with several boxes, as the paper's text has it; its algorithm goes over all boxes.
        when_all_rejected (`str`, *optional*, defaults to `"keep"`):
            what becomes of a tag all of whose boxes are rejected: `"keep"` them all, or `"drop"` them. The paper is
            silent; keeping is a guess.
        min_crop_px (`int`, *optional*, defaults to `32`): least side of a crop, see `judge.crop_box`.
    """

    name: ClassVar[str] = "filter"
    reads: ClassVar[tuple[str, ...]] = ("photo", "tags", "boxes")
    adds: ClassVar[tuple[str, ...]] = ("boxes",)

    def __init__(
        self,
        judge: CropJudge,
        threshold: float = 0.5,
        only_multiple: bool = True,
        when_all_rejected: WhenAllRejected = "keep",
        min_crop_px: int = 32,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold: expected a probability in 0..1, got {threshold!r}")
        if when_all_rejected not in get_args(WhenAllRejected):
            raise ValueError(f"when_all_rejected: expected 'keep' or 'drop', got {when_all_rejected!r}")
        if min_crop_px < 1:
            raise ValueError(f"min_crop_px: expected at least 1 pixel, got {min_crop_px!r}")
        self.judge = judge
        self.threshold = threshold
        self.only_multiple = only_multiple
        self.when_all_rejected = when_all_rejected
        self.min_crop_px = min_crop_px

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Ask about the boxes of all records, and drop those that are rejected."""
        images: list[Image.Image] = []
        boxes: list[Box] = []
        tags: list[Tag] = []  # of each box
        for record in records:
            for tag in record.live_tags:
                drop_unusable_boxes(tag, self.name)
            asked = [tag for tag in record.live_tags if self._is_asked(tag)]
            if not asked or (image := pictures.get(record)) is None:
                continue
            for tag in asked:
                boxes += tag.live_boxes
                tags += [tag] * len(tag.live_boxes)
                images += [image] * len(tag.live_boxes)
        if not boxes:
            return
        crops = Crops(images, [box.now_norm for box in boxes], self.min_crop_px)
        answers = self.judge.yes_probability(crops, [tag.quality for tag in tags])
        for box, answer in zip(boxes, answers, strict=True):
            box.judged = answer if answer is not None and math.isfinite(answer) else None
        for tag in {id(tag): tag for tag in tags}.values():
            self._reject(tag)

    def settings(self) -> dict[str, Any]:
        """Judge and options."""
        return {
            "judge": self.judge.settings(),
            "threshold": self.threshold,
            "only_multiple": self.only_multiple,
            "when_all_rejected": self.when_all_rejected,
            "min_crop_px": self.min_crop_px,
        }

    def _is_asked(self, tag: Tag) -> bool:
        return len(tag.live_boxes) > int(self.only_multiple) and tag.quality.strip() != ""

    def _reject(self, tag: Tag) -> None:
        live = tag.live_boxes
        rejected = [box for box in live if box.judged is not None and box.judged < self.threshold]
        if len(rejected) == len(live) and self.when_all_rejected == "keep":
            return
        for box in rejected:
            drop(box, self.name, "judge says No", score=box.judged)


class MergeBoxes(Stage):
    """Box-Merge (paper Algorithm 1, lines 10 to 20) on the boxes of each tag, in the order of the detector.

    A box that is merged says into which (`detail`: "into box K", counted from 0 among all boxes of its tag), by which
    rule, and with which score (see `merge.Merged`). The box that took it in grows (`Box.box_norm`).

    Args:
        area_threshold (`float`, *optional*, defaults to `0.256`): T_a, see `merge.merge_boxes` for this and the rest.
        overlap_threshold (`float`, *optional*, defaults to `0.95`): T_o.
        coverage (`str`, *optional*, defaults to `"min_area"`): what the coverage ratio is.
        touch (`str`, *optional*, defaults to `"closed"`): what touching is.
        symmetric (`bool`, *optional*, defaults to `False`): whether both boxes must be small to unite by touch.
    """

    name: ClassVar[str] = "merge"
    reads: ClassVar[tuple[str, ...]] = ("tags", "boxes")
    adds: ClassVar[tuple[str, ...]] = ("boxes",)

    def __init__(
        self,
        area_threshold: float = 0.256,
        overlap_threshold: float = 0.95,
        coverage: Coverage = "min_area",
        touch: Touch = "closed",
        symmetric: bool = False,
    ) -> None:
        self._options: dict[str, Any] = {
            "area_threshold": area_threshold,
            "overlap_threshold": overlap_threshold,
            "coverage": coverage,
            "touch": touch,
            "symmetric": symmetric,
        }
        merge_boxes([], **self._options)  # complains of an unknown option now, not in the middle of a build

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Merge the boxes of every tag."""
        for record in records:
            for tag in record.live_tags:
                drop_unusable_boxes(tag, self.name)
                self._merge(tag)

    def settings(self) -> dict[str, Any]:
        """Thresholds and options."""
        return dict(self._options)

    def _merge(self, tag: Tag) -> None:
        at = [place for place, box in enumerate(tag.boxes) if box.fate is None]
        if len(at) < 2:
            return
        result = merge_boxes([tag.boxes[place].now_norm for place in at], **self._options)
        left = iter(result.boxes_norm)
        for place, merged in zip(at, result.merged_into, strict=True):
            box = tag.boxes[place]
            if merged is None:
                _move(box, next(left))
                continue
            reason = "touching, and the other is small" if merged.rule == "touching" else "overlapping"
            box.fate = Fate("merged", self.name, reason, f"into box {at[merged.into]}", merged.score)


def drop_unusable_boxes(tag: Tag, stage: str) -> None:
    """Drop boxes of a tag that are none, and cut to the image those that reach out of it.

    Detectors and corpora are to give only boxes inside the image; this is for those that do not.

    Args:
        tag (`Tag`): its boxes that are still in are looked at.
        stage (`str`): who drops them.
    """
    for box in tag.live_boxes:
        found = np.array([box.now_norm], dtype=np.float64)
        inside = clip(found)
        if not np.isfinite(found).all():
            drop(box, stage, "coordinates are no numbers")
        elif (found[0, :2] >= found[0, 2:]).any():
            drop(box, stage, "no area")
        elif (inside[0, :2] >= inside[0, 2:]).any():
            drop(box, stage, "outside the image")
        else:
            _move(box, inside[0])


def _move(box: Box, to_norm: Boxes) -> None:
    """Set where a box is now, if that is another place."""
    x1, y1, x2, y2 = to_norm.tolist()
    if (x1, y1, x2, y2) != box.now_norm:
        box.box_norm = (x1, y1, x2, y2)
