"""Qwen2.5-VL and Qwen3-VL: `[{"bbox_2d": [480, 24, 640, 384], "label": "tower"}]`, in pixels or in thousandths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from ..frames import WidthHeight
from ..grounded_text import GroundedText
from ._json_boxes import read_json, write_json
from ._saved import Carries, ModelFormat, check_flag
from ._scale import Scale

_THOUSANDTHS = Scale((1000, 1000))


@dataclass(frozen=True)
class Qwen25VLFormat(ModelFormat):
    """Qwen2.5-VL's JSON, whose numbers are pixels of the picture that its processor made.

    - Order: x1, y1, x2, y2, rounded; the last pixel is width - 1, as its finetuning tools write it.
    - Frame: the image after its smart resize (sides are multiples of 28), which the processor alone knows. So a
      format must be told the size of that picture before it can write or read: `in_picture(frame.model_wh)`, which
      processors do on their own.
    - Certain: key, pixels, smart resize (peers.md 4.1; the special tokens of Qwen2-VL are not used, issue 733).

    Args:
        words (`bool`, *optional*, defaults to `True`):
            write the text, and the list below it; else the list alone, as the model answers "detect".
        picture_wh (`tuple` of two `int`, *optional*): width and height of the picture that the model sees.
    """

    name: ClassVar[str] = "qwen2_5_vl"
    notation: ClassVar[str] = '[{"bbox_2d": [x1, y1, x2, y2], "label": "name"}]'
    unit: ClassVar[str] = "pixels of the resized picture"
    words: bool = True
    picture_wh: WidthHeight | None = None

    def __post_init__(self) -> None:
        check_flag("words", self.words)
        if self.picture_wh is None:
            return
        sides = tuple(self.picture_wh)
        if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
            raise ValueError(f"picture_wh: expected two whole numbers of at least 1, got {self.picture_wh!r}")
        object.__setattr__(self, "picture_wh", sides)  # JSON has no tuples

    @property
    def carries(self) -> Carries:
        """See `ModelFormat.carries`."""
        return Carries(words=self.words, spans=False, unboxed=False)

    def in_picture(self, model_wh: WidthHeight) -> Qwen25VLFormat:
        """See `ModelFormat.in_picture`."""
        return replace(self, picture_wh=model_wh)

    def write(self, grounded: GroundedText) -> str:
        """See `BoxFormat.write`."""
        return write_json(grounded, self._scale(), words=self.words)

    def read(self, text: str) -> GroundedText:
        """See `BoxFormat.read`."""
        return read_json(text, self._scale().judge)

    def _scale(self) -> Scale:
        if self.picture_wh is None:
            raise ValueError(
                "Qwen25VLFormat: expected the size of the picture that its pixels belong to, got none; use a "
                "processor's frame: box_format.in_picture(frame.model_wh)"
            )
        width, height = self.picture_wh
        return Scale((width, height), last_wh=(width - 1, height - 1))


@dataclass(frozen=True)
class Qwen3VLFormat(ModelFormat):
    """Qwen3-VL's JSON: the key of Qwen2.5-VL, other numbers, 0 to 1000 of the image's sides.

    - Order: x1, y1, x2, y2, rounded.
    - Frame: the whole image (its smart resize squashes to multiples of 32); from the processor here.
    - Certain: peers.md 4.1; ms-swift pull request 6178 says the same.

    Args:
        words (`bool`, *optional*, defaults to `True`):
            write the text, and the list below it; else the list alone, as the model answers "detect".
    """

    name: ClassVar[str] = "qwen3_vl"
    notation: ClassVar[str] = '[{"bbox_2d": [x1, y1, x2, y2], "label": "name"}]'
    unit: ClassVar[str] = "0 to 1000 of the width and height, whole numbers"
    words: bool = True

    def __post_init__(self) -> None:
        check_flag("words", self.words)

    @property
    def carries(self) -> Carries:
        """See `ModelFormat.carries`."""
        return Carries(words=self.words, spans=False, unboxed=False)

    def write(self, grounded: GroundedText) -> str:
        """See `BoxFormat.write`."""
        return write_json(grounded, _THOUSANDTHS, words=self.words)

    def read(self, text: str) -> GroundedText:
        """See `BoxFormat.read`."""
        return read_json(text, _THOUSANDTHS.judge)
