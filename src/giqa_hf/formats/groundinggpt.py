"""GroundingGPT (once LEGO): `the tower [0.750, 0.050, 1.000, 0.800] is sharp`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._behind import Behind, read_behind, write_behind
from ._saved import Carries, ModelFormat
from ._scale import Scale

_FORM = Behind(Scale((1, 1), decimals=3), before=" ", comma=", ", joint="")


@dataclass(frozen=True)
class GroundingGptFormat(ModelFormat):
    """GroundingGPT's corners as fractions with three decimals, boxes of a phrase side by side without a blank.

    - Order: x1, y1, x2, y2, a comma and a blank between them.
    - Frame: the photograph padded to a square, from the processor here. GroundingGPT's own command line turns
      the answers into fractions of the original image before it shows them (`postprocess_output`): predictions
      that were saved behind it are of the whole image, not of the square.
    - Certain: lzw-lzw/GroundingGPT, `lego/mm_utils.py` (padding, expression of a box, `][` between boxes).
      Not verified: three decimals in what the model itself writes; its post-processing rounds to three.
    """

    name: ClassVar[str] = "groundinggpt"
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
