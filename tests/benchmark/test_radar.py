"""Fig. 1's chart: every point where its number says, axes from 0 to a round number, and no line over what is missing."""

from __future__ import annotations

import re

import pytest

from giqa_hf.benchmark.radar import MOST_LINES, Axis, RadarLine, radar_chart

AXES = [Axis("north", 1.0), Axis("east", 1.0), Axis("south", 100.0), Axis("west", 1.0)]


def circles(chart):
    return [tuple(map(float, pair)) for pair in re.findall(r'cx="([\d.-]+)" cy="([\d.-]+)"', chart)]


def test_points_by_hand():
    """Centre (320, 258), radius 190; the ends are 0.5, 0.4, 30 and 0.8, the round numbers at or above the values."""
    chart = radar_chart(AXES, [RadarLine("m", {"north": 0.5, "east": 0.2, "south": 30.0, "west": 0.8}),
                               RadarLine("n", {"north": 0.0, "east": 0.4, "south": 15.0, "west": 0.4})])  # fmt: skip
    assert re.findall(r"0 to ([\d.]+)<", chart) == ["0.5", "0.4", "30", "0.8"]
    assert circles(chart) == [
        (320, 68), (415, 258), (320, 448), (130, 258),  # 1, 1/2, 1, 1 of 190: up, right, down, left
        (320, 258), (510, 258), (320, 353), (225, 258),  # 0, 1, 1/2, 1/2
    ]  # fmt: skip


def test_an_axis_does_not_go_beyond_what_is_possible():
    chart = radar_chart(AXES, [RadarLine("m", {"north": 0.97, "east": 0.93, "south": 99.0, "west": 1.0})])
    assert re.findall(r"0 to ([\d.]+)<", chart) == ["1", "1", "100", "1"]


def test_a_line_is_broken_where_a_figure_is_missing():
    full = radar_chart(AXES, [RadarLine("m", dict.fromkeys(("north", "east", "south", "west"), 0.5))])
    assert full.count('class="line"') == 4 and full.count('class="area"') == 1
    # Without east: north-east and east-south are missing, and so is the area.
    broken = radar_chart(AXES, [RadarLine("m", {"north": 0.5, "east": None, "south": 50.0, "west": 0.5})])
    assert broken.count('class="line"') == 2 and broken.count('class="area"') == 0
    assert len(circles(broken)) == 3
    nothing = radar_chart(AXES, [RadarLine("m", {})])
    assert circles(nothing) == [] and re.findall(r"0 to ([\d.]+)<", nothing) == ["1", "1", "100", "1"]


def test_names_are_escaped():
    chart = radar_chart([Axis("<a>", 1.0), *AXES], [RadarLine("<b>", {"<a>": 0.5}, dashed=True)])
    assert "<a>" not in chart and "<b>" not in chart and "stroke-dasharray" in chart


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="at least three axes, got 2"):
        radar_chart(AXES[:2], [])
    with pytest.raises(ValueError, match=f"at most {MOST_LINES} lines, got {MOST_LINES + 1}"):
        radar_chart(AXES, [RadarLine(str(n), {}) for n in range(MOST_LINES + 1)])
