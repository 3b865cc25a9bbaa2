"""Boxes and their phrases drawn into a picture, for a PNG or a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from PIL import Image, ImageDraw, ImageFont

from ..grounded_text import GroundedText
from ..images import read_image
from .colours import PALETTE, PhraseColours, drawable, ink_on

Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


class _Rect(NamedTuple):
    """A rectangle in pixels, right and bottom exclusive."""

    x1: int
    y1: int
    x2: int
    y2: int

    def overlap(self, other: _Rect) -> int:
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(width, 0) * max(height, 0)

    @property
    def area(self) -> int:
        return (self.x2 - self.x1) * (self.y2 - self.y1)


def draw_regions(
    image: Image.Image, grounded: GroundedText, *, palette: Sequence[str] = PALETTE, labels: bool = True
) -> Image.Image:
    """Draw every box of a grounded text, each phrase in its own colour, with the phrase on a tag.

    Outlines have a dark rim and a light one, so that they show on any picture. Tags stay inside the picture,
    keep off each other where there is room, and never hide a small box: a tag that would cover more than half
    of a box goes elsewhere, and is left out where there is no such place (a thumbnail). Too wide tags end in
    "…". Letters that PIL's own font lacks (most scripts but Latin, emoji) come out as empty boxes.

    Args:
        image (`PIL.Image.Image`): the upright picture that the boxes belong to; not changed.
        grounded (`GroundedText`): its boxes are normalised; a box that lies outside the picture, or has a
            corner that is no number, is left out.
        palette (sequence of `str`, *optional*, defaults to `PALETTE`): colours as "#rrggbb".
        labels (`bool`, *optional*, defaults to `True`): whether to write the phrases.

    Returns:
        `PIL.Image.Image`: a new RGB picture of the same size.
    """
    canvas = read_image(image)
    width, height = canvas.size
    colours = PhraseColours([grounded], palette)
    line = max(1, round(min(width, height) / 200))
    draw = ImageDraw.Draw(canvas)

    rects: list[tuple[_Rect, str]] = []
    for region in grounded.regions:
        for x1, y1, x2, y2 in drawable(region.boxes_norm).tolist():
            # A box without area is drawn as a ring of 3 x 3 pixels.
            left, top = max(min(round(x1 * width), width - 3), 0), max(min(round(y1 * height), height - 3), 0)
            right, bottom = max(round(x2 * width), left + 3), max(round(y2 * height), top + 3)
            rects.append((_Rect(left, top, right, bottom), region.phrase))
    for rect, phrase in sorted(rects, key=lambda item: -item[0].area):  # small ones on top
        _outline(draw, rect, colours.colour(phrase), line)
    if labels:
        font = ImageFont.load_default(max(11, min(48, round(min(width, height) / 26))))
        taken: list[_Rect] = []
        for rect, phrase in sorted(
            rects, key=lambda item: item[0].area
        ):  # small ones choose their place first
            label = _fit(f"{colours.number(phrase)} {_plain(phrase)}", font, width)
            tag = _tag_size(label, font)
            place = _place(rect, tag, (width, height), taken, [r for r, _ in rects], line)
            if place is not None:
                taken.append(place)
                _write(draw, place, label, colours.colour(phrase), font)
    return canvas


def _outline(draw: ImageDraw.ImageDraw, rect: _Rect, colour: str, line: int) -> None:
    """A coloured line between a dark rim outside and a light rim inside."""
    x1, y1, x2, y2 = rect.x1, rect.y1, rect.x2 - 1, rect.y2 - 1  # PIL's rectangles include their last pixel
    rim = max(1, line // 2)
    inside = line + rim
    if min(x2 - x1, y2 - y1) > 2 * inside:
        draw.rectangle((x1 + line, y1 + line, x2 - line, y2 - line), outline="white", width=rim)
    draw.rectangle((x1 - rim, y1 - rim, x2 + rim, y2 + rim), outline="black", width=rim)
    draw.rectangle((x1, y1, x2, y2), outline=colour, width=line)


def _plain(phrase: str) -> str:
    """The phrase on one line, without what a font cannot take (control characters, lone surrogates)."""
    whole = phrase.encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in whole).split())


def _fit(label: str, font: Font, width: int) -> str:
    """The label, cut so that its tag is no wider than 60 % of the picture."""
    label = label[:120]  # a model may write a phrase of any length
    whole = label
    while len(label) > 1 and _tag_size(label, font)[0] > 0.6 * width:
        label = whole[: len(label.removesuffix("…")) - 1].rstrip() + "…"
    return label


def _tag_size(label: str, font: Font) -> tuple[int, int]:
    """Width and height of the tag, in pixels; the height is that of the tallest letters, the same for all."""
    pad = _pad(font)
    top, bottom = font.getbbox("Ågj")[1], font.getbbox("Ågj")[3]
    return round(font.getlength(label)) + 2 * pad, round(bottom - top) + 2 * pad


def _pad(font: Font) -> int:
    return max(2, round(float(getattr(font, "size", 11)) / 5))


def _place(
    rect: _Rect,
    tag_wh: tuple[int, int],
    image_wh: tuple[int, int],
    taken: list[_Rect],
    rects: list[_Rect],
    line: int,
) -> _Rect | None:
    """The best place for a tag: near its box, off other tags and small boxes; None where there is none."""
    (tag_w, tag_h), (width, height) = tag_wh, image_wh
    if tag_w > width or tag_h > height:
        return None
    lefts = (rect.x1, rect.x2 - tag_w, (rect.x1 + rect.x2 - tag_w) // 2)
    spots = [(left, top) for left in lefts for top in (rect.y1 - tag_h - line, rect.y2 + line)]
    spots += [(rect.x2 + line, rect.y1), (rect.x1 - tag_w - line, rect.y1)]
    spots += [(left, top) for left in lefts for top in (rect.y1 + line, rect.y2 - tag_h - line)]
    best: _Rect | None = None
    best_cost = float("inf")
    for order, (left, top) in enumerate(spots):
        left, top = min(max(left, 0), width - tag_w), min(max(top, 0), height - tag_h)
        spot = _Rect(left, top, left + tag_w, top + tag_h)
        if any(2 * spot.overlap(box) > box.area for box in rects):
            continue  # would hide most of a box
        over_tags = sum(spot.overlap(other) for other in taken) / spot.area
        over_boxes = sum(spot.overlap(box) / spot.area for box in rects)
        cost = 8 * over_tags + over_boxes + 0.05 * order
        if cost < best_cost:
            best, best_cost = spot, cost
    return best


def _write(draw: ImageDraw.ImageDraw, tag: _Rect, label: str, colour: str, font: Font) -> None:
    draw.rectangle((tag.x1, tag.y1, tag.x2 - 1, tag.y2 - 1), fill=colour)
    pad = _pad(font)
    top = font.getbbox("Ågj")[1]
    draw.text((tag.x1 + pad, tag.y1 + pad - top), label, fill=ink_on(colour), font=font)
