"""PaliGemma: `<loc0051><loc0768><loc0819><loc1023> tower ; ...`, y before x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._saved import Carries, ModelFormat, check_flag
from ._scale import Scale
from ._tokens import Tokens, read_tokens, write_tokens

_TOKENS = Tokens(stem="loc", digits=4, order=(1, 0, 3, 2), label_first=False, other=(r"seg[0-9]++",))
_SCALE = Scale((1024, 1024), last_wh=(1023, 1023))


@dataclass(frozen=True)
class PaliGemmaFormat(ModelFormat):
    """PaliGemma's location tokens in front of a label, entries with ` ; ` between them.

    - Order: Y1, X1, Y2, X2: the vertical coordinate first. Four digits.
    - Frame: the whole image squashed to a square; from the processor here.
    - Certain: tokens, order and 1024 steps when reading (peers.md 4.1). Not verified: the rounding of its data;
      written is the nearest token.

    Segmentation tokens behind the places, `<seg000>`, are left out when reading.

    Args:
        words (`bool`, *optional*, defaults to `True`):
            write the text, and the list below it; else the list alone, which is all that the model itself writes.
    """

    name: ClassVar[str] = "paligemma"
    notation: ClassVar[str] = "<locY1><locX1><locY2><locX2> name"
    unit: ClassVar[str] = "0 to 1023 of the height and width, y before x"
    words: bool = True

    def __post_init__(self) -> None:
        check_flag("words", self.words)

    @property
    def carries(self) -> Carries:
        """See `ModelFormat.carries`."""
        return Carries(words=self.words, spans=False, unboxed=False)

    def write(self, grounded: GroundedText) -> str:
        """See `BoxFormat.write`."""
        return write_tokens(grounded, _TOKENS, _SCALE, words=self.words)

    def read(self, text: str) -> GroundedText:
        """See `BoxFormat.read`."""
        return read_tokens(text, _TOKENS, _SCALE.judge)
