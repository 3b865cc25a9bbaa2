"""Finding hashes that differ in few bits, in large sets, without comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MAX_BITS = 16
_BANDS, _BAND_BITS = 4, 16
_KEYS_AT_ONCE = 1 << 19  # these two bound the memory: some ten arrays of that many numbers
_CANDIDATES_AT_ONCE = 1 << 22


class NearPairs(NamedTuple):
    """Entry k says that `a[left[k]]` and `b[right[k]]` are close."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]


def near_pairs(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64], bits: int) -> NearPairs:
    """All pairs of 64-bit hashes that differ in at most so many bits.

    Two hashes that differ in at most t bits differ in at most t // 4 bits of one of their four 16-bit bands. So for
    each band the few keys that far away are looked up in a table of the other set, and only what is found there is
    compared in full. Nothing is missed.

    Args:
        a (`uint64 array` of shape (N,)): hashes.
        b (`uint64 array` of shape (M,)): hashes.
        bits (`int`): 0 to 16.

    Returns:
        `NearPairs`: each pair once, sorted by `left`, then `right`.
    """
    if not 0 <= bits <= MAX_BITS:
        raise ValueError(f"bits: expected 0 to {MAX_BITS}, got {bits!r}")
    flips = np.array([m for m in range(1 << _BAND_BITS) if m.bit_count() <= bits // _BANDS])
    found = [np.zeros(0, dtype=np.int64)]
    for band in range(_BANDS):
        keys_a, keys_b = (_band(hashes, band) for hashes in (a, b))
        order = np.argsort(keys_b, kind="stable")
        start = np.searchsorted(keys_b[order], np.arange((1 << _BAND_BITS) + 1))
        rows = max(1, _KEYS_AT_ONCE // len(flips))
        for first in range(0, len(a), rows):
            keys = (keys_a[first : first + rows, None] ^ flips).ravel()
            counts = start[keys + 1] - start[keys]
            for block in _blocks(counts):
                sizes = counts[block]
                which = np.repeat(np.arange(block.start, block.stop), sizes)
                within = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
                left, right = first + which // len(flips), order[start[keys[which]] + within]
                near = np.bitwise_count(a[left] ^ b[right]) <= bits
                found.append(left[near] * len(b) + right[near])
    return NearPairs(*np.divmod(np.unique(np.concatenate(found)), max(len(b), 1)))


def _band(hashes: npt.NDArray[np.uint64], band: int) -> npt.NDArray[np.int64]:
    return ((hashes >> np.uint64(_BAND_BITS * band)) & np.uint64((1 << _BAND_BITS) - 1)).astype(np.int64)


def _blocks(counts: npt.NDArray[np.int64]) -> Iterator[slice]:
    """Slices over keys, each with a bounded number of candidates (one key with more of them stands alone)."""
    ends = np.cumsum(counts)
    first, done = 0, 0
    while first < len(counts) and done < ends[-1]:
        stop = max(int(np.searchsorted(ends, done + _CANDIDATES_AT_ONCE, side="right")), first + 1)
        yield slice(first, stop)
        first, done = stop, int(ends[stop - 1])
