"""A comparison as text: the columns of Tab. 5, an interval below each figure, and what must not be compared."""

from __future__ import annotations

from collections.abc import Sequence

from .comparing import COLUMNS, NOTHING, NOTHING_NOTE, Comparison, Entry, shown
from .differing import RunDifference
from .judging import judging_of, repeated_judging
from .yes_no_logits import FIGURE

_GAP = "  "
OUTCOMES = ("right", "wrong", "malformed", "absent")
PUBLISHED_NOTE = (
    "published by the authors and not measured here: on their 100 photographs, with Llama3 as judge by a prompt, and a "
    "name similarity, that are not published"
)


def compare_text(comparison: Comparison, differences: Sequence[RunDifference] = ()) -> str:
    """The tables for a terminal.

    Args:
        comparison (`Comparison`): from `compare_runs`.
        differences (sequence of `RunDifference`, *optional*): from `differences_from_first`.

    Returns:
        `str`: lines; 95 % intervals stand below their figures, letters behind figures lead to the notes.
    """
    lines = []
    for entry, cells in zip(comparison.entries, comparison.cells, strict=True):
        name = f"{entry.name} *" if entry.is_published else entry.name
        row = [cells[column.key] for column in COLUMNS]
        lines.append([name, *(cell.text + (f" {cell.mark}" if cell.mark else "") for cell in row)])
        if any(cell.interval for cell in row):
            ends = zip(row, COLUMNS, strict=True)
            lines.append(["  95 %", *(_between(cell.interval, column.digits) for cell, column in ends)])
    told = [_table(lines), *_notes(comparison)]
    runs = [entry for entry in comparison.entries if not entry.is_published]
    if runs:
        told += ["", "rows answered with words, and who marked the texts", *_answer_lines(runs)]
        told += ["", "true boxes: found, wrong, malformed (unreadable), absent", *_outcome_lines(runs)]
    if first_tokens := _first_token_lines(runs):
        told += ["", f"{FIGURE}, from the logits of the first token instead of the generated word:"]
        told += first_tokens
    if judged := _judging_lines(runs):
        told += [
            "",
            "the judge read each text several times; each reading's figure, and their standard deviation:",
        ]
        told += judged
    if differences:
        told += ["", f"better than {runs[0].name} by, with the 95 % interval of the paired bootstrap and p:"]
        told += [_table(_difference_lines(differences))]
        told += [
            f"{one.name}: {note}" for one in differences for note in (one.problem, one.otherwise) if note
        ]
    return "\n".join(told)


def _table(lines: list[list[str]]) -> str:
    """Lines below the head of Tab. 5."""
    before = ["", *(column.task for column in COLUMNS)]
    tasks = [c.task if c.task != last else "" for c, last in zip(COLUMNS, before, strict=False)]
    lines = [["", *tasks], ["", *(column.title for column in COLUMNS)], *lines]
    widths = [max(len(line[place]) for line in lines) for place in range(len(COLUMNS) + 1)]
    table = [
        _GAP.join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    table.insert(2, "-" * max(map(len, table)))
    return "\n".join(table)


def _answer_lines(runs: Sequence[Entry]) -> list[str]:
    """What a figure does not show by itself: rows without an answer count as wrong, and who judged."""
    lines = []
    for run in runs:
        scores = run.scores or {}
        told, judge = scores["answers"], scores["settings"]["judge"]
        lacking = {"empty": told["empty"], "only thoughts": told.get("only_thoughts", 0), **told["failures"]}
        why = ", ".join(f"{count} {name}" for name, count in lacking.items() if count)
        cut = f", {told['cut_off']} cut off" if told["cut_off"] else ""
        marked = "no judge" if judge is None else f"judge {judge}"
        lines.append(
            f"  {run.name}: {told['with_words']} of {told['rows']}{f' ({why})' if why else ''}{cut}; {marked}"
        )
        lines += [f"    {note}" for note in unmarked_notes(run)]
    return lines


def unmarked_notes(run: Entry) -> list[str]:
    """Where the judge failed on texts: the figure is a mean of the others, and bad texts fail most."""
    notes = []
    for one in judging_of(run):
        counts = (run.scores or {})["counts"][one.column.task.removeprefix("GIQA-").lower()]
        judged, failed = counts["judged"], counts["judge_failures"]
        if not failed:
            continue
        why = ", ".join(f"{count} {problem}" for problem, count in one.problems.items())
        value = run.figures[one.column.key]
        told = ""
        if value is not None:
            low = value * judged / (judged + failed)
            high = low + one.column.scale * failed / (judged + failed)
            told = (
                f"; {one.column.task} {one.column.title} is the mean of the other {judged}, and lies between "
                f"{shown(low, one.column)} and {shown(high, one.column)} whatever the marks of all would be"
            )
        notes.append(f"no mark for {failed} of {judged + failed} texts ({why}){told}")
    return notes


def _outcome_lines(runs: Sequence[Entry]) -> list[str]:
    lines = []
    for run in runs:
        told = []
        for task in ("des", "vqa"):
            found = (run.scores or {})["counts"][task]["outcomes"]["Tag-Recall"]
            told.append(f"GIQA-{task.upper()} " + ", ".join(str(found[name]) for name in OUTCOMES))
        lines.append(f"  {run.name}: {'; '.join(told)}")
        if note := unread_note(run):
            lines.append(f"  {note}")
    return lines


def unread_note(run: Entry) -> str:
    """A warning where a run's answers look as if their boxes were in a form that was not read; else empty."""
    unread = (run.scores or {}).get("unread")
    if not unread:
        return ""
    name = ((run.record or {})["run"]["boxes"]["format"])["name"]
    answers = unread["answers"]
    return (
        f"{run.name}: answers without a box of the form {name}, but with what looks like one of the form "
        f"{unread['form']}: {answers}; ask `giqa diagnose` about the run's folder"
    )


def _first_token_lines(runs: Sequence[Entry]) -> list[str]:
    lines = []
    for run in runs:
        found = (run.scores or {}).get("first_token")
        if found is None:
            continue
        if problem := found.get("problem"):
            lines.append(f"  {run.name}: N/A, for {problem}")
        elif (value := found["figures"][FIGURE]) is not None:
            ends = found["intervals"][FIGURE]
            between = "" if ends is None else f" ({_between((ends[0], ends[1]), 4)})"
            counts = found["counts"]
            lines.append(f"  {run.name}: {value:.4f}{between}, {counts['correct']} of {counts['yes_no']}, "
                         f"{counts['undecided']} undecided")  # fmt: skip
    return lines


def _judging_lines(runs: Sequence[Entry]) -> list[str]:
    lines = []
    for run in runs:
        for one in repeated_judging(run):
            values = ", ".join(shown(value, one.column) for value in one.runs)
            alpha = "" if one.self_agreement is None else f", alpha between them {one.self_agreement:.2f}"
            spread = "N/A" if one.spread is None else shown(one.spread, one.column)
            lines.append(f"  {run.name}, {one.column.task} {one.column.title}: {values}; {spread}{alpha}")
    return lines


def _difference_lines(differences: Sequence[RunDifference]) -> list[list[str]]:
    lines = []
    for name, figures, *_ in differences:
        by, ends, p = [name], ["  95 %"], ["  p"]
        for column in COLUMNS:
            one, digits = figures[column.key], column.digits
            by.append("-" if one is None else signed(one.difference, digits))
            ends.append(
                "" if one is None else f"{signed(one.low, digits - 1)}, {signed(one.high, digits - 1)}"
            )
            p.append("" if one is None else f"{one.p:.3f}")
        lines += [by, ends, p]
    return lines


def signed(value: float, digits: int) -> str:
    """A difference with its sign, which a rounded zero has not."""
    text = f"{value:+.{digits}f}"
    return text if text.strip("+-0.") else text[1:]


def _between(ends: tuple[float, float] | None, digits: int) -> str:
    return "" if ends is None else f"{ends[0]:.{digits - 1}f}-{ends[1]:.{digits - 1}f}"


def _notes(comparison: Comparison) -> list[str]:
    notes = [
        f"{letter}: not to be compared with the others of its column: {why}"
        for letter, why in comparison.notes.items()
    ]
    if any(entry.is_published for entry in comparison.entries):
        notes.insert(0, f"*: {PUBLISHED_NOTE}")
    if any(cell.text == NOTHING for cells in comparison.cells for cell in cells.values()):
        notes.insert(0, NOTHING_NOTE)
    return ["", *notes] if notes else []
