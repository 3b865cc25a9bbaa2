"""Rows of GIQA-DES and GIQA-VQA as the conversations that TRL's `SFTTrainer` takes.

Here the boxes of a row, stored once in the original image, are written for one model: through its frame, in its
format. The pictures are passed on as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from ..builders.questions import spell_out
from ..errors import DataError
from ..formats import BoxFormat, GiqaFormat
from ..frames import Frame
from ..processing import Hidden, render
from ..schema import TASKS, TEXT_FIELDS, grounded_of

FrameOf: TypeAlias = Callable[[int, int], Frame]
"""From an image's width and height to the frame in which a model sees it."""
Task = Literal["des", "vqa"]

TEXT_COLUMNS = ("width", "height", "question", "question_regions", "answer", "answer_regions")
_OPTIONAL = ("image_id", "task")


class HiddenBoxes(NamedTuple):
    """How many boxes of a dataset lie where the model does not see more than half of them."""

    hidden: int
    boxes: int
    rows: int
    """With such a box."""


def to_conversations(
    dataset: Any,
    backbone: Any = None,
    *,
    format: BoxFormat | None = None,
    frame: FrameOf | None = None,
    hidden: Hidden = "drop",
    task: Task | None = None,
) -> Any:
    """Turn rows into prompt and completion.

    Args:
        dataset (`datasets.Dataset` or `datasets.IterableDataset`): rows as `giqa_hf.schema.features` describes them.
        backbone (`LoadedBackbone` or processor, *optional*): what will be trained, for its `box_format` and `frame`: of
            `giqa_hf.load_backbone`, or any processor with `GroundingProcessorMixin`.
        format (`BoxFormat`, *optional*): how boxes are written, and how questions that ask for it spell the notation
            out; the backbone's, and without one the paper's `GiqaFormat()`.
        frame (`callable`, *optional*): `(width, height) -> Frame` of the model, such as
            `functools.partial(Frame.from_processor, processor)`; the backbone's. Without either, boxes stay normalised
            by the original image, which is right for models that see all of it, squashed or tiled, and for no other.
        hidden (`str`, *optional*, defaults to `"drop"`): what becomes of a box that the frame hides more than half:
            `"drop"` leaves it out, `"error"` raises, `"keep"` writes what is left of it. How many there were is told by
            a warning; see `hidden_boxes`.
        task (`str`, *optional*): only rows of `"des"` (Only-DES of Tab. 3) or of `"vqa"` (Only-VQA).

    Returns:
        The same type of dataset with the columns `image`, `prompt` (`[{"role": "user", "content": str}]`),
        `completion` (`[{"role": "assistant", "content": str}]`), `length` (characters, to batch by), `id` (the number
        of the row in `dataset` and its `image_id`, as `giqa bench` names rows), `boxes` and `hidden` (how many boxes,
        and how many of them the frame hides).

    Raises:
        `ValueError`: when columns are missing, or for an unknown task.
        `DataError`: for an empty text, a box that is none, or a hidden box with `hidden="error"`; it names the row.
            When no row of the task is there.

    Example:

    ```python
    >>> backbone = giqa_hf.load_backbone("llava-1.5-7b")
    >>> train = to_conversations(load_dataset("giqa-160k", split="train"), backbone)
    >>> SFTTrainer(model=backbone.model, processing_class=backbone.processor, train_dataset=train,
    ...            args=giqa_hf.sft_config("paper", output_dir="out")).train()
    ```
    """
    import datasets

    if backbone is not None:
        format = backbone.box_format if format is None else format
        frame = backbone.frame if frame is None else frame
    box_format = GiqaFormat() if format is None else format

    def converse(row: Mapping[str, Any], number: int) -> dict[str, Any]:
        try:
            made = conversation(row, box_format, frame, hidden)
        except DataError as error:
            raise DataError(f"row {number}, {error}") from error
        return {**made, "id": f"{number:06d}:{row.get('image_id') or ''}"}

    if task is not None and task not in TASKS:
        raise ValueError(f"task: expected one of {', '.join(get_args(Task))}, got {task!r}")
    needed = ("image", *TEXT_COLUMNS, *(("task",) if task else ()))
    missing = [name for name in needed if name not in (dataset.column_names or ())]
    if dataset.column_names is not None and missing:
        raise ValueError(
            f"to_conversations: expected rows of giqa_hf.schema, found no column {', '.join(missing)} "
            f"among {', '.join(dataset.column_names)}"
        )
    if isinstance(dataset, datasets.IterableDataset):
        others = [name for name in dataset.column_names or (*TEXT_COLUMNS, *_OPTIONAL) if name != "image"]
        if task is None:
            return dataset.map(converse, with_indices=True, remove_columns=others)
        numbered = dataset.map(lambda row, number: {"number": number}, with_indices=True)
        return numbered.filter(lambda row: row["task"] == task).map(
            lambda row: converse(row, row["number"]), remove_columns=[*others, "number"]
        )
    # The texts are mapped without the pictures beside them: these would be decoded and written again.
    texts = dataset.select_columns(
        [*TEXT_COLUMNS, *(name for name in _OPTIONAL if name in dataset.column_names)]
    )
    places = [n for n, name in enumerate(dataset["task"]) if name == task] if task else None
    if places is not None:
        if not places:
            raise DataError(f"task {task}: expected at least one row of it, found none; give more rows")
        dataset, texts = dataset.select(places), texts.select(places)
    numbers = list(range(len(texts))) if places is None else places
    rendered = texts.map(
        lambda row, place: converse(row, numbers[place]),
        with_indices=True,
        remove_columns=texts.column_names,
        features=_features(),
        desc="writing conversations",
    )
    _tell_hidden(rendered, hidden)
    return datasets.concatenate_datasets([dataset.select_columns(["image"]), rendered], axis=1)


def conversation(
    row: Mapping[str, Any], box_format: BoxFormat, frame: FrameOf | None, hidden: Hidden = "drop"
) -> dict[str, Any]:
    """One row's `prompt`, `completion`, `length`, `boxes` and `hidden`; see `to_conversations`."""
    seen = frame(row["width"], row["height"]) if frame else None
    texts, boxes, unseen = [], 0, 0
    for field in TEXT_FIELDS:
        if not (row[field] or "").strip():
            raise DataError(f"field {field}: expected a text that is not empty, found {row[field]!r}")
        try:
            grounded = grounded_of(row, field)
            texts.append(render(grounded, box_format, seen, hidden=hidden))
        except ValueError as error:
            raise DataError(f"field {field}_regions: {error}") from error
        for region in grounded.regions:
            boxes += len(region.boxes_norm)
            unseen += 0 if seen is None else int(seen.hides(region.boxes_norm).sum())
    question, answer = texts
    notation = getattr(box_format, "notation", None)
    if notation is not None:
        question = spell_out(question, notation)
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "length": len(question) + len(answer),
        "boxes": boxes,
        "hidden": unseen,
    }


def hidden_boxes(conversations: Any) -> HiddenBoxes:
    """How many boxes the frame hides, of a `datasets.Dataset` that `to_conversations` has made."""
    unseen = conversations["hidden"][:]
    return HiddenBoxes(sum(unseen), sum(conversations["boxes"][:]), sum(count > 0 for count in unseen))


def _tell_hidden(rendered: Any, hidden: Hidden) -> None:
    found = hidden_boxes(rendered)
    if found.hidden:
        fate = "left out" if hidden == "drop" else "written as what is left of them at the picture's rim"
        warnings.warn(
            f"{found.hidden} of {found.boxes} boxes, in {found.rows} of {rendered.num_rows} rows, lie where the model "
            f"does not see more than half of them; they are {fate}",
            stacklevel=3,
        )


def _features() -> Any:
    from datasets import Features, List, Value

    turns = List({"role": Value("string"), "content": Value("string")})
    return Features(
        {
            "prompt": turns,
            "completion": turns,
            "length": Value("int32"),
            "id": Value("string"),
            "boxes": Value("int32"),
            "hidden": Value("int32"),
        }
    )
