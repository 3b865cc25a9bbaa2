"""The record of a training: everything that a checkpoint came of, in one JSON file beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from ..benchmark.record import RECORD, claim, read_record, refuse_differences, session
from ..files import write_json

MADE_BY = "giqa train"
_LIBRARIES = ("trl", "peft", "accelerate", "bitsandbytes", "deepspeed")


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
    return read_record(folder, MADE_BY)


def claim_training(folder: Path, run: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Write the record of a new training, or add a session to that of an earlier one with the same settings.

    Raises:
        `GiqaError`: when the folder holds something else, or a training with other settings; it names them.
    """
    claim(folder, dict(run), dict(now), MADE_BY)


def check_settings(folder: Path, known: Mapping[str, Any]) -> None:
    """See, before anything is loaded, that an earlier training in this folder has the settings that are known already.

    Raises:
        `GiqaError`: when it has others; it names them.
    """
    if (folder / RECORD).exists():
        earlier = _same_keys(read_training(folder)["run"], known)
        refuse_differences(folder, earlier, dict(known))


def _same_keys(record: Any, known: Any) -> Any:
    """Those parts of a record that a smaller one has too."""
    if not isinstance(record, Mapping) or not isinstance(known, Mapping):
        return record
    return {name: _same_keys(record.get(name), value) for name, value in known.items()}


def finish_training(folder: Path, result: Mapping[str, Any]) -> None:
    """Add what came of it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    write_json(folder / RECORD, {**read_training(folder), "result": {**result, "finished": now}})
