"""Which place of the original image a place of the model's picture is.

A model does not see the image: it sees a picture that its processor made of it, squashed, padded to a square,
centre-cropped or resized to a multiple of its patches. A `Frame` is that affine map, from pixels of the
original, EXIF-upright image to pixels of the model's picture, axis by axis: `model = original * scale +
offset`. Boxes go into a model and come out of it through its frame, and a box that the model cannot see is
found before training.

Pixel coordinates are continuous: 0 is the left edge of the first pixel and `width` the right edge of the
last. Sizes are `(width, height)`. `Frame.from_processor` reads the map off the processor that makes the
pixels; the constructors do the same rounding as transformers' PIL back end (as of 5.23), to the pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from .boxes import Boxes, as_boxes

WidthHeight = tuple[int, int]


@dataclass(frozen=True)
class Frame:
    """The map from an image to the picture that a model sees of it.

    Args:
        image_wh (`tuple` of two `int`): width and height of the original upright image, in pixels.
        model_wh (`tuple` of two `int`): width and height of the model's picture, in pixels.
        scale_xy (`tuple` of two `float`): model pixels per original pixel.
        offset_xy (`tuple` of two `float`):
            where the original's upper-left corner lies in the model's picture, in model pixels: positive
            behind padding, negative where it is cropped away.

    Example:

    ```python
    >>> frame = Frame.square_pad((640, 480), 336)  # 80 px of padding above and below, then 640 -> 336
    >>> frame.to_model_norm([[0.0, 0.0, 0.5, 1.0]]).tolist()
    [[0.0, 0.125, 0.5, 0.875]]
    >>> Frame.center_crop((640, 480), 336, (336, 336)).visible_fraction([[0.0, 0.0, 0.25, 1.0]]).tolist()
    [0.5]
    ```
    """

    image_wh: WidthHeight
    model_wh: WidthHeight
    scale_xy: tuple[float, float]
    offset_xy: tuple[float, float]

    def __post_init__(self) -> None:
        for name, pair in (("image_wh", self.image_wh), ("model_wh", self.model_wh)):
            if len(pair) != 2 or any(not isinstance(side, int) or side < 1 for side in pair):
                raise ValueError(
                    f"Frame: expected {name} to be two whole numbers of at least 1, got {pair!r}"
                )
        if not all(math.isfinite(factor) and factor > 0 for factor in self.scale_xy):
            raise ValueError(f"Frame: expected scale_xy to be two positive numbers, got {self.scale_xy!r}")

    # How pictures are made

    @classmethod
    def identity(cls, image_wh: WidthHeight) -> Frame:
        """The model sees the image as it is."""
        return cls(image_wh, image_wh, (1.0, 1.0), (0.0, 0.0))

    @classmethod
    def squash(cls, image_wh: WidthHeight, size_wh: WidthHeight) -> Frame:
        """The whole image resized to `size_wh`, whatever its proportions."""
        return cls.identity(image_wh)._resized(size_wh)

    @classmethod
    def square_pad(cls, image_wh: WidthHeight, size: int) -> Frame:
        """Padded to a centred square, then resized to `size` x `size`, as LLaVA-1.5 was trained.

        An odd difference puts the smaller half in front, as `LlavaImageProcessor(do_pad=True)` does.
        """
        return cls.identity(image_wh)._padded_to_square()._resized((size, size))

    @classmethod
    def center_crop(cls, image_wh: WidthHeight, shortest_edge: int, crop_wh: WidthHeight) -> Frame:
        """The shorter side resized to `shortest_edge`, then `crop_wh` cut out of the centre: plain CLIP.

        Where the resized image is smaller than `crop_wh`, it is padded instead.
        """
        return cls.identity(image_wh)._resized_shortest(shortest_edge)._cropped(crop_wh)

    @classmethod
    def smart_resize(cls, image_wh: WidthHeight, factor: int, min_pixels: int, max_pixels: int) -> Frame:
        """Both sides resized to multiples of `factor`, the area kept within bounds, as Qwen2-VL and later do.

        Args:
            image_wh (`tuple` of two `int`): width and height of the original image.
            factor (`int`): patch size times merge size: 28 for Qwen2-VL and Qwen2.5-VL, 32 for Qwen3-VL.
            min_pixels (`int`): the least area in pixels.
            max_pixels (`int`): the greatest area in pixels.

        Raises:
            `ValueError`: for a side more than 200 times the other, which the processor refuses too.
        """
        frame = cls.identity(image_wh)
        width, height = image_wh
        if max(width, height) / min(width, height) > 200:
            raise ValueError(f"Frame.smart_resize: expected sides within 200 : 1, got {width} x {height}")
        sides = [round(side / factor) * factor for side in image_wh]
        if sides[0] * sides[1] > max_pixels:
            shrink = math.sqrt(width * height / max_pixels)
            sides = [max(factor, math.floor(side / shrink / factor) * factor) for side in image_wh]
        elif sides[0] * sides[1] < min_pixels:
            grow = math.sqrt(min_pixels / (width * height))
            sides = [math.ceil(side * grow / factor) * factor for side in image_wh]
        return frame._resized((sides[0], sides[1]))

    @classmethod
    def letterbox(cls, image_wh: WidthHeight, size_wh: WidthHeight) -> Frame:
        """Resized to fit into `size_wh`, proportions kept to a whole pixel, centred, padded around."""
        factor = min(size_wh[0] / image_wh[0], size_wh[1] / image_wh[1])
        width, height = (max(1, round(side * factor)) for side in image_wh)
        return (
            cls.identity(image_wh)
            ._resized((width, height))
            ._placed(size_wh, (size_wh[0] - width) // 2, (size_wh[1] - height) // 2)
        )

    @classmethod
    def from_processor(cls, processor: Any, width: int, height: int) -> Frame:
        """The frame in which a processor shows an image of `width` x `height` to its model.

        It is read from the processor's own configuration, never guessed. Known are the image processors of
        CLIP (LLaVA as transformers configures it by default, Kosmos-2, Florence-2), LLaVA (`do_pad`), LLaVA-NeXT
        (its base view, which is the whole image squashed; the tiles show the whole image as well), Qwen2-VL
        (Qwen2.5-VL and Qwen3-VL share it), SigLIP (PaliGemma) and GOT-OCR2 (InternVL; tiles as LLaVA-NeXT), each
        alone or inside a processor. An image processor of another class says its frame itself, by a method
        `frame(width, height) -> Frame`. Arguments given to a single call of the processor, such as `size=`, are
        not known here.

        Raises:
            `ValueError`: for a processor or a configuration that is not known; it says which ones are.
        """
        image_processor = getattr(processor, "image_processor", processor)
        own = getattr(image_processor, "frame", None)
        if callable(own):
            frame: Frame = own(width, height)
            return frame
        name = type(image_processor).__name__
        reader = _READERS.get(name.removesuffix("Pil").removesuffix("Fast"))
        if reader is None:
            raise ValueError(
                f"Frame.from_processor: expected an image processor out of {', '.join(sorted(_READERS))}, "
                f"or one with a method frame(width, height), got {name}"
            )
        return reader(image_processor, cls.identity((width, height)))

    # Boxes through the frame

    def to_model_px(self, boxes_norm: npt.ArrayLike) -> Boxes:
        """Normalised by the original image (N, 4), to pixels of the model's picture; may lie outside it."""
        original_px = as_boxes(boxes_norm) * self._four(self.image_wh)
        return np.asarray(original_px * self._four(self.scale_xy) + self._four(self.offset_xy))

    def to_model_norm(self, boxes_norm: npt.ArrayLike) -> Boxes:
        """Normalised by the original image (N, 4), to normalised by the model's picture; may leave 0..1."""
        return self.to_model_px(boxes_norm) / self._four(self.model_wh)

    def from_model_px(self, boxes_model_px: npt.ArrayLike) -> Boxes:
        """Pixels of the model's picture (N, 4) to normalised by the original; in padding they leave 0..1."""
        original_px = (as_boxes(boxes_model_px) - self._four(self.offset_xy)) / self._four(self.scale_xy)
        return np.asarray(original_px / self._four(self.image_wh))

    def to_image_norm(self, boxes_model_norm: npt.ArrayLike) -> Boxes:
        """Normalised by the model's picture (N, 4), to normalised by the original; padding leaves 0..1."""
        return self.from_model_px(as_boxes(boxes_model_norm) * self._four(self.model_wh))

    def to_image_px(self, boxes_model_norm: npt.ArrayLike) -> Boxes:
        """Boxes (N, 4) normalised by the model's picture, to pixels of the original image."""
        return self.to_image_norm(boxes_model_norm) * self._four(self.image_wh)

    @property
    def visible_norm(self) -> tuple[float, float, float, float]:
        """The part of the original image that the model sees: `x1, y1, x2, y2`, normalised."""
        x1, y1, x2, y2 = np.clip(self.to_image_norm([[0.0, 0.0, 1.0, 1.0]]), 0.0, 1.0)[0].tolist()
        return x1, y1, x2, y2

    def visible_fraction(self, boxes_norm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The share of each box's area that the model sees, shape (N,), 0..1.

        A side of length zero counts as seen where it lies within the visible part or on its rim.
        """
        boxes = as_boxes(boxes_norm)
        window = np.array(self.visible_norm)
        first, last = boxes[:, :2], boxes[:, 2:]
        inside = np.minimum(last, window[2:]) - np.maximum(first, window[:2])
        length = last - first
        share = np.where(length > 0, np.maximum(inside, 0.0) / np.where(length > 0, length, 1.0), inside >= 0)
        return np.asarray(share.prod(axis=1))

    def hides(self, boxes_norm: npt.ArrayLike, more_than: float = 0.5) -> npt.NDArray[np.bool_]:
        """Whether more than that share of each box is out of the model's sight, shape (N,)."""
        return np.asarray(1.0 - self.visible_fraction(boxes_norm) > more_than + 1e-9)

    # Steps that the pictures are made of

    def _resized(self, wh: WidthHeight) -> Frame:
        factors = (wh[0] / self.model_wh[0], wh[1] / self.model_wh[1])
        return replace(
            self,
            model_wh=wh,
            scale_xy=(self.scale_xy[0] * factors[0], self.scale_xy[1] * factors[1]),
            offset_xy=(self.offset_xy[0] * factors[0], self.offset_xy[1] * factors[1]),
        )

    def _resized_shortest(self, shortest_edge: int) -> Frame:
        width, height = self.model_wh
        longest = int(shortest_edge * max(width, height) / min(width, height))
        return self._resized((shortest_edge, longest) if width <= height else (longest, shortest_edge))

    def _placed(self, wh: WidthHeight, left: int, top: int) -> Frame:
        offset = (self.offset_xy[0] + left, self.offset_xy[1] + top)
        return replace(self, model_wh=wh, offset_xy=offset)

    def _padded_to_square(self) -> Frame:
        width, height = self.model_wh
        side = max(width, height)
        return self._placed((side, side), (side - width) // 2, (side - height) // 2)

    def _cropped(self, wh: WidthHeight) -> Frame:
        return self._placed(wh, -((self.model_wh[0] - wh[0]) // 2), -((self.model_wh[1] - wh[1]) // 2))

    def _four(self, pair: tuple[float, float]) -> npt.NDArray[np.float64]:
        return np.array([*pair, *pair], dtype=np.float64)


# One reader per class of image processor: the steps of its `_preprocess`, in order.


def _clip(image_processor: Any, frame: Frame) -> Frame:
    if getattr(image_processor, "do_pad", False):
        raise ValueError("Frame.from_processor: expected CLIPImageProcessor without do_pad, got do_pad=True")
    return _resized_and_cropped(image_processor, frame)


def _llava(image_processor: Any, frame: Frame) -> Frame:
    if image_processor.do_pad:
        frame = frame._padded_to_square()
    return _resized_and_cropped(image_processor, frame)


def _llava_next(image_processor: Any, frame: Frame) -> Frame:
    size = image_processor.size
    width, height = size.get("width"), size.get("height")
    shortest = size.get("shortest_edge")
    base_view = frame._resized((width, height) if width and height else (shortest, shortest))
    return _resized_and_cropped(image_processor, base_view)


def _squashed(image_processor: Any, frame: Frame) -> Frame:
    if not image_processor.do_resize:
        return frame
    size = image_processor.size
    if not (size.get("width") and size.get("height")):
        raise ValueError(
            f"Frame.from_processor: expected {type(image_processor).__name__} to have a size of height and width, "
            f"got {dict(size)}"
        )
    return frame._resized((size["width"], size["height"]))


def _qwen2_vl(image_processor: Any, frame: Frame) -> Frame:
    if not image_processor.do_resize:
        return frame
    factor = image_processor.patch_size * image_processor.merge_size
    size = image_processor.size  # here these two edges are areas
    return Frame.smart_resize(frame.image_wh, factor, size["shortest_edge"], size["longest_edge"])


def _resized_and_cropped(image_processor: Any, frame: Frame) -> Frame:
    if image_processor.do_resize:
        size = image_processor.size
        width, height, shortest = size.get("width"), size.get("height"), size.get("shortest_edge")
        if shortest and not size.get("longest_edge"):
            frame = frame._resized_shortest(shortest)
        elif width and height:
            frame = frame._resized((width, height))
        else:
            raise ValueError(
                f"Frame.from_processor: expected {type(image_processor).__name__} to have a size of height "
                f"and width, or of shortest_edge alone, got {dict(size)}"
            )
    if image_processor.do_center_crop:
        crop = image_processor.crop_size
        frame = frame._cropped((crop["width"], crop["height"]))
    return frame


_READERS: dict[str, Callable[[Any, Frame], Frame]] = {
    "CLIPImageProcessor": _clip,
    "GotOcr2ImageProcessor": _squashed,
    "LlavaImageProcessor": _llava,
    "LlavaNextImageProcessor": _llava_next,
    "Qwen2VLImageProcessor": _qwen2_vl,
    "SiglipImageProcessor": _squashed,
}
