"""How fast long work goes on, and how long it will still take: a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS_BETWEEN = 10.0


class Pace:
    """Tells done / total, the rate of this run and the time left, at most every few seconds.

    `giqa_hf.progress` speaks at every tenth; a tenth of a corpus can be a day.

    Args:
        say (`callable`): takes a line.
        unit (`str`): what is counted.
        total (`int`): how many there are.
        done (`int`, *optional*, defaults to `0`): how many an earlier run has done; they do not count for the rate.
        clock (`callable`, *optional*): seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        unit: str,
        *,
        total: int,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.say = say
        self.unit = unit
        self.total = total
        self.done = done
        self.clock = clock
        self._here = 0
        self._started = self._told = clock()

    def add(self, count: int) -> None:
        """Count so many as done."""
        self.done += count
        self._here += count
        if self.clock() - self._told >= SECONDS_BETWEEN and self.done < self.total:
            self._told = self.clock()
            self.say(f"  {self._line()}, {told_time(self._left())} left")

    def finish(self) -> None:
        """Say how it went."""
        self.say(f"  {self._line()}, in {told_time(self.clock() - self._started)}")

    def _line(self) -> str:
        rate = self._here / max(self.clock() - self._started, 1e-9)
        digits = 0 if rate >= 100 else 1 if rate >= 1 else 3
        return f"{self.done:,}/{self.total:,} {self.unit}, {rate:,.{digits}f} a second"

    def _left(self) -> float:
        return (self.total - self.done) * (self.clock() - self._started) / max(self._here, 1)


def told_time(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> told_time(8), told_time(95), told_time(16_980)
        ('8 s', '1 min 35 s', '4 h 43 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
