"""A comparison as one self-contained HTML page: the table, Fig. 1's chart, and what became of every answer and box."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..metrics.uncertainty import PairedDifference
from ..report.markup import safe
from ..report.page import POLICY
from ..report.style import CSS
from . import radar
from .compare_counts import BOXES_NOTE, answers_table, boxes_table, first_token_table, judge_table
from .compare_text import PUBLISHED_NOTE, signed, unmarked_notes, unread_note
from .comparing import COLUMNS, NOTHING, NOTHING_NOTE, PUBLISHED, Cell, Column, Comparison, Entry
from .differing import RunDifference
from .published import published_table

_RADAR_RUNS = 4
_STYLE = (
    """
.compare thead th::first-letter { text-transform: none; } .compare small { font-weight: 400; }
.compare td small { display: block; color: var(--soft); font-size: .75rem; line-height: 1.25; }
.compare th small { display: block; color: var(--soft); font-size: .8125rem; font-weight: 400; }
.compare th, .compare td { vertical-align: top; } .compare thead th { text-align: right; }
.compare thead th:first-child { text-align: left; } .compare .task { text-align: center; }
.compare sup { color: var(--warn); font-weight: 700; } .compare td.na { color: var(--soft); }
.compare tr.published th, .compare tr.published td { color: var(--soft); }
.plain td, .plain thead th { text-align: right; } .plain .words { text-align: left; white-space: normal; }
.scroll { container-type: inline-size; } .compare caption { max-width: 100cqi; }
.compare th:first-child { position: sticky; left: 0; background: var(--card); }
.scroll + .notes, .scroll + .source { margin-top: .75rem; } .compare sup { line-height: 0; }
.scroll + .scroll { margin-top: 1.25rem; } figcaption { margin-top: .75rem; }
.card dl + dl { margin-top: 1rem; padding-top: 1rem; border-top: 1px solid var(--line); }
.signature { grid-column: 1 / -1; }
.figure { max-width: 46rem; } code { font-size: .875em; overflow-wrap: anywhere; }
"""
    + radar.STYLE
)


def compare_html(comparison: Comparison, differences: Sequence[RunDifference] = ()) -> str:
    """The page.

    Args:
        comparison (`Comparison`): from `compare_runs`.
        differences (sequence of `RunDifference`, *optional*): from `differences_from_first`.

    Returns:
        `str`: HTML, with everything from runs escaped; it loads nothing and runs no script.
    """
    runs = [entry for entry in comparison.entries if not entry.is_published]
    published = len(comparison.entries) - len(runs)
    lead = f"{len(runs)} run{'s' * (len(runs) != 1)} measured here"
    lead += f", {published} rows as the paper published them." if published else "."
    sections = [
        _section("Table", _table(comparison), _notes(comparison)),
        _section("Chart", f'<div class="figure">{_radar(comparison)}</div>'),
    ]
    if differences:
        problems = "".join(
            f'<p class="source">{safe(one.name)}: {safe(note)}</p>'
            for one in differences
            for note in (one.problem, one.otherwise)
            if note
        )
        sections.append(_section("Differences", _differences(differences, runs[0].name), problems))
    if runs:
        unread = [f"<p>{safe(note)}</p>" for run in runs if (note := unread_note(run))]
        unmarked = [
            f'<p class="source">{safe(run.name)}: {safe(note)}</p>'
            for run in runs
            for note in unmarked_notes(run)
        ]
        sections += [
            _section("What became of the answers", answers_table(runs), *unmarked, first_token_table(runs)),
            _section("What became of the boxes", boxes_table(runs), BOXES_NOTE, *unread),
            *([_section("What the judge did", judged)] if (judged := judge_table(runs)) else ()),
            _section("How the numbers were made", "".join(_made(run) for run in runs)),
        ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>GIQA-Bench</title>
<style>{CSS}{_STYLE}</style>
</head>
<body>
<main>
<header><h1>GIQA-Bench</h1><p class="lead">{lead}</p></header>
{"".join(sections)}
</main>
</body>
</html>
"""


def _section(title: str, *bodies: str) -> str:
    return f'<section><h2>{title}</h2><div class="card">{"".join(bodies)}</div></section>'


def _table(comparison: Comparison) -> str:
    best = {column.key: _best(comparison, column) for column in COLUMNS}
    body = []
    for entry, cells in zip(comparison.entries, comparison.cells, strict=True):
        kind = f"<small>{PUBLISHED if entry.is_published else safe(_on(entry))}</small>"
        row = "".join(
            _cell(
                cells[column.key],
                column,
                is_best=cells[column.key].value == best[column.key] and not entry.is_published,
            )
            for column in COLUMNS
        )
        css = ' class="published"' if entry.is_published else ""
        body.append(f'<tr{css}><th scope="row">{safe(entry.name)}{kind}</th>{row}</tr>')
    return _in_columns(
        "The columns of the paper's Tab. 5; below a figure its 95 % interval. In bold: the best of those measured "
        "here, of figures that can be compared",
        "".join(body),
    )


def _on(entry: Entry) -> str:
    """What a run was measured on: beside other rows a figure is no better or worse."""
    data = (entry.record or {})["run"]["data"]
    return f"{data['rows']} rows of {data['name']}"


def _in_columns(caption: str, body: str) -> str:
    """A table below the head of Tab. 5; its body is HTML already."""
    tasks = "".join(
        f'<th scope="colgroup" class="task" colspan="{sum(c.task == task for c in COLUMNS)}">{task}</th>'
        for task in dict.fromkeys(column.task for column in COLUMNS)
    )
    head = "".join(f'<th scope="col">{safe(column.title)}</th>' for column in COLUMNS)
    return (
        f'<div class="scroll"><table class="compare"><caption>{safe(caption)}</caption>'
        f'<thead><tr><td></td>{tasks}</tr><tr><th scope="col">Model</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _differences(differences: Sequence[RunDifference], first: str) -> str:
    rows = []
    for one in differences:
        cells = "".join(_difference_cell(one.figures[column.key], column.digits) for column in COLUMNS)
        rows.append(f'<tr><th scope="row">{safe(one.name)}</th>{cells}</tr>')
    return _in_columns(
        f"Better than {first} by; below it the 95 % interval of the difference and p, from a paired bootstrap over "
        "the images. Of nine figures looked at at once, one p below 0.05 by chance is nothing unusual",
        "".join(rows),
    )


def _difference_cell(found: PairedDifference | None, digits: int) -> str:
    if found is None:
        return '<td class="na">\u2013</td>'
    low, high = (signed(end, digits - 1) for end in (found.low, found.high))
    told = f"{signed(found.difference, digits)}<small>{low} to {high}</small><small>p {found.p:.3f}</small>"
    return f"<td>{told}</td>".replace("-", "\u2212")


def _best(comparison: Comparison, column: Column) -> float | None:
    """The best of the figures that can be compared, where there are two of them and they differ."""
    values = [
        value
        for entry, cells in zip(comparison.entries, comparison.cells, strict=True)
        if not entry.is_published
        and not cells[column.key].mark
        and (value := cells[column.key].value) is not None
    ]
    return max(values) if len(set(values)) > 1 else None


def _cell(cell: Cell, column: Column, *, is_best: bool) -> str:
    if cell.value is None:
        return f'<td class="na">{cell.text}</td>'
    mark = f"<sup>{cell.mark}</sup>" if cell.mark else ""
    between = ""
    if cell.interval is not None:
        low, high = (f"{end:.{column.digits - 1}f}" for end in cell.interval)
        between = f"<small>{low}\u2013{high}</small>"
    css = ' class="best"' if is_best and not cell.mark else ""
    return f"<td{css}>{cell.text}{mark}{between}</td>"


def _notes(comparison: Comparison) -> str:
    notes = [
        f"<li><sup>{letter}</sup> not to be compared with the others of its column: {safe(why)}</li>"
        for letter, why in comparison.notes.items()
    ]
    if any(cell.text == NOTHING for cells in comparison.cells for cell in cells.values()):
        notes.append(f"<li>{safe(NOTHING_NOTE)}</li>")
    if any(entry.is_published for entry in comparison.entries):
        notes.append(
            f"<li>Grey rows: {safe(PUBLISHED_NOTE)} ({safe(published_table('table_5').source)})</li>"
        )
    return f'<ul class="notes source">{"".join(notes)}</ul>' if notes else ""


def _radar(comparison: Comparison) -> str:
    """The chart of the runs, and of the published best of each group while there is room."""
    runs = [entry for entry in comparison.entries if not entry.is_published]
    every = [
        radar.RadarLine(entry.name, _by_title(entry, cells))
        for entry, cells in zip(comparison.entries, comparison.cells, strict=True)
        if not entry.is_published
    ]
    lines = [line for line in every if any(value is not None for value in line.values.values())]
    groups: dict[str | None, str] = {}
    if len(runs) < len(comparison.entries):
        for row in sorted(
            published_table("table_5").rows, key=lambda row: row.figures["VQA Acc (Total)"] or 0.0
        ):
            groups[row.group] = row.method
    references = [
        radar.RadarLine(f"{entry.name} ({PUBLISHED})", _by_title(entry, {}), dashed=True)
        for entry in comparison.entries
        if entry.is_published and entry.name in groups.values()
    ]
    shown = lines[: radar.MOST_LINES - min(len(references), radar.MOST_LINES - _RADAR_RUNS)]
    axes = [radar.Axis(_title(column), column.scale) for column in COLUMNS]
    chart = radar.radar_chart(axes, [*shown, *references[: radar.MOST_LINES - len(shown)]])
    left_out = [line.name for line in lines[len(shown) :]]
    without = [line.name for line in every if line not in lines]
    words = ["Each axis begins with 0 in the middle; a line is broken where a figure is not available."]
    if references:
        words.append(
            "Dashed: of each group of Tab. 5 the published model with the best Acc (Total), on other photographs and "
            "by another judge: a rough orientation, no comparison."
        )
    if left_out:
        words.append(f"Not drawn, for want of colours: {', '.join(left_out)}.")
    if without:
        words.append(f"Not drawn, for want of a figure that may be compared: {', '.join(without)}.")
    if comparison.notes:
        words.append(
            "Figures with a letter in the table must not be compared with the others and are not drawn."
        )
    return f"<figure>{chart}<figcaption>{safe(' '.join(words))}</figcaption></figure>"


def _title(column: Column) -> str:
    return f"{column.task.removeprefix('GIQA-')} {column.title}"


def _by_title(entry: Entry, cells: Mapping[str, Cell]) -> dict[str, float | None]:
    """The figures of an entry, without those that its cells mark as not to be compared."""
    return {
        _title(column): None
        if column.key in cells and cells[column.key].mark
        else entry.figures.get(column.key)
        for column in COLUMNS
    }


def _made(entry: Entry) -> str:
    run, scores = (entry.record or {})["run"], entry.scores or {}
    model = run["model"]
    facts = {
        "run": entry.name,
        "model": " ".join(
            [str(model["name"]), str(model.get("revision") or model.get("sha256") or "")[:12]]
        ).strip(),
        "back end": _flat(run["backend"]),
        "boxes": _flat({name: value for name, value in run["boxes"].items() if name != "frames_sha256"}),
        "prompts": _flat({**run.get("prompts", {"style": "unknown"}), "sha256": None}),
        "decoding": _flat(run.get("decoding", {"unknown": None})),
        "data": f"{run['data']['name']} {run['data']['split']}, {run['data']['rows']} rows, "
        f"{run['data']['rows_sha256'][:12]}",
    }
    items = [
        f"<div><dt>{safe(name)}</dt><dd>{safe(value)}</dd></div>" for name, value in facts.items() if value
    ]
    signed_with = safe(scores["signature"]).replace(
        "|", "|<wbr>"
    )  # a line of its own, broken between its parts
    items.append(f'<div class="signature"><dt>scored with</dt><dd>{signed_with}</dd></div>')
    return f"<dl>{''.join(items)}</dl>"


def _flat(values: Mapping[str, Any]) -> str:
    """Settings in one line."""
    told = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            told.append(_flat(value))
        elif value is not None:
            told.append(f"{name} {value}")
    return ", ".join(told)
