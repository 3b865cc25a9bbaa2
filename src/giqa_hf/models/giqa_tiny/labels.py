"""What giqa-tiny's vision tower learns to tell of each patch: the thing it lies on, its distortion, its box."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...builders.synth.photos import PHOTOS
from ...builders.synth.scenes import Scene
from ...distortions import FAMILIES
from .architecture import IMAGE_SIDE_PX, PATCH_PX

SIDE = IMAGE_SIDE_PX // PATCH_PX
NAMES = tuple(sorted({thing.name for photo in PHOTOS for thing in photo.objects}))
_SINGULAR = {
    name: thing.name for photo in PHOTOS for thing in photo.objects for name in (thing.name, thing.plural)
}


class PatchLabels(NamedTuple):
    """What each patch of a scene shows, rows first; of several scenes with a leading dimension."""

    names: npt.NDArray[np.uint8]
    """Shape (10, 10): 0 is none, else 1 + the index in `NAMES`."""
    families: npt.NDArray[np.uint8]
    """Shape (10, 10): 0 is clean, else 1 + the index in `FAMILIES`."""
    boxes_norm: npt.NDArray[np.float16]
    """Shape (10, 10, 4): the box of the thing that the patch lies on; zeros where there is none."""

    @classmethod
    def stack(cls, labels: list[PatchLabels]) -> PatchLabels:
        """The labels of single scenes, of all of them."""
        return cls(
            np.stack([own.names for own in labels]),
            np.stack([own.families for own in labels]),
            np.stack([own.boxes_norm for own in labels]),
        )

    def at(self, scenes: npt.NDArray[np.intp]) -> PatchLabels:
        """Of stacked labels, those of some scenes."""
        return PatchLabels(self.names[scenes], self.families[scenes], self.boxes_norm[scenes])

    def mirrored(self) -> PatchLabels:
        """Of stacked labels, those of the pictures turned left to right."""
        x1, y1, x2, y2 = np.moveaxis(self.boxes_norm[:, :, ::-1], -1, 0)
        names = self.names[:, :, ::-1]
        boxes = np.where(names[..., None] > 0, np.stack([1 - x2, y1, 1 - x1, y2], axis=-1), 0)
        return PatchLabels(names, self.families[:, :, ::-1], boxes.astype(np.float16))


def patch_labels(scene: Scene) -> PatchLabels:
    """The labels of a scene: a patch belongs to the smallest thing whose box holds its centre."""
    names = np.zeros((SIDE, SIDE), dtype=np.uint8)
    families = np.zeros((SIDE, SIDE), dtype=np.uint8)
    boxes = np.zeros((SIDE, SIDE, 4), dtype=np.float16)
    centres = (np.arange(SIDE) + 0.5) / SIDE
    placed = [(thing, box) for thing in scene.objects for box in thing.boxes_norm]
    for thing, (x1, y1, x2, y2) in sorted(
        placed, key=lambda pair: -float(np.prod(pair[1][2:] - pair[1][:2]))
    ):
        inside = np.outer((centres >= y1) & (centres <= y2), (centres >= x1) & (centres <= x2))
        names[inside] = 1 + NAMES.index(_SINGULAR[thing.name])
        families[inside] = 1 + FAMILIES.index(thing.family) if thing.family else 0
        boxes[inside] = (x1, y1, x2, y2)
    return PatchLabels(names, families, boxes)
