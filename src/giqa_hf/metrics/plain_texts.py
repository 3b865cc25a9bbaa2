"""What models wrote, without thoughts and boxes: what the metrics of words compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..formats import GiqaFormat
from ..thoughts import spoken


class PlainTexts(NamedTuple):
    """Texts without boxes."""

    texts: list[str]
    """In the order of the predictions."""
    read_as: str | None
    """Name of the format by which boxes were found, for the signature; None where they were left."""


def plain_texts(predictions: Sequence[str], box_format: Any = None) -> PlainTexts:
    """Take thoughts and boxes out of texts.

    Args:
        predictions (sequence of `str`): what models wrote.
        box_format (format, *optional*, defaults to `GiqaFormat()`): finds boxes; False leaves texts as they are.
    """
    if box_format is False:
        return PlainTexts(list(predictions), None)
    reader = GiqaFormat() if box_format is None else box_format
    name = str(getattr(reader, "name", type(reader).__name__))
    return PlainTexts([reader.read(spoken(text).text).text for text in predictions], name)
