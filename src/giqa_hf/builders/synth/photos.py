"""The photographs behind giqa-synth and the objects on them.

The pictures are those that scikit-image ships inside its package, so nothing is downloaded. Names and boxes were
marked by hand on an enlarged picture with a ruler grid and checked on the drawing that
`giqa_hf.builders.synth.photos.contact_sheet` makes. Objects of one photograph overlap little, so that one can be
spoiled while its neighbour stays clean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw

from ...errors import MissingExtraError

Shape = Literal["box", "ellipse"]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class PhotoObject:
    """One named thing on a photograph.

    Args:
        name (`str`): what one of them is called.
        boxes_px (`tuple` of boxes): `x1, y1, x2, y2` in pixels of the photograph, one per instance.
        shape (`str`, *optional*, defaults to `"box"`): what of the box the thing fills, for the distortion's mask.
        plural (`str`, *optional*): what several of them are called.
        together (`bool`, *optional*, defaults to `True`): whether all instances are spoiled together (a cat's eyes)
            or each on its own (coins on a tray).
    """

    name: str
    boxes_px: tuple[Box, ...]
    shape: Shape = "box"
    plural: str | None = None
    together: bool = True


@dataclass(frozen=True)
class Photo:
    """One photograph.

    Args:
        name (`str`): its file in scikit-image's data folder.
        license (`str`): what scikit-image's documentation says of its terms.
        crop_px (`tuple`): shortest and longest short side of a crop, in pixels.
        objects (`tuple` of `PhotoObject`): what is on it.
        train_area_px, bench_area_px (`box` or `None`): where crops of the split may lie; `None` is nowhere.
        mirror (`bool`, *optional*, defaults to `True`): whether a mirrored crop still looks natural.
    """

    name: str
    license: str
    crop_px: tuple[int, int]
    objects: tuple[PhotoObject, ...]
    train_area_px: Box | None
    bench_area_px: Box | None
    mirror: bool = True

    @property
    def shares_area(self) -> bool:
        """Whether train and bench crops come from the same part of the photograph (at other positions)."""
        return self.train_area_px is not None and self.train_area_px == self.bench_area_px


def _one(name: str, x1: float, y1: float, x2: float, y2: float, shape: Shape = "box") -> PhotoObject:
    return PhotoObject(name, ((x1, y1, x2, y2),), shape)


_CC0 = "CC0 by the photographer"
_MIDDLEBURY = "Middlebury 2014 stereo benchmark, as shipped in scikit-image"

PHOTOS: tuple[Photo, ...] = (
    Photo(
        "astronaut.png", "public domain (NASA)", (260, 470),
        (
            _one("star field", 0, 0, 64, 148),
            _one("head", 152, 15, 302, 190, "ellipse"),
            _one("collar ring", 115, 148, 306, 294, "ellipse"),
            _one("space shuttle", 353, 0, 460, 290),
            _one("mission patch", 132, 347, 210, 425, "ellipse"),
            _one("helmet", 277, 343, 512, 512, "ellipse"),
        ),
        (0, 0, 512, 512), (0, 0, 512, 512),
    ),
    Photo(
        "camera.png", f"{_CC0} (Lav Varshney)", (250, 470),
        (
            _one("head", 157, 63, 272, 198, "ellipse"),
            _one("video camera", 252, 137, 325, 184),
            _one("tripod", 230, 186, 405, 512),
            _one("white tower", 411, 114, 434, 196),
        ),
        (0, 0, 512, 512), (0, 0, 512, 512),
    ),
    Photo(
        "chelsea.png", f"{_CC0} (Stéfan van der Walt)", (190, 290),
        (
            PhotoObject("eye", ((134, 84, 207, 149), (295, 109, 344, 165)), "ellipse", "eyes"),
            _one("nose", 238, 226, 293, 268, "ellipse"),
            PhotoObject("ear", ((40, 0, 85, 28), (322, 0, 402, 76)), "box", "ears"),
            _one("forehead", 205, 0, 290, 80, "ellipse"),
        ),
        (0, 0, 451, 300), (0, 0, 451, 300),
    ),
    Photo(
        "coffee.png", f"{_CC0} (Rachel Michetti)", (230, 390),
        (
            _one("coffee", 203, 94, 371, 196, "ellipse"),
            _one("cup handle", 195, 222, 263, 309, "ellipse"),
            _one("spoon bowl", 325, 238, 407, 327, "ellipse"),
        ),
        (0, 0, 600, 400), (0, 0, 600, 400),
    ),
    Photo(
        "coins.png", "no known copyright restrictions (Brooklyn Museum)", (100, 150),
        (
            PhotoObject(
                "coin",
                (
                    (22, 34, 67, 74), (81, 38, 120, 73), (132, 28, 179, 73), (192, 29, 240, 73),
                    (255, 33, 297, 72), (305, 15, 365, 72),
                    (24, 103, 67, 145), (84, 107, 122, 144), (133, 109, 174, 145), (185, 104, 226, 144),
                    (245, 95, 296, 143), (316, 104, 356, 144),
                    (25, 177, 63, 217), (80, 174, 124, 217), (135, 178, 174, 217), (188, 170, 237, 217),
                    (250, 171, 297, 217), (315, 155, 380, 218),
                    (18, 232, 75, 288), (92, 243, 136, 287), (144, 235, 202, 288), (219, 239, 269, 288),
                    (275, 238, 327, 288), (335, 247, 382, 289),
                ),
                "ellipse", "coins", together=False,
            ),
        ),
        (0, 0, 244, 303), (244, 0, 384, 303),
    ),
    Photo(
        "motorcycle_left.png", _MIDDLEBURY, (290, 480),
        (
            _one("rear wheel", 122, 238, 280, 402, "ellipse"),
            _one("front wheel", 510, 288, 684, 451, "ellipse"),
            _one("seat", 142, 157, 352, 250),
            _one("fuel tank", 330, 155, 488, 240),
            _one("engine", 333, 245, 480, 372),
            _one("headlight", 503, 122, 564, 190, "ellipse"),
            _one("red bin", 522, 182, 618, 252),
            PhotoObject("top-shelf box", ((527, 29, 597, 99), (591, 62, 640, 101)), "box", "top-shelf boxes"),
        ),
        (0, 0, 741, 500), None,
    ),
    Photo(
        "motorcycle_right.png", _MIDDLEBURY, (290, 480),
        (
            _one("rear wheel", 80, 238, 240, 402, "ellipse"),
            _one("front wheel", 466, 294, 628, 451, "ellipse"),
            _one("seat", 100, 157, 308, 250),
            _one("fuel tank", 282, 155, 434, 240),
            _one("engine", 284, 245, 432, 372),
            _one("headlight", 450, 122, 504, 190, "ellipse"),
            _one("red bin", 500, 178, 598, 252),
            PhotoObject("top-shelf box", ((506, 29, 577, 99), (569, 63, 621, 101)), "box", "top-shelf boxes"),
        ),
        None, (0, 0, 741, 500),
    ),
    Photo(
        "rocket.jpg", "public domain (SpaceX)", (230, 410),
        (
            _one("rocket", 307, 125, 337, 407),
            PhotoObject("lattice tower", ((0, 0, 90, 427), (558, 0, 640, 427)), "box", "lattice towers"),
            PhotoObject("mast", ((165, 122, 207, 427), (440, 122, 478, 427)), "box", "masts"),
            _one("launch pad", 267, 405, 375, 427),
        ),
        (0, 0, 640, 427), (0, 0, 640, 427),
    ),
)  # fmt: skip


@lru_cache(maxsize=16)
def load_photo(name: str) -> Image.Image:
    """The photograph `name` as RGB, from scikit-image's own data folder.

    Raises:
        `MissingExtraError`: when scikit-image is not installed.
    """
    try:
        import skimage
        from skimage.io import imread
    except ImportError:
        raise MissingExtraError("giqa-synth", "synth") from None
    array = np.asarray(imread(f"{skimage.__path__[0]}/data/{name}"))
    return Image.fromarray(array).convert("RGB")


def contact_sheet(photo: Photo, zoom: float = 1.5) -> Image.Image:
    """The photograph with every marked box and name drawn on it, to check the marks by eye."""
    picture = load_photo(photo.name)
    picture = picture.resize((round(picture.width * zoom), round(picture.height * zoom)))
    draw = ImageDraw.Draw(picture)
    for thing in photo.objects:
        for box in thing.boxes_px:
            corners = [value * zoom for value in box]
            draw.rectangle(corners, outline=(0, 255, 0), width=2)
            draw.text(
                (corners[0] + 3, corners[1] + 3),
                thing.name,
                fill=(255, 255, 0),
                stroke_width=2,
                stroke_fill=0,
            )
    return picture
