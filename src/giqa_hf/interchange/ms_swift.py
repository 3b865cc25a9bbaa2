"""ms-swift's form: messages, images, and boxes beside them as `objects`.

`<ref-object>` and `<bbox>` in a message stand for the next entry of `objects.ref` and `objects.bbox`. Boxes are
`x1, y1, x2, y2` in pixels of the original picture (`bbox_type: real`), and ms-swift itself scales them and writes them
as the model at hand writes boxes: thousandths for most, pixels behind the resizing for Qwen2.5-VL.

What it cannot carry, counted at export where it occurs:

- what a region says of quality and effect;
- phrases without a box: they are words like any others;
- which box belongs to which phrase: nothing ties an entry of `ref` to one of `bbox` but their order, so a phrase with
  several boxes is a `<ref-object>` with several `<bbox>` behind it;
- the notation: a question that asks to have it spelled out ("Write positions.") stays as it is, for the model's
  notation is known to ms-swift only.

And in general: it has no grid of cells and no picture padded to a square (LLaVA-1.5's boxes come in thousandths of the
whole picture), and it does not scale boxes back when a model answers. For these give `writing`: boxes then are words of
the messages, there is no `objects`, and ms-swift leaves them alone.

Written against ms-swift 4.6 (its `normalize_bbox` and `_pre_tokenize`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..boxes import check_norm
from ..builders.questions import SYNTAX_REQUESTS
from ..errors import DataError
from ..grounded_text import GroundedText
from ..schema import TEXT_FIELDS, grounded_of
from .carries import NO, Carries
from .target import UNBOXED, Line, Row, Writing, judgements_of, unboxed_of

REF, BBOX = "<ref-object>", "<bbox>"
_DIGITS = 2  # of a pixel
CARRIES = Carries(
    boxes="pixels, two decimals",
    question_boxes="as any, marks in the question",
    several_boxes="marks behind one phrase, tied to it by order",
    unboxed=NO,
    spans="marks in the text",
    quality=NO,
    effect=NO,
    origin="beside",
    pictures="files",
)
"""Without `writing`; with it, as in `llama_factory`."""


@dataclass(frozen=True)
class MsSwift:
    """Rows for `swift sft --dataset`.

    Args:
        writing (`Writing`, *optional*): write boxes as words instead of `objects`.
    """

    writing: Writing | None = None

    name = "ms-swift"
    placeholders = (
        "<image>",
        "<video>",
        "<audio>",
        REF,
        BBOX,
        "<cot-process>",
        "<start-image>",
    )

    def line(self, row: Row, picture: str) -> Line:
        """See `Target.line`."""
        objects: dict[str, Any] = {}
        if self.writing is not None:
            question, answer, lost = self.writing.texts(row)
        else:
            refs: list[str] = []
            boxes_px: list[list[float]] = []
            lost = judgements_of(row)
            lost[UNBOXED] += unboxed_of(row)
            question, answer = (_with_marks(row, field, refs, boxes_px, lost) for field in TEXT_FIELDS)
            lost["notation in a question"] += question.endswith(SYNTAX_REQUESTS)
            objects = {"objects": {"ref": refs, "bbox": boxes_px, "bbox_type": "real"}}
        messages = [
            {"role": "user", "content": f"<image>{question}"},
            {"role": "assistant", "content": answer},
        ]
        return Line({"messages": messages, "images": [picture], **objects}, +lost)

    def beside(self, dataset: str, rows_file: str) -> Mapping[str, Any]:
        """None: ms-swift takes the file of rows as it is."""
        return {}

    def settings(self) -> dict[str, Any]:
        """See `Target.settings`."""
        if self.writing is None:
            return {"boxes": "objects, in pixels of the original picture"}
        return {"boxes": "words", **self.writing.settings()}

    def command(self, dataset: str, rows_file: str, largest_pixels: int) -> list[str]:
        """See `Target.command`."""
        return [f"swift sft --model MODEL --dataset {rows_file}"]


def _with_marks(
    row: Row, field: str, refs: list[str], boxes_px: list[list[float]], lost: Counter[str]
) -> str:
    """A text whose grounded phrases are marks; what the marks stand for is added to the lists."""
    try:
        grounded: GroundedText = grounded_of(row, field)
        check_norm(grounded.boxes_norm)
    except ValueError as error:
        raise DataError(f"field {field}_regions: {error}") from error
    parts, end_before = [], 0
    for region in grounded.regions:
        if not len(region.boxes_norm):
            continue  # words like any others
        start, end = region.span
        parts += [grounded.text[end_before:start], REF, BBOX * len(region.boxes_norm)]
        end_before = end
        refs.append(region.phrase)
        scale = (row["width"], row["height"]) * 2
        boxes_px += [
            [round(value * side, _DIGITS) for value, side in zip(box, scale, strict=True)]
            for box in region.boxes_norm.tolist()
        ]
        lost["several boxes of one phrase, tied to it by order only"] += len(region.boxes_norm) > 1
    return "".join([*parts, grounded.text[end_before:]])
