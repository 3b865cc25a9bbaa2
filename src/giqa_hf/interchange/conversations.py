"""Conversations whose boxes are words: JSON for Kosmos-2, Qwen3-VL and Qwen2.5-VL.

A row is a record `{"image", "conversations": [{"from": "human", "value"}, {"from": "gpt", "value"}], ...}`, as the
finetuning code of Qwen-VL takes it, with the columns of the row beside. Boxes stand in the texts, in the notation and
in the frame of the model, and have only its precision; which words a phrase is, Qwen's form does not say: it is looked
for when read. What will not be found again is counted when writing.

Kosmos-2's records hold `entities` as well, in the shape that its processor gives
(`[[phrase, [start, end], [[x1, y1, x2, y2], ...]], ...]`, shares of the picture, floats). Where they are there and name
what the texts name, boxes are read from them and nothing is rounded.

Streams both ways, a record at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ..formats import BoxFormat, Kosmos2Format, Qwen3VLFormat, Qwen25VLFormat, placed
from ..frames import Frame
from ..grounded_text import GroundedText
from ..schema import TEXT_FIELDS, grounded_of
from ..training.conversations import FrameOf
from . import checks
from .carries import NO, Carries
from .chat import IMAGE, chat_records, pairs_of, picture_of, unspelled
from .inlet import Inlet
from .marks import Mark, Row, base_of, row_of
from .outlet import UNSEEN, Item, Outlet, write_list


def whole(width: int, height: int) -> Frame:
    """The model sees the whole picture."""
    return Frame.identity((width, height))


def qwen25_frame(width: int, height: int) -> Frame:
    """The picture that Qwen2.5-VL sees, at the bounds of its own `preprocessor_config.json`."""
    return Frame.smart_resize((width, height), 28, 3136, 12845056)


@dataclass(frozen=True)
class Conversations:
    """A form whose boxes are words.

    Args:
        box_format (`BoxFormat`): the notation.
        frame (`FrameOf`): what the model sees.
        CARRIES (`Carries`): what comes back.
        entities (`bool`, *optional*, defaults to `False`): write spans and boxes beside the texts as well.
    """

    box_format: BoxFormat
    frame: FrameOf
    CARRIES: Carries
    entities: bool = False
    FILE: str = "conversations.json"

    def write(self, items: Iterable[Item], outlet: Outlet) -> None:
        """Write rows; see the module.

        Args:
            items (iterable of `Item`): the rows.
            outlet (`Outlet`): where they go.
        """
        with outlet.open() as file:
            write_list(self._records(items, outlet), file)

    def read(self, inlet: Inlet) -> Iterator[dict[str, Any]]:
        """Read rows; see the module.

        Raises:
            `DataError`: naming the record that is not as it should be.
        """
        for where, record in chat_records(inlet.path):
            base, cell = picture_of(record, inlet, where)
            size = (checks.whole(base, "width", where), checks.whole(base, "height", where))
            for asked, answered in pairs_of(record, where):
                base["question"], base["answer"], marks = self._texts(asked, answered, size, inlet, where)
                if self.entities and "entities" in record:
                    marks = _entities(record, base, marks, where)
                yield row_of(base, marks, cell, where)

    def _records(self, items: Iterable[Item], outlet: Outlet) -> Iterator[dict[str, Any]]:
        for _, row, picture in items:
            try:
                ready, frame = placed(self.box_format, self.frame(row["width"], row["height"]))
            except ValueError:  # a side more than 200 times the other, for Qwen2.5-VL
                outlet.dropped[UNSEEN] += 1
                continue
            if any(IMAGE in row[field] for field in TEXT_FIELDS):
                outlet.dropped[f"text holds {IMAGE}, which stands for a picture there"] += 1
                continue
            asked, answered = (_written(row, field, ready, frame, outlet) for field in TEXT_FIELDS)
            base = {name: value for name, value in base_of(row).items() if name not in TEXT_FIELDS}
            record = {
                "image": picture,
                "conversations": [
                    {"from": "human", "value": f"{IMAGE}\n{asked}"},
                    {"from": "gpt", "value": answered},
                ],
                **base,
            }
            if self.entities:
                record["entities"] = {
                    field: [
                        [region["phrase"], list(region["span"]), [list(box) for box in region["boxes_norm"]]]
                        for region in row[f"{field}_regions"]
                    ]
                    for field in TEXT_FIELDS
                }
            yield record

    def _texts(
        self, asked: str, answered: str, size: tuple[int, int], inlet: Inlet, where: str
    ) -> tuple[str, str, list[Mark]]:
        try:
            ready, frame = placed(self.box_format, self.frame(*size))
        except ValueError as error:
            raise DataError(
                f"{where}: expected a picture that the model takes, found one of {size[0]} x {size[1]} pixels "
                f"({error}); take this record out"
            ) from error
        asked = unspelled(asked, getattr(ready, "notation", None))
        texts, marks = [], []
        for field, text in zip(TEXT_FIELDS, (asked, answered), strict=True):
            read: GroundedText = ready.read(text).map_boxes(
                lambda boxes: np.clip(frame.to_image_norm(boxes), 0.0, 1.0)
            )
            inlet.notes["boxes that cannot be read, left out"] += len(read.issues)
            texts.append(read.text)
            for number, region in enumerate(read.regions):
                boxes: list[list[float] | None] = [*region.boxes_norm.tolist()] or [None]
                marks += [Mark(field, region.span, region.phrase, box, region=number) for box in boxes]
        return texts[0], texts[1], marks


def _written(row: Row, field: str, ready: BoxFormat, frame: Frame, outlet: Outlet) -> str:
    """A text with its boxes in words; phrases that will not be found at their place are counted."""
    grounded = grounded_of(row, field)
    text = ready.write(grounded.map_boxes(frame.to_model_norm))
    back = ready.read(text)
    found = (
        {(r.phrase, r.span) for r in back.regions if len(r.boxes_norm)} if back.text == row[field] else set()
    )
    outlet.notes["phrases that are not found again at their place"] += sum(
        (region.phrase, region.span) not in found for region in grounded.regions if len(region.boxes_norm)
    )
    return text


def _entities(
    record: Mapping[str, Any], base: Mapping[str, Any], marks: list[Mark], where: str
) -> list[Mark]:
    """The marks of `entities`, when they name what the texts name."""
    entities = checks.record(record["entities"], f"{where}, entities")
    found: list[Mark] = []
    for field in TEXT_FIELDS:
        listed = entities.get(field) or []
        if not isinstance(listed, list):
            raise DataError(f"{where}: expected a list of entities of the {field}, found {listed!r:.80}")
        for number, entity in enumerate(listed):
            at = f"{where}, entities of the {field}, {number}"
            if not isinstance(entity, list) or len(entity) != 3 or not isinstance(entity[2], list):
                raise DataError(f"{at}: expected a phrase, a span and boxes, found {entity!r:.120}")
            span = checks.span(entity[1], at)
            boxes: list[list[float] | None] = [checks.numbers(box, 4, "a box", at) for box in entity[2]]
            phrase = checks.text({"phrase": entity[0]}, "phrase", at)
            found += [Mark(field, span, phrase, box, region=number) for box in boxes or [None]]
    named, said = ([(m.field, m.span, m.phrase, m.box_norm is None) for m in of] for of in (found, marks))
    if named != said:
        raise DataError(
            f"{where}: expected entities that name what the texts name, found others; correct both, or delete the "
            "entities to have the boxes read from the texts"
        )
    return found


KOSMOS2 = Conversations(
    Kosmos2Format(),
    whole,
    Carries(
        boxes="shares in entities, floats; in the texts cells of 32 x 32",
        question_boxes="in the question",
        several_boxes="in one object",
        unboxed="a phrase without object",
        spans="in the text and in entities",
        quality=NO,
        effect=NO,
        origin="beside",
        pictures="files",
    ),
    entities=True,
)
_QWEN = Carries(
    boxes="thousandths of the picture",
    question_boxes="in the question",
    several_boxes="an object each, same label",
    unboxed=NO,
    spans="looked for by the label",
    quality=NO,
    effect=NO,
    origin="beside",
    pictures="files",
)
QWEN = Conversations(Qwen3VLFormat(), whole, _QWEN)
QWEN25 = Conversations(
    Qwen25VLFormat(),
    qwen25_frame,
    Carries(**{**vars(_QWEN), "boxes": "whole pixels of the picture as the model resizes it"}),
)
