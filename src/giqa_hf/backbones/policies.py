"""How a picture is made of an image: set on a processor once, saved with it, the same in training and in use.

A policy replaces the image processor by one of Pillow's, whose pixels are the same on every machine; torchvision's
differ from them by up to 2/255, and exist only where torchvision does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class ImagePolicy(Protocol):
    """Sets a processor's way with images; see the classes of this file."""

    @property
    def summary(self) -> str:
        """One line for a table."""

    def apply(self, processor: Any) -> None:
        """Change a processor of the backbone that the policy belongs to, in place."""


@dataclass(frozen=True)
class PaddedSquare:
    """Padded to a centred square in the mean colour, then resized: LLaVA-1.5 as it was trained.

    The processor of the public checkpoints, CLIP's, cuts off what is outside the central square instead.
    """

    @property
    def summary(self) -> str:
        """See `ImagePolicy`."""
        return "padded to a square in the mean colour, resized"

    def apply(self, processor: Any) -> None:
        """See `ImagePolicy`."""
        from .pictures import LlavaImageProcessorPil

        processor.image_processor = _as(LlavaImageProcessorPil, processor.image_processor, do_pad=True)


@dataclass(frozen=True)
class Tiles:
    """The whole image squashed to a square, and beside it tiles of a larger picture: LLaVA-1.6.

    Boxes are places in the whole image, which the squashed view and the tiles together both show.
    """

    @property
    def summary(self) -> str:
        """See `ImagePolicy`."""
        return "the whole view squashed, and up to four tiles of it"

    def apply(self, processor: Any) -> None:
        """See `ImagePolicy`."""
        from transformers import LlavaNextImageProcessorPil

        # Images with fewer tiles are filled up, or a batch of several sizes could not be stacked.
        processor.image_processor = _as(LlavaNextImageProcessorPil, processor.image_processor, do_pad=True)


@dataclass(frozen=True)
class SmartResize:
    """Both sides resized to multiples of a factor, the area kept within bounds: Qwen2-VL and its successors.

    Args:
        min_pixels (`int`): smaller images are enlarged to this area.
        max_pixels (`int`): larger images are made smaller; it bounds the image tokens of a sample.
    """

    min_pixels: int
    max_pixels: int

    @property
    def summary(self) -> str:
        """See `ImagePolicy`."""
        return f"smart resize, {self.min_pixels:,} to {self.max_pixels:,} pixels"

    def apply(self, processor: Any) -> None:
        """See `ImagePolicy`."""
        from transformers import Qwen2VLImageProcessorPil

        size = {
            "shortest_edge": self.min_pixels,
            "longest_edge": self.max_pixels,
        }  # areas, despite their names
        processor.image_processor = _as(Qwen2VLImageProcessorPil, processor.image_processor, size=size)


@dataclass(frozen=True)
class Squashed:
    """The whole image squashed to the tower's square: giqa-tiny, as it was trained."""

    @property
    def summary(self) -> str:
        """See `ImagePolicy`."""
        return "squashed to a square"

    def apply(self, processor: Any) -> None:
        """See `ImagePolicy`."""
        from .pictures import CLIPImageProcessorPil

        side = processor.image_processor.crop_size
        processor.image_processor = _as(
            CLIPImageProcessorPil,
            processor.image_processor,
            size={"height": side["height"], "width": side["width"]},
            do_center_crop=False,
        )


@dataclass(frozen=True)
class OwlPadding:
    """Padded to a square by mPLUG-Owl2's own image processor, which has that as its mode `"pad"`."""

    @property
    def summary(self) -> str:
        """See `ImagePolicy`."""
        return "padded to a square in the mean colour, resized"

    def apply(self, processor: Any) -> None:
        """See `ImagePolicy`."""
        processor.image_processor.image_aspect_ratio = "pad"


def _as(kind: Any, image_processor: Any, **changes: Any) -> Any:
    """An image processor of a class, with the settings of another one and some of its own."""
    return kind.from_dict(image_processor.to_dict(), **changes)
