"""The pictures of an export: each once, in a file named by its content."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from ..builders.giqa_160k.photo_sets import embeddable
from ..files import write_bytes
from ..images import image_size, read_image

FOLDER = "images"
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
"""What every reader of the other tools opens; another kind of file becomes a PNG."""


class Picture(NamedTuple):
    """A picture of an export."""

    name: str
    """Its file, relative to the folder of the export, with `/`."""
    width: int
    height: int


class Pictures:
    """Writes pictures into `folder/images`.

    The other tools open a file as it is: they turn nothing upright and composite nothing. So a file that shows itself
    as `read_image` does is copied, byte for byte, and any other becomes a lossless PNG of what `read_image` sees.

    Args:
        folder (`Path`): of the export.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, Picture] = {}
        self.written = 0
        """Files that were not there before."""

    def put(self, data: bytes) -> Picture:
        """The picture of an encoded file, written unless it is there.

        Raises:
            `ImageError`: when it cannot be decoded.
        """
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._known:
            self._known[digest] = self._put(data, digest)
        return self._known[digest]

    def __len__(self) -> int:
        return len(self._known)

    def _put(self, data: bytes, digest: str) -> Picture:
        stem = f"{FOLDER}/{digest[:2]}/{digest[:40]}"
        size = image_size(data)
        for suffix in _SUFFIXES.values():  # of an earlier start; it was written whole or not at all
            if (self._folder / f"{stem}{suffix}").exists():
                return Picture(f"{stem}{suffix}", *size)
        shown = shown_file(data)
        write_bytes(self._folder / f"{stem}{shown.suffix}", shown.data)
        self.written += 1
        return Picture(f"{stem}{shown.suffix}", *size)


class Shown(NamedTuple):
    """A picture's file that any reader shows as `read_image` does."""

    data: bytes
    suffix: str


def shown_file(data: bytes) -> Shown:
    """The file itself where it is upright, opaque and of a kind that every tool opens, else a lossless PNG.

    Raises:
        `ImageError`: when it cannot be decoded.
    """
    read_image(data)  # to the last pixel: a file cut short must not be found in the middle of a training
    shown = embeddable(data)
    with Image.open(io.BytesIO(shown)) as image:
        suffix = _SUFFIXES.get(image.format or "", "")
    if suffix:
        return Shown(shown, suffix)
    buffer = io.BytesIO()
    read_image(data).save(buffer, "PNG")
    return Shown(buffer.getvalue(), _SUFFIXES["PNG"])
