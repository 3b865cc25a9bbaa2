"""DeepSeek-VL2: `<|ref|>the tower<|/ref|><|det|>[[749, 49, 999, 799]]<|/det|>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..grounded_text import GroundedText
from ._saved import ModelFormat
from ._scale import Scale
from ._tagged import Grammar, read_tagged, write_tagged

_GRAMMAR = Grammar(
    phrase=("<|ref|>", "<|/ref|>"),
    boxes=("<|det|>", "<|/det|>"),
    silent=("<|grounding|>", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
)
_SCALE = Scale((999, 999))


@dataclass(frozen=True)
class DeepSeekVL2Format(ModelFormat):
    """DeepSeek-VL2's tags, with a list of boxes in each `<|det|>`.

    - Order: x1, y1, x2, y2; 999 is the far edge (code around the model takes `x / 999 * width`).
    - Frame: the ORIGINAL image, though its processor pads what it shows; so no frame is applied.
    - Certain: tags and 999 (peers.md 4.1 and public readers of its output). Not verified: rounding when its data
      was made.
    """

    name: ClassVar[str] = "deepseek_vl2"
    notation: ClassVar[str] = "<|ref|>name<|/ref|><|det|>[[x1, y1, x2, y2]]<|/det|>"
    unit: ClassVar[str] = "0 to 999 of the width and height, whole numbers"
    picture: ClassVar[Literal["shown", "original"]] = "original"
    special_tokens: ClassVar[bool] = True

    def write(self, grounded: GroundedText) -> str:
        """See `BoxFormat.write`."""
        return write_tagged(
            grounded, _GRAMMAR, [_boxes_text(_SCALE.write(r.boxes_norm)) for r in grounded.regions]
        )

    def read(self, text: str) -> GroundedText:
        """See `BoxFormat.read`."""
        return read_tagged(text, _GRAMMAR, _SCALE.judge)


def _boxes_text(boxes: list[list[str]]) -> str:
    if not boxes:
        return ""
    listed = ", ".join("[" + ", ".join(box) + "]" for box in boxes)
    return f"<|det|>[{listed}]<|/det|>"
