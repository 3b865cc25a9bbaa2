"""Lines about the pace of long work, against a clock that the test moves."""

from __future__ import annotations

import pytest

from giqa_hf.annotation.pace import Pace, told_time


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_rate_and_time_left_are_those_of_this_run():
    clock, lines = Clock(), []
    pace = Pace(lines.append, "records", total=1000, done=400, clock=clock)
    clock.now += 5
    pace.add(50)  # too early for a line
    assert lines == []
    clock.now += 5
    pace.add(50)
    # 100 records of this run in 10 s: 10 a second; 1000 - 500 are left: 50 s.
    assert lines == ["  500/1,000 records, 10.0 a second, 50 s left"]
    clock.now += 90
    pace.add(500)  # the last: no line about what is left
    pace.finish()
    # 600 in 100 s
    assert lines[1:] == ["  1,000/1,000 records, 6.0 a second, in 1 min 40 s"]


TIMES = [
    (0.2, "0 s"),
    (59.4, "59 s"),
    (59.6, "1 min 0 s"),
    (3599, "59 min 59 s"),
    (3600, "1 h 0 min"),
    (90_000, "25 h 0 min"),
]


@pytest.mark.parametrize("seconds, told", TIMES)
def test_times(seconds, told):
    assert told_time(seconds) == told
