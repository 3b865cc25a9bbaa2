"""Sums of floats that do not depend on their order, so that shuffled predictions give the same digits."""

from __future__ import annotations

from math import fsum


class ExactSum:
    """A running sum that is rounded once, when it is asked for.

    Kept as floats whose bits do not overlap (Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997), as
    `math.fsum` does; there are few of them, whatever is added.
    """

    def __init__(self) -> None:
        self._parts: list[float] = []

    def add(self, value: float) -> None:
        """Add a finite number."""
        kept = 0
        for part in self._parts:
            if abs(value) < abs(part):
                value, part = part, value
            high = value + part
            low = part - (high - value)
            if low:
                self._parts[kept] = low
                kept += 1
            value = high
        self._parts[kept:] = [value]

    @property
    def value(self) -> float:
        """The sum so far, correctly rounded."""
        return fsum(self._parts)
