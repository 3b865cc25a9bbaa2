"""Predictions that were made elsewhere: matched to the rows by id, never by position.

A file of predictions has a line of JSON per answer: `{"id": "000017:koniq-3", "answer": "..."}`, where the id is the
row's, see `data.row_ids`. Instead of `id`, `image_id` and `question` (the clean question) name a row too.

| what is wrong | what becomes of it |
|---|---|
| no line for a row | scored as an empty answer, counted as `missing` |
| two lines for a row, the same answer | one counts, the other is counted as `doubled` |
| two lines for a row, different answers | an error: nobody can say which one is meant |
| a line for a row that there is not | left out, counted as `extra`; when all lines are so, an error |
| an answer that is no string | scored as an empty answer, counted as `wrong_type` |
| an empty string | scored, counted as `empty` |
| a line that is no JSON object, or names no row | an error with its number |

`matched + missing` are the rows, `matched + doubled + extra` the lines; `wrong_type` and `empty` are among `matched`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ..progress import Say
from .answers import Answer, appending
from .data import BenchData, load_bench_data, row_ids
from .reading import load_processor, reading_of
from .record import ANSWERS
from .run import start_run

MISSING = "missing in the predictions"
WRONG_TYPE = "not a string in the predictions"
_TEXT_NAMES = ("answer", "prediction")
_SHOWN = 3


class Matched(NamedTuple):
    """Predictions by row."""

    texts: list[str | None]
    """By place of the row; `None` where there is none to score."""
    problems: list[str | None]
    """By place, why there is none."""
    counts: dict[str, int]
    """`lines`, `rows`, `matched`, `missing`, `doubled`, `extra`, `wrong_type`, `empty`."""


def import_predictions(
    predictions: Path,
    out: Path,
    *,
    data: str,
    split: str | None = None,
    limit: int | None = None,
    frame: str | None = None,
    processor: str | None = None,
    box_format: str | None = None,
    say: Say = print,
) -> None:
    """Make a run's folder of predictions from elsewhere, ready for `score_run`.

    Args:
        predictions (`Path`): the file.
        out (`Path`): the run's folder, new or of the same predictions.
        data (`str`): see `load_bench_data`, as are `split` and `limit`.
        split (`str`, *optional*): of the data.
        limit (`int`, *optional*): only the first rows.
        frame (`str`, *optional*): in which picture the boxes name places, see `reading_of`.
        processor (`str`, *optional*): folder or Hub id of the model's processor, which knows its frame and format.
        box_format (`str`, *optional*): name or JSON of a format.
        say (`callable`, *optional*, defaults to `print`): takes what was found.

    Raises:
        `GiqaError`: when the file cannot be matched, or nothing says in which frame its boxes are.
    """
    lines = read_predictions(predictions)
    loaded = None if processor is None else load_processor(processor)
    reading = reading_of(loaded, frame, box_format)
    rows = load_bench_data(data, split, limit)
    matched = match_predictions(lines, rows.rows, where=str(predictions))
    say(", ".join(f"{name} {number}" for name, number in matched.counts.items()))
    depends_on = {
        "model": {"name": predictions.stem, "sha256": _digest(predictions)},
        "backend": {"name": "predictions"},
        "boxes": reading.settings(),
        "matched": matched.counts,
    }
    start_run(out, rows, depends_on, {})
    _write(out, rows, matched, [reading.frame(row["width"], row["height"]) for row in rows.rows])


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """The lines of a file of predictions; empty lines are no lines.

    Raises:
        `DataError`: naming the line that is no JSON object, or when there is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: expected a file of predictions, found none that can be read ({error.strerror}); check the path"
        ) from error
    lines: list[dict[str, Any]] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise DataError(
                f'{path}, line {number}: expected {{"id": ..., "answer": ...}}, found {line[:60]!r}; write a line of '
                "JSON per answer"
            )
        lines.append({**value, "_line": number})
    if not lines:
        raise DataError(f"{path}: expected predictions, found an empty file; check the path")
    return lines


def match_predictions(
    lines: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], *, where: str = "predictions"
) -> Matched:
    """Find the row of every prediction, see the table above.

    Args:
        lines (sequence of `Mapping`): predictions; `_line` is their place in the file, for messages.
        rows (sequence of `Mapping`): of the schema.
        where (`str`, *optional*, defaults to `"predictions"`): what a message calls the file.

    Raises:
        `DataError`: when a line names no row or two of them, two lines of a row differ, or no line fits.
    """
    places = {row_id: place for place, row_id in enumerate(row_ids(rows))}
    by_question: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        by_question.setdefault((row["image_id"], row["question"]), []).append(place)
    found: dict[int, Any] = {}
    doubled = extra = 0
    for count, line in enumerate(lines, start=1):
        at = f"{where}, line {line.get('_line', count)}"
        at_row = _place_of(line, places, by_question, at)
        answer = _answer_of(line, at)
        if at_row is None:
            extra += 1
        elif at_row not in found:
            found[at_row] = answer
        elif found[at_row] == answer:
            doubled += 1
        else:
            raise DataError(
                f"{at}: expected one answer per row, found a second one for row {at_row} that is not the same; leave "
                "one of the two"
            )
    if not found:
        some = ", ".join(list(places)[:_SHOWN])
        raise DataError(
            f"{where}: expected ids of the data's rows, such as {some}, found none of them among {len(lines)} lines; "
            "check --data, --split and the ids"
        )
    texts, problems = [], []
    for number in range(len(rows)):
        text = found.get(number)
        texts.append(text if isinstance(text, str) else None)
        problems.append(MISSING if number not in found else None if isinstance(text, str) else WRONG_TYPE)
    counts = {
        "lines": len(lines),
        "rows": len(rows),
        "matched": len(found),
        "missing": len(rows) - len(found),
        "doubled": doubled,
        "extra": extra,
        "wrong_type": problems.count(WRONG_TYPE),
        "empty": sum(text is not None and not text.strip() for text in texts),
    }
    return Matched(texts, problems, counts)


def _place_of(
    line: Mapping[str, Any],
    places: Mapping[str, int],
    by_question: Mapping[tuple[str, str], Sequence[int]],
    at: str,
) -> int | None:
    if "id" in line:
        if not isinstance(line["id"], str):
            raise DataError(
                f"{at}, field id: expected a string such as {next(iter(places))!r}, found {line['id']!r:.60}"
            )
        return places.get(line["id"])
    pair = line.get("image_id"), line.get("question")
    if not all(isinstance(part, str) for part in pair):
        raise DataError(
            f"{at}: expected an id, or image_id and question, found {', '.join(_names(line)) or 'nothing'}"
        )
    of_pair = by_question.get((str(pair[0]), str(pair[1])), ())
    if len(of_pair) > 1:
        raise DataError(
            f"{at}: expected to name one row, found {len(of_pair)} with this image and question; give the id"
        )
    return of_pair[0] if of_pair else None


def _answer_of(line: Mapping[str, Any], at: str) -> Any:
    for name in _TEXT_NAMES:
        if name in line:
            return line[name]
    raise DataError(f"{at}: expected a field answer, found {', '.join(_names(line))}")


def _names(line: Mapping[str, Any]) -> Iterator[str]:
    return (str(name) for name in line if name != "_line")


def _write(out: Path, data: BenchData, matched: Matched, frames: Sequence[Any]) -> None:
    (out / ANSWERS).unlink(missing_ok=True)  # the same predictions give the same file again
    with appending(out / ANSWERS) as writer:
        writer.append(
            [Answer(*one) for one in zip(data.ids, matched.texts, frames, matched.problems, strict=True)]
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
