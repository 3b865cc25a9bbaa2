"""The one door for pictures: each comes in decoded to its end, upright, 8-bit RGB, or with a clear error.

Why not just `PIL.Image.open(path).convert("RGB")`: that gives sideways photos (EXIF), white images (16-bit),
half grey ones (truncated, where some other library has set LOAD_TRUNCATED_IMAGES), colours from under a
transparent area, and tracebacks. Nothing here reads or changes PIL's global switches.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from .errors import ImageError

Picture: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image

MAX_PIXELS = 100_000_000
"""Default limit on width x height: a 100 megapixel photo, 300 MB once decoded."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF")
"""What is read. PIL knows more, among them formats that start other programs (EPS runs Ghostscript), and
JPEG 2000, whose cut files cannot be told from whole ones while LOAD_TRUNCATED_IMAGES is set."""

_ORIENTATION = 0x0112  # EXIF tag; its eight values are the first rows of the table in tests/test_images.py
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DECODER_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, AttributeError, EOFError,
    OverflowError, struct.error, zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip


class ImageSize(NamedTuple):
    """The size of an upright image, in pixels."""

    width: int
    height: int


def read_image(picture: Picture, *, max_pixels: int = MAX_PIXELS, min_side: int = 1) -> Image.Image:
    """Read a picture to its last pixel, turn it upright, and make it 8-bit RGB.

    * EXIF (or XMP) orientation is applied and then forgotten: nobody can apply it a second time.
    * Transparent areas, also of palette images, are composited on white.
    * 16-bit grey is scaled from 0..65535 to 0..255; PIL alone would clip nearly everything to white.
    * CMYK and YCCK, Adobe's inverted kind too, become RGB as PIL does it; colour profiles are not applied.
    * Of an animation (GIF, WebP, APNG) and of a file with several pages, the first image is read.

    Args:
        picture (`str`, `os.PathLike`, `bytes`, binary file or `PIL.Image.Image`): a path, the content of a
            picture file, a file opened with "rb" (read from where it stands to its end), or a PIL image (not
            changed).
        max_pixels (`int`, *optional*, defaults to `100_000_000`): largest width x height, checked on the
            header before anything is decoded.
        min_side (`int`, *optional*, defaults to `1`): smallest width and height, in pixels; a model path asks
            for what its model needs.

    Returns:
        `PIL.Image.Image`: a new image of mode RGB, without metadata.

    Raises:
        `ImageError`: one sentence with place, what was expected, what was found and what to do, when there
            is no such file, it cannot be read, is no picture, is damaged or cut short, is too large or too
            small, or holds samples without a known white (32-bit integers or floats).
    """
    with _opened(picture) as (image, name, stream):
        _check_size(_upright_size(image, stream), name, max_pixels, min_side)
        if image.format == "PNG" and stream is not None:
            _check_png(stream, name)
        with _explained(name):
            if stream is not None:
                # A plain-text PPM is the one healthy kind that is read past its end.
                stream.refuse_end = not any(tile[0] == "ppm_plain" for tile in getattr(image, "tile", ()))
            image.load()
        rgb = _to_rgb(image, name)
        method = _TO_UPRIGHT.get(_orientation(image))
        upright = rgb if method is None else rgb.transpose(method)
    upright.info = {}
    return upright


def image_size(picture: Picture, *, max_pixels: int = MAX_PIXELS, min_side: int = 1) -> ImageSize:
    """The (width, height) that `read_image` would give, in pixels, without decoding the picture.

    Args and errors are those of `read_image`, except that damage behind the header goes unseen.
    """
    with _opened(picture) as (image, name, stream):
        size = _upright_size(image, stream)
        _check_size(size, name, max_pixels, min_side)
    return size


class _Stream(io.BufferedReader):
    """A file that can refuse to be read past its end, which is how a truncated picture is found.

    PIL's decoders fill up with grey there when some other library has set LOAD_TRUNCATED_IMAGES.
    """

    refuse_end = False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if self.refuse_end and not data and size is not None and size > 0:
            raise OSError("the file ends in the middle of the picture")
        return data


class _Opened(NamedTuple):
    image: Image.Image
    name: str  # how to call the picture in a message
    stream: _Stream | None  # None for an image that the caller had opened


@contextlib.contextmanager
def _opened(picture: Picture) -> Iterator[_Opened]:
    """The picture with its header read, whatever it came as."""
    if isinstance(picture, Image.Image):
        yield _Opened(picture, f"the PIL image {getattr(picture, 'filename', '')}".rstrip(), None)
        return
    stream, name = _open_stream(picture)
    with stream:
        head = stream.read(64)
        if not head:
            raise ImageError(f"{name} is empty (0 bytes), expected a picture; copy or download it again")
        with _explained(name):
            image = _open_header(stream, head)
        if image is None:
            raise ImageError(
                f"{name} is not a picture that can be read here: expected one of {', '.join(FORMATS)}, found "
                f"{_found(head)}; check the file, or convert it to JPEG or PNG"
            )
        yield _Opened(image, name, stream)


def _open_stream(picture: str | os.PathLike[str] | bytes | IO[bytes]) -> tuple[_Stream, str]:
    """The bytes of the picture, and how to call it in a message."""
    if isinstance(picture, (bytes, bytearray, memoryview)):
        data = bytes(picture)
        return _Stream(io.BytesIO(data)), f"the picture given as {len(data)} bytes"
    if not isinstance(picture, (str, os.PathLike)):
        if not hasattr(picture, "read"):
            raise TypeError(
                "expected a path, bytes, a binary file or a PIL image as picture, got "
                f"{type(picture).__name__}"
            )
        name = str(getattr(picture, "name", "the picture in the given file"))
        content: Any = picture.read()
        if not isinstance(content, bytes):
            raise ImageError(f'{name} was opened as text, expected a binary file; open it with "rb"')
        return _Stream(io.BytesIO(content)), name
    name = os.fspath(picture)
    try:
        mode = os.stat(picture).st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name} is a folder, expected one picture file; name a file inside it")
        if not stat.S_ISREG(mode):
            raise ImageError(f"{name} is a device or pipe, expected a picture file; save the picture first")
        return _Stream(io.FileIO(picture)), name
    except (FileNotFoundError, NotADirectoryError):
        what = "is an address, expected" if "://" in name else "does not exist, expected"
        todo = "download the picture first" if "://" in name else "check the path"
        raise ImageError(f"{name} {what} the path of a picture file; {todo}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{name!r} cannot be opened ({reason}); check path and access rights") from error


def _open_header(stream: _Stream, head: bytes) -> Image.Image | None:
    """What PIL.Image.open does, for our formats only, and with our own limit on the size.

    PIL's limit is a global variable: its warning can be kept quiet only by changing global filters, which is
    not safe with threads, and no argument lets a picture above 178 megapixels through.
    """
    Image.init()
    for kind in FORMATS:
        if kind not in Image.OPEN:
            continue  # this PIL was built without it
        factory, accept = Image.OPEN[kind]
        match = accept is None or accept(head[:16])
        if not match or isinstance(match, str):  # a str says why this PIL cannot read the kind
            continue
        stream.seek(0)
        try:
            return factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # looked like this kind, but its header is none
    return None


def _orientation(image: Image.Image) -> int:
    """The orientation tag, 1..8; 1 where there is none, or where the metadata cannot be read."""
    try:
        # The base class's method: PngImageFile's own would decode the whole image.
        value = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except _DECODER_ERRORS:
        return 1
    return value if value in _TO_UPRIGHT else 1


def _upright_size(image: Image.Image, stream: _Stream | None) -> ImageSize:
    width, height = image.size
    if _ORIENTATION in getattr(image, "tag_v2", ()):
        return ImageSize(
            width, height
        )  # PIL gives the size of such a TIFF upright, and turns it when it loads
    tagged = Image.new("1", (1, 1))  # carries the metadata, so that PIL caches nothing of it in `image`
    tagged.info = dict(image.info)
    if image.format == "PNG" and stream is not None and "exif" not in image.info:
        at = stream.tell()
        for kind, offset, length in _png_chunks(stream):  # the tag may stand behind the pixels
            if kind == b"eXIf":
                stream.seek(offset)
                tagged.info["exif"] = stream.read(length)
        stream.seek(at)
    return ImageSize(height, width) if _orientation(tagged) >= 5 else ImageSize(width, height)


def _check_size(size: ImageSize, name: str, max_pixels: int, min_side: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"{name} is {width} x {height} pixels ({width * height / 1e6:.4g} megapixels), expected at most "
            f"{max_pixels / 1e6:.4g} megapixels; make it smaller, or raise max_pixels"
        )
    if min(width, height) < min_side:
        raise ImageError(
            f"{name} is {width} x {height} pixels, expected at least {min_side} a side; use a larger picture"
        )


def _png_chunks(stream: _Stream) -> Iterator[tuple[bytes, int, int]]:
    """(name, place of the data, length) of each chunk of a PNG, up to IEND or the end of the file."""
    place = 8  # behind the signature
    while True:
        stream.seek(place)
        header = stream.read(8)
        if len(header) < 8:
            return
        length, kind = struct.unpack(">I4s", header)
        yield kind, place + 8, length
        if kind == b"IEND":
            return
        place += 12 + length


def _check_png(stream: _Stream, name: str) -> None:
    """Refuse a PNG whose critical chunks do not match their check sums (PNG specification, 5.5)."""
    at = stream.tell()
    for kind, offset, length in _png_chunks(stream):
        if kind[:1].islower():
            continue  # not needed for the picture
        stream.seek(offset)
        check = zlib.crc32(kind)
        for start in range(0, length, 1 << 20):
            check = zlib.crc32(stream.read(min(1 << 20, length - start)), check)
        if stream.read(4) != struct.pack(">I", check):
            raise ImageError(_damaged(name, f"wrong check sum of {kind.decode('latin-1')}"))
    stream.seek(at)


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    """A new 8-bit RGB image from any mode that PIL reads."""
    mode = image.mode
    # "I" is how PIL gives 16-bit PGM, and how older PIL gave 16-bit PNG.
    if mode.startswith("I;16") or (mode == "I" and image.format in ("PNG", "PPM")):
        samples = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((samples + 128) // 257).astype(np.uint8)).convert("RGB")  # 65535 = 255 * 257
    if mode in ("I", "F"):
        kind = "32-bit integer" if mode == "I" else "floating-point"
        raise ImageError(
            f"{name} holds {kind} samples, of which nobody can tell which value is white, expected 8 or 16 "
            "bits per channel; convert it to an 8-bit or 16-bit PNG"
        )
    if "transparency" in image.info or mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        if mode in ("RGBa", "La"):
            image = image.convert(mode.upper())
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


@contextlib.contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into one sentence."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory; make it smaller") from error
    except _DECODER_ERRORS as error:
        raise ImageError(_damaged(name, str(error).strip() or type(error).__name__)) from error


def _damaged(name: str, why: str) -> str:
    return f"{name} is damaged or cut short ({why}), expected a whole picture; copy or download it again"


def _found(head: bytes) -> str:
    """What a file is that is no picture, in words."""
    if head[4:8] == b"ftyp":
        return "an HEIF (.heic) or video file"
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < 60:  # not just a character that was cut in two
            return f"the bytes {head[:8].hex(' ')}"
        text = head[: error.start].decode("utf-8")
    shown = " ".join("".join(c if c.isprintable() else " " for c in text[:24]).split())
    return f'text that begins "{shown}"' if shown else f"the bytes {head[:8].hex(' ')}"
