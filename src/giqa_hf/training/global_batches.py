"""Which rows an optimizer step sees: the same ones on one device as on many, and after an interruption as without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class GlobalBatches(Sampler[int]):
    """Rows in random order, each global batch sorted by length, the longest first.

    The batch of an optimizer step is drawn without a look at lengths, so that a step is not all descriptions or all
    questions. Within the batch neighbours have about the same length: what is cut out of it for one device and one
    forward pass is padded little, and devices that work side by side get about as much to do. Since the loss is a mean
    over all answers' tokens of the global batch, how it is cut does not change the step.

    An epoch's order depends on seed and epoch alone, so that a run that goes on in the middle of one finds it again.
    (transformers' own sampler by length, as of 5.23, draws it from the state of torch's generator, which is another
    one after a restart.)

    Args:
        lengths (`sequence` of `int`): of all rows, in any unit.
        global_batch (`int`): rows per optimizer step over all devices.
        seed (`int`): of the order.
        epoch_of (`callable`): which epoch begins, asked at its beginning.
    """

    def __init__(
        self, lengths: Sequence[int], global_batch: int, seed: int, epoch_of: Callable[[], int]
    ) -> None:
        self.lengths = np.asarray(lengths)
        self.global_batch = global_batch
        self.seed = seed
        self.epoch_of = epoch_of

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self.seed, self.epoch_of()]).permutation(len(self.lengths))
        for start in range(0, len(order), self.global_batch):
            batch = order[start : start + self.global_batch]
            yield from batch[np.argsort(-self.lengths[batch], kind="stable")].tolist()
