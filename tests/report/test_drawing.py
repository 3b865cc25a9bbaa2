"""Boxes drawn into a picture: where they belong, visible on any ground, tags inside and out of the way."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.report.colours import PALETTE, rgb
from giqa_hf.report.drawing import _fit, _place, _Rect, draw_regions


def one(phrase: str, *boxes: list[float]) -> GroundedText:
    return GroundedText(phrase, [Region(phrase, (0, len(phrase)), np.array(boxes, float).reshape(-1, 4))])


def is_colour(image: Image.Image, colour: str) -> np.ndarray:
    """Mask of shape (height, width) of the pixels of exactly this colour."""
    return (np.asarray(image) == rgb(colour)).all(axis=-1)


def test_the_outline_is_where_the_box_is() -> None:
    # 400 x 200: the line is round(200 / 200) = 1 pixel; x 0.25 * 400 = 100 to 0.75 * 400 - 1 = 299,
    # y 0.5 * 200 = 100 to 0.9 * 200 - 1 = 179
    grey = Image.new("RGB", (400, 200), "gray")
    image = draw_regions(grey, one("x", [0.25, 0.5, 0.75, 0.9]), labels=False)
    rows, columns = np.nonzero(is_colour(image, PALETTE[0]))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (100, 299, 100, 179)
    assert len(rows) == 2 * 200 + 2 * 80 - 4  # a frame of one pixel, four corners counted once
    assert (np.asarray(image)[120:170, 120:280] == 128).all()  # nothing inside


@pytest.mark.parametrize("ground", ["black", "white", *PALETTE])
def test_the_outline_shows_on_any_ground(ground: str) -> None:
    image = draw_regions(
        Image.new("RGB", (200, 200), ground), one("x", [0.25, 0.25, 0.75, 0.75]), labels=False
    )
    row = np.asarray(image.convert("L"))[100, 40:60].astype(int)  # across the left line
    assert row.max() - row.min() > 80


def test_each_phrase_has_its_colour_and_the_picture_stays_as_it_was() -> None:
    given_image = Image.new("RGB", (300, 200), "gray")
    text = "sky lake sky"
    regions = [
        Region("sky", (0, 3), np.array([[0.1, 0.1, 0.4, 0.4]])),
        Region("lake", (4, 8), np.array([[0.5, 0.5, 0.9, 0.9]])),
        Region("sky", (9, 12), np.array([[0.6, 0.1, 0.9, 0.3]])),
    ]
    image = draw_regions(
        given_image, GroundedText(text, regions), palette=["#ff0000", "#00ff00"], labels=False
    )
    red, green = is_colour(image, "#ff0000"), is_colour(image, "#00ff00")
    assert red[20, 50] and red[20, 200] and green[100, 200] and not green[20].any()
    assert image.size == (300, 200) and image.mode == "RGB"
    assert (np.asarray(given_image) == 128).all()


def test_degenerate_reversed_and_impossible_boxes() -> None:
    grey = Image.new("RGB", (200, 200), "gray")
    point = draw_regions(grey, one("x", [0.5, 0.5, 0.5, 0.5]), labels=False)
    assert is_colour(point, PALETTE[0]).sum() == 8  # a ring of 3 x 3 pixels
    corner = draw_regions(grey, one("x", [1, 1, 1, 1]), labels=False)
    assert is_colour(corner, PALETTE[0])[199, 199]
    nothing = draw_regions(grey, one("x", [np.nan, 0, 1, 1], [2, 2, 3, 3]))
    assert (np.asarray(nothing) == 128).all()


def test_a_tag_names_the_phrase_beside_the_box() -> None:
    grey = Image.new("RGB", (400, 300), "gray")
    grounded = one("tower", [0.3, 0.5, 0.6, 0.9])
    plain, tagged = (np.asarray(draw_regions(grey, grounded, labels=labels)) for labels in (False, True))
    rows, columns = np.nonzero((plain != tagged).any(axis=-1))
    assert rows.max() < 0.5 * 300 and rows.min() > 100  # just above the box
    assert abs(columns.min() - 0.3 * 400) <= 1  # flush with its left side
    tag = tagged[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (tag == rgb(PALETTE[0])).all(axis=-1).mean() > 0.5  # in the box's colour, with the phrase in black
    assert (tag.max(axis=-1) < 90).mean() > 0.03


def test_a_small_box_is_not_hidden_by_any_tag() -> None:
    # 30 phrases, whose tags need room, crowd around a small box.
    phrases = ["small", *(f"phrase number {i}" for i in range(30))]
    text = " ".join(phrases)
    regions, start = [], 0
    for i, phrase in enumerate(phrases):
        box = [0.48, 0.48, 0.52, 0.52] if i == 0 else [0.4 + i / 500, 0.4, 0.6, 0.6 + i / 500]
        regions.append(Region(phrase, (start, start + len(phrase)), np.array([box])))
        start += len(phrase) + 1
    image = draw_regions(Image.new("RGB", (500, 500), "gray"), GroundedText(text, regions))
    inside = np.asarray(image)[240:260, 240:260]
    assert (inside == 128).all(axis=-1).mean() > 0.4  # at least half less the outline's own pixels


sides = st.integers(1, 60)
coordinates = st.integers(-20, 420)


@given(coordinates, coordinates, sides, sides, st.integers(1, 450), st.integers(1, 450), st.data())
def test_a_tag_never_leaves_the_picture(
    x: int, y: int, width: int, height: int, tag_w: int, tag_h: int, data: st.DataObject
) -> None:
    rect = _Rect(x, y, x + width, y + height)
    other = data.draw(st.builds(lambda a, b: _Rect(a, b, a + 30, b + 10), coordinates, coordinates))
    spot = _place(rect, (tag_w, tag_h), (400, 300), [other], [rect], 2)
    if spot is not None:
        assert 0 <= spot.x1 < spot.x2 <= 400 and 0 <= spot.y1 < spot.y2 <= 300
        assert (spot.x2 - spot.x1, spot.y2 - spot.y1) == (tag_w, tag_h)
        assert 2 * spot.overlap(rect) <= rect.area
    elif tag_w <= 100 and tag_h <= 60:  # there is always room for a small tag beside a small box
        pytest.fail("no place found")


def test_tags_keep_off_each_other_where_there_is_room() -> None:
    taken: list[_Rect] = []
    rect = _Rect(100, 100, 300, 200)
    for _ in range(4):
        spot = _place(rect, (60, 16), (400, 300), taken, [rect], 2)
        assert spot is not None and not any(spot.overlap(other) for other in taken)
        taken.append(spot)


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (16, 16), (40, 3), (160, 160), (3000, 20)])
def test_any_size_of_picture(size: tuple[int, int]) -> None:
    image = draw_regions(
        Image.new("RGB", size), one("a rather long phrase", [0.1, 0.1, 0.9, 0.9], [0, 0, 1, 1])
    )
    assert image.size == size


PHRASES = [
    "🙂👩‍👩‍👧",
    "النص العربي",
    "שלום",
    "建物",
    "line\nbreak\ttab",
    "\x00\x1b[31m",
    "\ud83d",
    "",
    " ",
    "x" * 5000,
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_any_phrase_can_be_drawn(phrase: str) -> None:
    image = draw_regions(Image.new("RGB", (200, 100)), one(phrase, [0.2, 0.4, 0.8, 0.9]))
    assert image.size == (200, 100)


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_any_text_can_be_drawn(phrase: str) -> None:
    draw_regions(Image.new("RGB", (80, 60)), one(phrase, [0.2, 0.4, 0.8, 0.9]))


def test_too_long_a_label_is_cut_with_an_ellipsis() -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(12)
    assert _fit("1 sky", font, 200) == "1 sky"
    cut = _fit("1 a very long phrase about a tower in the evening light", font, 200)
    assert cut.endswith("…") and cut.startswith("1 a very") and font.getlength(cut) < 0.6 * 200
    assert _fit("12345", font, 1) == "…" or len(_fit("12345", font, 1)) == 1


def test_a_sideways_photo_is_drawn_on_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = io.BytesIO()
    Image.new("RGB", (40, 20)).save(data, "JPEG", exif=exif)
    assert draw_regions(Image.open(data), one("x", [0, 0, 1, 1])).size == (20, 40)
