"""The question of IQA-Filter to a crop, and how a crop is cut (paper Algorithm 1, lines 4 to 9)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, overload

from PIL import Image

from ..record import BoxNorm


class CropJudge(Protocol):
    """Whoever can say whether a crop looks as its tag says."""

    def yes_probability(self, crops: Sequence[Image.Image], qualities: Sequence[str]) -> list[float | None]:
        """The probability of "Yes" to "Is the image quality <T_q>?", one per crop.

        Args:
            crops (`sequence` of `PIL.Image.Image`): upright RGB; each is cut when it is asked for, so take few at once.
            qualities (`sequence` of `str`): T_q of each; it comes from an LLM or a corpus, so it may be anything.

        Returns:
            `list`: numbers in 0..1 in the order of the crops; `None` where it cannot tell.

        Raises:
            `GiqaError`: for what concerns the whole build, such as too little memory.
        """
        ...

    def settings(self) -> dict[str, Any]:
        """Everything that its answers depend on, for the manifest."""
        ...


class Crops(Sequence[Image.Image]):
    """The crops of a batch, each cut out only when it is asked for: 900 crops of one large photo never exist at once.

    Args:
        images (`sequence` of `PIL.Image.Image`): the photo of each crop; one photo may come many times.
        boxes_norm (`sequence` of 4-tuples): the box of each crop, as `crop_box` takes it.
        min_side_px (`int`): see `crop_box`.
    """

    def __init__(
        self, images: Sequence[Image.Image], boxes_norm: Sequence[BoxNorm], min_side_px: int
    ) -> None:
        self._images = images
        self._boxes_norm = boxes_norm
        self._min_side_px = min_side_px

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Image.Image: ...
    @overload
    def __getitem__(self, index: slice) -> Crops: ...
    def __getitem__(self, index: int | slice) -> Image.Image | Crops:
        if isinstance(index, slice):
            return Crops(self._images[index], self._boxes_norm[index], self._min_side_px)
        return crop_box(self._images[index], self._boxes_norm[index], min_side_px=self._min_side_px)


def crop_box(image: Image.Image, box_norm: BoxNorm, *, min_side_px: int = 32) -> Image.Image:
    """Cut a box out of a photo: every pixel that it touches.

    A side shorter than `min_side_px` is grown to that length about its centre, and moved where it would leave the
    photo: a model enlarges a crop of a few pixels until anything looks blurred, and some refuse it.

    Args:
        image (`PIL.Image.Image`): the upright photo.
        box_norm (`tuple` of 4 `float`): normalised x1, y1, x2, y2 with 0 <= x1 < x2 <= 1, likewise y.
        min_side_px (`int`, *optional*, defaults to `32`): least width and height, or the photo's where that is less;
            a guess, the paper is silent.

    Returns:
        `PIL.Image.Image`: of the photo's mode.
    """
    x1, y1, x2, y2 = box_norm
    left, right = _extent_px(x1, x2, image.width, min_side_px)
    top, bottom = _extent_px(y1, y2, image.height, min_side_px)
    return image.crop((left, top, right, bottom))


def _extent_px(start_norm: float, end_norm: float, side_px: int, min_px: int) -> tuple[int, int]:
    """The first pixel of an extent, and the one behind its last."""
    rounding = 1e-9  # a corner on the edge of a pixel does not reach into the next one
    first = max(math.floor(start_norm * side_px + rounding), 0)
    behind = min(math.ceil(end_norm * side_px - rounding), side_px)
    wanted = min(max(min_px, 1), side_px)
    if behind - first < wanted:
        first = math.floor((start_norm + end_norm) * side_px / 2 - wanted / 2 + 0.5)
        first = min(max(first, 0), side_px - wanted)
        behind = first + wanted
    return first, behind
