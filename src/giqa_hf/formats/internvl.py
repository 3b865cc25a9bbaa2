"""InternVL and All-Seeing: `<ref>the tower</ref><box>[[750, 50, 1000, 800]]</box>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._saved import ModelFormat
from ._scale import Scale
from ._tagged import Grammar, read_tagged, write_tagged

_GRAMMAR = Grammar(
    phrase=("<ref>", "</ref>"),
    boxes=("<box>", "</box>"),
    silent=("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>"),
)
_SCALE = Scale((1000, 1000), down=True)


@dataclass(frozen=True)
class InternVLFormat(ModelFormat):
    """InternVL's tags, with a list of boxes in each `<box>`.

    - Order: x1, y1, x2, y2; cut off (`int`), not rounded.
    - Frame: the whole image, for its tiles and its thumbnail show all of it; from the processor here.
    - Certain: tags and 1000 (OpenGVLab/InternVL, `evaluate_grounding.py`); `int` and a variant of 0 to 999, and one
      that pads to a square, from peers.md 4.1: the latter needs a processor that pads.

    Reads Qwen-VL's `<box>(750,50),(1000,800)</box>` as well, which has the same scale.
    """

    name: ClassVar[str] = "internvl"
    notation: ClassVar[str] = "<ref>name</ref><box>[[x1, y1, x2, y2]]</box>"
    unit: ClassVar[str] = "0 to 1000 of the width and height, whole numbers"
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
    return f"<box>[{listed}]</box>"
