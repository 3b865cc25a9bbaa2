"""Where the work runs: in this process, or in several on this machine. What the work is stands apart from that."""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from ..errors import GiqaError
from .record import Record
from .shards import encode
from .stage import Pictures, Stage

PHOTO_BATCH = 16
"""How many records a stage that looks at photos gets at once. Photos of 12 megapixels are 36 MB each once decoded, so
a whole shard of them would not fit. Bytes may depend on it (a detector pads a batch), so it stands in the manifest."""


class Job(NamedTuple):
    """A shard to be worked on."""

    number: int
    records: list[Record]


class Done(NamedTuple):
    """A finished shard."""

    number: int
    data: bytes
    """Its content, as it goes to disk."""


class Plan(NamedTuple):
    """What every worker needs to know; it can be pickled."""

    stages: tuple[Callable[[], Stage], ...]
    root: Path
    """Folder of the corpus' photos."""
    build: Path


Watch = Callable[[str], None]
"""Takes where the work is, in words."""


def work(
    stages: Sequence[Stage], records: list[Record], pictures: Pictures, watch: Watch | None = None
) -> None:
    """Take the records of a shard through stages, in place.

    Stages without photos get the whole shard at once, so that many questions to an LLM are under way together. A row
    of stages with photos gets them in batches of `PHOTO_BATCH`, each photo opened once and closed after the last.
    """
    for with_photos, run in itertools.groupby(stages, key=lambda stage: "photo" in stage.reads):
        step, row = (PHOTO_BATCH if with_photos else max(1, len(records))), list(run)
        for start in range(0, len(records), step):
            batch = records[start : start + step]
            for stage in row:
                if watch:
                    watch(f"{stage.name}, records {start + 1} to {start + len(batch)} of {len(records)}")
                stage(batch, pictures)
            pictures.clear()


def annotate_shard(
    records: list[Record], stages: Sequence[Stage], pictures: Pictures, watch: Watch | None = None
) -> bytes:
    """The unit of work: from the records of a shard, as they come from the corpus, to its bytes on disk.

    The bytes depend on the records and the stages' settings alone.
    """
    work(stages, records, pictures, watch)
    return encode(records)


def run_local(
    jobs: Iterable[Job], plan: Plan, workers: int = 1, watch: Watch | None = None
) -> Generator[Done, None, None]:
    """Work on shards in this process, or in several.

    Args:
        jobs (iterable of `Job`): taken one by one; at most two per worker are in memory.
        plan (`Plan`): how.
        workers (`int`, *optional*, defaults to `1`): processes; each builds the stages for itself, models included. A
            script that asks for more than one must stand under `if __name__ == "__main__":`.
        watch (`callable`, *optional*): takes where the work is, in words; of one process only.

    Yields:
        `Done`: as they get ready, in any order.

    Raises:
        `GiqaError`: what a stage raised, or when a worker has died.
    """
    if workers > 1:
        yield from _run_pool(jobs, plan, workers)
        return
    stages = [make() for make in plan.stages]
    pictures = Pictures(plan.root, plan.build)
    for job in jobs:
        inside = functools.partial(_inside, watch, job.number) if watch else None
        yield Done(job.number, annotate_shard(job.records, stages, pictures, inside))


def _inside(watch: Watch, number: int, place: str) -> None:
    watch(f"shard {number:05d}: {place}")


def _run_pool(jobs: Iterable[Job], plan: Plan, workers: int) -> Generator[Done, None, None]:
    # Not fork: threads of BLAS or torch in this process would leave their locks behind.
    context = multiprocessing.get_context("spawn")
    # The workers hold the reading end: it ends when we close ours, or when this process is gone, kill -9 included.
    watched, alive = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(plan, watched))
    try:
        yield from _in_flight(pool, iter(jobs), 2 * workers)
    except BrokenProcessPool:
        raise GiqaError(
            f"a worker process died, likely for want of memory ({workers} were at work); run the same command again "
            "to go on where it was, with fewer --workers if it happens again (a script of your own that asks for "
            'several workers must do so under `if __name__ == "__main__":`)'
        ) from None
    except BaseException:
        alive.close()  # Ctrl-C: nobody waits for shards that are half done
        raise
    finally:
        with contextlib.suppress(BrokenProcessPool):
            pool.shutdown(wait=True, cancel_futures=True)
        alive.close()
        watched.close()


def _in_flight(pool: ProcessPoolExecutor, jobs: Iterator[Job], most: int) -> Generator[Done, None, None]:
    waiting: set[Future[Done]] = set()
    while True:
        for job in itertools.islice(jobs, most - len(waiting)):
            with _no_interrupt_inherited():
                waiting.add(pool.submit(_work, job))
        if not waiting:
            return
        ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in ready:
            yield future.result()


@contextlib.contextmanager
def _no_interrupt_inherited() -> Iterator[None]:
    """Start processes that a Ctrl-C does not reach, not even before `_start`; it reaches us right behind the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a worker process holds. The stages are built at the first shard: there an error can be told."""

    plan: Plan
    stages: list[Stage] | None = None


def _start(plan: Plan, watched: Connection) -> None:
    """Prepare a worker process."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # the terminal's Ctrl-C reaches us too; our parent sees to it
    threading.Thread(target=_leave_with_parent, args=(watched,), daemon=True).start()
    _Worker.plan = plan


def _leave_with_parent(watched: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        watched.recv_bytes()
    os._exit(1)


def _work(job: Job) -> Done:
    try:
        if _Worker.stages is None:
            _Worker.stages = [make() for make in _Worker.plan.stages]
        pictures = Pictures(_Worker.plan.root, _Worker.plan.build)
        return Done(job.number, annotate_shard(job.records, _Worker.stages, pictures))
    except GiqaError as error:
        # Its subclasses need not survive the way through a pipe, and only the sentence matters.
        raise GiqaError(str(error)) from None
