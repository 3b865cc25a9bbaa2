"""What mPLUG-Owl2 sees of an image: a square of 448 pixels, made in one of the three ways that its users have.

Pillow does the resizing, as it did when the model was trained, so the pixels are the same to the bit.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from transformers.image_processing_backends import PilBackend
from transformers.image_processing_utils import BatchFeature
from transformers.image_utils import (
    OPENAI_CLIP_MEAN,
    OPENAI_CLIP_STD,
    PILImageResampling,
    SizeDict,
)
from transformers.processing_utils import ImagesKwargs, Unpack
from transformers.utils import TensorType

from ...frames import Frame

ImageAspectRatio = Literal["pad", "resize", "plain"]


class MPLUGOwl2ImageProcessorKwargs(ImagesKwargs, total=False):
    """The arguments of every image processor, and the one of this.

    Args:
        image_aspect_ratio (`str`, *optional*): see `MPLUGOwl2ImageProcessor`.
    """

    image_aspect_ratio: ImageAspectRatio


class MPLUGOwl2ImageProcessor(PilBackend):
    """Makes mPLUG-Owl2's pictures.

    Args:
        image_aspect_ratio (`str`, *optional*, defaults to `"pad"`):
            `"pad"` pads to a square in CLIP's mean colour, as in training, in Q-Instruct, Q-Align and DeQA-Score.
            `"resize"` squashes to a square of the longer side first, as the model's README and its own evaluations do.
            `"plain"` cuts the longer side's ends off.
        size (`dict` or `int`, *optional*, defaults to `{"shortest_edge": 448}`): of the resized picture.
        crop_size (`dict` or `int`, *optional*, defaults to `{"height": 448, "width": 448}`): of what is cut out of it.

    All other arguments are those of CLIP's image processor; preprocessor_config.json of a released checkpoint loads.
    """

    valid_kwargs = MPLUGOwl2ImageProcessorKwargs

    image_aspect_ratio: ImageAspectRatio = "pad"
    resample = PILImageResampling.BICUBIC
    image_mean = OPENAI_CLIP_MEAN
    image_std = OPENAI_CLIP_STD
    size = {"shortest_edge": 448}  # noqa: RUF012 - this and the next as transformers declares them
    default_to_square = False  # an old file's `size: 448` is the shortest edge
    crop_size = {"height": 448, "width": 448}  # noqa: RUF012
    do_resize = True
    do_center_crop = True
    do_rescale = True
    do_normalize = True
    do_convert_rgb = True

    def __init__(self, **kwargs: Unpack[MPLUGOwl2ImageProcessorKwargs]) -> None:
        super().__init__(**kwargs)  # type: ignore[misc] # it takes what `valid_kwargs` names
        _check(self.image_aspect_ratio)

    def frame(self, width: int, height: int) -> Frame:
        """The map from an image to the picture that is made of it; see `giqa_hf.Frame`.

        Raises:
            `ValueError`: for a mode that there is not, and where the sizes do not give the square picture of the mode.
        """
        _check(self.image_aspect_ratio)
        crop = (self.crop_size["width"], self.crop_size["height"])
        edge: int = self.size.get("shortest_edge") or 0
        both_steps = edge and self.do_resize and self.do_center_crop
        if self.image_aspect_ratio == "plain" and both_steps:
            return Frame.center_crop((width, height), edge, crop)
        if crop != (edge, edge) or not both_steps:
            raise ValueError(
                "MPLUGOwl2ImageProcessor.frame: expected do_resize, do_center_crop, and for 'pad' and 'resize' a "
                f"square crop_size of size's shortest_edge, got image_aspect_ratio={self.image_aspect_ratio!r}, "
                f"do_resize={self.do_resize}, do_center_crop={self.do_center_crop}, size={dict(self.size)}, "
                f"crop_size={dict(self.crop_size)}"
            )
        if self.image_aspect_ratio == "pad":
            return Frame.square_pad((width, height), edge)
        return Frame.squash((width, height), crop)

    def _preprocess(  # type: ignore[override] # the rest of the names goes through `kwargs`
        self,
        images: list[npt.NDArray[Any]],
        resample: PILImageResampling | None,
        image_mean: Any,
        image_aspect_ratio: ImageAspectRatio,
        return_tensors: str | TensorType | None,
        **kwargs: Any,
    ) -> BatchFeature:
        _check(image_aspect_ratio)
        if image_aspect_ratio == "pad":
            images = [_padded(image, image_mean) for image in images]
        elif image_aspect_ratio == "resize":
            images = [self._squared(image, resample) for image in images]
        kwargs.update(do_pad=False)  # transformers' own would come after, and fill up below and to the right
        return super()._preprocess(
            images, resample=resample, image_mean=image_mean, return_tensors=return_tensors, **kwargs
        )

    def _squared(self, image: npt.NDArray[Any], resample: PILImageResampling | None) -> npt.NDArray[Any]:
        side = max(image.shape[-2:])
        squared: npt.NDArray[Any] = self.resize(image, SizeDict(height=side, width=side), resample=resample)
        return squared


def _check(image_aspect_ratio: str) -> None:
    if image_aspect_ratio not in get_args(ImageAspectRatio):
        raise ValueError(
            f"image_aspect_ratio: expected one of {', '.join(get_args(ImageAspectRatio))}, got {image_aspect_ratio!r}"
        )


def _padded(image: npt.NDArray[Any], image_mean: Any) -> npt.NDArray[Any]:
    """A picture (C, H, W) in the middle of a square of the mean colour; of an odd rest the smaller half in front."""
    channels, height, width = image.shape
    side = max(height, width)
    colour = [int(mean * 255) for mean in np.broadcast_to(image_mean or 0.0, channels)]
    square = np.empty((channels, side, side), dtype=image.dtype)
    square[:] = np.reshape(colour, (-1, 1, 1))
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = image
    return square
