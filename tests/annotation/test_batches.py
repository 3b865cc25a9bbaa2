"""Batches: order, sizes, and what happens when memory runs out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.annotation.batches import Batches, is_out_of_memory
from giqa_hf.errors import GiqaError


def worker(fits: int, log: list[int]):
    """Squares numbers; of more than `fits` at once it asks the allocator for 64 TiB, whose refusal is real."""
    import torch

    def work(batch):
        log.append(len(batch))
        if len(batch) > fits:
            torch.empty(2**46, dtype=torch.uint8)
        return [item**2 for item in batch]

    return work


@pytest.mark.parametrize(
    "count, batch_size, fits, sizes",
    [
        (7, 3, 9, [3, 3, 1]),
        (0, 3, 9, []),
        (2, 8, 9, [2]),
        (5, 4, 2, [4, 2, 2, 1]),  # 4 fails and is halved, and stays so
        (4, 4, 1, [4, 2, 1, 1, 1, 1]),
        (6, 5, 3, [5, 2, 2, 2]),  # 5 // 2 = 2
    ],
)
def test_what_does_not_fit_is_halved(count, batch_size, fits, sizes):
    log: list[int] = []
    assert Batches(batch_size, "one").run(range(count), worker(fits, log)) == [n**2 for n in range(count)]
    assert log == sizes


@given(st.integers(0, 30), st.integers(1, 10), st.integers(1, 10))
def test_nothing_is_lost_doubled_or_turned_round(count, batch_size, fits):
    assert Batches(batch_size, "one").run(range(count), worker(fits, [])) == [n**2 for n in range(count)]


def test_a_single_item_that_does_not_fit_stops_the_build():
    log: list[int] = []
    with pytest.raises(
        GiqaError, match=r"^too little memory for one photo of 9 x 8 pixels alone; use a smaller"
    ):
        Batches(2, "one photo of 9 x 8 pixels").run([1, 2, 3], worker(0, log))
    assert log == [2, 1]


def test_another_error_is_not_taken_for_it():
    def work(batch):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        Batches(4, "one").run([1, 2], work)


@pytest.mark.parametrize(
    "error, expected",
    [
        (MemoryError(), True),  # Python's own, and PIL's
        (RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("selected index k out of range"), False),  # "out of ..." is not enough
        (RuntimeError("CUDA error: device-side assert triggered"), False),
    ],
)
def test_is_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected
