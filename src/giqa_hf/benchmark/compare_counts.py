"""What became of every answer and of every box, model by model: absent, malformed and wrong are three outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..report.markup import safe
from .compare_text import OUTCOMES
from .comparing import Entry, shown
from .judging import judging_of
from .yes_no_logits import FIGURE

BOXES_NOTE = """<p class="source">Found: a box that can be read has IoU and name similarity above 0.5 with the true one.
Wrong: the answer has boxes that can be read, none of which is that. Malformed: its boxes cannot be read. Absent: it
tries none. Box-Precision, -Recall and -F1 pair boxes whatever their names.</p>"""


class _Html(str):
    """A cell that is HTML already; any other is words, or a number, from a file that anybody may have written."""


def answers_table(runs: Sequence[Entry]) -> str:
    """What became of the answers, as HTML."""
    head = (
        "rows",
        "with words",
        "empty",
        "only thoughts",
        "failed",
        "cut off",
        "Yes/No malformed",
        "judge failed",
    )
    rows = []
    for run in runs:
        scores: Mapping[str, Any] = run.scores or {}
        answers, counts = scores["answers"], scores["counts"]
        judge_failures = counts["des"]["judge_failures"] + counts["vqa"]["judge_failures"]
        cells = [
            answers["rows"],
            answers["with_words"],
            answers["empty"],
            answers.get("only_thoughts", 0),  # scored before version 3: they were read
            _with_reasons(answers["failures"]),
            answers["cut_off"],
            f"{counts['vqa']['yes_no_malformed']} of {counts['vqa']['yes_no']}",
            judge_failures,
        ]
        rows.append((safe(run.name), cells))
    return _table("Every row is scored; an answer that failed counts as an empty one", head, rows)


def first_token_table(runs: Sequence[Entry]) -> str:
    """Yes/No read from the logits of the first token, as HTML; empty where no run was asked for it."""
    rows = []
    for run in runs:
        found = (run.scores or {}).get("first_token")
        if found is None:
            continue
        value, ends, counts = found["figures"][FIGURE], found["intervals"][FIGURE], found["counts"]
        between = "" if ends is None else f"<small>{ends[0]:.3f}\u2013{ends[1]:.3f}</small>"
        cells = [
            "N/A" if value is None else _Html(f"{value:.4f}{between}"),
            *(counts[name] for name in ("yes_no", "correct", "undecided")),
        ]
        rows.append((safe(run.name), cells))
    if not rows:
        return ""
    caption = (
        "Yes or No by the logits of the first token: another figure than Acc (Y), which is the generated word"
    )
    return _table(caption, (FIGURE, "questions", "correct", "undecided"), rows)


def judge_table(runs: Sequence[Entry]) -> str:
    """What the judge did, as HTML; empty where no run has one."""
    rows = []
    for run in runs:
        for one in judging_of(run):
            each = ", ".join(shown(value, one.column) for value in one.runs) if len(one.runs) > 1 else "once"
            cells = [
                *one.marks,
                _with_reasons(one.problems),
                each,
                "\u2013" if one.spread is None else shown(one.spread, one.column),
                "\u2013" if one.self_agreement is None else f"{one.self_agreement:.2f}",
            ]
            name = f"{safe(run.name)}<small>{safe(one.column.task)} {safe(one.column.title)}</small>"
            rows.append((name, cells))
    if not rows:
        return ""
    head = (
        "mark 0",
        "mark 1",
        "mark 2",
        "mark 3",
        "mark 4",
        "no mark",
        "figure of each reading",
        "spread",
        "alpha",
    )
    caption = (
        "The judge\u2019s marks, counted over all readings. Spread: standard deviation of its readings\u2019 figures; "
        "a smaller difference between models is its mood. Alpha: 1 where every text got the same mark each time"
    )
    return _table(caption, head, rows)


def boxes_table(runs: Sequence[Entry]) -> str:
    """What became of the true boxes, and of those that were written, as HTML."""
    head = (
        "true boxes",
        "found",
        "wrong",
        "malformed",
        "absent",
        "boxes written",
        "unreadable",
        "Precision",
        "Recall",
        "F1",
    )
    rows = []
    for run in runs:
        scores: Mapping[str, Any] = run.scores or {}
        for task in ("des", "vqa"):
            counts: Mapping[str, Any] = scores["counts"][task]
            of_truth, written = counts["outcomes"]["Tag-Recall"], counts["outcomes"]["Box-Precision"]
            shares = (
                scores["figures"].get(f"{task.upper()} Box-{name}") for name in ("Precision", "Recall", "F1")
            )
            cells = [
                counts["true_boxes"],
                *(of_truth[name] for name in OUTCOMES),
                sum(written.values()),
                written["malformed"],
                *("N/A" if share is None else f"{share:.3f}" for share in shares),
            ]
            rows.append((f"{safe(run.name)}<small>GIQA-{task.upper()}</small>", cells))
    return _table("The true boxes: found, wrong, malformed and absent add up", head, rows)


def _with_reasons(failures: Mapping[str, int]) -> _Html:
    why = ", ".join(f"{number} {problem}" for problem, number in failures.items())
    return _Html(f"{sum(failures.values())}" + (f"<small>{safe(why)}</small>" if why else ""))


def _table(caption: str, head: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]]) -> str:
    """A table of counts; the names are HTML already."""
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(_cell(cell) for cell in cells)}</tr>'
        for name, cells in rows
    )
    return (
        f'<div class="scroll"><table class="compare plain"><caption>{caption}</caption><thead><tr>'
        '<th scope="col">Model</th>'
        f"{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(cell: object) -> str:
    return f"<td>{cell if isinstance(cell, _Html) else safe(str(cell))}</td>"
