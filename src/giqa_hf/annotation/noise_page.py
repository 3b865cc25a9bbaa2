"""The noise report as one HTML page: numbers, distributions, reasons, and the sheet to check by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..report.charts import number
from ..report.markup import safe
from ..report.page import POLICY
from ..report.style import CSS
from . import noise_charts, noise_sheet
from .record import Record
from .stage import Pictures

_STYLE = """
.results .whole { grid-column: 1 / -1; } .meaning { display: block; color: var(--soft); font-size: .875rem; }
.results th:first-child { max-width: 40rem; } .card + .source, h2 + .lead { margin: -.3rem 0 1rem; }
.reason { text-align: left; white-space: normal; } td.reason { min-width: 6rem; }
.lead + .card { margin-top: 1rem; } .terms dt { color: var(--ink); font-weight: 600; }
"""
_ROWS = (
    ("tags with boxes", "tags", 0, "A tag is a thing that a description speaks of, with its quality."),
    ("boxes", "boxes", 0, ""),
    ("boxes per tag, mean", "boxes_per_tag_mean", 2, "Of tags that have any."),
    ("area, median share of the photo", "area_median", 3, "0.25 is a quarter of the photo, 1 is all of it."),
    ("without area, share", "zero_area_share", 3, "Boxes of no width or height; should be 0."),
    (
        "grid ceiling: mean IoU with its own cells", "grid_mean_iou", 3,
        "Models write a box as two cells of a grid of 20 x 20. This is how well the cells still fit the box (1: "
        "exactly): no model that answers in cells can do better.",
    ),
    (
        "below IoU 0.5 to its own cells, share", "grid_below_half_share", 3,
        "Boxes so small that the right cells miss them by the usual measure.",
    ),
    (
        "in one row or column of cells, share", "grid_zero_area_share", 3,
        "As the paper counts cells (Eq. 2), these have no area: their IoU is 0 whatever a model says.",
    ),
)  # fmt: skip
"""Label, key in the numbers, digits, and what it means."""
_STAGES = (
    ("corpus", "reading the row: is there a photo, a text, an id of its own?"),
    ("images", "opening the photo"),
    ("tags", "finding the things that the description speaks of, each with phrase, quality and effect"),
    ("boxes", "finding each thing in the photo"),
    ("filter", "IQA-Filter: where a tag has several boxes, does the crop show the quality?"),
    ("merge", "Box-Merge: small boxes that touch, and boxes inside others, become one"),
    ("fusion", "putting the boxes to their words in the description"),
    ("pairs", "writing questions with answers"),
)


def noise_html(
    numbers: Mapping[str, Any], sheet: Sequence[Record], root: Path, build: Path, seed: int
) -> str:
    """The page.

    Args:
        numbers (`Mapping`): from `NoiseTally.to_dict`.
        sheet (sequence of `Record`): to check by eye, see `noise.draw_sheet`.
        root (`Path`): of the corpus' photos.
        build (`Path`): of the build.
        seed (`int`): that the sheet was drawn with.

    Returns:
        `str`: HTML, with everything from records escaped.
    """
    kept = numbers["audit"]["kept"]
    lead = (
        f"How far the boxes of this build can be trusted. {kept['record']:,} records (a photo with a description), "
        f"{kept['tag']:,} tags, {numbers['refined']['boxes']:,} boxes and {kept['pair']:,} questions with answers are "
        "in it; a dataset that is made of it may hold fewer, for questions are balanced."
    )
    refinement = (
        "Refinement is the paper's IQA-Filter, which drops boxes that do not show the quality, and Box-Merge, which "
        "joins boxes of one thing. “Before” counts the boxes as the detector found them, “after” as they are now."
    )
    audited = (
        "Every record, tag, box and question-answer pair that was ever a candidate, and what became of it. The shares "
        "of each of the four kinds add up to 100 %."
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Noise report</title>
<style>{CSS}{noise_charts.CSS}{noise_sheet.CSS}{_STYLE}</style>
</head>
<body>
<main>
<header><h1>Noise report</h1><p class="lead">{safe(lead)}</p></header>
<section><h2>Boxes before and after refinement</h2><p class="lead">{safe(refinement)}</p><div class="results">
<div class="card whole">{_numbers_table(numbers)}</div>
<div class="card">{noise_charts.area_chart(numbers)}</div>
<div class="card">{noise_charts.count_chart(numbers)}</div>
</div></section>
<section><h2>What became of everything</h2><p class="lead">{safe(audited)}</p>
<div class="card">{_audit_table(numbers["audit"])}</div>
<h2>The stages</h2><div class="card">{_stages_list()}</div></section>
{noise_sheet.sheet_html(sheet, Pictures(root, build), seed)}
</main>
</body>
</html>
"""


def _numbers_table(numbers: Mapping[str, Any]) -> str:
    raw, refined, judged = numbers["raw"], numbers["refined"], numbers["filter"]
    body = "".join(
        f'<tr><th scope="row">{label}<span class="meaning">{meaning}</span></th>'
        f"{_value(raw[key], digits)}{_value(refined[key], digits)}</tr>"
        for label, key, digits, meaning in _ROWS
    )
    if judged["judged"]:
        boxes = f"{judged['judged']:,} box{'' if judged['judged'] == 1 else 'es'}"
        said = (
            f"The filter was asked about {boxes}: {judged['accepted_share']:.1%} stayed. It said “Yes” to "
            f"{judged['yes_share']:.1%}, with a mean probability of {judged['mean_probability']:.3f}."
        )
        if judged["yes_share"] < judged["accepted_share"]:
            said += " Where it says “No” to every box of a tag, a profile may keep them all."
    else:
        said = "The filter was asked about no box."
    return (
        f'<div class="scroll"><table><caption>{said}</caption><thead><tr><th scope="col">'
        f'Boxes</th><th scope="col">before</th><th scope="col">after</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _value(value: float | None, digits: int) -> str:
    return '<td class="none">not available</td>' if value is None else f"<td>{number(value, digits)}</td>"


def _audit_table(audit: Mapping[str, Any]) -> str:
    body = "".join(
        f'<tr><th scope="row">{safe(line["kind"])}: {safe(line["status"])}'
        f"{' at ' + safe(line['stage']) if line['stage'] else ''}</th>"
        f'<td class="reason">{safe(line["reason"])}</td>'
        f"<td>{line['count']:,}</td><td>{line['count'] / audit['candidates'][line['kind']]:.1%}</td></tr>"
        for line in audit["outcomes"]
    )
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">Items</th><th scope="col" class="reason">Reason'
        f'</th><th scope="col">count</th><th scope="col">share</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _stages_list() -> str:
    return f'<dl class="terms">{"".join(f"<div><dt>{name}</dt><dd>{what}</dd></div>" for name, what in _STAGES)}</dl>'
