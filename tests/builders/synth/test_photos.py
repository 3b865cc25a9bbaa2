"""The marked photographs: marks inside the picture, splits apart, and the drawing in docs up to date.

`python tests/builders/synth/test_photos.py` draws docs/giqa_synth_photos.png anew.
"""

from __future__ import annotations

import builtins
import hashlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from giqa_hf.boxes import area, as_boxes, intersection
from giqa_hf.builders.synth.photos import PHOTOS, Photo, contact_sheet, load_photo
from giqa_hf.builders.synth.scenes import MIN_SIDE
from giqa_hf.errors import MissingExtraError

SHEET = Path(__file__).parents[3] / "docs" / "giqa_synth_photos.png"
BY_NAME = {photo.name: photo for photo in PHOTOS}
each_photo = pytest.mark.parametrize("photo", PHOTOS, ids=[photo.name for photo in PHOTOS])


def marks() -> str:
    """What the drawing shows, in short."""
    shown = [(photo.name, [(thing.name, thing.boxes_px) for thing in photo.objects]) for photo in PHOTOS]
    return hashlib.sha256(repr(shown).encode()).hexdigest()


def draw_all(column_px: int = 400, columns: int = 4) -> Image.Image:
    """The contact sheets of all photographs on one picture, each where its column is shortest."""
    sheets = [contact_sheet(photo, column_px / load_photo(photo.name).width) for photo in PHOTOS]
    filled = [0] * columns
    places = []
    for sheet in sorted(sheets, key=lambda one: -one.height):
        column = filled.index(min(filled))
        places.append((sheet, (column * (column_px + 6), filled[column])))
        filled[column] += sheet.height + 6
    whole = Image.new("RGB", (columns * (column_px + 6) - 6, max(filled) - 6), "white")
    for sheet, place in places:
        whole.paste(sheet, place)
    return whole


def test_the_drawing_in_docs_shows_the_marks_as_they_are():
    with Image.open(SHEET) as drawing:
        assert drawing.text["marks"] == marks(), (
            f"marks have changed: run  python {Path(__file__)}  and look at it"
        )
        assert min(drawing.size) > 600
    assert SHEET.stat().st_size < 600_000


@each_photo
def test_marks_lie_inside_the_photograph(photo):
    picture = load_photo(photo.name)
    assert picture.mode == "RGB"
    assert photo.objects
    for thing in photo.objects:
        boxes = as_boxes(thing.boxes_px)
        assert len(boxes)
        assert (boxes >= 0).all()
        assert (boxes <= np.array([*picture.size, *picture.size])).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 15).all()
        assert thing.shape in ("box", "ellipse")


@each_photo
def test_names(photo):
    names = [name for thing in photo.objects for name in {thing.name, thing.plural or thing.name}]
    assert len(set(names)) == len(names)  # a name means one thing on a photograph
    for thing in photo.objects:
        assert (thing.plural is not None) == (len(thing.boxes_px) > 1)
    assert photo.license


@each_photo
def test_things_overlap_little(photo):
    boxes = as_boxes([box for thing in photo.objects for box in thing.boxes_px])
    shared = intersection(boxes, boxes)
    smaller = np.minimum.outer(area(boxes), area(boxes))
    np.fill_diagonal(shared, 0)
    assert (shared / smaller).max() <= 0.3  # and what they share is spoiled for neither


@each_photo
def test_every_thing_can_come_up(photo):
    """In the smallest crop it is not narrower than what is named, and it fits into a crop as a whole."""
    shortest, longest = photo.crop_px
    assert 0 < shortest < longest
    for thing in photo.objects:
        boxes = as_boxes(thing.boxes_px)
        sides = boxes[:, 2:] - boxes[:, :2]
        assert (sides.min(axis=1) >= MIN_SIDE * shortest).any(), thing.name
        assert (0.75 * sides <= 1.34 * longest).all(), thing.name


@each_photo
def test_areas_of_the_splits_hold_a_crop_and_lie_on_the_photograph(photo):
    width, height = load_photo(photo.name).size
    assert photo.train_area_px or photo.bench_area_px
    for where in (photo.train_area_px, photo.bench_area_px):
        if where is not None:
            assert 0 <= where[0] < where[2] <= width
            assert 0 <= where[1] < where[3] <= height
            assert min(where[2] - where[0], where[3] - where[1]) >= photo.crop_px[0]
    both = photo.train_area_px is not None and photo.bench_area_px is not None
    assert photo.shares_area == (both and photo.train_area_px == photo.bench_area_px)
    if both and not photo.shares_area:
        assert intersection(as_boxes([photo.train_area_px]), as_boxes([photo.bench_area_px])).item() == 0


def test_coins_and_motorcycles_share_no_pixel_between_the_splits():
    coins = BY_NAME["coins.png"]
    assert not coins.shares_area
    assert coins.train_area_px[2] <= coins.bench_area_px[0]  # side by side
    left, right = BY_NAME["motorcycle_left.png"], BY_NAME["motorcycle_right.png"]
    assert (left.bench_area_px, right.train_area_px) == (None, None)


def test_the_two_motorcycles_show_the_same_things():
    """They are a stereo pair: the same names, at the same heights, moved sideways only."""
    left, right = BY_NAME["motorcycle_left.png"], BY_NAME["motorcycle_right.png"]
    for one, other in itertools.zip_longest(left.objects, right.objects):
        assert (one.name, one.plural, one.shape) == (other.name, other.plural, other.shape)
        moved = as_boxes(one.boxes_px) - as_boxes(other.boxes_px)
        assert np.abs(moved[:, [1, 3]]).max() <= 8, one.name  # rows agree in a rectified pair
        assert (moved[:, [0, 2]] > 0).all(), one.name


def test_coins_are_where_the_picture_is_bright():
    """The inside of each mark is brighter than the frame around it; of a mark off its coin it is not."""
    grey = np.asarray(load_photo("coins.png").convert("L"), dtype=np.float64)
    for x1, y1, x2, y2 in BY_NAME["coins.png"].objects[0].boxes_px:
        inner = grey[y1 + 6 : y2 - 6, x1 + 6 : x2 - 6]
        framed = grey[max(y1 - 8, 0) : y2 + 8, max(x1 - 8, 0) : x2 + 8]
        frame = (framed.sum() - grey[y1:y2, x1:x2].sum()) / (framed.size - (y2 - y1) * (x2 - x1))
        assert inner.mean() > 1.3 * frame


@each_photo
def test_contact_sheet_draws_every_box_and_nothing_else_but_names(photo):
    pixels = np.asarray(contact_sheet(photo, zoom=1.0))
    changed = (pixels != np.asarray(load_photo(photo.name))).any(axis=2)
    assert changed.mean() < 0.15
    height, width = changed.shape
    boxes = [tuple(map(int, box)) for thing in photo.objects for box in thing.boxes_px]
    # the lower right corner is far from the box's own name, though another's may lie over it
    corners = [pixels[y2, x2].tolist() for _, _, x2, y2 in boxes if x2 < width and y2 < height]
    assert sum(corner == [0, 255, 0] for corner in corners) >= 0.7 * len(corners)
    assert all(changed[y1:y2, x1 : x1 + 2].all(axis=1).mean() > 0.5 for x1, y1, _, y2 in boxes)
    assert contact_sheet(photo, zoom=0.5).size == (round(width * 0.5), round(height * 0.5))


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "skimage":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    load_photo.cache_clear()
    with pytest.raises(
        MissingExtraError, match=r'giqa-synth needs the extra "synth".*pip install "giqa-hf\[synth\]"'
    ):
        load_photo("coins.png")


def test_a_photo_is_a_key():
    """Areas by photograph are looked up with the photograph as key."""
    assert len(dict.fromkeys(PHOTOS)) == len(PHOTOS)
    assert isinstance(PHOTOS[0], Photo)


if __name__ == "__main__":
    text = PngInfo()
    text.add_text("marks", marks())
    small = draw_all().quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    small.save(SHEET, optimize=True, pnginfo=text)
    sys.stdout.write(f"{SHEET}: {SHEET.stat().st_size} bytes\n")
