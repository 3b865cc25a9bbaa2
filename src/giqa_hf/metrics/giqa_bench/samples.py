"""One benchmark sample from a prediction and a row, or one sentence that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, NamedTuple, Protocol

import numpy as np

from ...boxes import Boxes, as_boxes, check_norm
from ...errors import DataError
from ...grounded_text import GroundedText
from ...schema import QUESTION_TYPES, TASKS
from ...thoughts import spoken

REFERENCE_FIELDS = ("task", "question_type", "question", "answer", "answer_regions")
_END = object()


class TextReader(Protocol):
    """The half of a box format that a metric needs."""

    def read(self, text: str) -> GroundedText:
        """The clean text of a model's raw output, with its regions and issues; never raises."""
        ...


class Truth(NamedTuple):
    """What the benchmark reads of a reference row."""

    task: str
    """`"des"` or `"vqa"`."""
    question_type: str | None
    """`"yes_no"`, `"what"`, `"why"`, `"how"`; None for a description."""
    question: str
    """Clean text of the question."""
    answer: str
    """Clean text of the true answer."""
    boxes: list[Sequence[float]]
    """True boxes as they stand in the row; `stacked_boxes` checks them."""
    names: list[str]
    """One name per true box: a phrase with several boxes is several tags of one name."""
    image: str | None
    """The row's `image_id`; None without one."""


class Sample(NamedTuple):
    """A prediction beside its truth."""

    number: int
    """Position among the references, from 0."""
    truth: Truth
    """What should have been written."""
    prediction: GroundedText
    """What the model wrote."""


def read_samples(
    predictions: Iterable[str | GroundedText], references: Iterable[Mapping[str, Any]], reader: TextReader
) -> Iterator[Sample]:
    """Sample after sample; neither input is held.

    Raises:
        `DataError`: on inputs of unequal length and on anything that is not as it should be; it names the
            index and the field.
    """
    for name, value in (("predictions", predictions), ("references", references)):
        if isinstance(value, (str, bytes, Mapping, GroundedText)) or not isinstance(value, Iterable):
            raise DataError(f"{name}: expected a list with one entry per sample, got {type(value).__name__}")
    if isinstance(predictions, Sized) and isinstance(references, Sized):
        check_lengths(len(predictions), len(references))
    remaining = iter(references)
    number = -1
    for number, prediction in enumerate(predictions):
        reference = next(remaining, _END)
        if reference is _END:
            raise DataError(_unequal(f"more than {number}", str(number)))
        if isinstance(prediction, str):
            prediction = reader.read(spoken(prediction).text)
        elif not isinstance(prediction, GroundedText):
            raise wrong_prediction(prediction, number)
        yield Sample(number, read_truth(reference, number), prediction)
    if next(remaining, _END) is not _END:
        raise DataError(_unequal(str(number + 1), f"more than {number + 1}"))


def read_truth(row: Any, number: int) -> Truth:
    """The truth in reference `number`; its boxes are left for `stacked_boxes` to check.

    Raises:
        `DataError`: on a row that is no row, lacks a field, or has a wrong one.
    """
    if not isinstance(row, Mapping):
        raise _wrong(number, None, f"a row with {', '.join(REFERENCE_FIELDS)}", row)
    task, kind, question, answer, regions = values = [row.get(name, _END) for name in REFERENCE_FIELDS]
    if kind is _END and task == "des":
        kind = values[1] = None
    for lacking, value in zip(REFERENCE_FIELDS, values, strict=True):
        if value is _END:
            expected = f"references[{number}], field {lacking}: expected in every row"
            raise DataError(f"{expected}, found only {_shown(sorted(row))}")
    if task not in TASKS:
        raise _wrong(number, "task", " or ".join(TASKS), task)
    if task == "vqa" and kind not in QUESTION_TYPES:
        raise _wrong(number, "question_type", f"one of {', '.join(QUESTION_TYPES)} for a vqa row", kind)
    if not isinstance(question, str):
        raise _wrong(number, "question", "a string", question)
    if not isinstance(answer, str):
        raise _wrong(number, "answer", "a string", answer)
    if not isinstance(regions, (list, tuple, type(None))):
        raise _wrong(number, "answer_regions", "a list of regions", regions)
    boxes: list[Sequence[float]] = []
    names: list[str] = []
    for region in regions or ():
        try:
            name, own = region["phrase"], region["boxes_norm"]
            count = len(own)
        except (KeyError, TypeError, IndexError):
            name, own = None, None
        if not isinstance(name, str) or not isinstance(own, (list, tuple, np.ndarray)):
            raise _wrong(number, "answer_regions", "regions with a phrase and a list boxes_norm", region)
        boxes.extend(own)
        names.extend([name] * count)
    image = row.get("image_id")
    if image is not None and (isinstance(image, bool) or not isinstance(image, (str, int))):
        raise _wrong(number, "image_id", "a string", image)
    kind = kind if task == "vqa" else None
    return Truth(task, kind, question, answer, boxes, names, str(image) if image not in (None, "") else None)


def plain_row(row: Any, number: int) -> dict[str, Any]:
    """Reference `number` with what the benchmark reads and nothing else, as lists, strings and floats.

    A description has the question type `""`, and a row without an image's id the id `""`: `evaluate` takes no
    None for a string inside a row.

    Raises:
        `DataError`: as `read_truth`, and on a box that is not finite and ordered within 0..1.
    """
    truth = read_truth(row, number)
    stacked_boxes([(number, truth)])
    regions = [
        {"phrase": region["phrase"], "boxes_norm": as_boxes(region["boxes_norm"]).tolist()}
        for region in row["answer_regions"] or ()
    ]
    values = (truth.task, truth.question_type or "", truth.question, truth.answer, regions)
    return {**dict(zip(REFERENCE_FIELDS, values, strict=True)), "image_id": truth.image or ""}


def stacked_boxes(truths: Sequence[tuple[int, Truth]]) -> Boxes:
    """The true boxes of numbered references, one after the other, shape (T, 4).

    Raises:
        `DataError`: on a box that is not finite and ordered within 0..1; it names the reference.
    """
    try:
        return check_norm([box for _, truth in truths for box in truth.boxes])
    except ValueError:
        for number, truth in truths:
            for row, box in enumerate(truth.boxes):
                try:
                    check_norm([box])
                except ValueError:
                    expected = "boxes_norm of finite numbers 0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1"
                    raise _wrong(number, f"answer_regions, box {row}", expected, box) from None
        raise


def check_images(samples: Sequence[Sample]) -> None:
    """Raise `DataError` when a reference does not say of which image it is."""
    for sample in samples:
        if sample.truth.image is None:
            raise DataError(
                f"references[{sample.number}], field image_id: expected in every row where intervals or sums per "
                "image are asked for, found none; questions about one image are drawn together"
            )


def check_lengths(n_predictions: int, n_references: int) -> None:
    """Raise `DataError` when the two differ."""
    if n_predictions != n_references:
        raise DataError(_unequal(str(n_predictions), str(n_references)))


def wrong_prediction(found: Any, number: int, expected: str = "a string or a GroundedText") -> DataError:
    """The error for a prediction of another type."""
    return DataError(
        f"predictions[{number}]: expected {expected} (an empty answer is ''), found {_shown(found)}"
    )


def _wrong(number: int, field: str | None, expected: str, found: Any) -> DataError:
    where = f"references[{number}]" + (f", field {field}" if field else "")
    return DataError(f"{where}: expected {expected}, found {_shown(found)}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _unequal(n_predictions: str, n_references: str) -> str:
    return (
        f"expected one prediction per reference, in the same order, got {n_predictions} predictions and "
        f"{n_references} references"
    )
