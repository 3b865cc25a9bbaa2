"""The radar chart of the paper's Fig. 1, as inline SVG: one axis per column, one line per model.

Each axis begins with 0 in the middle and ends at a round number above the largest value shown, which stands at its end:
nothing is stretched to make a difference look larger. Where a figure is not available the line is broken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..report.colours import PALETTE
from ..report.markup import safe

MOST_LINES = len(PALETTE)
_WIDTH, _HEIGHT = 640, 520
_CENTRE = (320.0, 258.0)
_RADIUS = 190.0
_RINGS = 4
_ROUND = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)

STYLE = """
.radar text { fill: var(--soft); font-size: 13px; } .radar .end { font-size: 12px; }
.radar .ring { fill: none; stroke: var(--line); } .radar .spoke { stroke: var(--line); }
.radar .line { fill: none; stroke-width: 2.25; stroke-linejoin: round; }
.radar .area { stroke: none; opacity: .09; }
.radar .dashed { stroke-dasharray: 6 4; }
.radar-legend { list-style: none; margin: .5rem 0 0; padding: 0; columns: 2 16rem; font-size: .9375rem; }
.radar-legend li { display: flex; gap: .5rem; align-items: center; break-inside: avoid; }
.radar-legend svg { flex: none; width: 34px; height: 10px; }
@media (max-width: 40rem) {
  .radar { overflow: visible; } .radar text { font-size: 17px; } .radar .end { font-size: 16px; }
}
"""


class RadarLine(NamedTuple):
    """One model."""

    name: str
    values: Mapping[str, float | None]
    """By axis; `None` where there is no value."""
    dashed: bool = False


class Axis(NamedTuple):
    """One axis."""

    name: str
    limit: float
    """The largest value that there can be."""


def radar_chart(axes: Sequence[Axis], lines: Sequence[RadarLine]) -> str:
    """The chart with its legend.

    Args:
        axes (sequence of `Axis`): clockwise from the top; at least three.
        lines (sequence of `RadarLine`): at most `MOST_LINES`.

    Returns:
        `str`: HTML, with everything from data escaped.

    Raises:
        `ValueError`: on too few axes or too many lines.
    """
    if len(axes) < 3:
        raise ValueError(f"radar_chart: expected at least three axes, got {len(axes)}")
    if len(lines) > MOST_LINES:
        raise ValueError(f"radar_chart: expected at most {MOST_LINES} lines, got {len(lines)}")
    ends = [_end(axis, [line.values.get(axis.name) for line in lines]) for axis in axes]
    parts = [
        f'<polygon class="ring" points="{_points([ring / _RINGS] * len(axes))}"/>'
        for ring in range(1, _RINGS + 1)
    ]
    for place, (axis, end) in enumerate(zip(axes, ends, strict=True)):
        parts.append(_axis(place, len(axes), axis.name, end))
    for line, colour in zip(lines, PALETTE, strict=False):
        shares = [
            None if (value := line.values.get(axis.name)) is None else max(0.0, min(1.0, value / end))
            for axis, end in zip(axes, ends, strict=True)
        ]
        parts += _line(shares, colour, dashed=line.dashed)
    alt = f"Radar chart of {len(lines)} models on {len(axes)} figures; the numbers stand in the table"
    legend = "".join(_legend(line, colour) for line, colour in zip(lines, PALETTE, strict=False))
    return (
        f'<svg class="radar" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{alt}">{"".join(parts)}</svg>'
        f'<ul class="radar-legend">{legend}</ul>'
    )


def _end(axis: Axis, values: Sequence[float | None]) -> float:
    """The value at the axis' end: a round number that no value exceeds."""
    largest = max((value for value in values if value is not None), default=0.0)
    if largest <= 0:
        return axis.limit
    power = 10.0 ** math.floor(math.log10(largest))
    step = next((factor for factor in _ROUND if factor * power >= largest * (1 - 1e-12)), 10.0)
    return min(axis.limit, step * power)


def _point(place: int, count: int, share: float) -> tuple[float, float]:
    angle = 2 * math.pi * place / count - math.pi / 2
    return _CENTRE[0] + share * _RADIUS * math.cos(angle), _CENTRE[1] + share * _RADIUS * math.sin(angle)


def _points(shares: Sequence[float]) -> str:
    corners = (_point(place, len(shares), share) for place, share in enumerate(shares))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)


def _axis(place: int, count: int, name: str, end: float) -> str:
    x, y = _point(place, count, 1.0)
    at_x, at_y = _point(place, count, 1.11)
    anchor = "middle" if abs(at_x - _CENTRE[0]) < 20 else "start" if at_x > _CENTRE[0] else "end"
    if anchor == "middle":
        at_y -= 10
    return (
        f'<line class="spoke" x1="{_CENTRE[0]}" y1="{_CENTRE[1]}" x2="{x:.1f}" y2="{y:.1f}"/>'
        f'<text class="name" text-anchor="{anchor}" x="{at_x:.1f}" y="{at_y:.1f}">{safe(name)}'
        f'<tspan class="end" x="{at_x:.1f}" dy="1.2em">0 to {end:g}</tspan></text>'
    )


def _line(shares: Sequence[float | None], colour: str, *, dashed: bool) -> list[str]:
    """Dots, and a line from each to the next where both are there; an area only where all are."""
    count = len(shares)
    css = "line dashed" if dashed else "line"
    parts = []
    whole = [share for share in shares if share is not None]
    if len(whole) == count:
        parts.append(f'<polygon class="area" fill="{colour}" points="{_points(whole)}"/>')
    for place, share in enumerate(shares):
        following = shares[(place + 1) % count]
        if share is None:
            continue
        x, y = _point(place, count, share)
        if following is not None:
            to_x, to_y = _point((place + 1) % count, count, following)
            parts.append(
                f'<path class="{css}" stroke="{colour}" d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>'
            )
        parts.append(f'<circle fill="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>')
    return parts


def _legend(line: RadarLine, colour: str) -> str:
    dash = ' stroke-dasharray="6 4"' if line.dashed else ""
    return (
        f'<li><svg viewBox="0 0 34 10" aria-hidden="true"><path d="M0 5H34" stroke="{colour}" '
        f'stroke-width="2.5"{dash}/>'
        f"</svg>{safe(line.name)}</li>"
    )
