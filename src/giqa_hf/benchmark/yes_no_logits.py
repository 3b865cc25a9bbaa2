"""Yes/No questions read from the logits of the first token, beside the generated word and named apart from it.

A run that was asked for it keeps P(Yes) of every Yes/No row in `first_token.json`; scoring makes of it the figure
`VQA Acc (Y)[first token]`. A model that would write neither word has such a figure all the same, so it never stands in
the column of Acc (Y).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..files import write_json
from ..metrics.uncertainty import bootstrap_intervals
from ..metrics.vqa_accuracy.compute import yes_or_no
from .backends import Asked
from .backends.local import LocalBackend
from .score_reading import FIRST_TOKEN, first_token_answers

FIRST_TOKEN_FILE = "first_token.json"
FIGURE = f"VQA Acc (Y)[{FIRST_TOKEN}]"


def ask_first_tokens(backend: LocalBackend, asked: Asked, folder: Path) -> None:
    """Ask for P(Yes) of every Yes/No row that is not in the run's folder yet.

    Args:
        backend (`LocalBackend`): the model.
        asked (`Asked`): the questions of the run; of its places only those of Yes/No rows are asked.
        folder (`Path`): of the run.
    """
    ids = asked.data.ids
    wanted = [p for p, row in enumerate(asked.data.rows) if row["question_type"] == "yes_no"]
    there = read_first_tokens(folder) or {}
    if all(ids[place] in there for place in wanted):
        return
    questions = Asked(asked.data, asked.prompts, asked.frames, wanted)
    found = backend.yes_probabilities(questions)
    write_json(folder / FIRST_TOKEN_FILE, {ids[p]: value for p, value in zip(wanted, found, strict=True)})


def read_first_tokens(folder: Path) -> dict[str, float | None] | None:
    """P(Yes) by row; `None` when the run was not asked for it.

    Raises:
        `DataError`: when the file is damaged.
    """
    path = folder / FIRST_TOKEN_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: expected P(Yes) by row, found a damaged file ({error}); delete it and run the same command again"
        ) from error
    return {str(row_id): None if value is None else float(value) for row_id, value in data.items()}


def first_token_scores(
    probabilities: Mapping[str, float | None], references: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The figure, its 95 % interval by a bootstrap over images, and what became of every Yes/No row.

    Args:
        probabilities (`Mapping`): P(Yes) by row.
        references (sequence of `Mapping`): the run's rows, with their `id`.

    Returns:
        `dict`: `figures` and `intervals` with the one key `VQA Acc (Y)[first token]`; `counts`: `yes_no`, `correct`,
            and `undecided`, where the model says both alike or computes NaN.

    Raises:
        `DataError`: when a Yes/No row has no probability.
    """
    rows = [row for row in references if row["question_type"] == "yes_no"]
    if missing := [row["id"] for row in rows if row["id"] not in probabilities]:
        raise DataError(
            f"{FIRST_TOKEN_FILE}: expected P(Yes) of {len(rows)} rows, {len(missing)} are missing (the first: "
            f"{missing[0]}); run the same `giqa bench` command again"
        )
    said = [yes_or_no(text) for text in first_token_answers([probabilities[row["id"]] for row in rows])]
    right = [
        word is not None and word == yes_or_no(row["answer"]) for word, row in zip(said, rows, strict=True)
    ]
    images = {image_id: place for place, image_id in enumerate(sorted({row["image_id"] for row in rows}))}
    sums = np.zeros((len(images), 2))
    for row, is_right in zip(rows, right, strict=True):
        sums[images[row["image_id"]]] += (is_right, 1)
    found = bootstrap_intervals(sums, lambda drawn: {FIGURE: drawn[:, 0] / np.maximum(drawn[:, 1], 1)})
    ends = found.get(FIGURE) if rows else None
    return {
        "figures": {FIGURE: sum(right) / len(rows) if rows else None},
        "intervals": {FIGURE: None if ends is None else list(ends)},
        "counts": {"yes_no": len(rows), "correct": sum(right), "undecided": said.count(None)},
    }
