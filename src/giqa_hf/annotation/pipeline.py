"""The whole way: a corpus is cut into shards, every shard goes through the stages, and the books are balanced.

A shard's bytes depend on its rows and the settings alone, and a shard file is there whole or not at all. So an
interrupted build goes on by making what is missing, and ends in the bytes of one that was never disturbed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..errors import DataError, GiqaError
from . import audit as audits
from . import manifest, shards
from .engines import Done, Job, Plan, run_local
from .pace import Pace
from .record import Record, drop
from .survey import ShardedCorpus, Survey, ids_digest

if TYPE_CHECKING:
    from ..corpora.corpus import Corpus, CorpusRow
    from .profiles import Profile

Say = Callable[[str], None]
Engine = Literal["local", "ray"]
OnMissing = Literal["go on", "stop"]


def annotate(
    corpus: Corpus,
    profile: Profile,
    out: Path,
    *,
    engine: Engine = "local",
    shard_size: int = 100,
    workers: int = 1,
    limit: int | None = None,
    on_missing: OnMissing = "go on",
    fresh: bool = False,
    say: Say = print,
) -> audits.Audit:
    """Make a build from a corpus, or go on with one.

    Args:
        corpus (`Corpus`): photos with descriptions; read twice, never held in memory.
        profile (`Profile`): the stages and their settings.
        out (`Path`): folder of the build: new, empty, or of an earlier run with the same corpus and settings.
        engine (`str`, *optional*, defaults to `"local"`): `"local"`, or `"ray"` for Ray Data; the bytes are the same.
        shard_size (`int`, *optional*, defaults to `100`): corpus rows in a shard, the unit that appears at once.
        workers (`int`, *optional*, defaults to `1`): processes of the local engine, or actors per stage of Ray.
        limit (`int`, *optional*): take only so many rows.
        on_missing (`str`, *optional*, defaults to `"go on"`): with photos that are not there: `"go on"` without them
            (they are dropped with that reason), or `"stop"` before any work.
        fresh (`bool`, *optional*, defaults to `False`): remove what an earlier run has made in `out`, and nothing else
            (cached LLM answers stay), and start anew.
        say (`callable`, *optional*, defaults to `print`): takes the progress, a line at a time.

    Returns:
        `Audit`: the balance, also in `out/audit.json`.

    Raises:
        `GiqaError`: when the folder holds something else or a build with other settings, photos are missing and
            `on_missing` says stop, a disk is full, a server is gone. Finished shards stay; run again to go on.
    """
    for name, value in (("shard_size", shard_size), ("workers", workers), ("limit", limit)):
        if value is not None and value < 1:
            raise GiqaError(f"{name}: expected a whole number of at least 1, got {value}")
    for name, choice, known in (
        ("engine", engine, ("local", "ray")),
        ("on_missing", on_missing, ("go on", "stop")),
    ):
        if choice not in known:
            raise GiqaError(f"{name}: expected one of {', '.join(map(repr, known))}, got {choice!r}")
    manifest.check_place(out)
    sharded = ShardedCorpus(corpus, shard_size, limit)
    survey = sharded.survey()
    _tell_missing(survey, on_missing, say)
    made_from = manifest.describe(sharded, survey, profile, out)
    with manifest.alone(out), _explained_memory():
        if fresh:
            shards.remove_build(out)
        shards.remove_leftovers(out)
        manifest.claim(out, made_from)
        there = set(shards.finished_shards(out))
        missing = [index for index in range(len(survey.ids)) if index not in there]
        if there:
            say(f"{len(there):,} of {len(survey.ids):,} shards are there already")
        if missing:
            jobs = (
                Job(index, [_record(row, out) for row in rows])
                for index, rows in sharded.again(survey, missing)
            )
            plan = Plan(tuple(profile.stages(out)), corpus.root, out)
            done = _run(engine, jobs, plan, min(workers, len(missing)), profile)
            sizes = {index: min(shard_size, survey.rows - index * shard_size) for index in missing}
            _write(done, out, sizes, survey.rows, say)
        return _balance(out, survey, [stage["name"] for stage in made_from["stages"]])


def _tell_missing(survey: Survey, on_missing: OnMissing, say: Say) -> None:
    if not survey.missing.count:
        return
    for line in str(survey.missing).splitlines():
        say(line)
    if on_missing == "stop":
        raise GiqaError(
            f"{survey.missing.count:,} of {survey.rows:,} rows have no photo (the first: {survey.missing.first[0]}); "
            "put the photos where the corpus expects them, name another folder with --root, or go on without them: "
            "--on-missing go-on"
        )


def _run(
    engine: Engine, jobs: Iterator[Job], plan: Plan, workers: int, profile: Profile
) -> Generator[Done, None, None]:
    if engine == "local":
        return run_local(jobs, plan, workers)
    from .ray_engine import run_ray

    return run_ray(jobs, plan, workers, profile.model_stages())


def _write(
    done: Generator[Done, None, None], build: Path, sizes: dict[int, int], total: int, say: Say
) -> None:
    """Let shards appear as they get ready; whatever happens, the engine is closed."""
    pace = Pace(say, "records", total=total, done=total - sum(sizes.values()))
    with contextlib.closing(done):
        for number, data in done:
            shards.write_shard(build, number, data)
            pace.add(sizes[number])
    pace.finish()


def _record(row: CorpusRow, build: Path) -> Record:
    """A corpus row as it sets out on its way; a photo that came inside the table is put into the build."""
    if isinstance(row.image, str):
        image, embedded = row.image, False
    else:
        image, embedded = "" if row.problem else shards.store_photo(build, row.image), True
    record = Record(row.record_id, row.image_id, image, row.description, row.source, row.license, embedded)
    if row.problem:
        drop(record, "corpus", row.problem, detail=row.detail)
    return record


def _balance(build: Path, survey: Survey, stages: list[str]) -> audits.Audit:
    """Read the build back, see that every record of the corpus is there once, and write the audit."""

    def compared() -> Iterator[Record]:
        for index, expected in enumerate(survey.ids):
            records = shards.read_shard(build, index)
            if ids_digest(record.record_id for record in records) != expected:
                raise DataError(
                    f"{shards.shard_path(build, index)}: expected the records of this part of the corpus, each once "
                    "and in order, found others; delete this shard and run again"
                )
            yield from records

    audit = audits.count(compared(), stages)
    audit.write(build / shards.AUDIT)
    return audit


@contextlib.contextmanager
def _explained_memory() -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise GiqaError(
            "the memory is used up; run the same command again to go on where it was, with fewer --workers or a "
            "smaller model"
        ) from error
