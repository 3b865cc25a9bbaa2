"""The whole way: a corpus is cut into shards, every shard goes through the stages, and the books are balanced.

A shard's bytes depend on its rows and the settings alone, and a shard file is there whole or not at all. So an
interrupted build goes on by making what is missing, and ends in the bytes of one that was never disturbed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import DataError, GiqaError
from . import audit as audits
from . import manifest, shards
from .engines import Done, Job, Plan, run_local
from .nothing_kept import nothing_kept, unusable
from .pace import Beat, Pace, told_time
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
    shard_size: int = 32,
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
        shard_size (`int`, *optional*, defaults to `32`): corpus rows in a shard, the unit that appears at once;
            an interruption costs at most so many rows per worker.
        workers (`int`, *optional*, defaults to `1`): processes of the local engine, or actors per stage of Ray.
        limit (`int`, *optional*): take only so many rows; a later run with a larger one, or with none, goes on.
        on_missing (`str`, *optional*, defaults to `"go on"`): with photos that are not there: `"go on"` without them
            (they are dropped with that reason), or `"stop"` before any work.
        fresh (`bool`, *optional*, defaults to `False`): remove what an earlier run has made in `out`, and nothing else
            (cached LLM answers stay), and start anew.
        say (`callable`, *optional*, defaults to `print`): takes the progress, a line at a time.

    Returns:
        `Audit`: the balance, also in `out/audit.json`.

    Raises:
        `GiqaError`: when the folder holds something else or a build with other settings, photos are missing and
            `on_missing` says stop, a disk is full, a server no longer answers, or nothing at all is kept. Finished
            shards stay; run again to go on.
    """
    for name, value in (("--shard-size", shard_size), ("--workers", workers), ("--limit", limit)):
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
    survey = _survey(sharded, 0 if fresh else manifest.rows_taken(out), say)
    _tell_missing(survey, on_missing, say)
    if sum(survey.problems.values()) == survey.rows:
        raise unusable(corpus.name, survey)
    made_from = _describe(sharded, survey, profile, out, say)
    names = [stage["name"] for stage in made_from["stages"]]
    with manifest.alone(out), _explained_memory():
        if fresh:
            shards.remove_build(out)
        shards.remove_leftovers(out)
        manifest.claim(out, made_from, survey, profile)
        there = set(shards.finished_shards(out))
        missing = [index for index in range(len(survey.ids)) if index not in there]
        if there:
            say(
                f"{len(there):,} of {_shards(len(survey.ids))} {'is' if len(there) == 1 else 'are'} there already"
            )
        if missing:
            rows, number = f"{survey.rows:,} row{'' if survey.rows == 1 else 's'}", len(survey.ids)
            say(f"{corpus.name}: {rows} in {_shards(number)}, through the stages {', '.join(names)}")
            jobs = (
                Job(index, [_record(row, out) for row in rows])
                for index, rows in sharded.again(survey, missing)
            )
            plan = Plan(tuple(profile.stages(out)), corpus.root, out)
            sizes = {index: min(shard_size, survey.rows - index * shard_size) for index in missing}
            pace = Pace(say, "records", total=survey.rows, done=survey.rows - sum(sizes.values()))
            workers = min(workers, len(missing))
            if engine == "ray" or workers > 1:
                pace.place = f"{workers} at work, each on a shard of {min(shard_size, survey.rows):,}"
            done = _run(engine, jobs, plan, workers, profile, pace)
            _write(done, out, sizes, pace)
        audit = _balance(out, survey, names)
    if not audit.kept("record"):
        say(f"\n{audit.table()}\n")
        raise nothing_kept(out, audit)
    return audit


def _shards(number: int) -> str:
    return f"{number:,} shard{'' if number == 1 else 's'}"


def _describe(
    sharded: ShardedCorpus, survey: Survey, profile: Profile, out: Path, say: Say
) -> dict[str, Any]:
    """Make the manifest; a server may have to be asked for it, and may be away."""
    begun_s = time.monotonic()

    def line() -> str:
        return f"  preparing the stages, for {told_time(time.monotonic() - begun_s)} now"

    with Beat(say, line).going():
        return manifest.describe(sharded, survey, profile, out)


def _survey(sharded: ShardedCorpus, earlier: int, say: Say) -> Survey:
    """Read the corpus once, and say how far that is if it takes long."""
    read = 0

    def tick(rows: int) -> None:
        nonlocal read
        read = rows
        beat(moved=True)

    beat = Beat(say, lambda: f"  reading {sharded.corpus.name}: {read:,} rows")
    with beat.going():
        return sharded.survey(earlier, tick)


def _tell_missing(survey: Survey, on_missing: OnMissing, say: Say) -> None:
    if not survey.missing.count:
        return
    for line in str(survey.missing).splitlines():
        say(line)
    if on_missing == "stop":
        have = "has" if survey.missing.count == 1 else "have"
        raise GiqaError(
            f"{survey.missing.count:,} of {survey.rows:,} rows {have} no photo (the first: {survey.missing.first[0]}); "
            "put the photos where the corpus expects them, name another folder with --root, or go on without them: "
            "--on-missing go-on"
        )


def _run(
    engine: Engine, jobs: Iterator[Job], plan: Plan, workers: int, profile: Profile, pace: Pace
) -> Generator[Done, None, None]:
    if engine == "local":

        def watch(place: str) -> None:
            pace.place = place

        return run_local(jobs, plan, workers, watch)
    from .ray_engine import run_ray

    return run_ray(jobs, plan, workers, profile.model_stages())


def _write(done: Generator[Done, None, None], build: Path, sizes: dict[int, int], pace: Pace) -> None:
    """Let shards appear as they get ready; whatever happens, the engine is closed."""
    with contextlib.closing(done), pace.beat.going():
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

    audit = audits.count(compared(), stages, survey.left_out)
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
