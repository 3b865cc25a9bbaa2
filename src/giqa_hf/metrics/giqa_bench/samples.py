"""One benchmark sample from a prediction and a row, or one sentence that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any, NamedTuple, Protocol

from ...boxes import Boxes, check_norm
from ...errors import DataError
from ...grounded_text import GroundedText

REFERENCE_FIELDS = ("task", "question_type", "question", "answer", "answer_regions")
_TASKS = ("des", "vqa")
_QUESTION_TYPES = ("yes_no", "what", "why", "how")
_END = object()


class TextReader(Protocol):
    """The half of a box format that a metric needs."""

    def read(self, text: str) -> GroundedText:
        """The clean text of a model's raw output, with its regions and issues; never raises."""
        ...


class Sample(NamedTuple):
    """A prediction beside its truth."""

    number: int
    """Position among the references, from 0."""
    task: str
    """`"des"` or `"vqa"`."""
    question_type: str | None
    """`"yes_no"`, `"what"`, `"why"`, `"how"`; None for a description."""
    question: str
    """Clean text of the question."""
    answer: str
    """Clean text of the true answer."""
    prediction: GroundedText
    """What the model wrote."""
    true_boxes: list[Sequence[float]]
    """True boxes as they stand in the row; `stacked_truth` checks them."""
    true_names: list[str]
    """One name per true box: a phrase with several boxes is several tags of one name."""


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
    if (
        isinstance(predictions, Sized)
        and isinstance(references, Sized)
        and len(predictions) != len(references)
    ):
        raise DataError(_unequal(str(len(predictions)), str(len(references))))
    remaining = iter(references)
    number = -1
    for number, prediction in enumerate(predictions):
        reference = next(remaining, _END)
        if reference is _END:
            raise DataError(_unequal(f"more than {number}", str(number)))
        yield _read_sample(number, prediction, reference, reader)
    if next(remaining, _END) is not _END:
        raise DataError(_unequal(str(number + 1), f"more than {number + 1}"))


def stacked_truth(samples: Sequence[Sample]) -> Boxes:
    """The true boxes of `samples`, one after the other, shape (T, 4).

    Raises:
        `DataError`: on a box that is not finite and ordered within 0..1; it names the reference.
    """
    try:
        return check_norm([box for sample in samples for box in sample.true_boxes])
    except ValueError:
        for sample in samples:
            for row, box in enumerate(sample.true_boxes):
                try:
                    check_norm([box])
                except ValueError:
                    raise DataError(
                        f"references[{sample.number}], field answer_regions: expected boxes_norm of finite numbers "
                        f"0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1, found {_shown(box)} as its box {row}"
                    ) from None
        raise  # pragma: no cover - a stack is bad only when one of its rows is


def reference_fields(reference: Any, number: int) -> dict[str, Any]:
    """The fields of a row that the benchmark reads; others, such as the image, are left out.

    Raises:
        `DataError`: on a row that is no row or lacks a field.
    """
    if not isinstance(reference, Mapping):
        raise _wrong(number, "a row with " + ", ".join(REFERENCE_FIELDS), reference)
    for name in REFERENCE_FIELDS:
        if name not in reference and (name != "question_type" or reference.get("task") != "des"):
            raise DataError(
                f"references[{number}], field {name}: missing; expected a row with {', '.join(REFERENCE_FIELDS)}"
            )
    return {name: reference.get(name) for name in REFERENCE_FIELDS}


def _read_sample(number: int, prediction: Any, reference: Any, reader: TextReader) -> Sample:
    if isinstance(prediction, str):
        prediction = reader.read(prediction)
    elif not isinstance(prediction, GroundedText):
        raise DataError(
            f"predictions[{number}]: expected the model's text as a string, or a GroundedText, "
            f"found {_shown(prediction)}; an empty answer is ''"
        )
    row = reference_fields(reference, number)
    task, kind, question, answer, regions = row.values()
    if task not in _TASKS:
        raise _wrong(number, "des or vqa", task, "task")
    if task == "vqa" and kind not in _QUESTION_TYPES:
        raise _wrong(number, f"one of {', '.join(_QUESTION_TYPES)} for a vqa row", kind, "question_type")
    if not isinstance(question, str):
        raise _wrong(number, "a string", question, "question")
    if not isinstance(answer, str):
        raise _wrong(number, "a string", answer, "answer")
    boxes: list[Sequence[float]] = []
    names: list[str] = []
    if not isinstance(regions, (list, tuple, type(None))):
        raise _wrong(number, "a list of regions", regions, "answer_regions")
    for region in regions or ():
        try:
            name, own = region["phrase"], region["boxes_norm"]
            count = len(own)
        except (KeyError, TypeError, IndexError):
            raise _wrong(number, "regions with a phrase and boxes_norm", region, "answer_regions") from None
        if not isinstance(name, str) or isinstance(own, (str, Mapping)):
            raise _wrong(number, "regions with a phrase and boxes_norm", region, "answer_regions")
        boxes.extend(own)
        names.extend([name] * count)
    return Sample(number, task, kind if task == "vqa" else None, question, answer, prediction, boxes, names)


def _wrong(number: int, expected: str, found: Any, field: str | None = None) -> DataError:
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
