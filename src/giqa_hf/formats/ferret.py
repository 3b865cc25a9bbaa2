"""Ferret: `the tower [750, 50, 1000, 800] is sharp`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._behind import Behind, read_behind, write_behind
from ._saved import Carries, ModelFormat
from ._scale import Scale

_FORM = Behind(Scale((1000, 1000), down=True), before=" ", comma=", ", joint=" ")


@dataclass(frozen=True)
class FerretFormat(ModelFormat):
    """Ferret's corners as whole numbers of a 1000 x 1000 image, `the tower [750, 50, 1000, 800]`.

    - Order: x1, y1, x2, y2; several boxes of a phrase stand side by side, `[..] [..]`.
    - Rounding: cut off (`int`), when writing as when Ferret made its data.
    - Frame: the whole image; its processor squashes. From the processor here.
    - Certain: apple/ml-ferret, `VOCAB_IMAGE_W = VOCAB_IMAGE_H = 1000` and `resize_bbox` of its evaluation.
      Its published data has fractions with three decimals instead (peers.md 4.1): `ShikraFormat` reads those.
    """

    name: ClassVar[str] = "ferret"
    notation: ClassVar[str] = "name [x1, y1, x2, y2]"
    unit: ClassVar[str] = "0 to 1000 of the width and height, whole numbers"

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
