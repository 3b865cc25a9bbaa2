"""Florence-2: `tower<loc_750><loc_50><loc_999><loc_799>`, a label and 1000 bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..grounded_text import GroundedText
from ._saved import Carries, ModelFormat, check_flag
from ._scale import Scale
from ._tokens import Tokens, read_tokens, write_tokens

_TOKENS = Tokens(
    stem="loc_", digits=1, order=(0, 1, 2, 3), label_first=True, other=("s", "/s", "pad", "od", "/od")
)
_SCALE = Scale((1000, 1000), last_wh=(999, 999), down=True, centre=True)


@dataclass(frozen=True)
class Florence2Format(ModelFormat):
    """Florence-2's bins behind a label; several boxes of a label follow one another.

    - Order: x1, y1, x2, y2, bins 0 to 999, a bin's centre when read.
    - Frame: the whole image squashed; from the processor here.
    - Certain: transformers' `Florence2PostProcessor` (5.23): floor when writing, bin + 0.5 when reading.

    Args:
        words (`bool`, *optional*, defaults to `True`):
            write the text, and the list below it; else the list alone, which is all that the model itself writes.
    """

    name: ClassVar[str] = "florence2"
    notation: ClassVar[str] = "name<loc_x1><loc_y1><loc_x2><loc_y2>"
    unit: ClassVar[str] = "1000 bins of the width and height"
    special_tokens: ClassVar[bool] = True
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
