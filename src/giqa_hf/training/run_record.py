"""The record of a training: everything that a checkpoint came of, in one JSON file beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..benchmark.record import differences, session
from ..errors import GiqaError
from ..files import write_json

MADE_BY = "giqa train"
RECORD = "run.json"
_LIBRARIES = ("trl", "peft", "accelerate", "bitsandbytes", "deepspeed")
_SHOWN = 4


def training_session(arguments: Sequence[str], execution: Mapping[str, Any]) -> dict[str, Any]:
    """One start of a training: when, by which command, with which software, on what machine and how many devices.

    None of it changes the run but by rounding; where it was continued, all of its sessions stand in the record.
    """
    now = session(dict(execution))
    for name in _LIBRARIES:
        try:
            now["software"][name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {**now, "arguments": list(arguments)}


def read_training(folder: Path) -> dict[str, Any]:
    """The record of a training.

    It has `run` (backbone, checkpoint, recipe, data, boxes, evaluation, seed), `sessions`, and, once it is finished,
    `result`.

    Raises:
        `GiqaError`: when the folder is of no training.
    """
    found = _read(folder)
    if found is None:
        raise GiqaError(
            f"{folder}: expected the folder of a training that `giqa train` has made, found no {RECORD} of it; check "
            "the path"
        )
    return found


def claim_training(folder: Path, run: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Write the record of a new training, or add a session to that of an earlier one with the same settings.

    Raises:
        `GiqaError`: when the folder holds something else, or a training with other settings; it names them.
    """
    if folder.exists() and not folder.is_dir():
        raise GiqaError(f"{folder}: expected a folder, found a file; choose another folder with --out")
    plain = json.loads(json.dumps(run))  # as it will be read back
    if not folder.is_dir() or not any(folder.iterdir()):
        write_json(folder / RECORD, {"made_by": MADE_BY, "run": plain, "sessions": [now]})
        return
    found = _read(folder)
    if found is None:
        raise GiqaError(
            f"{folder}: expected a new folder or an earlier training, found other files; choose another --out"
        )
    if others := list(differences(found["run"], plain)):
        told = ", ".join(
            f"{other.name} {_told(other.first)} (now {_told(other.second)})" for other in others[:_SHOWN]
        )
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        raise GiqaError(
            f"{folder}: expected a training with the same settings, found one with {told}{more}; choose another folder "
            "with --out, or delete this one"
        )
    write_json(folder / RECORD, {**found, "sessions": [*found["sessions"], now]})


def finish_training(folder: Path, result: Mapping[str, Any]) -> None:
    """Add what came of it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    write_json(folder / RECORD, {**read_training(folder), "result": {**result, "finished": now}})


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(found, dict) and found.get("made_by") == MADE_BY and isinstance(found.get("run"), dict)
    return found if ours else None


def _told(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
