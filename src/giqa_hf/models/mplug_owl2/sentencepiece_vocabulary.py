"""LLaMA's tokenizer.model, read without sentencepiece: a protobuf file of which the pieces are all that is needed.

Fields as in sentencepiece's sentencepiece_model.proto: a model's field 1 is a piece, a piece's fields 1, 2 and 3 are
its text, score and type.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types
_UNKNOWN, _CONTROL, _BYTE = 2, 3, 6  # types of pieces that no text is made into by merging


class Vocabulary(NamedTuple):
    """A byte-pair vocabulary."""

    ids: dict[str, int]
    merges: list[tuple[str, str]]
    """Pairs that become one piece, the best first."""


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a tokenizer.model.

    Raises:
        `DataError`: if the file is none.
    """
    try:
        pieces = [_piece(value) for field, value in _fields(path.read_bytes()) if field == 1]
    except (IndexError, ValueError, struct.error) as error:
        raise DataError(f"{path}: expected a sentencepiece model, found other bytes ({error})") from error
    if not pieces:
        raise DataError(f"{path}: expected a sentencepiece model, found no pieces in it")
    ids = {piece.text: index for index, piece in enumerate(pieces)}
    merged = {piece.text for piece in pieces if piece.kind not in (_UNKNOWN, _CONTROL, _BYTE)}
    scored = [
        (-piece.score, ids[piece.text], cut, piece.text)
        for piece in pieces
        if piece.text in merged
        for cut in range(1, len(piece.text))
        if piece.text[:cut] in merged and piece.text[cut:] in merged
    ]
    return Vocabulary(ids, [(text[:cut], text[cut:]) for _, _, cut, text in sorted(scored)])


class _Piece(NamedTuple):
    text: str
    score: float
    kind: int


def _piece(message: bytes) -> _Piece:
    text, score, kind = b"", b"\0\0\0\0", b"\1"
    for field, value in _fields(message):
        if field == 1:
            text = value
        elif field == 2:
            score = value
        elif field == 3:
            kind = value
    return _Piece(text.decode("utf-8"), struct.unpack("<f", score)[0], kind[0])


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each field of a protobuf message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            start, (_, at) = at, _varint(message, at)
            yield key >> 3, message[start:at]
            continue
        if kind == _BYTES:
            length, at = _varint(message, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at + length > len(message):
            raise ValueError(f"a field that ends behind the file, at byte {at}")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
