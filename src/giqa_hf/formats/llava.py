"""LLaVA-1.5: `the tower [0.75, 0.05, 1.00, 0.80] is sharp`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._behind import Behind, read_behind, write_behind
from ._saved import Carries, ModelFormat
from ._scale import Scale

_FORM = Behind(Scale((1, 1), decimals=2), before=" ", comma=", ", joint=", ")


@dataclass(frozen=True)
class LlavaFormat(ModelFormat):
    """LLaVA-1.5's corners as fractions with two decimals, `the tower [0.75, 0.05, 1.00, 0.80]`.

    - Order: x1, y1, x2, y2; several boxes of a phrase stand side by side with a comma between them.
    - Frame: the photograph padded to a SQUARE (LLaVA issues 606, 622, 822, 1158; shown there for the Visual Genome
      part of the training data, disputed for RefCOCO in 822). The frame comes from the processor: one with
      `do_pad=True` pads, the plain CLIP one crops, and then these numbers are of what was cropped.
    - Certain: form and two decimals (peers.md 4.1). Not verified: how LLaVA writes several boxes of one phrase.
    """

    name: ClassVar[str] = "llava"
    notation: ClassVar[str] = "name [x1, y1, x2, y2]"
    unit: ClassVar[str] = "0 to 1 of the width and height"

    @property
    def carries(self) -> Carries:
        """See `ModelFormat.carries`."""
        return Carries(spans=False, unboxed=False)

    def write(self, grounded: GroundedText) -> str:
        """See `BoxFormat.write`."""
        return write_behind(grounded, _FORM)

    def read(self, text: str) -> GroundedText:
        """See `BoxFormat.read`."""
        return read_behind(text, _FORM)
