"""A fingerprint of the rows that a figure was computed on: the same rows, in whatever order, have the same one."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable

_MODULUS = 1 << 256
_SHOWN = 16


class RowsFingerprint:
    """SHA-256 over the texts and numbers of reference rows, in constant memory.

    Every row has a SHA-256 of its own, and they are added up modulo 2 ** 256, so neither the order of the rows nor
    their number needs to be remembered. It tells data apart that differ; it is no proof against somebody who looks
    for data with the same fingerprint.
    """

    def __init__(self) -> None:
        self._sum = self._rows = 0

    def add(self, texts: object, numbers: Iterable[float] = ()) -> None:
        """Add a row.

        Args:
            texts: strings, whole numbers and None, in lists and tuples.
            numbers (iterable of `float`, *optional*): such as the coordinates of its boxes, one after the other.
        """
        values = [float(number) for number in numbers]
        row = hashlib.sha256(json.dumps(texts).encode())
        row.update(struct.pack(f"<{len(values)}d", *values))
        self._sum = (self._sum + int.from_bytes(row.digest(), "big")) % _MODULUS
        self._rows += 1

    def result(self) -> str:
        """Sixteen hexadecimal digits."""
        whole = hashlib.sha256(f"{self._rows} {self._sum:064x}".encode())
        return whole.hexdigest()[:_SHOWN]


def texts_fingerprint(rows: Iterable[object]) -> str:
    """The fingerprint of rows of texts alone.

    Example (the order of the rows is not in it, the order within a row is):

    ```python
    >>> texts_fingerprint([["Is it sharp?", "Yes."], ["Is it dark?", "No."]])
    '94fa30972a69dcae'
    >>> texts_fingerprint([["Is it dark?", "No."], ["Is it sharp?", "Yes."]])
    '94fa30972a69dcae'
    ```
    """
    found = RowsFingerprint()
    for row in rows:
        found.add(row)
    return found.result()
