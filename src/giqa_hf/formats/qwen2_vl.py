"""Qwen2-VL: `<|object_ref_start|>the tower<|object_ref_end|><|box_start|>(750,50),(1000,800)<|box_end|>`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._saved import ModelFormat
from ._scale import Scale
from ._tagged import Grammar, read_tagged, write_tagged

_GRAMMAR = Grammar(
    phrase=("<|object_ref_start|>", "<|object_ref_end|>"),
    boxes=("<|box_start|>", "<|box_end|>"),
    silent=("<|im_start|>", "<|im_end|>", "<|endoftext|>"),
)
_SCALE = Scale((1000, 1000))


@dataclass(frozen=True)
class Qwen2VLFormat(ModelFormat):
    """Qwen2-VL's two corners per box, each box in its own `<|box_start|>...<|box_end|>`.

    - Order: (x1,y1),(x2,y2), rounded.
    - Frame: the whole image (its smart resize squashes to multiples of 28); from the processor here.
    - Certain: tokens and range, peers.md 4.1. Not verified: whether 1000 itself was in the training data (its
      report gives [0, 1000)); how several boxes of one phrase stood there.

    Qwen-VL's `<ref>the tower</ref><box>(750,50),(1000,800)</box>` is read by `InternVLFormat`.
    """

    name: ClassVar[str] = "qwen2_vl"
    notation: ClassVar[str] = (
        "<|object_ref_start|>name<|object_ref_end|><|box_start|>(x1,y1),(x2,y2)<|box_end|>"
    )
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
    return "".join(f"<|box_start|>({x1},{y1}),({x2},{y2})<|box_end|>" for x1, y1, x2, y2 in boxes)
