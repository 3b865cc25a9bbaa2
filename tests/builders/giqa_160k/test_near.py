"""The search for near hashes finds exactly what comparing all with all finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.builders.giqa_160k import near
from giqa_hf.builders.giqa_160k.near import near_pairs


def all_with_all(a, b, bits):
    left, right = np.nonzero(np.bitwise_count(a[:, None] ^ b[None, :]) <= bits)
    return list(zip(left.tolist(), right.tolist(), strict=True))


def pairs(a, b, bits):
    found = near_pairs(a, b, bits)
    return list(zip(found.left.tolist(), found.right.tolist(), strict=True))


def flipped(rng, value, count):
    for bit in rng.choice(64, count, replace=False):
        value ^= np.uint64(1) << np.uint64(bit)
    return value


@pytest.mark.parametrize("bits", [0, 3, 4, 7, 8, 10, 12, 16])
@pytest.mark.parametrize("block", [1 << 22, 40], ids=["one block", "many blocks"])
def test_against_all_with_all(rng, monkeypatch, bits, block):
    monkeypatch.setattr(near, "_CANDIDATES_AT_ONCE", block)
    monkeypatch.setattr(near, "_KEYS_AT_ONCE", 64 * block)
    a = rng.integers(0, 2**64, 60, dtype=np.uint64)
    # Of each hash copies at every distance up to two bits further than looked for, and hashes that crowd in one band.
    b = np.array([flipped(rng, value, d) for value in a[:12] for d in range(bits + 3)], dtype=np.uint64)
    crowd = (a[0] & ~np.uint64(0xFFFF)) | rng.integers(0, 4, 50, dtype=np.uint64)
    b = np.concatenate([b, crowd])
    expected = all_with_all(a, b, bits)
    assert len(expected) >= 12 * (bits + 1)
    assert pairs(a, b, bits) == expected


@given(st.lists(st.integers(0, 2**64 - 1), max_size=8), st.lists(st.integers(0, 2**64 - 1), max_size=8))
def test_any_hashes(a, b):
    a, b = (np.array(values, dtype=np.uint64) for values in (a, b))
    assert pairs(a, b, 10) == all_with_all(a, b, 10)


@pytest.mark.parametrize("bits", [-1, 17])
def test_bits_that_are_none(bits):
    with pytest.raises(ValueError, match=f"expected 0 to 16, got {bits}"):
        near_pairs(np.zeros(1, np.uint64), np.zeros(1, np.uint64), bits)
