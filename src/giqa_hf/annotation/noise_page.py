"""The noise report as one HTML page: numbers, distributions, reasons, and the sheet to check by eye."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ..errors import ImageError
from ..images import read_image
from ..report import draw_regions
from ..report.charts import number, ticks
from ..report.colours import PhraseColours
from ..report.markup import safe
from ..report.page import POLICY
from ..report.samples import marked_text
from ..report.style import CSS
from ..schema import grounded_of
from .fusion import rows_of
from .record import Record
from .stage import Pictures

_PHOTO_PX = 720  # the longest side
_SERIES = ("before", "after")
_STYLE = """
.bars .before { fill: var(--soft); opacity: .55; } .bars .after { fill: var(--accent); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; }
.key.before { background: var(--soft); opacity: .55; } .key.after { background: var(--accent); }
.sheet { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.sheet img { width: 100%; border-radius: 4px; } .sheet { align-items: start; margin-top: .5rem; }
.check { margin-top: 1rem; } .check th, .check td { text-align: left; white-space: normal; }
.check label { white-space: nowrap; margin-right: 1rem; } .check input { width: 1.1em; height: 1.1em; }
"""


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
    pictures = Pictures(root, build)
    cards = "".join(_sheet_card(record, pictures) for record in sheet)
    kept = numbers["audit"]["kept"]
    lead = (
        f"{kept['record']:,} records, {kept['tag']:,} tags, {numbers['refined']['boxes']:,} boxes and "
        f"{kept['pair']:,} question-answer pairs are in. Before: as the detector found the boxes. After: behind "
        "IQA-Filter and Box-Merge."
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Noise report</title>
<style>{CSS}{_STYLE}</style>
</head>
<body>
<main>
<header><h1>Noise report</h1><p class="lead">{safe(lead)}</p></header>
<section><h2>Boxes before and after refinement</h2><div class="results">
<div class="card">{_numbers_table(numbers)}</div>
<div class="card">{_area_chart(numbers)}</div>
<div class="card">{_count_chart(numbers)}</div>
</div></section>
<section><h2>What became of everything</h2><div class="card">{_audit_table(numbers["audit"])}</div></section>
<section><h2>To check by eye</h2><p class="source">{len(sheet)} records, drawn with seed {seed}. Tick what is right:
the share of ticks is the precision. Print the page, or count, before you close it: it keeps nothing.</p>{cards}
</section>
</main>
</body>
</html>
"""


def _numbers_table(numbers: Mapping[str, Any]) -> str:
    raw, refined, judged = numbers["raw"], numbers["refined"], numbers["filter"]
    rows = [
        ("tags with boxes", "tags", 0),
        ("boxes", "boxes", 0),
        ("boxes per tag, mean", "boxes_per_tag_mean", 2),
        ("area, median share of the photo", "area_median", 3),
        ("without area, share", "zero_area_share", 3),
        ("grid ceiling: mean IoU with its own cells", "grid_mean_iou", 3),
        ("below IoU 0.5 to its own cells, share", "grid_below_half_share", 3),
        ("in one row or column of cells, share", "grid_zero_area_share", 3),
    ]
    body = "".join(
        f'<tr><th scope="row">{label}</th>{_value(raw[key], digits)}{_value(refined[key], digits)}</tr>'
        for label, key, digits in rows
    )
    said = (
        f"The filter was asked about {judged['judged']:,} boxes: {judged['accepted_share']:.1%} stayed, mean "
        f"probability of “Yes” {judged['mean_probability']:.3f}, “Yes” at 0.5 for {judged['yes_share']:.1%}."
        if judged["judged"]
        else "The filter was asked about no box."
    )
    return (
        f'<div class="scroll"><table><caption>Grid of 20 x 20 cells. {said}</caption><thead><tr><th scope="col">'
        f'Boxes</th><th scope="col">before</th><th scope="col">after</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _value(value: float | None, digits: int) -> str:
    return '<td class="none">not available</td>' if value is None else f"<td>{number(value, digits)}</td>"


def _area_chart(numbers: Mapping[str, Any]) -> str:
    bins = len(numbers["raw"]["area_histogram"])
    labels = [f"{100 * i // bins}" if i % (bins // 4) == 0 else "" for i in range(bins)]
    series = [_shares(numbers[key]["area_histogram"]) for key in ("raw", "refined")]
    return _bars(
        series,
        [*labels, "100"],
        "area of the box, % of the photo",
        "Area of boxes (as paper Fig. 6), share of all boxes",
        at_edges=True,
    )


def _count_chart(numbers: Mapping[str, Any]) -> str:
    most = 8  # this many or more are one bar
    series = []
    for key in ("raw", "refined"):
        counts = [0] * most
        for boxes, tags in numbers[key]["boxes_per_tag"].items():
            counts[min(int(boxes), most) - 1] += tags
        series.append(_shares(counts))
    labels = [str(i) for i in range(1, most)] + [f"{most}+"]
    return _bars(series, labels, "boxes of a tag", "Boxes per tag, share of all tags", at_edges=False)


def _shares(counts: Sequence[int]) -> list[float]:
    """In percent; nothing at all is all zeros."""
    total = sum(counts)
    return [100 * count / total if total else 0.0 for count in counts]


def _bars(
    series: Sequence[Sequence[float]], labels: Sequence[str], x_name: str, title: str, *, at_edges: bool
) -> str:
    """Bars of two series side by side, as an SVG; heights in percent of each series."""
    width, height, left, right, top = 640, 300, 56, 10, 10
    bottom = height - 46
    highest = max((value for values in series for value in values), default=0.0)
    y_ticks = ticks(0.0, highest or 1.0, 4)
    step = (width - left - right) / len(series[0])

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / y_ticks[-1]

    parts = [
        f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g} %</text>'
        for tick in y_ticks
    ]
    for place, values in enumerate(series):
        for i, value in enumerate(values):
            x = left + step * (i + 0.1 + 0.4 * place)
            parts.append(
                f'<rect class="{_SERIES[place]}" x="{x:.1f}" y="{y(value):.1f}" width="{0.4 * step:.1f}" '
                f'height="{bottom - y(value):.1f}"/>'
            )
    for i, label in enumerate(labels):
        at = left + step * (i + (0 if at_edges else 0.5))
        parts.append(f'<text x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{label}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{width - right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text class="name" x="{(left + width - right) / 2}" y="{height - 6}" text-anchor="middle">{x_name}</text>'
    )
    legend = " ".join(f'<span class="key {name}"></span>{name} refinement' for name in _SERIES)
    return (
        f'<figure class="chart bars"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        f"{''.join(parts)}</svg><figcaption>{title}. {legend}</figcaption></figure>"
    )


def _audit_table(audit: Mapping[str, Any]) -> str:
    body = "".join(
        f'<tr><th scope="row">{safe(line["kind"])}: {safe(line["status"])}'
        f"{' at ' + safe(line['stage']) if line['stage'] else ''}</th>"
        f'<td style="text-align:left;white-space:normal">{safe(line["reason"])}</td>'
        f"<td>{line['count']:,}</td><td>{line['count'] / audit['candidates'][line['kind']]:.1%}</td></tr>"
        for line in audit["outcomes"]
    )
    return (
        '<div class="scroll"><table><thead><tr><th scope="col">Items</th><th scope="col" style="text-align:left">Reason'
        f'</th><th scope="col">count</th><th scope="col">share</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _sheet_card(record: Record, pictures: Pictures) -> str:
    head = (
        f'<article class="card sample"><p class="source">{safe(record.record_id)} · {safe(record.source)}</p>'
    )
    try:
        image = read_image(pictures.path(record))
    except ImageError as error:
        return f'{head}<p class="status bad">{safe(str(error))}</p></article>'
    image.thumbnail((_PHOTO_PX, _PHOTO_PX), Image.Resampling.LANCZOS)
    described, *pairs = rows_of(record)
    answer = grounded_of(described, "answer")
    texts = [(grounded_of(row, "question"), grounded_of(row, "answer")) for row in pairs]
    colours = PhraseColours([answer, *(text for pair in texts for text in pair)])  # numbers as in the photo
    rows = "".join(
        f"<tr><td>{safe(tag.name)}</td><td>{safe(tag.phrase)}</td><td>{safe(tag.quality)}, {safe(tag.effect)}</td>"
        f"<td>{_ticks('phrase', 'quality', 'boxes')}</td></tr>"
        for tag in record.live_tags
    )
    rows += "".join(
        f'<tr><td>{safe(row["question_type"])}</td><td dir="auto">{marked_text(asked, colours)}</td>'
        f'<td dir="auto">{marked_text(said, colours)}</td><td>{_ticks("question", "answer", "boxes")}</td></tr>'
        for row, (asked, said) in zip(pairs, texts, strict=True)
    )
    return (
        f'{head}<div class="sheet"><img alt="The photo with its boxes" src="{_jpeg(draw_regions(image, answer))}">'
        f'<div><p class="said" dir="auto">{marked_text(answer, colours)}</p>'
        '<div class="scroll check"><table><thead><tr><th scope="col">Tag or type</th><th scope="col">Phrase or question'
        '</th><th scope="col">Quality and effect, or answer</th><th scope="col">Right?</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></div></div></article>"
    )


def _jpeg(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=88, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"


def _ticks(*names: str) -> str:
    return "".join(f'<label><input type="checkbox"> {name}</label>' for name in names)
