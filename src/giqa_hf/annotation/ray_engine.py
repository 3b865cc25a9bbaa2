"""The same work under Ray Data: every stage is a pool of actors, on this machine or on a cluster.

Shards travel from stage to stage as the bytes that they have on disk, so what comes out is what the local engine makes.
All machines of a cluster must see the corpus' photos and the build's folder under the same paths.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import GiqaError, MissingExtraError
from .engines import Done, Job, Plan, work
from .shards import decode, encode
from .stage import Pictures, Stage

WINDOW_RECORDS = 20_000
"""So many records are handed to Ray at once, so that memory stays flat; models are loaded anew for each window."""
MOST_TRIES = 5
"""How often a shard may take its worker with it (out of memory, a lost machine) before the build stops."""
_CPU_SHARE = 0.8
"""Of the CPUs, how much all actors ask for together. Were it all, Ray's own tasks would wait for ever on two CPUs."""
_STORE_BYTES = 256 * 2**20


def run_ray(
    jobs: Iterable[Job], plan: Plan, workers: int = 1, model_stages: Collection[str] = ()
) -> Generator[Done, None, None]:
    """Work on shards with Ray Data.

    A Ray that runs already (`ray.init`, or the address in `RAY_ADDRESS`) is used and left running; otherwise one is
    started on this machine, which only this machine can reach, and ended.

    Args:
        jobs (iterable of `Job`): taken in windows of about `WINDOW_RECORDS` records.
        plan (`Plan`): how.
        workers (`int`, *optional*, defaults to `1`): actors of each stage.
        model_stages (collection of `str`, *optional*): names of the stages that hold a model: where the cluster has
            GPUs, their actors share them.

    Yields:
        `Done`: as they get ready, in any order.

    Raises:
        `GiqaError`: what a stage raised, or when workers die again and again.
        `MissingExtraError`: without Ray.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingExtraError("the engine ray", "ray") from error
    iterator = iter(jobs)
    with _cluster(ray), _quiet(ray.data):
        options = _actor_options(_resources(ray), plan, workers, model_stages)
        while window := list(_window(iterator)):
            yield from _run_window(ray, window, plan, workers, options)


def _window(jobs: Iterator[Job]) -> Iterator[Job]:
    taken = 0
    while taken < WINDOW_RECORDS and (job := next(jobs, None)):
        taken += len(job.records)
        yield job


def _run_window(
    ray: Any, window: list[Job], plan: Plan, workers: int, options: list[dict[str, Any]]
) -> Iterator[Done]:
    rows = [{"number": job.number, "data": encode(job.records), "problem": ""} for job in window]
    tries = ray.remote(num_cpus=0)(Tries).remote()
    dataset = ray.data.from_items(
        rows, override_num_blocks=len(rows)
    )  # a shard is what is lost and done again
    for at, option in enumerate(options):
        dataset = dataset.map(
            StageActor,
            fn_constructor_args=(at, plan, tries),
            compute=ray.data.ActorPoolStrategy(size=workers),
            **option,
        )
    # To the end, also where a shard brings a problem: what is finished is kept, the rest passes through unchanged, and
    # no actor is killed at its work. Such a kill, and Ray's shutdown right behind it, came before two runs (Ray 2.60)
    # in which our process was gone with status 1 and without a word; whether they were the cause is not known.
    problem = ""
    for row in dataset.iter_rows():
        if not row["problem"]:
            yield Done(row["number"], row["data"])
        problem = problem or row["problem"]
    if problem:
        raise GiqaError(problem)


class Begun(NamedTuple):
    """What `Tries` answers."""

    times: int
    """How often this shard was begun at this stage."""
    problem: str
    """Why the build stops, if it does."""


class Tries:
    """Counts how often a shard was begun, in a process that outlives the workers.

    Ray Data starts a dead worker again and gives it the same shard for ever; one that does not fit into memory would
    never end. It also knows when the build stops, so that no worker begins anything more.
    """

    def __init__(self) -> None:
        self.begun: Counter[tuple[int, int]] = Counter()
        self.problem = ""

    def begin(self, at: int, number: int) -> Begun:
        """Count one, of a stage and a shard."""
        self.begun[at, number] += 1
        return Begun(self.begun[at, number], self.problem)

    def stop(self, problem: str) -> None:
        """Let nothing more begin; the first problem counts."""
        self.problem = self.problem or problem


class StageActor:
    """One stage in a process of its own; it takes shards as rows of a Ray dataset.

    Args:
        at (`int`): which of the plan's stages.
        plan (`Plan`): how.
        tries: handle of the actor `Tries`.
    """

    def __init__(self, at: int, plan: Plan, tries: Any) -> None:
        self.at = at
        self.tries = tries
        self.make = plan.stages[at]
        self.pictures = Pictures(plan.root, plan.build)
        self.stage: Stage | None = None

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Take one shard through the stage; one with a problem is passed on as it is."""
        if row["problem"]:
            return row
        import ray

        number = row["number"]
        begun = ray.get(self.tries.begin.remote(self.at, number))
        if begun.problem:
            return {**row, "problem": begun.problem}
        try:
            self.stage = self.stage or self.make()
            if begun.times > MOST_TRIES:
                raise GiqaError(
                    f"shard {number} has taken its worker at stage {self.stage.name} with it {MOST_TRIES} times, "
                    "likely for want of memory; run the same command again to go on where it was, with fewer "
                    "--workers, or make the build anew with a smaller --shard-size"
                )
            records = decode(row["data"])
            work([self.stage], records, self.pictures)
        except GiqaError as error:
            # As a value: an exception would be retried, wrapped and printed with the tracebacks of three processes.
            ray.get(self.tries.stop.remote(str(error)))
            return {**row, "problem": str(error)}
        return {**row, "data": encode(records)}


def _actor_options(
    resources: dict[str, float], plan: Plan, workers: int, model_stages: Collection[str]
) -> list[dict[str, Any]]:
    """What an actor of each stage asks for, so that all of them can be there at the same time."""
    names = [make().name for make in plan.stages]
    cpus = _share(_CPU_SHARE * resources.get("CPU", 1.0), workers * len(names))
    gpus = _share(resources.get("GPU", 0.0), workers * sum(name in model_stages for name in names))
    return [{"num_cpus": cpus, "num_gpus": gpus if name in model_stages else 0} for name in names]


def _resources(ray: Any) -> dict[str, float]:
    return dict(ray.cluster_resources())


def _share(amount: float, parts: int) -> float:
    """At most 1, in Ray's smallest unit, 1/10,000, rounded down."""
    return min(1.0, int(10_000 * amount / max(parts, 1)) / 10_000)


@contextlib.contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # or it reports to its makers
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # or its core writes onto the terminal
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    address = os.environ.get("RAY_ADDRESS")
    own = {"include_dashboard": False, "object_store_memory": _STORE_BYTES, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init(**quiet, **({} if address else own))
    except Exception as error:  # it raises that very class where its processes are not up within 30 seconds
        ray.shutdown()
        where = (
            f"the Ray at RAY_ADDRESS={address} cannot be used" if address else "Ray cannot be started here"
        )
        raise GiqaError(
            f"{where} ({(str(error) or type(error).__name__).splitlines()[0]:.200}); try again when the machine is "
            "less busy, or leave out --engine ray: the local engine makes the same files"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _quiet(data: Any) -> Iterator[None]:
    """Keep Ray Data's bars and notices out of ours."""
    context, logger = data.DataContext.get_current(), logging.getLogger("ray.data")
    wanted = {"enable_progress_bars": False, "print_on_execution_start": False}
    before, level = {name: getattr(context, name) for name in wanted}, logger.level
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        logger.setLevel(logging.ERROR)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        logger.setLevel(level)
