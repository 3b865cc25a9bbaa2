"""Which rows a step sees: all of them once an epoch, the same on any number of devices, the same after a restart."""

from __future__ import annotations

import numpy as np
import pytest
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler

from giqa_hf.training.global_batches import GlobalBatches


def order(lengths, batch, epoch=0, seed=0):
    return list(GlobalBatches(lengths, batch, seed, lambda: epoch))


LENGTHS = [17, 3, 90, 41, 5, 66, 28, 12, 77, 8, 31, 54]


@pytest.mark.parametrize("batch", [1, 4, 5, 12, 64])
def test_every_row_once(batch):
    assert sorted(order(LENGTHS, batch)) == list(range(12))
    assert len(GlobalBatches(LENGTHS, batch, 0, lambda: 0)) == 12


def test_a_global_batch_has_the_longest_first_and_was_drawn_without_a_look_at_lengths():
    found = order(LENGTHS, 4)
    drawn = np.random.default_rng([0, 0]).permutation(12)
    for start in (0, 4, 8):
        batch = found[start : start + 4]
        assert set(batch) == set(drawn[start : start + 4].tolist())
        assert [LENGTHS[n] for n in batch] == sorted((LENGTHS[n] for n in batch), reverse=True)


def test_epochs_and_seeds_have_orders_of_their_own_that_can_be_had_again():
    orders = [order(LENGTHS, 4, epoch, seed) for epoch in (0, 1) for seed in (0, 1)]
    assert len({tuple(one) for one in orders}) == 4
    assert order(LENGTHS, 4, 1) == order(LENGTHS, 4, 1)


# devices, rows per device and pass, passes: 2 * 2 * 2 = 8, and so on
CUTS = [(1, 8, 1), (1, 2, 4), (2, 4, 1), (2, 2, 2), (4, 1, 2)]


@pytest.mark.parametrize(("devices", "at_a_time", "passes"), CUTS)
def test_the_rows_of_a_step_are_the_same_however_it_is_cut(devices, at_a_time, passes):
    """As accelerate deals the batches out: batch by batch in turn."""
    lengths = [(7 * n) % 48 for n in range(48)]  # six steps of eight
    whole = order(lengths, 8)
    dealt = [
        list(
            BatchSamplerShard(
                BatchSampler(GlobalBatches(lengths, 8, 0, lambda: 0), at_a_time, False), devices, n
            )
        )
        for n in range(devices)
    ]
    for step in range(6):
        mine = [
            row
            for batches in dealt
            for batch in batches[step * passes : (step + 1) * passes]
            for row in batch
        ]
        assert sorted(mine) == sorted(whole[8 * step : 8 * step + 8])


def test_little_is_padded():
    """Lengths 1..512 in batches of 64, cut into 16: sorted within a batch, most of the padding is gone."""
    lengths = np.random.default_rng(0).integers(1, 513, 6400)

    def padded(rows):
        return sum(lengths[cut].max() * 16 - lengths[cut].sum() for cut in np.reshape(rows, (-1, 16)))

    sorted_, drawn = order(lengths, 64), np.random.default_rng([0, 0]).permutation(6400)
    assert padded(sorted_) < padded(drawn) / 3
