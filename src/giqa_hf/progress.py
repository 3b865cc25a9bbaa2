"""How long work tells how far it is: a line at every tenth."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a line for the user; `print` is one."""


class Progress:
    """Reports at every tenth of the work, with the time that is left."""

    def __init__(self, say: Say, unit: str) -> None:
        self.say = say
        self.unit = unit
        self.started = time.monotonic()
        self.first: int | None = None
        self.told = 0

    def __call__(self, done: int, total: int) -> None:
        """Tell that `done` of `total` are done, if a further tenth is reached."""
        if self.first is None:
            self.first = done  # a resumed run starts in the middle
        tenth = 10 * done // max(total, 1)
        if tenth <= self.told:
            return
        self.told = tenth
        pace = (time.monotonic() - self.started) / max(done - self.first, 1)
        left = f", about {pace * (total - done):.0f} s left" if done < total and done > self.first else ""
        self.say(f"      {done}/{total} {self.unit}{left}")
        sys.stdout.flush()
