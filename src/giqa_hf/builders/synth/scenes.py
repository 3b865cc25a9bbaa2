"""A scene of giqa-synth: a crop of a photograph with some of its objects spoiled, and the truth about it.

Everything that the rows say (names, boxes, qualities, answers) is read from the scene, so it is true by
construction. A distortion that changes nothing to see (desaturating a grey coin) is drawn again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...boxes import Boxes
from ...distortions import FAMILIES, box_mask, distort_region, ellipse_mask
from .photos import PHOTOS, Box, Photo, PhotoObject, load_photo

Split = Literal["train", "test"]
SHORT_SIDE_PX = 224
"""Short side of a scene, the reference size of DQ-495K (spec B3)."""
MIN_SIDE = 0.09
"""Objects narrower or lower than this share of the crop are neither named nor spoiled."""
MIN_INSIDE = 0.75
"""An object is in the scene when this share of its box is in the crop; under `MAX_OUTSIDE` it is not there."""
MAX_OUTSIDE = 0.25
MIN_VISIBLE_RMS = 8.0
"""Least root-mean-square change inside the mask, in 0..255, for a distortion to count as visible."""
CLEAN_SHARE = 0.06
"""Share of scenes with nothing spoiled (5 % in spec B3, a little more here for the Yes/No balance)."""
SEVERITIES = (2, 3, 4, 5)
GRADES = {1: "slight", 2: "slight", 3: "moderate", 4: "severe", 5: "severe"}
_BAND_PX = 24
_BENCH_EVERY = 6


@dataclass(frozen=True)
class SceneObject:
    """One named thing in a scene, with what was done to it.

    Args:
        name (`str`): as the texts call it, singular or plural.
        plural (`bool`): whether the name takes a plural verb.
        boxes_norm (`array` of shape (N, 4)): its boxes, normalised by the scene.
        shape (`str`): `"box"` or `"ellipse"`, what the distortion's mask fills of each box.
        family (`str`, *optional*): the distortion's family, one of `giqa_hf.distortions.FAMILIES`; `None` is clean.
        severity (`int`, *optional*, defaults to `0`): 1 to 5; 0 is clean.
        separable (`bool`, *optional*, defaults to `False`): whether some of its boxes may be spoiled alone.
    """

    name: str
    plural: bool
    boxes_norm: Boxes
    shape: str
    family: str | None = None
    severity: int = 0
    separable: bool = False

    @property
    def area(self) -> float:
        """Sum of its boxes' areas, as a share of the scene."""
        sides = self.boxes_norm[:, 2:] - self.boxes_norm[:, :2]
        return float((sides[:, 0] * sides[:, 1]).sum())

    @property
    def grade(self) -> str:
        """`"slight"`, `"moderate"` or `"severe"`."""
        return GRADES[self.severity]


@dataclass(frozen=True)
class Scene:
    """A picture with its truth: spoiled objects first, then clean ones, each from large to small."""

    image: Image.Image
    photo: Photo
    window_px: Box
    mirrored: bool
    objects: tuple[SceneObject, ...]

    @property
    def spoiled(self) -> tuple[SceneObject, ...]:
        """The objects with a distortion."""
        return tuple(thing for thing in self.objects if thing.family)

    @property
    def clean(self) -> tuple[SceneObject, ...]:
        """The named objects without one."""
        return tuple(thing for thing in self.objects if not thing.family)


class _View(NamedTuple):
    """Where a crop lies, and the objects in it."""

    photo: Photo
    window: Box
    mirrored: bool
    objects: list[SceneObject]


def make_scene(split: Split, rng: np.random.Generator) -> Scene:
    """Draw one scene.

    Args:
        split (`str`): `"train"` or `"test"`: which crops may be used (see `window_split`).
        rng (`np.random.Generator`): the only source of chance.
    """
    view = _draw_view(split, rng)
    scene_wh = _scene_size(view.window)
    picture = load_photo(view.photo.name).resize(scene_wh, Image.Resampling.BICUBIC, box=view.window)
    if view.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = np.asarray(picture)
    count = 0 if rng.random() < CLEAN_SHARE else int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    chosen = rng.permutation(len(view.objects))[:count]
    objects = list(view.objects)
    for index in chosen:
        thing = objects[index]
        target = _some_of(thing, view.photo, rng) if thing.separable else thing
        others = [other for number, other in enumerate(view.objects) if number != index]
        pixels, spoiled = _spoil(pixels, target, others, rng)
        objects[index] = spoiled if spoiled.family else thing
    objects.sort(key=lambda thing: (thing.family is None, -thing.area))
    return Scene(Image.fromarray(pixels), view.photo, view.window, view.mirrored, tuple(objects))


def window_split(photo: Photo, window_px: Box) -> Split:
    """Which split a crop belongs to: decided by the square of 24 x 24 pixels in which its centre lies.

    One square in six is the bench's, by a hash of the photograph's name and the square, so no crop is in both.
    """
    square = [int((window_px[i] + window_px[i + 2]) / 2 // _BAND_PX) for i in (0, 1)]
    digest = hashlib.sha256(f"{photo.name}:{square[0]}:{square[1]}".encode()).digest()
    return "test" if digest[0] % _BENCH_EVERY == 0 else "train"


def _draw_view(split: Split, rng: np.random.Generator) -> _View:
    areas = {photo: photo.train_area_px if split == "train" else photo.bench_area_px for photo in PHOTOS}
    usable = [(photo, area) for photo, area in areas.items() if area is not None]
    photo, area = usable[int(rng.integers(len(usable)))]
    while True:
        window = _draw_window(photo, area, rng)
        if window is None or (photo.shares_area and window_split(photo, window) != split):
            continue
        mirrored = bool(photo.mirror and rng.random() < 0.5)
        objects = _objects_in(photo, window, mirrored)
        if objects:
            return _View(photo, window, mirrored, objects)


def _draw_window(photo: Photo, area: Box, rng: np.random.Generator) -> Box | None:
    short = rng.uniform(*photo.crop_px)
    aspect = rng.uniform(1.0, 1.34)
    width, height = (short * aspect, short) if rng.random() < 0.65 else (short, short * aspect)
    free_x, free_y = area[2] - area[0] - width, area[3] - area[1] - height
    if free_x < 0 or free_y < 0:
        return None
    x, y = area[0] + rng.uniform(0, free_x), area[1] + rng.uniform(0, free_y)
    return (x, y, x + width, y + height)


def _scene_size(window: Box) -> tuple[int, int]:
    width, height = window[2] - window[0], window[3] - window[1]
    scale = SHORT_SIDE_PX / min(width, height)
    return round(width * scale), round(height * scale)


def _objects_in(photo: Photo, window: Box, mirrored: bool) -> list[SceneObject]:
    """The objects to name in a crop; an empty list when the crop cuts an object in two or shows none."""
    found: list[SceneObject] = []
    for thing in photo.objects:
        boxes, inside = _boxes_in(np.array(thing.boxes_px, dtype=np.float64), window)
        if ((inside > MAX_OUTSIDE) & (inside < MIN_INSIDE)).any():
            return []
        boxes = boxes[inside >= MIN_INSIDE]
        sides = boxes[:, 2:] - boxes[:, :2]
        if len(boxes) == 0 or (sides < MIN_SIDE).any():
            continue
        if mirrored:
            boxes = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
        found.append(_scene_object(thing, boxes))
    return found


def _scene_object(thing: PhotoObject, boxes_norm: Boxes) -> SceneObject:
    plural = len(boxes_norm) > 1
    name = (thing.plural or thing.name) if plural else thing.name
    in_reading_order = boxes_norm[np.lexsort((boxes_norm[:, 0], boxes_norm[:, 1]))]
    return SceneObject(name, plural, in_reading_order, thing.shape, separable=not thing.together)


def _some_of(thing: SceneObject, photo: Photo, rng: np.random.Generator) -> SceneObject:
    """One to three instances of a separable object."""
    count = int(rng.integers(1, min(3, len(thing.boxes_norm)) + 1))
    chosen = thing.boxes_norm[rng.permutation(len(thing.boxes_norm))[:count]]
    (kind,) = (kind for kind in photo.objects if thing.name in (kind.name, kind.plural))
    return _scene_object(kind, chosen)


def _boxes_in(boxes_px: Boxes, window: Box) -> tuple[Boxes, npt.NDArray[np.float64]]:
    """Boxes cut to the window and normalised by it, and the share of each that lies inside."""
    origin = np.array([window[0], window[1]] * 2)
    size = np.array([window[2] - window[0], window[3] - window[1]] * 2)
    cut = np.clip((boxes_px - origin) / size, 0.0, 1.0)
    full = (boxes_px[:, 2:] - boxes_px[:, :2]).prod(axis=1) / size[:2].prod()
    return cut, (cut[:, 2:] - cut[:, :2]).prod(axis=1) / full


def _spoil(
    pixels: npt.NDArray[np.uint8], thing: SceneObject, others: list[SceneObject], rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], SceneObject]:
    """Distort an object so that it can be seen, or leave it clean when twelve draws show nothing."""
    height, width = pixels.shape[:2]
    mask = _mask(thing, (width, height))
    for other in others:  # a clean neighbour stays clean, a spoiled one keeps its own distortion only
        mask &= ~_mask(other, (width, height))
    for _ in range(12):
        family = str(rng.choice(FAMILIES))
        severity = int(rng.choice(SEVERITIES))
        seed = int(rng.integers(2**31))
        changed = distort_region(pixels, mask, family, severity=severity, seed=seed)
        difference = changed[mask].astype(np.float64) - pixels[mask]
        if np.sqrt((difference**2).mean()) >= MIN_VISIBLE_RMS:
            return changed, replace(thing, family=family, severity=severity)
    return pixels, thing


def _mask(thing: SceneObject, image_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """The pixels that a thing fills, (H, W)."""
    draw_mask = ellipse_mask if thing.shape == "ellipse" else box_mask
    boxes_px = thing.boxes_norm * np.array([*image_wh, *image_wh])
    return np.asarray(np.any([draw_mask(box, image_wh) for box in boxes_px], axis=0))
