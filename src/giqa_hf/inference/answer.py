"""What comes back for a picture: an answer with boxes, or the reason why there is none."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from ..boxes import Boxes
from ..errors import ImageError, MissingExtraError
from ..grounded_text import GroundedText, Issue
from ..images import Picture, read_image
from ..report.colours import PhraseColours


@dataclass(frozen=True, eq=False)
class GroundedAnswer:
    """A model's answer about a picture.

    Args:
        grounded (`GroundedText`): clean text, regions with boxes, and what could not be read.
        raw (`str`): what the model wrote, coordinates and all.
        prompt (`str`): what it was asked, as it read it, without its chat template.
        image_wh (`tuple` of two `int`): size of the upright picture in pixels.
        scores (`tuple` of `float` or `None`): one per box, 0..1: the geometric mean of the probabilities that the model
            gave the tokens of the box's numbers, see `scores.box_scores`. It is not calibrated: 0.9 does not mean that
            nine of ten such boxes are right, and scores of two models do not compare. `None` where it is not known.
        seconds (`float`): time of generation. Answers of one batch are made at once; each gets the same share of the
            batch's time (which holds making the tensors, the model, and decoding; not reading the picture).
        cut_off (`bool`): whether the limit on new tokens ended the answer, not the model.
        picture (`str`, `os.PathLike`, `bytes` or `PIL.Image.Image`): as it was given, for `draw`.
    """

    grounded: GroundedText
    raw: str
    prompt: str
    image_wh: tuple[int, int]
    scores: tuple[float | None, ...]
    seconds: float
    cut_off: bool
    picture: Picture = field(repr=False)

    @property
    def text(self) -> str:
        """The clean text."""
        return self.grounded.text

    @property
    def phrases(self) -> list[str]:
        """The phrase of each box, in reading order."""
        return self.grounded.phrases

    @property
    def boxes_px(self) -> Boxes:
        """All boxes in reading order, shape (M, 4): `x1, y1, x2, y2` in pixels of the upright picture."""
        return self.grounded.boxes_px(*self.image_wh)

    @property
    def issues(self) -> list[Issue]:
        """The boxes that could not be read."""
        return self.grounded.issues

    def draw(self) -> Image.Image:
        """The picture with its boxes, see `report.draw_regions`; a picture given as a path is read again.

        Raises:
            `ImageError`: when the picture's file has gone or changed its size since.
        """
        from ..report import draw_regions

        image = read_image(self.picture)
        if image.size != self.image_wh:
            width, height = self.image_wh
            name = self.picture if isinstance(self.picture, str | os.PathLike) else "the picture"
            raise ImageError(
                f"{name!s} is {image.width} x {image.height} pixels, expected {width} x {height} as when it was "
                "asked about; ask about it again"
            )
        return draw_regions(image, self.grounded)

    def to_dict(self) -> dict[str, Any]:
        """The answer as plain JSON-ready data: boxes in pixels and normalised, spans, scores, what was asked."""
        plain = self.grounded.to_dict()
        scores = iter(self.scores)
        for region, said in zip(plain["regions"], self.grounded.regions, strict=True):
            width, height = self.image_wh
            region["boxes_px"] = (said.boxes_norm * np.array([width, height, width, height])).tolist()
            region["scores"] = [next(scores) for _ in said.boxes_norm]
        return {
            **plain,
            "image_wh": list(self.image_wh),
            "prompt": self.prompt,
            "raw": self.raw,
            "cut_off": self.cut_off,
            "seconds": self.seconds,
        }

    def to_coco(self, image_id: int | str, *, first_id: int = 1) -> list[dict[str, Any]]:
        """The boxes as entries of COCO's `annotations`, `bbox` as x, y, width, height in pixels.

        A phrase is no class, so all have the category 1, "region"; phrase, span and score stand beside it.

        Args:
            image_id (`int` or `str`): of the picture's entry in `images`.
            first_id (`int`, *optional*, defaults to `1`): of the annotations, which count on from it.
        """
        spans = [list(region.span) for region in self.grounded.regions for _ in region.boxes_norm]
        entries = []
        for row, (x1, y1, x2, y2) in enumerate(self.boxes_px.tolist()):
            entry = {
                "id": first_id + row,
                "image_id": image_id,
                "category_id": 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
                "phrase": self.phrases[row],
                "span": spans[row],
                "score": self.scores[row],
            }
            entries.append(entry)
        return entries

    def to_supervision(self) -> Any:
        """The boxes as `supervision.Detections`: a class per phrase, numbered from 0 as it appears.

        `data` holds `class_name` (the phrase, where supervision's annotators look for it). A score that is not known is
        NaN; without any there is no `confidence`.

        Raises:
            `MissingExtraError`: when supervision is not installed.
        """
        try:
            import supervision
        except ImportError:
            raise MissingExtraError("to_supervision", "interchange") from None
        colours = PhraseColours([self.grounded])
        known = any(score is not None for score in self.scores)
        return supervision.Detections(
            xyxy=self.boxes_px.astype(np.float32),
            class_id=np.array([colours.number(phrase) - 1 for phrase in self.phrases], dtype=int),
            confidence=np.array(self.scores, dtype=np.float32) if known else None,
            data={"class_name": np.array(self.phrases, dtype=np.str_)},
        )


@dataclass(frozen=True)
class FailedAnswer:
    """In the place of an answer: the picture, or what was asked of it, could not be used. It counts as false.

    Args:
        error (`str`): one sentence with what, where, expected, found, what to do.
    """

    error: str

    def __bool__(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"there is no answer, and so no {name}: {self.__dict__.get('error', 'no reason')}"
        )


Answer: TypeAlias = GroundedAnswer | FailedAnswer
"""What the pipeline gives per picture: the second counts as false."""
