"""Which phrase has which colour and number, the same in text and on pictures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..boxes import Boxes
from ..grounded_text import GroundedText

PALETTE = (
    "#e17800",  # orange
    "#6242ff",  # indigo
    "#2d965a",  # green
    "#c30fa5",  # magenta
    "#2d96e1",  # sky
    "#d2002d",  # red
    "#d278a5",  # pink
    "#5a78ff",  # periwinkle
)
"""Colours that stay apart for red- and green-blind eyes too (CIELAB distance of every pair above 21 under
the simulation of Machado et al. 2009; above 11 for the rare blue-blind) and keep a contrast of 3:1 on the
light and the dark page alike. Found by search; tests/report/test_colours.py measures it again."""

_ARTICLES = ("the ", "a ", "an ")


def phrase_key(phrase: str) -> str:
    """What two phrases must share to count as the same: no case, no article, single spaces, no end stop.

    Example:
        >>> phrase_key("The  Tower.") == phrase_key("tower")
        True
    """
    words = " ".join(phrase.split()).strip(" .,:;!?").casefold()
    for article in _ARTICLES:
        if words.startswith(article) and len(words) > len(article):
            return words[len(article) :]
    return words


class PhraseColours:
    """Numbers phrases 1, 2, 3 … as they first appear, and gives each number its colour.

    Colours come round again after the palette's end; the numbers, shown beside every colour, do not.

    Args:
        texts (iterable of `GroundedText`): in the order in which a reader meets them.
        palette (sequence of `str`, *optional*, defaults to `PALETTE`): colours as "#rrggbb".
    """

    def __init__(self, texts: Iterable[GroundedText], palette: Sequence[str] = PALETTE) -> None:
        if not palette:
            raise ValueError('palette: expected at least one colour as "#rrggbb", got none')
        self._palette = tuple(palette)
        self._numbers: dict[str, int] = {}
        self.phrases: dict[int, str] = {}
        """The first spelling of each numbered phrase."""
        for text in texts:
            for region in text.regions:
                number = self._numbers.setdefault(phrase_key(region.phrase), len(self._numbers) + 1)
                self.phrases.setdefault(number, region.phrase)

    def number(self, phrase: str) -> int:
        """The number of a phrase of the texts, from 1."""
        return self._numbers[phrase_key(phrase)]

    def slot(self, phrase: str) -> int:
        """The place of a phrase's colour in the palette, from 0."""
        return (self.number(phrase) - 1) % len(self._palette)

    def colour(self, phrase: str) -> str:
        """The colour of a phrase of the texts, as "#rrggbb"."""
        return self._palette[self.slot(phrase)]


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0..255, of a colour "#rrggbb"."""
    try:
        red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    except ValueError:
        raise ValueError(f'expected a colour as "#rrggbb", got {colour!r}') from None
    return red, green, blue


def luminance(colour: str) -> float:
    """Relative luminance, 0..1, of a colour "#rrggbb" (WCAG 2.2)."""
    channels = np.array(rgb(colour)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on a colour; its contrast is always above 4.5:1."""
    # Contrast with black (L + .05) / .05 is above contrast with white 1.05 / (L + .05) where L > .179.
    return "#000000" if luminance(colour) > 0.179 else "#ffffff"


def drawable(boxes_norm: Boxes) -> Boxes:
    """The boxes as they can be drawn: corners in order and inside the image; the others left out.

    Args:
        boxes_norm (`array` of shape (N, 4)): normalised `x1, y1, x2, y2`; anything, NaN too.

    Returns:
        `array` of shape (M, 4), M <= N: finite, ordered, inside [0, 1]; a box wholly outside is left out.
    """
    boxes = boxes_norm[np.isfinite(boxes_norm).all(axis=1)]
    boxes = np.concatenate(
        [np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])], axis=1
    )
    touches = (boxes[:, :2] <= 1).all(axis=1) & (boxes[:, 2:] >= 0).all(axis=1)
    clipped: Boxes = np.clip(boxes[touches], 0.0, 1.0)
    return clipped
