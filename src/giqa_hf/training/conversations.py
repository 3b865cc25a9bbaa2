"""Rows of GIQA-DES and GIQA-VQA as the conversations that TRL's `SFTTrainer` takes.

Here the boxes of a row, stored once in the original image, are written for one model: through its frame, in its
format. The pictures are passed on as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ..builders.questions import spell_out
from ..errors import DataError
from ..formats import BoxFormat, GiqaFormat
from ..frames import Frame
from ..processing import Hidden, render
from ..schema import TEXT_FIELDS, grounded_of

FrameOf: TypeAlias = Callable[[int, int], Frame]
"""From an image's width and height to the frame in which a model sees it."""

TEXT_COLUMNS = ("width", "height", "question", "question_regions", "answer", "answer_regions")


def to_conversations(
    dataset: Any, format: BoxFormat | None = None, frame: FrameOf | None = None, *, hidden: Hidden = "drop"
) -> Any:
    """Turn rows into prompt and completion.

    Args:
        dataset (`datasets.Dataset` or `datasets.IterableDataset`): rows as `giqa_hf.schema.features` describes them.
        format (`BoxFormat`, *optional*): how boxes are written, and how questions that ask for it spell the notation
            out; the paper's `GiqaFormat()` if not given.
        frame (`callable`, *optional*): `(width, height) -> Frame` of the model that will be trained, usually
            `processor.frame` of a processor with `GroundingProcessorMixin`, or
            `functools.partial(Frame.from_processor, processor)`. Without it boxes stay normalised by the
            original image, which is right for models that see all of it, squashed or tiled, and for no other.
        hidden (`str`, *optional*, defaults to `"drop"`): what becomes of a box that the frame hides more than half:
            `"drop"` leaves it out, `"error"` raises, `"keep"` writes what is left of it.

    Returns:
        The same type of dataset with the columns `image`, `prompt` (`[{"role": "user", "content": str}]`),
        `completion` (`[{"role": "assistant", "content": str}]`) and `length` (characters, to batch by).

    Raises:
        `ValueError`: when columns are missing.
        `DataError`: for an empty text, a box that is none, or a hidden box with `hidden="error"`; it names the row.

    Example:

    ```python
    >>> train = to_conversations(load_dataset("giqa-synth", split="train"), frame=processor.frame)
    >>> SFTTrainer(model, args=SFTConfig(max_length=None), train_dataset=train, processing_class=processor).train()
    ```
    """
    import datasets

    box_format = GiqaFormat() if format is None else format

    def converse(row: Mapping[str, Any], number: int) -> dict[str, Any]:
        try:
            return conversation(row, box_format, frame, hidden)
        except DataError as error:
            raise DataError(f"row {number}, {error}") from error

    missing = [name for name in ("image", *TEXT_COLUMNS) if name not in (dataset.column_names or ())]
    if dataset.column_names is not None and missing:
        raise ValueError(
            f"to_conversations: expected rows of giqa_hf.schema, found no column {', '.join(missing)} "
            f"among {', '.join(dataset.column_names)}"
        )
    if isinstance(dataset, datasets.IterableDataset):
        others = [name for name in dataset.column_names or TEXT_COLUMNS if name != "image"]
        return dataset.map(converse, with_indices=True, remove_columns=others)
    # The texts are mapped without the pictures beside them: these would be decoded and written again.
    texts = dataset.select_columns(list(TEXT_COLUMNS))
    rendered = texts.map(
        converse,
        with_indices=True,
        remove_columns=list(TEXT_COLUMNS),
        features=_features(),
        desc="writing conversations",
    )
    return datasets.concatenate_datasets([dataset.select_columns(["image"]), rendered], axis=1)


def conversation(
    row: Mapping[str, Any], box_format: BoxFormat, frame: FrameOf | None, hidden: Hidden = "drop"
) -> dict[str, Any]:
    """One row's `prompt`, `completion` and `length`; see `to_conversations`."""
    seen = frame(row["width"], row["height"]) if frame else None
    texts = []
    for field in TEXT_FIELDS:
        if not (row[field] or "").strip():
            raise DataError(f"field {field}: expected a text that is not empty, found {row[field]!r}")
        try:
            texts.append(render(grounded_of(row, field), box_format, seen, hidden=hidden))
        except ValueError as error:
            raise DataError(f"field {field}_regions: {error}") from error
    question, answer = texts
    notation = getattr(box_format, "notation", None)
    if notation is not None:
        question = spell_out(question, notation)
    return {
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": answer}],
        "length": len(question) + len(answer),
    }


def _features() -> Any:
    from datasets import Features, List, Value

    turns = List({"role": Value("string"), "content": Value("string")})
    return Features({"prompt": turns, "completion": turns, "length": Value("int32")})
