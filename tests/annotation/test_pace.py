"""Lines about the pace of long work, against a clock that the test moves."""

from __future__ import annotations

import threading

import pytest

from giqa_hf.annotation.pace import Beat, Pace, told_time


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_rate_and_time_left_are_those_of_this_run():
    clock, lines = Clock(), []
    pace = Pace(lines.append, "records", total=1000, done=400, clock=clock)
    clock.now += 2
    pace.add(20)  # too early for a line
    assert lines == []
    clock.now += 2
    pace.add(20)
    # 40 records of this run in 4 s: 10 a second; 1000 - 440 are left: 56 s.
    assert lines.pop() == "  440/1,000 records, 10.0 a second, 56 s left"
    clock.now += 6
    pace.add(60)  # 6 s after the last line
    assert lines == []
    pace.place = "shard 00005: boxes, records 1 to 16 of 100"
    clock.now += 4
    pace.beat()
    # 100 in 14 s: 7.1 a second; 500 are left: 70 s. The count has moved since the last line.
    assert lines == [
        "  500/1,000 records, 7.1 a second, 1 min 10 s left (shard 00005: boxes, records 1 to 16 of 100)"
    ]
    clock.now += 86
    pace.add(500)  # the last: no line about what is left
    pace.finish()
    # 600 in 100 s
    assert lines[1:] == ["  1,000/1,000 records, 6.0 a second, in 1 min 40 s"]


def test_the_first_line_comes_soon_and_those_without_news_ever_more_seldom():
    clock, said = Clock(), []
    pace = Pace(lambda line: said.append((clock.now - 100, line)), "records", total=5, clock=clock)
    while clock.now < 300:
        clock.now += 1
        pace.beat()
    # After 3 s; then 10, 20, 40, 60 and 60 s later.
    assert [at for at, _ in said] == [3, 13, 33, 73, 133, 193]
    assert said[1][1] == "  0/5 records after 13 s"


def test_a_block_that_does_nothing_is_told_of_by_a_thread():
    """Whatever the main thread is waiting for; behind the block there is silence."""
    told = threading.Event()
    clock = Clock()
    beat = Beat(lambda line: told.set(), lambda: "still here", clock)
    clock.now += 3
    with beat.going():
        assert told.wait(20)
    told.clear()
    clock.now += 1000
    assert "giqa-pace" not in {thread.name for thread in threading.enumerate()} and not told.is_set()


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
