"""When requests may start: the rate limit of a server, kept by all threads together."""

from __future__ import annotations

import threading
import time


class Stopped(Exception):
    """Nobody waits for this answer any more."""


class Pace:
    """When the next request may start, for all threads.

    Args:
        interval_s (`float`): least time between two starts.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._next_s = 0.0

    def turn(self, stop: threading.Event) -> None:
        """Wait for one's turn; raises `Stopped` when `stop` is set before it comes."""
        while True:
            with self._lock:
                now_s = time.monotonic()
                if (wait_s := self._next_s - now_s) <= 0:
                    self._next_s = now_s + self._interval_s
                    break
            if stop.wait(wait_s):
                raise Stopped
        if stop.is_set():
            raise Stopped

    def hold(self, seconds: float) -> None:
        """Let nobody start for a while."""
        with self._lock:
            self._next_s = max(self._next_s, time.monotonic() + seconds)
