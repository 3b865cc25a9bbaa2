"""Yes/No questions read from the logits of the first token, beside the generated word and named apart from it.

A run that was asked for it keeps P(Yes) of every Yes/No row in `first_token.jsonl`, on disk as they come, below a line
with the tokens that were read; scoring makes of it the figure `VQA Acc (Y)[first token]`. A model that would write
neither word has such a figure all the same, so it never stands in the column of Acc (Y).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from ..metrics.uncertainty import bootstrap_intervals
from ..metrics.vqa_accuracy.compute import yes_or_no
from ..progress import Progress, Say
from .backends import Asked
from .backends.local import LocalBackend
from .journal import appending_lines, read_lines
from .score_reading import FIRST_TOKEN, first_token_answers

FIRST_TOKEN_FILE = "first_token.jsonl"
FIGURE = f"VQA Acc (Y)[{FIRST_TOKEN}]"


class FirstTokens(NamedTuple):
    """What a run's folder has of the first tokens."""

    head: Mapping[str, Any]
    """`words`, `token_ids` and `tokens` that were read, or the `problem`: why there are none."""
    probabilities: Mapping[str, float | None]
    """P(Yes) by row; None where the model computed NaN."""

    @property
    def problem(self) -> str | None:
        """Why this model cannot be read so; `None` where it can."""
        found = self.head.get("problem")
        return None if found is None else str(found)


def ask_first_tokens(backend: LocalBackend, asked: Asked, folder: Path, *, say: Say = print) -> None:
    """Ask for P(Yes) of every Yes/No row that is not in the run's folder yet.

    Where the first token does not tell Yes from No, that is said and written down, and nothing is asked: the run has
    the generated words all the same.

    Args:
        backend (`LocalBackend`): the model.
        asked (`Asked`): the questions of the run; of its places only those of Yes/No rows are asked.
        folder (`Path`): of the run.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Raises:
        `DataError`: when the folder has probabilities of other tokens, or a damaged file.
    """
    path = folder / FIRST_TOKEN_FILE
    try:
        tokens = backend.word_tokens()
        head = tokens.to_dict()
    except DataError as error:
        say(f"no {FIGURE}: {error}")
        tokens = None  # and the record names no folder of this machine
        head = {"problem": str(error).removeprefix(f"{backend.processor.tokenizer.name_or_path}: ")}
    with appending_lines(path) as journal:
        there = read_first_tokens(folder)
        if there is None:
            journal.append([head])
        elif there.head != head:
            raise DataError(
                f"{path}: expected P(Yes) read from the tokens {head.get('tokens')}, found it read from "
                f"{there.head.get('tokens')}; delete the file and run the same command again"
            )
        if tokens is None:
            return
        done = {} if there is None else there.probabilities
        ids = asked.data.ids
        yes_no = [p for p, row in enumerate(asked.data.rows) if row["question_type"] == "yes_no"]
        wanted = [place for place in yes_no if ids[place] not in done]
        if not wanted:
            return
        progress, count = Progress(say, "Yes/No from the first token"), len(yes_no) - len(wanted)
        progress(count, len(yes_no))
        for found in backend.yes_probabilities(
            Asked(asked.data, asked.prompts, asked.frames, wanted), tokens
        ):
            journal.append([{"id": ids[place], "p_yes": value} for place, value in found])
            count += len(found)
            progress(count, len(yes_no))


def read_first_tokens(folder: Path) -> FirstTokens | None:
    """P(Yes) by row; `None` when the run was not asked for it.

    Raises:
        `DataError`: when the file is damaged elsewhere than in its last line, which may be cut short.
    """
    lines = list(read_lines(folder / FIRST_TOKEN_FILE, _of_line, "P(Yes) of a row"))
    if not lines:
        return None
    head = lines[0]
    if ("tokens" in head) == ("problem" in head) or any("id" not in line for line in lines[1:]):
        raise DataError(
            f"{folder / FIRST_TOKEN_FILE}: expected a line with the tokens that were read and then lines with P(Yes), "
            "found others; delete it and run the same command again"
        )
    return FirstTokens(head, {line["id"]: line["p_yes"] for line in lines[1:]})


def first_token_scores(first: FirstTokens, references: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The figure, its 95 % interval by a bootstrap over images, and what became of every Yes/No row.

    Args:
        first (`FirstTokens`): P(Yes) by row.
        references (sequence of `Mapping`): the run's rows, with their `id`.

    Returns:
        `dict`: `figures` and `intervals` with the one key `VQA Acc (Y)[first token]`; `counts`: `yes_no`, `correct`,
            and `undecided`, where the model says both alike or computes NaN; and of `first`, the `words`, `token_ids`
            and `tokens` that were read. Where this model cannot be read so, the figure is None, every row is undecided
            and `problem` says why.

    Raises:
        `DataError`: when a Yes/No row has no probability.
    """
    rows = [row for row in references if row["question_type"] == "yes_no"]
    probabilities = dict.fromkeys((row["id"] for row in rows), None) if first.problem else first.probabilities
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
    is_figure = bool(rows) and first.problem is None
    ends = found.get(FIGURE) if is_figure else None
    return {
        "figures": {FIGURE: sum(right) / len(rows) if is_figure else None},
        "intervals": {FIGURE: None if ends is None else list(ends)},
        "counts": {"yes_no": len(rows), "correct": sum(right), "undecided": said.count(None)},
        **first.head,
    }


def _of_line(line: Any) -> dict[str, Any]:
    """The head, or a row's probability."""
    if "id" not in line:
        return dict(line)
    value = line["p_yes"]
    return {"id": str(line["id"]), "p_yes": None if value is None else float(value)}
