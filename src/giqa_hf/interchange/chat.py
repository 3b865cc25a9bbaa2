"""Files of conversations as trainers have them: JSON lists or JSON lines, turns by `from` or by `role`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..corpora.json_stream import stream_json_lines, stream_json_list
from ..corpora.label_file import open_text
from ..errors import DataError, ImageError
from ..images import image_size
from ..schema import QUESTION_TYPES
from . import checks
from .inlet import Inlet
from .marks import BASE
from .outlet import Unusable, picture_bytes

IMAGE = "<image>"
_ASKS, _ANSWERS, _SYSTEM = ("human", "user"), ("gpt", "assistant"), "system"


def chat_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a file, each behind what a message calls it.

    Raises:
        `DataError`: for a file that cannot be read, and a record that is no JSON object.
    """
    with open_text(path) as file:
        listed = file.read(64).lstrip().startswith("[")
    if listed:
        for number, value in enumerate(stream_json_list(path)):
            where = f"{path}, record {number}"
            yield where, checks.record(value, where)
        return
    for line in stream_json_lines(path):
        where = f"{path}, line {line.number}"
        if line.fault is not None:
            raise DataError(f"{where}: expected a JSON object, found none ({line.fault}); mend that line")
        yield where, checks.record(line.value, where)


def picture_of(
    record: Mapping[str, Any], inlet: Inlet, where: str
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The columns of a row that a record has, with the size of its picture, and the picture's cell.

    Raises:
        `DataError`: when it names no picture, or nothing tells its size.
    """
    images = record.get("images")
    named = images[0] if isinstance(images, list) and len(images) == 1 else record.get("image")
    name = checks.text({"image": named}, "image", where)
    cell = inlet.picture(name, where)
    base: dict[str, Any] = {column: record[column] for column in BASE if column in record}
    if "image_id" not in base:  # of an export of ours: "000017:koniq-17"
        number, colon, image_id = str(record.get("id") or "").partition(":")
        base["image_id"] = image_id if colon and number.isdigit() else name
    if record.get("kind") in QUESTION_TYPES:
        base |= {"task": "vqa", "question_type": record["kind"]}
    if "width" not in base or "height" not in base:
        base |= _size(cell, where)
    return base, cell


def pairs_of(record: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """Question and answer of each turn, without the mark of the picture in front.

    Raises:
        `DataError`: when the turns are not pairs.
    """
    by_role = "conversations" not in record
    listed, who, what = ("messages", "role", "content") if by_role else ("conversations", "from", "value")
    turns = checks.records(record, listed, where)
    said = [(checks.text(turn, who, where), checks.text(turn, what, where)) for turn in turns]
    said = [turn for turn in said if turn[0] != _SYSTEM]
    right = (speaker in (_ANSWERS if place % 2 else _ASKS) for place, (speaker, _) in enumerate(said))
    if not said or len(said) % 2 or not all(right):
        found = ", ".join(speaker for speaker, _ in said[:6]) or "none"
        raise DataError(
            f"{where}: expected turns of human and gpt, or user and assistant, in pairs, found {found:.200}"
        )
    for (_, asked), (_, answered) in zip(said[::2], said[1::2], strict=True):
        yield asked.removeprefix(IMAGE).removeprefix("\n"), answered


def unspelled(question: str, notation: str | None) -> str:
    """A question without the notation that `builders.questions.spell_out` has added to it."""
    added = f" as {notation}."
    return f"{question.removesuffix(added)}." if notation and question.endswith(added) else question


def _size(cell: Mapping[str, Any] | None, where: str) -> dict[str, int]:
    """Width and height of a picture whose record does not say them."""
    try:
        data = picture_bytes({"image": cell})
        if data is None:
            raise Unusable("it is not there")
        width, height = image_size(data)
    except (Unusable, ImageError) as error:
        raise DataError(
            f"{where}: expected width and height, or a picture to measure, found neither ({error}); name the folder "
            "of the pictures with --images"
        ) from None
    return {"width": width, "height": height}
