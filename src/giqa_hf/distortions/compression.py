"""Compression: the picture is really encoded and decoded again, by Pillow (spec IQA-Spider B3)."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, features

from .pixels import ImageArray


def jpeg(image: ImageArray, quality: int) -> ImageArray:
    """JPEG at ``quality`` (libjpeg scale, 4:2:0 chroma): blocks and colour bleeding."""
    return _through_file(image, "JPEG", quality=quality, subsampling="4:2:0")


def jpeg2000(image: ImageArray, psnr_db: float) -> ImageArray:
    """JPEG 2000 down to ``psnr_db`` decibel against the clean picture: smeared texture and ringing.

    Raises:
        ValueError: when this build of Pillow has no OpenJPEG.
    """
    if not features.check("jpg_2000"):
        raise ValueError(
            "Distortion compression/jpeg2000 needs a Pillow built with OpenJPEG, and this one is not: "
            "install Pillow from its wheels on PyPI, or use compression/jpeg."
        )
    # The irreversible 9/7 wavelet is the lossy mode of the standard.
    return _through_file(
        image, "JPEG2000", quality_mode="dB", quality_layers=[psnr_db], irreversible=True, mct=1
    )


def _through_file(image: ImageArray, file_format: str, **options: Any) -> ImageArray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format=file_format, **options)
    buffer.seek(0)
    with Image.open(buffer) as decoded:
        return np.array(decoded.convert("RGB"))
