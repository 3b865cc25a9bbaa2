"""What a file of a plan must not hold, found in its content and not by its name alone: pickles, and tokens."""

from __future__ import annotations

import ast
import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO, Any

import numpy as np

# Formats that run code when they are opened.
PICKLED = frozenset(
    (".bin", ".ckpt", ".dill", ".distcp", ".joblib", ".pickle", ".pkl", ".pt", ".pt2", ".pth")
)
# Nobody writes notes there, and they are large: weights, rows, pictures.
_NOT_SEARCHED = frozenset(
    (".safetensors", ".parquet", ".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
)
_TOKEN = re.compile(rb"hf\\?_[A-Za-z0-9]{30}")  # in a card's table, with the underscore escaped
_TOKEN_LENGTH = 34  # the most bytes that it takes
# Of a token, by the bytes of a letter: in ASCII and UTF-8, UTF-16, UTF-32. Each begins with fixed bytes, which makes
# the search fast.
_BEGINNINGS = {
    1: re.compile(rb"hf\\?_"),
    2: re.compile(rb"h\0f\0(?:\\\0)?_"),
    4: re.compile(rb"h\0\0\0f\0\0\0(?:\\\0\0\0)?_"),
}
_CHUNK, _OVERLAP = 1 << 20, 256
_BEFORE = 2 * max(_BEGINNINGS) - 1  # the most bytes that are looked at before a token
_PICKLE_MARK = re.compile(rb"\x80[\x02-\x05]")  # how protocols 2 to 5 begin
_ARRAY_MARK, _ZIP_MARK = b"\x93NUMPY", b"PK\x03\x04"
_COMPRESSED: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"BZh", bz2.open),
    (b"\xfd7zXZ\x00", lzma.open),
)
_HEAD = 1 << 16  # of what is unpacked: no bomb goes off
_DEPTH = 3  # archives in archives
_UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


def is_pickled_name(name: str) -> bool:
    """Whether files of such a name run code when they are opened."""
    return PurePosixPath(name).suffix.lower() in PICKLED


def holds_pickle(name: str, stream: IO[bytes]) -> bool:
    """Whether a file runs code when the program that it is for opens it.

    It does when its name or its first bytes are those of a pickle, when it is a NumPy array of objects, or when it is
    a zip, gzip, bzip2 or xz with such a file in it.

    Args:
        name (`str`): of the file.
        stream (binary file): its content, at the beginning. A few bytes of each member are read.
    """
    if is_pickled_name(name):
        return True
    # The length of a safetensors' header can look like a pickle's mark; that format runs nothing.
    return PurePosixPath(name).suffix.lower() != ".safetensors" and _pickled(stream, _DEPTH)


def holds_token(name: str, stream: IO[bytes]) -> bool:
    """Whether a file holds what looks like an access token of the Hub; weights, rows and pictures are not searched.

    Args:
        name (`str`): of the file.
        stream (binary file): its content, at the beginning. It is read in pieces, whatever its size.
    """
    if PurePosixPath(name).suffix.lower() in _NOT_SEARCHED:
        return False
    kept = b""
    while chunk := stream.read(_CHUNK):
        piece = kept + chunk
        # What begins where `kept` does was looked at in the last piece, with the bytes before it.
        if _token_in(piece, _BEFORE if len(kept) == _OVERLAP else 0):
            return True
        kept = piece[-_OVERLAP:]
    return False


def _token_in(piece: bytes, start: int) -> bool:
    """Whether a token begins at `start` or later. The pattern is slow, so it is tried only where a beginning is."""
    widths = tuple(_BEGINNINGS) if b"\0" in piece else (1,)
    return any(_begins_in(piece, start, width) for width in widths)


def _begins_in(piece: bytes, start: int, width: int) -> bool:
    """The same for letters of so many bytes, all but one of them NULs, in either order."""
    for beginning in _BEGINNINGS[width].finditer(piece, start):
        at = beginning.start()
        if _TOKEN.match(piece[at : at + _TOKEN_LENGTH * width : width]):
            # One letter or digit before it, and it is another word; of other characters more bytes are set.
            before = piece[max(at - 2 * width + 1, 0) : at].replace(b"\0", b"")
            if len(before) != 1 or not before.isalnum():
                return True
    return False


def _pickled(stream: IO[bytes], depth: int) -> bool:
    head = stream.read(_HEAD)
    if _PICKLE_MARK.match(head):
        return True
    if head.startswith(_ARRAY_MARK):
        return _of_objects(head)
    unpack = next((unpack for mark, unpack in _COMPRESSED if head.startswith(mark)), None)
    if unpack is None and not head.startswith(_ZIP_MARK):
        return False
    if depth == 0:
        return True  # nobody packs so deep without something to hide
    stream.seek(0)
    if unpack is None:
        return _zipped(stream, head, depth)
    try:
        with unpack(stream) as unpacked:
            return _pickled(io.BytesIO(unpacked.read(_HEAD)), depth - 1)
    except _UNREADABLE:
        return False


def _zipped(stream: IO[bytes], head: bytes, depth: int) -> bool:
    try:
        with zipfile.ZipFile(stream) as archive:
            for member in archive.infolist():
                if is_pickled_name(member.filename):
                    return True
                with archive.open(member) as opened:
                    if _pickled(io.BytesIO(opened.read(_HEAD)), depth - 1):
                        return True
    except (
        _UNREADABLE
    ):  # the beginning of one in another archive, or broken; torch names its pickle at the beginning
        return b".pkl" in head
    return False


def _of_objects(head: bytes) -> bool:
    """Whether a `.npy` holds Python objects, by its header; one that cannot be read counts as such."""
    width = 2 if head[6:7] == b"\x01" else 4
    start = 8 + width
    text = head[start : start + int.from_bytes(head[8:start], "little")]
    try:
        described = ast.literal_eval(text.decode("utf-8" if head[6:7] == b"\x03" else "latin-1").strip())
        return bool(np.lib.format.descr_to_dtype(described["descr"]).hasobject)
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        return True
