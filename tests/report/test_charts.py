"""The metric table and the loss curve."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from giqa_hf.report.charts import _moving_average, loss_chart, metric_table, number, ticks

nan, inf = float("nan"), float("inf")
MINUS, DASH = "\u2212", "\u2013"


class Table(HTMLParser):
    """Rows of (text, classes) of an HTML table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append(("", dict(attrs).get("class") or ""))

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            text, css = self.rows[-1][-1]
            self.rows[-1][-1] = (text + data, css)


ROWS = [
    # before, after, cells after the name: (text, class)
    (None, 0.5872, [("not available", "none"), ("0.587", "best"), (DASH, "same")]),
    (0.25, 0.75, [("0.250", ""), ("0.750", "best"), ("+0.500", "up")]),
    (9.414, 24.87, [("9.41", ""), ("24.87", "best"), ("+15.46", "up")]),  # percents: two decimals
    (0.9, 0.85, [("0.900", "best"), ("0.850", ""), (f"{MINUS}0.050", "down")]),
    (0.5, 0.5, [("0.500", ""), ("0.500", ""), ("±0", "same")]),  # no winner
    (0.50001, 0.50002, [("0.500", ""), ("0.500", "best"), ("±0", "same")]),  # no change that one could see
    (12, 12345, [("12", ""), ("12\u2009345", "best"), ("+12\u2009333", "up")]),  # counts
    (1234.5, 2.25, [("1\u2009234.50", "best"), ("2.25", ""), (f"{MINUS}1\u2009232.25", "down")]),
    (2000.4, 12345.6, [("2\u2009000", ""), ("12\u2009346", "best"), ("+10\u2009345", "up")]),  # large numbers
    (nan, 0.0, [("undefined", ""), ("0.000", "best"), (DASH, "same")]),
    (None, None, [("not available", "none"), ("not available", "none"), (DASH, "same")]),
    (0.5, inf, [("0.500", ""), ("∞", "best"), (DASH, "same")]),
]


@pytest.mark.parametrize("before, after, cells", ROWS)
def test_one_row(before: float | None, after: float | None, cells: list[tuple[str, str]]) -> None:
    rows = Table(metric_table({"before": {"m": before}, "after": {"m": after}})).rows
    assert [text for text, _ in rows[0]] == ["Metric", "before", "after", "change"]
    assert rows[1] == [("m", ""), *cells]


def test_lower_is_better_turns_best_and_change() -> None:
    html = metric_table({"before": {"loss": 2.0}, "after": {"loss": 0.5}}, lower_is_better=["loss"])
    assert Table(html).rows[1][1:] == [("2.00", ""), ("0.50", "best"), (f"{MINUS}1.50", "up")]
    assert "(lower is better)" in html


def test_one_column_and_three_columns_have_no_change() -> None:
    assert Table(metric_table({"run": {"a": 0.5}})).rows == [
        [("Metric", ""), ("run", "")],
        [("a", ""), ("0.500", "")],
    ]
    rows = Table(metric_table({"x": {"a": 0.1}, "y": {"a": 0.3}, "z": {"b": 1.0}})).rows
    assert rows[1] == [("a", ""), ("0.100", ""), ("0.300", "best"), ("not available", "none")]
    assert rows[2][1:] == [("not available", "none"), ("not available", "none"), ("1.000", "best")]


@pytest.mark.parametrize("metrics", [{}, {"before": {}}])
def test_no_metrics_is_a_sentence(metrics: dict[str, dict[str, float]]) -> None:
    assert metric_table(metrics) == '<p class="empty">No metrics were computed.</p>'


def test_names_are_escaped() -> None:
    html = metric_table({"<script>": {'"><img src=x>': 1.0}})
    assert "<script" not in html and "<img" not in html and "&lt;script&gt;" in html


NUMBERS = [
    (0.5, 3, "0.500"),
    (-0.5, 1, f"{MINUS}0.5"),
    (1234567.0, 0, "1\u2009234\u2009567"),
    (-inf, 2, f"{MINUS}∞"),
]


@pytest.mark.parametrize("value, digits, text", NUMBERS)
def test_numbers(value: float, digits: int, text: str) -> None:
    assert number(value, digits) == text


TICKS = [
    # low, high, count -> ticks
    (0, 5, 5, [0, 1, 2, 3, 4, 5]),
    (0, 4.51, 5, [0, 1, 2, 3, 4, 5]),
    (0.6, 0.9, 5, [0.6, 0.7, 0.8, 0.9]),
    (3, 3, 5, [3, 4]),  # no extent: one step of its own size
    (10, 1800, 6, [0, 500, 1000, 1500, 2000]),
]


@pytest.mark.parametrize("low, high, count, expected", TICKS)
def test_ticks_are_round(low: float, high: float, count: int, expected: list[float]) -> None:
    assert ticks(low, high, count) == pytest.approx(expected)


finite = st.floats(-1e6, 1e6)


@given(finite, finite, st.integers(3, 8))
@example(0.0, 5e-324, 3)  # a third of the smallest number is 0
def test_ticks_enclose_and_are_few(one: float, other: float, count: int) -> None:
    low, high = sorted((one, other))
    marks = ticks(low, high, count)
    slack = 1e-6 * max(abs(low), abs(high), 1e-300)
    assert marks[0] <= low + slack and marks[-1] >= high - slack and marks == sorted(set(marks))
    assert 2 <= len(marks) <= count + 3


def numbers_in(svg: str) -> list[float]:
    values = re.findall(r' (?:points|x1|x2|y1|y2|cx|cy|x|y|r|viewBox)="([^"]*)"', svg)
    return [float(v) for value in values for v in re.split(r"[ ,]+", value)]


def test_the_curve_runs_from_the_upper_left_to_the_lower_right() -> None:
    html = loss_chart([(300, 1.0), (100, 4.0), (200, 2.0)])  # in any order
    assert html.count("<svg") == 2  # one drawing for wide screens, one for phones
    points = re.search(r'class="curve" points="([^"]+)"', html)
    assert points
    (x1, y1), (x2, y2), (x3, y3) = (map(float, p.split(",")) for p in points[1].split())
    assert x1 < x2 < x3 and x2 - x1 == pytest.approx(x3 - x2, abs=0.11)
    # In SVG y grows downwards; loss 4 -> 2 is twice as far as 2 -> 1.
    assert y2 - y1 == pytest.approx(2 * (y3 - y2), abs=0.3)
    assert 'aria-label="Training loss from 4 at step 100 to 1 at step 300"' in html
    assert ">step<" in html and ">loss<" in html and ">200<" in html


LOSSES = [
    # points, words of the caption
    ([], "No training loss was recorded."),
    ([(1, nan)], "No training loss was recorded. 1 value that is not finite left out."),
    ([(1, 2.0)], "over 1 logged step."),
    ([(1, 2.0), (2, nan), (3, inf), (4, 1.0)], "over 2 logged steps. 2 values that are not finite left out."),
    ([(1, 0.0), (2, 0.0)], "over 2 logged steps."),
    ([(5, 1.0), (5, 2.0)], "over 2 logged steps."),  # one step, twice
    ([(1, -1.5), (2, -3.0)], "over 2 logged steps."),
    ([(1, 1e-9), (2, 1e9)], "over 2 logged steps."),
    ([(1, 1e-9), (2, 2e-9)], "over 2 logged steps."),
    ([(i, 1 / i) for i in range(1, 10_001)], "over 10000 logged steps; line: moving average"),
]


@pytest.mark.parametrize("points, words", LOSSES)
def test_any_loss_curve_is_drawn_inside_its_frame(points: list[tuple[int, float]], words: str) -> None:
    html = loss_chart(points)
    assert words in html and "nan" not in html.lower() and "inf" not in html.replace("infinit", "")
    assert ("<svg" in html) == any(math.isfinite(loss) for _, loss in points)
    for svg in re.findall(r"<svg.*?</svg>", html):
        _, _, width, height = (int(v) for v in re.search(r'viewBox="([^"]+)"', svg)[1].split())  # type: ignore[index]
        assert all(math.isfinite(v) and -1 <= v <= max(width, height) for v in numbers_in(svg))
        for points_text in re.findall(r'points="([^"]+)"', svg):
            for x, y in (map(float, p.split(",")) for p in points_text.split()):
                assert 0 <= x <= width and 0 <= y <= height
    assert len(html) < 300_000  # long runs are thinned out


any_float = st.floats(allow_nan=True, allow_infinity=True, width=32)


@given(st.lists(st.tuples(st.integers(0, 10**6), any_float), max_size=9))
def test_no_loss_curve_breaks_the_chart(points: list[tuple[int, float]]) -> None:
    for svg in re.findall(r"<svg.*?</svg>", loss_chart(points)):
        assert all(-1 <= v <= 640 for v in numbers_in(svg))  # the wide drawing is 640 wide


def test_the_moving_average_starts_at_the_first_value_and_keeps_a_constant() -> None:
    assert _moving_average([3.0] * 100) == pytest.approx([3.0] * 100)
    # keep = 1 - 1 / max(4 / 40, 3) = 2/3; second value: (2/3 * 6 + 0) / (2/3 + 1) = 4 / (5/3) = 2.4
    assert _moving_average([6.0, 0.0, 0.0, 0.0])[:2] == pytest.approx([6.0, 2.4])
