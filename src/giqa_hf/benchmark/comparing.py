"""Runs beside each other in the columns of the paper's Tab. 5, and what keeps two numbers from being compared.

A figure stands on a basis: the data, the metric's version, and, as the figure has it, matching, similarity, judge. Two
runs whose bases differ in a column are marked there, with the difference in words; nothing is left out in silence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import GiqaError
from ..metrics.signature import parse_signature
from .published import published_table
from .record import SCORES, read_record

PUBLISHED = "published, not measured"
NOTHING = "\u2013"
NOTHING_NOTE = f"{NOTHING}: the rows have nothing that this figure could be measured on, such as a true box"


class Column(NamedTuple):
    """A column of Tab. 5."""

    key: str
    """Of the figure; those that a judge had a hand in have its name in brackets behind it."""
    task: str
    title: str
    kind: str
    """`"boxes"`, `"names"`, `"bleu"`, `"word"` or `"judge"`: on what the figure stands."""
    scale: float
    """Its largest value."""
    digits: int


COLUMNS = (
    Column("DES mIoU", "GIQA-DES", "mIoU", "boxes", 1.0, 4),
    Column("DES Tag-Recall", "GIQA-DES", "Tag-Recall", "names", 1.0, 4),
    Column("DES BLEU@4", "GIQA-DES", "BLEU@4", "bleu", 100.0, 2),
    Column("DES LLM-Score", "GIQA-DES", "LLM-Score", "judge", 100.0, 2),
    Column("VQA mIoU", "GIQA-VQA", "mIoU", "boxes", 1.0, 4),
    Column("VQA Tag-Recall", "GIQA-VQA", "Tag-Recall", "names", 1.0, 4),
    Column("VQA Acc (Y)", "GIQA-VQA", "Acc (Y)", "word", 1.0, 4),
    Column("VQA Acc (W)", "GIQA-VQA", "Acc (W)", "judge", 1.0, 4),
    Column("VQA Acc (Total)", "GIQA-VQA", "Acc (Total)", "judge", 1.0, 4),
)

# Parts of a signature by the figures that they matter to; what is in none of these matters to all.
_ONLY_FOR = {
    "matching": ("boxes", "names"),
    "normalise": ("boxes",),
    "similarity": ("names",),
    "bleu": ("bleu",),
    "judge": ("judge",),
}
MAKING = ("box_format", "frame", "decoding")
"""How a model writes its boxes and sees the picture, and how it was made to write, are not what a figure measures:
models differ in them by nature. They stand beside a difference of two runs, for it can come from them."""


class Cell(NamedTuple):
    """A figure of a run."""

    text: str
    """As it is shown; N/A where it cannot be told, `NOTHING` where the rows have nothing to tell it from."""
    value: float | None
    interval: tuple[float, float] | None
    mark: str
    """A letter where the cell must not be compared with the others of its column, else empty."""


@dataclass(frozen=True)
class Entry:
    """A line of the table.

    Args:
        name (`str`): of the run or the method.
        figures (`Mapping`): value by the key of a column.
        printed (`Mapping`): digits as they are to be shown, where the source gives them.
        intervals (`Mapping`): (low, high) by the key of a column.
        basis (`Mapping`): by the key of a column, what its figure stands on.
        scores (`Mapping`, *optional*): the whole of `scores.json`; `None` for what is published.
        record (`Mapping`, *optional*): the run's record.
    """

    name: str
    figures: Mapping[str, float | None]
    basis: Mapping[str, Mapping[str, str]]
    printed: Mapping[str, str | None] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    scores: Mapping[str, Any] | None = None
    record: Mapping[str, Any] | None = None

    @property
    def is_published(self) -> bool:
        """Whether nobody measured it here."""
        return self.scores is None


@dataclass(frozen=True)
class Comparison:
    """The table.

    Args:
        entries (sequence of `Entry`): published ones first, then runs in the order in which they were given.
        cells (sequence of `dict`): per entry, the cell of every column by key.
        notes (`dict`): per mark, what differs, in words.
    """

    entries: Sequence[Entry]
    cells: Sequence[dict[str, Cell]]
    notes: dict[str, str]


def compare_runs(folders: Sequence[Path], *, published: bool = False) -> Comparison:
    """Put runs beside each other.

    Args:
        folders (sequence of `Path`): of scored runs.
        published (`bool`, *optional*, defaults to `False`): with the 16 rows of the paper's Tab. 5.

    Raises:
        `GiqaError`: when a folder is no run, or not scored yet.
    """
    runs = [read_entry(folder) for folder in folders]
    repeated = {name for name, count in Counter(run.name for run in runs).items() if count > 1}
    runs = [
        Entry(**{**vars(run), "name": str(folder)}) if run.name in repeated else run
        for run, folder in zip(runs, folders, strict=True)
    ]
    entries = [*(published_entries() if published else ()), *runs]
    if not entries:
        raise GiqaError(
            "runs: expected at least one folder of a run, or --published, found neither; name some"
        )
    return _marked(entries)


def read_entry(folder: Path) -> Entry:
    """A scored run; errors as in `compare_runs`."""
    record = read_record(folder)
    path = folder / SCORES
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        figures = {column.key: _by_key(scores["figures"], column.key) for column in COLUMNS}
        intervals = {column.key: _interval(_by_key(scores["intervals"], column.key)) for column in COLUMNS}
        signed = parse_signature(scores["signature"])
        signed["data"] += f" ({record['run']['data']['rows']} rows of {record['run']['data']['name']})"
    except FileNotFoundError:
        raise GiqaError(
            f"{folder}: expected a scored run, found no {SCORES}; run `giqa bench score {folder}`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise GiqaError(
            f"{path}: expected scores as `giqa bench` writes them, found others ({error}); score the run again "
            f"with `giqa bench score {folder}`"
        ) from error
    basis = {
        column.key: {name: value for name, value in signed.items() if _matters(name, column)}
        for column in COLUMNS
    }
    return Entry(folder.resolve().name, figures, basis, intervals=intervals, scores=scores, record=record)


def published_entries() -> list[Entry]:
    """The rows of the paper's Tab. 5."""
    table = published_table("table_5")
    unknown = {
        "boxes": {"matching": "not published"},
        "names": {"matching": "not published", "similarity": "not published"},
        "bleu": {"bleu": "an unnamed variant"},
        "word": {},
        "judge": {"judge": "Llama3, prompt not published"},
    }
    basis = {column.key: {"data": "the authors' GIQA-Bench", **unknown[column.kind]} for column in COLUMNS}
    return [Entry(row.method, row.figures, basis, printed=row.printed) for row in table.rows]


def shown(value: float | None, column: Column) -> str:
    """A value of a column as Tab. 5 prints it."""
    return "N/A" if value is None else f"{value:.{column.digits}f}"


def _matters(name: str, column: Column) -> bool:
    return name not in MAKING and column.kind in _ONLY_FOR.get(name, (column.kind,))


def _marked(entries: Sequence[Entry]) -> Comparison:
    """The cells, with a letter for each way in which an entry stands on another basis than the rest of its column."""
    cells: list[dict[str, Cell]] = [{} for _ in entries]
    letters: dict[str, str] = {}
    for column in COLUMNS:
        usual = _usual([entry.basis[column.key] for entry in entries if not entry.is_published])
        for entry, row in zip(entries, cells, strict=True):
            value = entry.figures.get(column.key)
            why = ""
            if value is not None and not entry.is_published and usual is not None:
                why = _difference(usual, entry.basis[column.key])
            mark = letters.setdefault(why, _letter(len(letters))) if why else ""
            text = entry.printed.get(column.key) or shown(value, column)
            if value is None and entry.scores is not None and not _asked(entry.scores["counts"], column):
                text = NOTHING
            row[column.key] = Cell(text, value, entry.intervals.get(column.key), mark)
    notes = {letter: why for why, letter in letters.items()}
    return Comparison(entries, cells, notes)


def _asked(counts: Mapping[str, Any], column: Column) -> bool:
    """Whether the rows have anything that a column is measured on, by the counts of `giqa_bench`."""
    if column.kind in ("boxes", "names"):
        count = "with_true_boxes"
    else:
        count = {"Acc (Y)": "yes_no", "Acc (W)": "what_why_how"}.get(column.title, "samples")
    return bool(counts[column.task.removeprefix("GIQA-").lower()][count])


def _usual(bases: Sequence[Mapping[str, str]]) -> Mapping[str, str] | None:
    """The basis of most runs; of the first where none has more."""
    if not bases:
        return None
    counts = Counter(json.dumps(basis, sort_keys=True) for basis in bases)
    return max(bases, key=lambda basis: counts[json.dumps(basis, sort_keys=True)])


def _difference(usual: Mapping[str, str], basis: Mapping[str, str]) -> str:
    return "; ".join(
        f"{name} {basis.get(name, 'none')} where the others have {usual.get(name, 'none')}"
        for name in dict.fromkeys([*usual, *basis])
        if usual.get(name) != basis.get(name)
    )


def _letter(number: int) -> str:
    """The marks in order: a, b, … z, aa, ab, and so on."""
    more, last = divmod(number, 26)
    return ("" if not more else _letter(more - 1)) + chr(ord("a") + last)


def _by_key(values: Mapping[str, Any], key: str) -> Any:
    """The value of a column, whose key may have a judge's name behind it."""
    for name, value in values.items():
        if name == key or name.startswith(f"{key}["):
            return value
    raise KeyError(key)


def _interval(found: Any) -> tuple[float, float] | None:
    return None if found is None else (float(found[0]), float(found[1]))
