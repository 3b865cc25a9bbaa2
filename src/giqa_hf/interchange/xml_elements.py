"""The elements of one name of an XML file, one at a time, with document types refused.

A document type is what entity bombs and files named from inside an XML need; no tool writes one into its exports.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ..errors import DataError

_CHUNK = 1 << 16


def elements(path: Path, name: str) -> Iterator[Element]:
    """The elements `name` of a file, wherever they stand, each with what is in it.

    Args:
        path (`Path`): the file.
        name (`str`): of the elements; none of them holds another.

    Raises:
        `DataError`: when the file cannot be read, is no XML, or has a document type.
    """
    found: list[Element] = []
    builder: TreeBuilder | None = None
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal builder, depth
        if builder is None and tag == name:
            builder = TreeBuilder()
        if builder is not None:
            depth += 1
            builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal builder, depth
        if builder is not None:
            depth -= 1
            builder.end(tag)
            if not depth:
                found.append(builder.close())
                builder = None

    def data(text: str) -> None:
        if builder is not None:
            builder.data(text)

    def doctype(*_: Any) -> None:
        raise DataError(
            f"{path}: expected XML without a document type, found <!DOCTYPE, which can hide entity bombs; export the "
            "file again, or delete that line if you trust it"
        )

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = data, doctype
    parser.buffer_text = True
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                parser.Parse(chunk, False)
                yield from found
                found.clear()
            parser.Parse(b"", True)
    except OSError as error:
        raise DataError(
            f"{path}: expected an XML file, found none that can be read ({error.strerror})"
        ) from None
    except expat.ExpatError as error:
        raise DataError(
            f"{path}: expected XML, found something else in line {error.lineno} "
            f"({expat.ErrorString(error.code)}); export the file again"
        ) from None
    yield from found
