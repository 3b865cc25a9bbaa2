"""The report: one self-contained HTML file, for any browser, for printing, or to send by mail."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from ..files import write_text
from .charts import MetricColumns, loss_chart, metric_table
from .markup import safe
from .samples import ReportSample, sample_card
from .style import CSS

# No script runs and nothing is loaded from anywhere, whatever the data hold: the browser itself sees to it.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_LEGEND = """<ul class="legend">
<li><svg width="34" height="10" aria-hidden="true"><path d="M0 5H34"/></svg>predicted box</li>
<li><svg width="34" height="10" aria-hidden="true"><path class="true" d="M0 5H34"/></svg>true box</li>
<li><svg width="34" height="10" aria-hidden="true"><path class="given" d="M2 5H34"/></svg>box given in the
question</li>
<li>Colour and number tie a phrase to its boxes; a dotted phrase has none.</li>
</ul>"""


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    summary: str,
    metrics: MetricColumns,
    loss_curve: Sequence[tuple[int, float]] = (),
    samples: Sequence[ReportSample] = (),
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    lower_is_better: Collection[str] = (),
) -> None:
    """Write the report; either the whole file appears, or nothing is changed.

    Args:
        path (`str` or `os.PathLike`): the HTML file.
        title (`str`): the headline.
        summary (`str`): one or two sentences below it: what was done, and what came out.
        metrics (mapping of `str` to mapping of `str` to `float` or `None`): a column per model or stage
            ("before", "after"), each with its values by metric; None is shown as "not available".
        loss_curve (sequence of `(step, loss)`, *optional*): the training loss; values that are not finite are
            left out and counted.
        samples (sequence of `ReportSample`, *optional*): photos with question, truth and predictions.
        facts (mapping of `str` to `str`, *optional*): what the numbers depended on: model, data, seed.
        notes (sequence of `str`, *optional*): what a reader should know before trusting the numbers.
        lower_is_better (collection of `str`, *optional*): metrics where the smallest value is the best.

    Raises:
        `GiqaError`: when the file cannot be written.
    """
    page = report_html(
        title=title,
        summary=summary,
        metrics=metrics,
        loss_curve=loss_curve,
        samples=samples,
        facts=facts,
        notes=notes,
        lower_is_better=lower_is_better,
    )
    write_text(path, page)


def report_html(
    *,
    title: str,
    summary: str,
    metrics: MetricColumns,
    loss_curve: Sequence[tuple[int, float]] = (),
    samples: Sequence[ReportSample] = (),
    facts: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    lower_is_better: Collection[str] = (),
) -> str:
    """The page that `write_report` writes, as a string; arguments as there."""
    cards = "\n".join(sample_card(sample, index) for index, sample in enumerate(samples, start=1))
    results = f'<div class="card">{metric_table(metrics, lower_is_better=lower_is_better)}</div>'
    if loss_curve:
        results += f'<div class="card">{loss_chart(loss_curve)}</div>'
    sections = [f'<section><h2>Results</h2><div class="results">{results}</div></section>']
    if cards:
        sections.append(f"<section><h2>Photos and answers</h2>{_LEGEND}{cards}</section>")
    if notes:
        items = "".join(f"<li>{safe(note)}</li>" for note in notes)
        sections.append(
            f'<section><h2>Notes</h2><div class="card"><ul class="notes">{items}</ul></div></section>'
        )
    if facts:
        items = "".join(
            f"<div><dt>{safe(name)}</dt><dd>{safe(value)}</dd></div>" for name, value in facts.items()
        )
        sections.append(
            f'<section><h2>How this was made</h2><div class="card"><dl>{items}</dl></div></section>'
        )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{safe(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
<header><h1>{safe(title)}</h1><p class="lead">{safe(summary)}</p></header>
{"".join(sections)}
</main>
</body>
</html>
"""
