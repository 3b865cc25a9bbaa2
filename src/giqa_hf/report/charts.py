"""The numbers of a report: the metric table, and the loss curve as inline SVG."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from numbers import Integral
from typing import TypeAlias

from .markup import safe

MetricColumns: TypeAlias = Mapping[str, Mapping[str, float | None]]
"""Name of a column ("before", "after") to its values by metric; None is "not available"."""

_EVERY_POINT = (
    60  # from this many points on, the curve is smoothed and the points are drawn faintly behind it
)
_MINUS, _DASH = "\u2212", "\u2013"
_MOST_POINTS = 4000  # more than a screen has columns


def metric_table(metrics: MetricColumns, *, lower_is_better: Collection[str] = ()) -> str:
    """The metrics as an HTML table: one row per metric, the best value of each row in bold.

    Two columns get a third one with the change. A value that is not available (None) is never counted as 0:
    the cell says so, and there is no change.

    Args:
        metrics (`MetricColumns`): the columns, in reading order; a metric may be missing in some of them.
        lower_is_better (collection of `str`, *optional*): metrics where the smallest value is the best.

    Returns:
        `str`: HTML, with everything from `metrics` escaped.
    """
    columns = list(metrics)
    rows = list(dict.fromkeys(name for values in metrics.values() for name in values))
    if not rows:
        return '<p class="empty">No metrics were computed.</p>'
    is_pair = len(columns) == 2
    head = "".join(f'<th scope="col">{safe(column)}</th>' for column in columns)
    head += '<th scope="col">change</th>' if is_pair else ""
    body = []
    for row in rows:
        values = [metrics[column].get(row) for column in columns]
        digits = _digits(values)
        sign = -1 if row in lower_is_better else 1
        scores = [-math.inf if value is None or math.isnan(value) else sign * value for value in values]
        is_contest = min(scores) < max(scores)
        cells = "".join(
            _value_cell(value, digits, is_best=is_contest and score == max(scores))
            for value, score in zip(values, scores, strict=True)
        )
        cells += _change_cell(values[0], values[1], digits, sign) if is_pair else ""
        hint = ' <span class="source">(lower is better)</span>' if sign < 0 else ""
        body.append(f'<tr><th scope="row">{safe(row)}{hint}</th>{cells}</tr>')
    return (
        '<div class="scroll"><table><caption>Metrics; the best value of each row in bold</caption>'
        f'<thead><tr><th scope="col">Metric</th>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def loss_chart(points: Sequence[tuple[int, float]]) -> str:
    """The training loss over the steps, as one figure with a drawing for wide screens and one for phones.

    Values that are not finite are left out, and the caption says how many. From 60 points on the line is an
    exponential moving average, with the single values faintly behind it.

    Args:
        points (sequence of `(step, loss)`): in any order.

    Returns:
        `str`: HTML; a sentence instead of a drawing where there is nothing to draw.
    """
    kept = sorted((int(step), float(loss)) for step, loss in points if math.isfinite(loss))
    lost = len(points) - len(kept)
    left_out = (
        f" {lost} value{'s' * (lost != 1)} that {'are' if lost != 1 else 'is'} not finite left out."
        * bool(lost)
    )
    if not kept:
        return f'<p class="empty">No training loss was recorded.{left_out}</p>'
    smooth = len(kept) >= _EVERY_POINT
    caption = f"Training loss over {len(kept)} logged step{'s' * (len(kept) != 1)}"
    caption += "; line: moving average, faint: single values." if smooth else "."
    drawings = _loss_svg(kept, smooth, 640, 430, "wide") + _loss_svg(kept, smooth, 330, 250, "narrow")
    return f'<figure class="chart">{drawings}<figcaption>{caption}{left_out}</figcaption></figure>'


def number(value: float, digits: int) -> str:
    """A number for a reader: a true minus sign, thousands apart by a thin space."""
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else f"{_MINUS}∞"
    return f"{value:,.{digits}f}".replace(",", "\u2009").replace("-", _MINUS)


def _digits(values: Sequence[float | None]) -> int:
    """Decimals for a row: none for counts, three for shares, two for percents, none for large numbers."""
    finite = [abs(v) for v in values if v is not None and math.isfinite(v)]
    if not finite or all(isinstance(v, Integral) for v in values if v is not None):
        return 0
    if max(finite) <= 1:
        return 3
    return 2 if min(finite) < 1000 else 0


def _value_cell(value: float | None, digits: int, *, is_best: bool) -> str:
    if value is None:
        return '<td class="none">not available</td>'
    css = ' class="best"' if is_best else ""
    return f"<td{css}>{number(value, digits)}</td>"


def _change_cell(before: float | None, after: float | None, digits: int, sign: int) -> str:
    if before is None or after is None or not math.isfinite(before) or not math.isfinite(after):
        return f'<td class="same">{_DASH}</td>'
    change = round(after - before, digits)
    if change == 0:
        return '<td class="same">±0</td>'
    kind = "up" if sign * change > 0 else "down"
    return f'<td class="{kind}">{"+" if change > 0 else ""}{number(change, digits)}</td>'


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers, 1, 2 or 5 times a power of ten apart, that enclose `low` and `high`."""
    span = high - low or abs(high) or 1.0
    # Below the smallest normal number powers of ten are no longer exact, and 0 has no logarithm.
    least = max(span / count, sys.float_info.min)
    power = 10.0 ** math.floor(math.log10(least))
    step = next((power * f for f in (1, 2, 5) if power * f >= least), power * 10)
    first = math.floor(low / step + 1e-9)
    last = max(math.ceil(high / step - 1e-9), first + 1)
    return [i * step for i in range(first, last + 1)]


def _loss_svg(points: list[tuple[int, float]], smooth: bool, width: int, height: int, kind: str) -> str:
    steps = [step for step, _ in points]
    losses = [loss for _, loss in points]
    from_zero = 0 <= min(losses) < 0.4 * max(losses) or min(losses) == max(losses) > 0
    low = 0.0 if from_zero else min(losses)
    y_ticks = ticks(low, max(losses), 5)
    # Never beyond the last step: a curve that ends before the frame looks unfinished.
    x_ticks = [
        x
        for x in ticks(steps[0], steps[-1], max(4, width // 90))
        if steps[0] <= x <= steps[-1] and x == int(x)
    ]
    x_ticks = x_ticks or [steps[0]]
    decimals = max(0, -math.floor(math.log10(y_ticks[1] - y_ticks[0]) + 1e-9))
    y_labels = [_tick_label(tick, decimals) for tick in y_ticks]
    left = 34 + 7 * max(map(len, y_labels))
    right, top, bottom = width - 16, 12, height - 46

    def x(step: float) -> float:
        if steps[0] == steps[-1]:
            return (left + right) / 2
        return left + (right - left) * (step - steps[0]) / (steps[-1] - steps[0])

    def y(loss: float) -> float:
        return bottom - (bottom - top) * (loss - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    def path(values: Sequence[float], css: str) -> str:
        stride = -(-len(values) // _MOST_POINTS)
        picked = [*range(0, len(values) - 1, stride), len(values) - 1]
        coordinates = " ".join(f"{x(steps[i]):.1f},{y(values[i]):.1f}" for i in picked)
        return f'<polyline class="{css}" points="{coordinates}"/>'

    parts = []
    for tick, label in zip(y_ticks, y_labels, strict=True):
        at = y(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{left - 8}" y="{at + 4:.1f}" text-anchor="end">{label}</text>')
    for tick in x_ticks:
        at = x(tick)
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 5}"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 19}" text-anchor="middle">{number(tick, 0)}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    parts.append(
        f'<text class="name" x="{(left + right) / 2:.1f}" y="{height - 6}" text-anchor="middle">step</text>'
    )
    middle = (top + bottom) / 2
    parts.append(
        f'<text class="name" text-anchor="middle" transform="translate(12 {middle:.1f}) rotate(-90)">'
        "loss</text>"
    )
    shown = _moving_average(losses) if smooth else losses
    if smooth:
        parts.append(path(losses, "raw"))
    if len(points) > 1:
        parts.append(path(shown, "curve"))
    last_x, last_y = x(steps[-1]), y(shown[-1])
    parts.append(f'<circle class="dot" cx="{last_x:.1f}" cy="{last_y:.1f}" r="4"/>')
    above = last_y - 10 if last_y > top + 24 else last_y + 20
    anchor = "end" if last_x > left + 60 else "start"
    last = number(shown[-1], 0) if 1000 <= abs(shown[-1]) < 1e7 else f"{shown[-1]:.3g}".replace("-", _MINUS)
    parts.append(f'<text class="value" x="{last_x:.1f}" y="{above:.1f}" text-anchor="{anchor}">{last}</text>')
    alt = f"Training loss from {losses[0]:.3g} at step {steps[0]} to {losses[-1]:.3g} at step {steps[-1]}"
    start = f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{alt}">'
    return f"{start}{''.join(parts)}</svg>"


def _tick_label(value: float, decimals: int) -> str:
    """A loss as a number of at most eight characters; powers of ten where it would be longer."""
    plain = number(value, decimals)
    return plain if len(plain) <= 8 else f"{value:.1e}".replace("-", _MINUS)


def _moving_average(losses: Sequence[float]) -> list[float]:
    """Exponential moving average over about a fortieth of the run, without a pull to the first value."""
    keep = 1 - 1 / max(len(losses) / 40, 3)
    total = weight = 0.0
    smooth = []
    for loss in losses:
        total, weight = keep * total + loss, keep * weight + 1
        smooth.append(total / weight)
    return smooth
