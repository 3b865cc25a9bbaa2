"""The two distributions of the noise report, before and after refinement, as pictures for a wide and a narrow page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..report.charts import ticks

SERIES = ("before", "after")
_MOST_BOXES = 8
"""So many boxes of a tag, or more, are one bar."""
CSS = """
.bars .before { fill: var(--soft); opacity: .55; } .bars .after { fill: var(--accent); }
.named { white-space: nowrap; margin-right: .5em; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; }
.key.before { background: var(--soft); opacity: .55; } .key.after { background: var(--accent); }
"""


class _Size(NamedTuple):
    """Of a chart; lengths in the units of its viewBox, which are about a pixel where it is shown."""

    name: str
    width: int
    height: int


_SIZES = (_Size("wide", 560, 280), _Size("narrow", 320, 230))


def area_chart(numbers: Mapping[str, Any]) -> str:
    """How large the boxes are, as the paper's Fig. 6.

    Args:
        numbers (`Mapping`): from `NoiseTally.to_dict`.

    Returns:
        `str`: HTML.
    """
    bins = len(numbers["raw"]["area_histogram"])
    labels = [f"{100 * i // bins}" if i % (bins // 4) == 0 else "" for i in range(bins)]
    series = [_shares(numbers[key]["area_histogram"]) for key in ("raw", "refined")]
    return _figure(
        series, [*labels, "100"], "area of the box, % of the photo",
        "How large the boxes are (as paper Fig. 6): share of all boxes by their area", at_edges=True,
    )  # fmt: skip


def count_chart(numbers: Mapping[str, Any]) -> str:
    """How many boxes a tag has.

    Args:
        numbers (`Mapping`): from `NoiseTally.to_dict`.

    Returns:
        `str`: HTML.
    """
    series = []
    for key in ("raw", "refined"):
        counts = [0] * _MOST_BOXES
        for boxes, tags in numbers[key]["boxes_per_tag"].items():
            counts[min(int(boxes), _MOST_BOXES) - 1] += tags
        series.append(_shares(counts))
    labels = [str(i) for i in range(1, _MOST_BOXES)] + [f"{_MOST_BOXES}+"]
    return _figure(
        series,
        labels,
        "boxes of a tag",
        "How many boxes a tag has: share of all tags with boxes",
        at_edges=False,
    )


def _shares(counts: Sequence[int]) -> list[float]:
    """In percent; nothing at all is all zeros."""
    total = sum(counts)
    return [100 * count / total if total else 0.0 for count in counts]


def _figure(
    series: Sequence[Sequence[float]], labels: Sequence[str], x_name: str, title: str, *, at_edges: bool
) -> str:
    charts = "".join(_bars(size, series, labels, x_name, title, at_edges=at_edges) for size in _SIZES)
    legend = " ".join(
        f'<span class="named"><span class="key {name}"></span>{name} refinement</span>' for name in SERIES
    )
    return f'<figure class="chart bars">{charts}<figcaption>{title}. {legend}</figcaption></figure>'


def _bars(
    size: _Size,
    series: Sequence[Sequence[float]],
    labels: Sequence[str],
    x_name: str,
    title: str,
    *,
    at_edges: bool,
) -> str:
    """Bars of two series side by side, as an SVG; heights in percent of each series."""
    width, height, left, right, top = size.width, size.height, 48, 10, 10
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
                f'<rect class="{SERIES[place]}" x="{x:.1f}" y="{y(value):.1f}" width="{0.4 * step:.1f}" '
                f'height="{bottom - y(value):.1f}"/>'
            )
    for i, label in enumerate(labels):
        at = left + step * (i + (0 if at_edges else 0.5))
        parts.append(f'<text x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{label}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{width - right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text class="name" x="{(left + width - right) / 2}" y="{height - 6}" text-anchor="middle">{x_name}</text>'
    )
    return (
        f'<svg class="{size.name}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">'
        f"{''.join(parts)}</svg>"
    )
