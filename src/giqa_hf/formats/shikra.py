"""Shikra: `the tower [0.750,0.050,1.000,0.800;0.100,0.200,0.300,0.400] is sharp`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._behind import Behind, read_behind, write_behind
from ._saved import Carries, ModelFormat
from ._scale import Scale

_FORM = Behind(Scale((1, 1), decimals=3), before=" ", comma=",", joint=";", outer=True)


@dataclass(frozen=True)
class ShikraFormat(ModelFormat):
    """Shikra's corners as fractions with three decimals, all boxes of a phrase in one bracket with semicolons.

    - Order: x1, y1, x2, y2, without blanks: Shikra's own reader finds no box with a blank in it.
    - Frame: the photograph padded to a square, as its transform does (peers.md 4.1); from the processor here.
    - Certain: shikras/shikra, `box_process_function.py` (`PlainBoxFormatter`: three decimals, `,` and `;`).
      Not verified: the blank between a phrase and its bracket, which its data has in either way.

    It may be set to write round brackets; the reader takes both.
    """

    name: ClassVar[str] = "shikra"
    notation: ClassVar[str] = "name [x1,y1,x2,y2]"
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
