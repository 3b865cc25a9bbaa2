"""Teach giqa-tiny's vision tower what lies where, before it meets the language model.

LLaVA takes a tower that has seen hundreds of millions of pictures. This one starts from nothing, and captions alone
teach a tower slowly, so it first learns to answer for each of its 100 patches: what thing it lies on, how far that
thing reaches, and what distortion it shows. The small heads that give these answers are thrown away afterwards.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...builders.synth.photos import PHOTOS
from ...builders.synth.scenes import Scene
from ...distortions import FAMILIES
from .architecture import IMAGE_SIDE_PX, PATCH_PX, WIDTH

SIDE = IMAGE_SIDE_PX // PATCH_PX
NAMES = tuple(sorted({thing.name for photo in PHOTOS for thing in photo.objects}))
_SINGULAR = {
    name: thing.name for photo in PHOTOS for thing in photo.objects for name in (thing.name, thing.plural)
}


class PatchLabels(NamedTuple):
    """What each patch of a scene shows, rows first."""

    names: npt.NDArray[np.uint8]
    """Shape (10, 10): 0 is none, else 1 + the index in `NAMES`."""
    families: npt.NDArray[np.uint8]
    """Shape (10, 10): 0 is clean, else 1 + the index in `FAMILIES`."""
    boxes_norm: npt.NDArray[np.float16]
    """Shape (10, 10, 4): the box of the thing that the patch lies on; zeros where there is none."""

    def at(self, scenes: npt.NDArray[np.intp]) -> PatchLabels:
        """Of stacked labels, those of some scenes."""
        return PatchLabels(self.names[scenes], self.families[scenes], self.boxes_norm[scenes])


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


class PatchHeads:
    """Three linear heads on the tower's patch features, and their common loss."""

    def __init__(self) -> None:
        import torch

        outputs = (1 + len(NAMES), 1 + len(FAMILIES), 4)
        self.module = torch.nn.ModuleList([torch.nn.Linear(WIDTH, size) for size in outputs])

    def loss(self, features: Any, labels: PatchLabels) -> Any:
        """Cross entropy of name and family plus the L1 distance of boxes, averaged over patches.

        Args:
            features (`torch.Tensor` of shape (B, 100, WIDTH)): the tower's last hidden states without its class token.
            labels (`PatchLabels`): arrays of shape (B, 10, 10) and (B, 10, 10, 4).
        """
        import torch
        from torch.nn.functional import cross_entropy

        names, families, boxes = (head(features).float() for head in self.module)
        true_names = torch.from_numpy(labels.names.astype(np.int64)).flatten(1)
        true_families = torch.from_numpy(labels.families.astype(np.int64)).flatten(1)
        true_boxes = torch.from_numpy(labels.boxes_norm.astype(np.float32)).flatten(1, 2)
        on_thing = true_names > 0
        distance = (boxes - true_boxes).abs().mean(-1)[on_thing].mean() if on_thing.any() else 0.0
        weights = torch.full((1 + len(FAMILIES),), 5.0)
        weights[0] = 1.0  # most patches are clean
        return (
            cross_entropy(names.flatten(0, 1), true_names.flatten())
            + 3.0 * cross_entropy(families.flatten(0, 1), true_families.flatten(), weight=weights)
            + 5.0 * distance
        )
