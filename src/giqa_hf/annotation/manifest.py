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
from .engines import PHOTO_BATCH

if TYPE_CHECKING:
    from .profiles import Profile
    from .survey import ShardedCorpus, Survey

_NOT_COMPARED = "root"  # where the photos lie is not what they are: a corpus may be moved between two runs
_SHOWN = 4


def describe(corpus: ShardedCorpus, survey: Survey, profile: Profile, build: Path) -> dict[str, Any]:
    """The manifest of a build, as plain values for JSON.

    Raises:
        `GiqaError`: when a stage cannot be made with these settings.
    """
    try:
        stages = [make() for make in profile.stages(build)]
        told = [{"name": stage.name, **stage.settings()} for stage in stages]
    except GiqaError:
        raise
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


def claim(build: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, or see that the one that is there is the same.

    Raises:
        `GiqaError`: naming what differs.
    """
    if not (build / shards.MANIFEST).exists():
        write_json(build / shards.MANIFEST, manifest)
        return
    found = shards.read_manifest(build)
    if differing := list(_differences({**found, _NOT_COMPARED: ""}, {**manifest, _NOT_COMPARED: ""})):
        more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
        raise GiqaError(
            f"{build}: expected a build with the same corpus and settings, found one with "
            f"{', '.join(differing[:_SHOWN])}{more}; add --fresh to start anew, or choose another folder with --out"
        )
    if found != manifest:
        write_json(build / shards.MANIFEST, manifest)


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


def _differences(found: Any, now: Any, name: str = "") -> Iterator[str]:
    """In words, every place where two manifests are not the same."""
    if found == now:
        return
    if isinstance(found, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*found, *now]):
            yield from _differences(found.get(key), now.get(key), f"{name}.{key}" if name else str(key))
    elif isinstance(found, list) and isinstance(now, list) and len(found) == len(now):
        for number, (old, new) in enumerate(zip(found, now, strict=True)):
            inner = old.get("name", number) if isinstance(old, dict) else number
            yield from _differences(old, new, f"{name}.{inner}")
    else:
        yield f"{name} {_told(found)} (now {_told(now)})"


def _told(value: Any) -> str:
    if value is None:
        return "not set"
    return (
        value
        if isinstance(value, str) and len(value) <= 60
        else f"{json.dumps(value, ensure_ascii=False):.60}"
    )
