"""Stage 2 of the profile `classic`: boxes where the map of a tag's quality stands out from the rest of the photo.

The paper's stage 2 asks Grounding DINO for the phrase (Sec. 3.2). Here the phrase says where to look only if it speaks
of a place ("background", "left", "sky"); what is looked for is the quality. So a box says "this is where the photo is
blurry", which is where a blurry thing is if the description is right, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...boxes import Boxes
from ...words import singular
from ..phrases import words_of
from ..record import Box, Record, drop
from ..stage import Pictures, Stage
from .calibration import CALIBRATION_VERSION, probability
from .lexicon import read_quality
from .maps import MAPS_VERSION, PhotoMaps, Plane
from .vocabulary import Sense

MIN_PHOTO_PX = 32
"""Smaller photos have no local quality."""
MIN_AREA = 0.003
"""Least share of the map that a component needs; what is smaller is an accident of one edge or highlight."""
TAIL = 0.02
"""Share of a component's evidence left outside its box on each side, so that a thin arm does not stretch it."""
SIZE_POWER = 0.25
"""Components are ranked by their mean evidence times their area to this power."""
RUNNER_UP = 0.4
"""A further component counts when its rank is this share of the first one's."""
THING = 0.2
"""Share of the photo in which the core of a thing must lie: Otsu's cut alone halves a photo whose quality changes
slowly. It holds for flaws: what is good may be most of the photo, and so may what is wide by its name (`_WIDE`)."""
FLOOR = 0.7
"""Where hysteresis ends, on the way from the median to the cut."""
VISIBLE = 0.25
"""Least calibrated probability of the quality inside a component for it to be a box."""

_BEHIND = frozenset(("background", "surrounding", "backdrop", "environment", "surround"))
_BEFORE = frozenset(("foreground",))
_MIDDLE = frozenset(("center", "centre", "middle", "subject"))
_UP = frozenset(("top", "upper", "sky", "cloud", "ceiling"))
_DOWN = frozenset(("bottom", "lower", "ground", "floor", "road", "lawn", "grass", "pavement"))
_ANYWHERE = _BEHIND | _BEFORE | _MIDDLE | _UP | _DOWN | {"left", "right", "corner"}
_WIDE = (
    _BEHIND | _BEFORE | {"sky", "ground", "floor", "grass", "wall", "water", "sea", "landscape", "scenery"}
)
_PLURAL_ONLY = frozenset(("clothes", "police", "cattle"))
_SINGULAR_WITH_S = frozenset(("news", "lens", "gas", "chaos", "atlas", "canvas"))


class Found(NamedTuple):
    """What stands out in a map."""

    boxes_norm: Boxes
    """Shape (N, 4), best first."""
    scores: npt.NDArray[np.float64]
    """Shape (N,): the calibrated probability of the quality inside, 0..1."""


def locate(maps: PhotoMaps, sense: Sense, phrase: str, *, max_boxes: int = 5) -> Found:
    """Where in a photo a quality stands out.

    The map is turned so that high is what the sense says, stretched between its 1st and 99th percentile, weighted by
    the place that the phrase speaks of, and cut at Otsu's (1979) threshold, or higher for a thing (`THING`), with
    hysteresis (Canny 1986) down to `FLOOR`. Each connected component that is left gives a box; a name in the singular
    gets the best one, a plural up to `max_boxes`, and a background one box around all.

    Args:
        maps (`PhotoMaps`): of the photo.
        sense (`Sense`): the quality; it has a measure.
        phrase (`str`): T_r; its head decides between one box and several.
        max_boxes (`int`, *optional*, defaults to `5`): for a plural.
    """
    from scipy import ndimage
    from skimage import filters

    assert sense.measure is not None  # the caller asks only about what a map shows
    raw = maps.map(sense.measure)
    low, high = np.percentile(raw, [1, 99])
    if high - low < 1e-4:
        return _nothing()
    evidence = np.clip((raw - low) / (high - low), 0, 1)
    if sense.direction == "low":
        evidence = 1 - evidence
    words = {singular(word.folded) for word in words_of(phrase)}
    if sense.adjective == "clear" and not words & _ANYWHERE and not is_plural(phrase):
        words = words | {"subject"}  # what is called clear is what the photographer focused on
    evidence = evidence * prior(words, raw.shape)
    # scikit-image ships types for none of its functions.
    cut = float(filters.threshold_otsu(evidence))  # type: ignore[no-untyped-call]
    if sense.effect == "negative" and not words & _WIDE:
        cut = max(cut, float(np.quantile(evidence, 1 - THING)))
    middle = min(float(np.median(evidence)), cut)
    floor = middle + FLOOR * (cut - middle)
    above = filters.apply_hysteresis_threshold(evidence, floor, cut)  # type: ignore[no-untyped-call]
    inside = ndimage.binary_opening(above)
    labels, _ = ndimage.label(inside)
    slices = ndimage.find_objects(labels)
    outside = float(evidence[~inside].mean()) if not inside.all() else 0.0
    ranked = []
    for number, window in enumerate(slices, 1):
        part = labels[window] == number
        if part.mean() * part.size < MIN_AREA * raw.size:
            continue
        chance = probability(sense, float(raw[window][part].mean()))
        if chance < VISIBLE:
            continue
        weights = np.where(part, evidence[window] - floor + 1e-3, 0)
        rank = (float(evidence[window][part].mean()) - outside) * float(part.sum()) ** SIZE_POWER
        ranked.append((rank, chance, _box(weights, window, raw.shape)))
    ranked.sort(key=lambda found: -found[0])
    if not ranked:
        return _nothing()
    if words & _BEHIND:
        boxes = np.array([box for _, _, box in ranked])
        around = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        return Found(around[None], np.array([max(chance for _, chance, _ in ranked)]))
    count = max_boxes if is_plural(phrase) else 1
    kept = [found for found in ranked[:count] if found[0] >= RUNNER_UP * ranked[0][0]]
    kept.sort(key=lambda found: -found[1])
    return Found(np.array([box for _, _, box in kept]), np.array([chance for _, chance, _ in kept]))


def prior(words: set[str], shape_hw: tuple[int, ...]) -> Plane:
    """How much each cell of a map counts for a phrase with these words (in the form of `singular`), 0..1."""
    height, width = shape_hw
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    weight = np.ones((height, width))
    from_middle = np.hypot(x - 0.5, y - 0.5) / np.hypot(0.5, 0.5)
    for spoken, ramp in (
        (_BEHIND, 0.5 + 0.5 * from_middle),
        (_MIDDLE, 1 - 0.7 * from_middle),
        (_BEFORE, 0.4 + 0.6 * y),
        (_UP, 1 - 0.7 * y),
        (_DOWN, 0.3 + 0.7 * y),
        ({"left"}, 1 - 0.8 * x),
        ({"right"}, 0.2 + 0.8 * x),
        ({"corner"}, from_middle),
    ):
        if words & spoken:
            weight = weight * ramp
    return weight.astype(np.float32)


def is_plural(phrase: str) -> bool:
    """Whether the head of a short noun phrase is a plural: "the eyes of the cat", not "the glass on the tables"."""
    words: list[str] = []
    for word in words_of(phrase):
        if words and word.folded in ("of", "in", "on", "at", "with", "behind", "near", "under", "from", "to"):
            break
        words.append(word.folded)
    head = words[-1] if words else ""
    if head in _PLURAL_ONLY or head in _SINGULAR_WITH_S:
        return head in _PLURAL_ONLY
    form = singular(head)
    return form != head and (head.endswith("s") or head not in (f"{form}e",))


class MapBoxes(Stage):
    """Adds to each tag the boxes where the map of its quality stands out.

    A tag is dropped when its quality is none of the lexicon ("quality word unknown"), when no map shows it ("no map
    shows its quality", e.g. "clean"), or when its map has no place that stands out ("nothing to see in its map").

    Args:
        max_boxes (`int`, *optional*, defaults to `5`): for a name in the plural; one in the singular gets one box.
    """

    name: ClassVar[str] = "boxes"
    reads: ClassVar[tuple[str, ...]] = ("photo", "tags")
    adds: ClassVar[tuple[str, ...]] = ("boxes",)

    def __init__(self, max_boxes: int = 5) -> None:
        if max_boxes < 1:
            raise ValueError(f"max_boxes: expected at least 1, got {max_boxes}")
        self.max_boxes = max_boxes

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Look at the photo of each record once, and at the maps that its tags need."""
        for record in records:
            image = pictures.get(record) if record.live_tags else None
            if image is None:
                continue
            if min(image.size) < MIN_PHOTO_PX:
                detail = f"{image.width} x {image.height} pixels, expected {MIN_PHOTO_PX} a side"
                drop(record, self.name, "photo too small", detail=detail)
                continue
            self._add_boxes(record, image)

    def settings(self) -> dict[str, Any]:
        """The method, the versions of its formulas and calibration, and its limit."""
        return {
            "profile": "classic",
            "method": "local quality maps",
            "maps": MAPS_VERSION,
            "calibration": CALIBRATION_VERSION,
            "max_boxes": self.max_boxes,
        }

    def _add_boxes(self, record: Record, image: Image.Image) -> None:
        maps = PhotoMaps(image)
        for tag in record.live_tags:
            sense = read_quality(tag.quality)
            if sense is None:
                drop(tag, self.name, "quality word unknown", detail=tag.quality)
                continue
            if sense.measure is None:
                drop(tag, self.name, "no map shows its quality", detail=tag.quality)
                continue
            found = locate(maps, sense, tag.phrase, max_boxes=self.max_boxes)
            for box_norm, score in zip(
                found.boxes_norm.round(6).tolist(), found.scores.tolist(), strict=True
            ):
                tag.boxes.append(Box(tuple(box_norm), round(score, 6)))
            if not tag.boxes:
                drop(tag, self.name, "nothing to see in its map", detail=sense.measure)


def _nothing() -> Found:
    return Found(np.zeros((0, 4)), np.zeros(0))


def _box(weights: npt.NDArray[Any], window: tuple[slice, ...], shape_hw: tuple[int, ...]) -> Boxes:
    """The normalised box of a component that leaves `TAIL` of its weight outside on each side, shape (4,)."""
    corners = np.zeros(4)
    for axis, across in ((0, 1), (1, 0)):
        share = np.cumsum(weights.sum(axis=across)) / weights.sum()
        first = int(np.searchsorted(share, TAIL))
        last = int(np.searchsorted(share, 1 - TAIL)) + 1
        corners[1 - axis] = (window[axis].start + first) / shape_hw[axis]
        corners[3 - axis] = (window[axis].start + min(last, len(share))) / shape_hw[axis]
    return corners
