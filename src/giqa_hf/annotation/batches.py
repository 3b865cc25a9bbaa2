"""Work in batches that get smaller when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import GiqaError

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches:
    """Cuts work into batches; one that does not fit into memory is halved, and so are those behind it in that work.

    Args:
        batch_size (`int`): how many items to try at first.
        what (`str`): what an item is, for the message when a single one does not fit.
    """

    def __init__(self, batch_size: int, what: str) -> None:
        self.batch_size = batch_size
        self.what = what

    def run(self, items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Result]]) -> list[Result]:
        """The results of all items, in their order.

        Raises:
            `GiqaError`: when there is too little memory for a single item.
        """
        results: list[Result] = []
        size = self.batch_size  # every work starts anew: results must not depend on what was done before
        while len(results) < len(items):
            batch = items[len(results) : len(results) + size]
            done = _unless_memory_runs_out(work, batch)
            if done is not None:
                results.extend(done)
            elif len(batch) > 1:
                size = len(batch) // 2
            else:
                raise GiqaError(
                    f"too little memory for {self.what} alone; use a smaller model, a smaller number format (dtype), "
                    "or a device with more memory, and start again: the build goes on where it was"
                )
        return results


def _unless_memory_runs_out(
    work: Callable[[Sequence[Item]], Sequence[Result]], batch: Sequence[Item]
) -> Sequence[Result] | None:
    try:
        return work(batch)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # Here, and no longer in `except`: the error held on to the frames that hold the tensors.
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch has a class for it on accelerators only."""
    text = str(error).lower()
    said = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, MemoryError) or any(words in text for words in said)
