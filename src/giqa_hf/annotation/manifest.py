"""Everything that the bytes of a build depend on, written before the first of them, and compared when it goes on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import GiqaError
from ..files import write_json
from . import shards
from .differences import SHOWN, told
from .engines import PHOTO_BATCH

if TYPE_CHECKING:
    from .profiles import Profile
    from .survey import ShardedCorpus, Survey

_NOT_COMPARED = "root"  # where the photos lie is not what they are: a corpus may be moved between two runs
_OF_THE_ROWS = ("limit", "rows", "problems", "sha256")


def describe(corpus: ShardedCorpus, survey: Survey, profile: Profile, build: Path) -> dict[str, Any]:
    """The manifest of a build, as plain values for JSON.

    Raises:
        `GiqaError`: when a stage cannot be made with these settings.
    """
    try:
        stages = [make() for make in profile.stages(build)]
        told = [{"name": stage.name, **stage.settings()} for stage in stages]
    except GiqaError as error:
        if (explained := profile.explained(error)) is error:
            raise
        raise explained from error
    except ValueError as error:
        raise GiqaError(f"profile {profile.name}: {error}") from error
    manifest = {
        "made_by": shards.MADE_BY,
        "versions": {"giqa_hf": __version__, **profile.versions()},
        "root": str(corpus.corpus.root.resolve()),
        "corpus": {
            **corpus.corpus.settings(),
            "limit": corpus.limit,
            "rows": survey.rows,
            "problems": dict(sorted(survey.problems.items())),
            "sha256": survey.sha256,
        },
        "shard_size": corpus.shard_size,
        "photo_batch": PHOTO_BATCH,
        "profile": profile.settings(),
        "stages": told,
    }
    plain: dict[str, Any] = json.loads(json.dumps(manifest))  # as it will be read back
    return plain


def check_place(build: Path) -> None:
    """See that a folder is unused, or of an earlier run.

    Raises:
        `GiqaError`: when it holds something else, which is never touched.
    """
    if build.exists() and not build.is_dir():
        raise GiqaError(f"{build}: expected a folder, found a file; choose another folder with --out")
    if shards.is_unused(build):
        return
    if not (build / shards.MANIFEST).exists():
        raise GiqaError(
            f"{build}: expected an empty folder or an earlier build, found other files; choose another --out"
        )
    shards.read_manifest(build)


def rows_taken(build: Path) -> int:
    """How many rows of its corpus an earlier run in this folder has taken; 0 where there was none."""
    if not (build / shards.MANIFEST).exists():
        return 0
    return int(shards.read_manifest(build)["corpus"]["rows"])


def claim(build: Path, manifest: dict[str, Any], survey: Survey, profile: Profile) -> None:
    """Write the manifest, or see that the one that is there is the same.

    A build that has taken the first rows of the same corpus (`--limit`) may grow: its last shard, if it is not full,
    is made anew. One that has no shard yet, or whose audit keeps nothing, is no reason to refuse another.

    Args:
        build (`Path`): the folder, held by this process.
        manifest (`dict`): of this run.
        survey (`Survey`): of this run, made with `rows_taken`.
        profile (`Profile`): of this run, for its settings' names.

    Raises:
        `GiqaError`: naming what differs.
    """
    if not (build / shards.MANIFEST).exists():
        write_json(build / shards.MANIFEST, manifest)
        return
    found = shards.read_manifest(build)
    if shards.kept_nothing(build) or (not shards.finished_shards(build) and not _same(found, manifest)):
        shards.remove_build(build)
    elif not _same(found, manifest):
        if not _same(_without_rows(found), _without_rows(manifest)) or not _begins_with(survey, found):
            raise _refusal(build, found, manifest, profile)
        # First what is no longer whole, then the manifest: killed in between, either command can go on.
        if rest := found["corpus"]["rows"] % found["shard_size"]:
            shards.shard_path(build, (found["corpus"]["rows"] - rest) // found["shard_size"]).unlink(
                missing_ok=True
            )
        (build / shards.AUDIT).unlink(missing_ok=True)
    if found != manifest or not (build / shards.MANIFEST).exists():
        write_json(build / shards.MANIFEST, manifest)


def _same(found: dict[str, Any], manifest: dict[str, Any]) -> bool:
    return {**found, _NOT_COMPARED: ""} == {**manifest, _NOT_COMPARED: ""}


def _without_rows(manifest: dict[str, Any]) -> dict[str, Any]:
    corpus = {key: value for key, value in manifest["corpus"].items() if key not in _OF_THE_ROWS}
    return {**manifest, "corpus": corpus}


def _begins_with(survey: Survey, found: dict[str, Any]) -> bool:
    """Whether the first rows of this run are all those that the earlier one has taken."""
    return survey.earlier_sha256 is not None and survey.earlier_sha256 == found["corpus"]["sha256"]


def _refusal(build: Path, found: dict[str, Any], manifest: dict[str, Any], profile: Profile) -> GiqaError:
    said = told(found, manifest, profile.setting_names(), (_NOT_COMPARED,))
    more = f", and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return GiqaError(
        f"{build} holds a build that was begun with {', '.join(said[:SHOWN])}{more}; run with the old values to go on "
        "with it, name another folder with --out, or add --fresh to remove it and start anew"
    )


@contextlib.contextmanager
def alone(build: Path) -> Iterator[None]:
    """Make the folder, and hold it for this process; the system lets go of it however the process ends.

    Raises:
        `GiqaError`: when another run holds it, or it cannot be made.
    """
    try:
        build.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GiqaError(
            f"{build}: cannot be made ({error.strerror}); choose another folder with --out"
        ) from error
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(build, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems know no locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise GiqaError(
                    f"{build}: another `giqa annotate` is at work there; wait for it, or choose another --out"
                ) from None
        yield
    finally:
        os.close(handle)
