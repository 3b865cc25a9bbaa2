"""How fast long work goes on, and how long it will still take: a line soon, and then now and again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

FIRST_AFTER_S = 3.0
SECONDS_BETWEEN = 10.0
SECONDS_BETWEEN_AT_MOST = 60.0
"""Where nothing gets ready in between: a shard of a slow model may take an hour."""

Say = Callable[[str], None]
Clock = Callable[[], float]


class Beat:
    """Says a line from time to time while something takes its time: after 3 seconds, then every 10.

    Where nothing has moved since the last line, the next one comes later, a minute later at most.

    Args:
        say (`callable`): takes a line.
        line (`callable`): makes the line.
        clock (`callable`, *optional*): seconds.
    """

    def __init__(self, say: Say, line: Callable[[], str], clock: Clock = time.monotonic) -> None:
        self._say = say
        self._line = line
        self._clock = clock
        self._lock = threading.Lock()
        self._between_s = SECONDS_BETWEEN / 2
        self._moved = False
        self._next_s = clock() + FIRST_AFTER_S

    def __call__(self, *, moved: bool = False) -> None:
        """Say the line if its time has come; `moved` says that something got ready."""
        with self._lock:
            self._moved = self._moved or moved
            if self._clock() < self._next_s:
                return
            if self._moved:
                self._between_s = SECONDS_BETWEEN
            else:
                self._between_s = min(SECONDS_BETWEEN_AT_MOST, 2 * self._between_s)
            self._next_s, self._moved = self._clock() + self._between_s, False
            self._say(self._line())

    @contextlib.contextmanager
    def going(self) -> Iterator[None]:
        """Beat from a thread while the block is at work, so that a line comes also when nobody counts."""
        over = threading.Event()

        def beat() -> None:
            # A terminal that is gone is told by the main thread, which writes there too.
            with contextlib.suppress(OSError, ValueError):
                while not over.wait(1.0):
                    self()

        thread = threading.Thread(target=beat, name="giqa-pace", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class Pace:
    """Tells done / total, the rate of this run and the time left, from time to time.

    `giqa_hf.progress` speaks at every tenth; a tenth of a corpus can be a day.

    Args:
        say (`callable`): takes a line.
        unit (`str`): what is counted.
        total (`int`): how many there are.
        done (`int`, *optional*, defaults to `0`): how many an earlier run has done; they do not count for the rate.
        clock (`callable`, *optional*): seconds.
    """

    def __init__(
        self, say: Say, unit: str, *, total: int, done: int = 0, clock: Clock = time.monotonic
    ) -> None:
        self.say = say
        self.unit = unit
        self.total = total
        self.done = done
        self.clock = clock
        self.place = ""
        """Where the work is, if it is known: shown as long as it is not empty."""
        self.beat = Beat(say, self._still, clock)
        self._here = 0
        self._started = clock()

    def add(self, count: int) -> None:
        """Count so many as done."""
        self.done += count
        self._here += count
        if self.done < self.total:
            self.beat(moved=True)

    def finish(self) -> None:
        """Say how it went."""
        self.say(f"  {self._line()}, in {told_time(self.clock() - self._started)}")

    def _still(self) -> str:
        place = f" ({self.place})" if self.place else ""
        if not self._here:
            passed = told_time(self.clock() - self._started)
            return f"  {self.done:,}/{self.total:,} {self.unit} after {passed}{place}"
        return f"  {self._line()}, {told_time(self._left())} left{place}"

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
