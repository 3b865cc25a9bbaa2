"""The image processors of CLIP and LLaVA, quicker, with the same pixel values to the last bit.

transformers' own (as of 5.23) turn a picture into an array with the channels first, that into bytes and a picture again
for the resize, and normalise what comes of it in four passes over floats. These stay with Pillow until the picture is
small, and look its values up: there are 256 levels a channel, so a table says what becomes of each.

They have the names of transformers' classes: a folder that they save is one of those, which `AutoProcessor` loads where
this package is not installed. Whatever they do not cover they hand to the class that they extend.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import transformers
from PIL import Image

__all__ = ["CLIPImageProcessorPil", "LlavaImageProcessorPil", "quicken"]

_STEPS = ("do_convert_rgb", "do_resize", "do_rescale", "do_normalize")


class _Plan(NamedTuple):
    """What is done to each picture of a call."""

    model_wh: tuple[int, int]
    """Of the picture that the model sees."""
    padding: tuple[int, int, int] | None
    """The colour in which the picture is padded to a square first; `None` where it is squashed."""
    resample: int


class _Quick:
    """Goes before a Pillow image processor of transformers among the bases of a class."""

    _pads_to_square = False  # what `do_pad` means to the class: here it is LLaVA's way or none

    def _preprocess_image_like_inputs(self, images: Any, *args: Any, **settings: Any) -> Any:
        """See `BaseImageProcessor`, which calls it with every setting filled in and checked."""
        plain: Any = super()
        plan = None if args else _plan(settings, self._pads_to_square)
        if plan is None:
            return plain._preprocess_image_like_inputs(images, *args, **settings)
        pictures = plain._prepare_images_structure(images)
        if not pictures or not all(isinstance(picture, Image.Image) for picture in pictures):
            return plain._preprocess_image_like_inputs(pictures, **settings)
        values = _looked_up(
            [_model_picture(_in_rgb(plain, picture), plan) for picture in pictures],
            _table(plain, settings),
        )
        kind = settings["return_tensors"]
        # Whole, a batch becomes a tensor without a copy.
        return transformers.BatchFeature(
            {"pixel_values": list(values) if kind is None else values}, tensor_type=kind
        )


class CLIPImageProcessorPil(_Quick, transformers.CLIPImageProcessorPil):
    """transformers' class of this name, quicker where a picture is squashed to the model's."""


class LlavaImageProcessorPil(_Quick, transformers.LlavaImageProcessorPil):
    """transformers' class of this name, quicker where a picture is padded to a square, or squashed."""

    _pads_to_square = True


_QUICK: Mapping[type, Any] = {
    transformers.CLIPImageProcessorPil: CLIPImageProcessorPil,
    transformers.LlavaImageProcessorPil: LlavaImageProcessorPil,
}


def quicken(image_processor: Any) -> Any:
    """An image processor with the same settings of the quicker class, where there is one; else itself."""
    kind = _QUICK.get(type(image_processor))
    if kind is None:
        return image_processor
    quick = kind.__new__(kind)
    vars(quick).update(vars(image_processor))
    return quick


def _plan(settings: Mapping[str, Any], pads_to_square: bool) -> _Plan | None:
    """What the settings of a call come to; `None` where they are not covered."""
    mean, std, resample = settings["image_mean"], settings["image_std"], settings["resample"]
    if not all(settings[step] for step in _STEPS) or settings.get("input_data_format") is not None:
        return None
    if not (_are_three(mean) and _are_three(std)) or not isinstance(resample, int):
        return None
    if (
        resample == Image.Resampling.NEAREST
    ):  # the one filter that does not weigh pixels, along the rows and along the columns
        return None
    padding = None
    if settings["do_pad"]:
        red, green, blue = (int(value * 255) for value in mean)
        padding = (red, green, blue)
        if not pads_to_square or not all(0 <= level <= 255 for level in padding):
            return None
    size = {name: length for name, length in dict(settings["size"]).items() if length}
    if size.keys() == {"height", "width"}:
        model_wh = (size["width"], size["height"])
    elif size.keys() == {"shortest_edge"} and padding is not None:
        model_wh = (size["shortest_edge"], size["shortest_edge"])
    else:
        return None
    crop = settings["crop_size"]
    if settings["do_center_crop"] and (crop is None or (crop.width, crop.height) != model_wh):
        return None
    return _Plan(model_wh, padding, resample)


def _are_three(values: Any) -> bool:
    return isinstance(values, Sequence) and len(values) == 3


def _in_rgb(plain: Any, picture: Image.Image) -> Image.Image:
    """What transformers makes of the picture's mode, without a copy where that is nothing."""
    if picture.mode == "RGB" and picture.info.get("transparency") is None:
        return picture
    return Image.fromarray(plain.convert_to_rgb(picture))


def _model_picture(picture: Image.Image, plan: _Plan) -> Image.Image:
    """Padded if it is to be, and resized."""
    width, height = picture.size
    model_width, model_height = plan.model_wh
    if plan.padding is not None and width > height:
        corner = (0, (width - height) // 2)
        if model_width == model_height and _rows_go_first(plan.resample):
            # Rows of padding keep their colour when they are resized, so they are put on after it. (They could lose it
            # only by rounding more than 16,000 weights: in a picture hundreds of thousands of pixels wide.)
            picture = picture.resize((model_width, height), plan.resample)
        picture = _on_canvas(picture, (picture.width, width), corner, plan.padding)
    elif plan.padding is not None and height > width:
        picture = _on_canvas(picture, (height, height), ((height - width) // 2, 0), plan.padding)
    return picture.resize(plan.model_wh, plan.resample)


@cache
def _rows_go_first(resample: int) -> bool:
    """Whether Pillow resizes a square to a square along the rows first, then along the columns, as it does as of 13.

    It rounds in between. For other shapes the order depends on the sizes; by symmetry it does not for squares.
    """
    square = Image.frombytes("RGB", (12, 12), random.Random(0).randbytes(3 * 12 * 12))
    at_once = square.resize((7, 7), resample)
    return at_once.tobytes() == square.resize((7, 12), resample).resize((7, 7), resample).tobytes()


def _on_canvas(
    picture: Image.Image, canvas_wh: tuple[int, int], corner: tuple[int, int], colour: tuple[int, int, int]
) -> Image.Image:
    canvas = Image.new("RGB", canvas_wh, colour)
    canvas.paste(picture, corner)
    return canvas


def _table(plain: Any, settings: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """What transformers' own functions make of each level of each channel, shape (3, 256)."""
    levels = np.tile(np.arange(256, dtype=np.uint8), (3, 1))[:, :, None]
    scaled = plain.rescale(levels, settings["rescale_factor"])
    return np.asarray(plain.normalize(scaled, settings["image_mean"], settings["image_std"]))[:, :, 0]


def _looked_up(pictures: Sequence[Image.Image], table: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Pixel values of pictures of one size, shape (N, 3, H, W)."""
    width, height = pictures[0].size
    values = np.empty((len(pictures), 3, height, width), dtype=table.dtype)
    for picture, picture_values in zip(pictures, values, strict=True):
        for channel in range(3):
            # "clip" because the default keeps a copy of `out` to undo an index out of range; there is none.
            np.take(
                table[channel],
                np.asarray(picture.getchannel(channel)),
                out=picture_values[channel],
                mode="clip",
            )
    return values
