"""Stage 4: boxes go into the description (paper Sec. 3.2, Stage-4), and what is left of a record becomes rows.

The description is never changed. A tag's name in it becomes a region with the tag's boxes; how `[name](boxes)` is
written is a matter of `formats`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, get_args

from ..boxes import as_boxes
from ..builders.questions import PositionRequest, draw_question
from ..errors import DataError
from ..grounded_text import GroundedText, Region
from ..schema import regions_of
from .record import Pair, Record, Span, Tag, drop
from .refinement.stages import drop_unusable_boxes
from .stage import Pictures, Stage, record_rng


class Fuse(Stage):
    """Settle which tags ground the description, and draw the question of the GIQA-DES row.

    A tag leaves when it has no box, when its span is no place in the description, or when its span overlaps that of
    another tag: the longer span stays, of equal ones the first in the text, then the first of the record. A record
    whose tags have all left is dropped. Boxes stay in the order of the detector, best first (spec A1: the paper's are
    not sorted by place).

    Args:
        position_request (`str`, *optional*):
            how the question asks for positions: `"short"`, `"syntax"` or `"none"`; `None` draws one of the first two.
        seed (`int`, *optional*, defaults to `0`): of the questions.
        max_boxes_per_tag (`int`, *optional*): keep only the boxes with the best scores; `None` keeps all, as the paper.
    """

    name: ClassVar[str] = "fusion"
    reads: ClassVar[tuple[str, ...]] = ("photo", "description", "tags", "boxes")
    adds: ClassVar[tuple[str, ...]] = ("question", "tags", "boxes")

    def __init__(
        self,
        position_request: PositionRequest | None = None,
        seed: int = 0,
        max_boxes_per_tag: int | None = None,
    ) -> None:
        if position_request is not None and position_request not in get_args(PositionRequest):
            raise ValueError(
                f"position_request: expected None or one of {', '.join(get_args(PositionRequest))}, "
                f"got {position_request!r}"
            )
        if max_boxes_per_tag is not None and max_boxes_per_tag < 1:
            raise ValueError(f"max_boxes_per_tag: expected None or at least 1, got {max_boxes_per_tag!r}")
        self.position_request = position_request
        self.seed = seed
        self.max_boxes_per_tag = max_boxes_per_tag

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Fuse every record."""
        for record in records:
            if record.width is None and pictures.get(record) is None:
                continue  # a row needs the size; where a stage before looked at the photo it is there
            for tag in record.live_tags:
                self._check(tag, record.description)
            _resolve_overlaps(record.live_tags, self.name)
            if not record.live_tags:
                drop(record, self.name, "nothing grounded")
                continue
            record.question = draw_question(record_rng(record, self.name, self.seed), self.position_request)

    def settings(self) -> dict[str, Any]:
        """Options and seed."""
        return {
            "position_request": self.position_request,
            "seed": self.seed,
            "max_boxes_per_tag": self.max_boxes_per_tag,
        }

    def _check(self, tag: Tag, description: str) -> None:
        drop_unusable_boxes(tag, self.name)
        if not tag.boxes:
            drop(tag, self.name, "no box found")
        elif not tag.live_boxes:
            drop(tag, self.name, "no box left")
        elif not _is_place(tag.span, description):
            drop(tag, self.name, "its span is no place in the description", detail=str(tag.span))
        elif self.max_boxes_per_tag is not None:
            best_first = sorted(tag.live_boxes, key=lambda box: -(box.score or 0.0))  # stable
            for box in best_first[self.max_boxes_per_tag :]:
                drop(box, self.name, "over the limit of boxes per tag", score=box.score)


class PairTexts(NamedTuple):
    """A question-answer pair with its boxes."""

    question: GroundedText
    answer: GroundedText


def grounded_of_record(record: Record) -> GroundedText:
    """The description with the boxes of the tags that are in.

    Args:
        record (`Record`): behind the stage "fusion".

    Returns:
        `GroundedText`: its text is the description, untouched.

    Raises:
        `DataError`: when the spans of the tags overlap or are no places in the description, as before fusion.
    """
    places = [(tag.span, tag) for tag in record.live_tags if tag.span is not None]
    return _grounded(record, record.description, places)


def pair_texts(record: Record, pair: Pair) -> PairTexts:
    """A pair with the boxes of the tags that it mentions.

    Args:
        record (`Record`): behind the stage "fusion".
        pair (`Pair`): one of `record.pairs` that is in.

    Returns:
        `PairTexts`

    Raises:
        `DataError`: when mentions overlap, or are no places in their text.
    """
    places: dict[str, list[tuple[Span, Tag]]] = {"question": [], "answer": []}
    for mention in pair.mentions:
        places[mention.field].append((mention.span, record.tags[mention.tag]))
    return PairTexts(
        _grounded(record, pair.question, places["question"]),
        _grounded(record, pair.answer, places["answer"]),
    )


def rows_of(record: Record) -> list[dict[str, Any]]:
    """The rows of a record, as `schema.features()` describes them, without the image.

    Args:
        record (`Record`): at the end of the pipeline.

    Returns:
        `list` of `dict`: the GIQA-DES row, then one GIQA-VQA row per pair that is in; none for a dropped record.

    Raises:
        `DataError`: when the record did not go through fusion, or holds spans that are no places in their texts.
    """
    if record.fate is not None:
        return []
    if record.question is None:
        raise DataError(
            f'record {record.record_id}: expected a question from the stage "fusion", found none; run that stage first'
        )
    described = PairTexts(GroundedText(record.question), grounded_of_record(record))
    rows = [_row(record, "des", None, described)]
    rows += [_row(record, "vqa", p.question_type, pair_texts(record, p)) for p in record.live_pairs]
    return rows


def _row(record: Record, task: str, question_type: str | None, texts: PairTexts) -> dict[str, Any]:
    return {
        "image_id": record.image_id,
        "width": record.width,
        "height": record.height,
        "source": record.source,
        "license": record.license,
        "task": task,
        "question_type": question_type,
        "question": texts.question.text,
        "question_regions": regions_of(texts.question),
        "answer": texts.answer.text,
        "answer_regions": regions_of(texts.answer),
    }


def _grounded(record: Record, text: str, places: Sequence[tuple[Span, Tag]]) -> GroundedText:
    """A text with the boxes of a tag at each place."""
    regions = [
        Region(
            text[span[0] : span[1]],
            span,
            as_boxes([box.now_norm for box in tag.live_boxes]),
            quality=tag.quality or None,
            effect=tag.effect or None,
        )
        for span, tag in sorted(places, key=lambda place: place[0])
    ]
    try:
        return GroundedText(text, regions)
    except ValueError as error:
        raise DataError(f"record {record.record_id}: {error}") from None


def _is_place(span: Span | None, text: str) -> bool:
    return span is not None and 0 <= span[0] < span[1] <= len(text) and not text[slice(*span)].isspace()


def _resolve_overlaps(tags: Sequence[Tag], stage: str) -> None:
    """Of tags whose spans overlap, let the longest stay."""
    kept: list[tuple[Span, Tag]] = []
    places = [(tag.span, tag) for tag in tags if tag.span is not None]
    for span, tag in sorted(places, key=lambda place: (place[0][0] - place[0][1], place[0][0])):  # stable
        other = next((k for (start, end), k in kept if span[0] < end and start < span[1]), None)
        if other is None:
            kept.append((span, tag))
        else:
            drop(tag, stage, "overlaps another tag", detail=f"{other.name!r} at {other.span}")
