"""The record of a run: everything that its numbers depend on, in one JSON file."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from .. import __version__
from ..errors import GiqaError
from ..files import write_json

MADE_BY = "giqa bench"
RECORD, REFERENCES, ANSWERS = "run.json", "references.jsonl", "answers.jsonl"
SCORES, IMAGE_SUMS = "scores.json", "images.json"
_LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "pillow", "vllm")
_SHOWN = 4


class Difference(NamedTuple):
    """A place where two records are not the same."""

    name: str
    first: Any
    second: Any


def software() -> dict[str, str]:
    """The versions of what computes, without importing any of it."""
    found = {"giqa_hf": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def session(execution: dict[str, Any]) -> dict[str, Any]:
    """One start of a run: when, with which software, on what machine, in which batches.

    These change an answer by rounding alone; where a run was continued, all of its sessions stand in the record.
    """
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "software": software(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
        },
        "execution": execution,
    }


def read_record(folder: Path, made_by: str = MADE_BY) -> dict[str, Any]:
    """The record of a run, of the benchmark unless another command is named.

    Raises:
        `GiqaError`: when the folder is no run.
    """
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = None
    if (
        not isinstance(record, dict)
        or record.get("made_by") != made_by
        or not isinstance(record.get("run"), dict)
    ):
        raise GiqaError(
            f"{folder}: expected the folder of a run that `{made_by}` has made, found no "
            f"{RECORD} of it; check the path"
        )
    return record


def claim(folder: Path, run: dict[str, Any], now: dict[str, Any], made_by: str = MADE_BY) -> None:
    """Write the record of a new run, or add a session to that of an earlier one with the same settings.

    Raises:
        `GiqaError`: when the folder holds something else, or a run with other settings; it names them.
    """
    if folder.exists() and not folder.is_dir():
        raise GiqaError(f"{folder}: expected a folder, found a file; choose another folder with --out")
    plain = json.loads(json.dumps(run))  # as it will be read back
    if not folder.is_dir() or not any(folder.iterdir()):
        write_json(folder / RECORD, {"made_by": made_by, "run": plain, "sessions": [now]})
        return
    if not (folder / RECORD).exists():
        raise GiqaError(
            f"{folder}: expected a new folder or an earlier run, found other files; choose another --out"
        )
    record = read_record(folder, made_by)
    refuse_differences(folder, record["run"], plain)
    write_json(folder / RECORD, {**record, "sessions": [*record["sessions"], now]})


def refuse_differences(folder: Path, earlier: dict[str, Any], run: dict[str, Any]) -> None:
    """Tell of settings in which an earlier run in a folder differs from this one.

    Raises:
        `GiqaError`: when there are any; it names them.
    """
    found = list(differences(earlier, json.loads(json.dumps(run))))
    if found:
        found.sort(key=lambda item: item.name.startswith("entry"))  # what follows from the rest stands last
        told = ", ".join(
            f"{item.name} {_told(item.first)} (now {_told(item.second)})" for item in found[:_SHOWN]
        )
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise GiqaError(
            f"{folder}: expected a run with the same settings, found one with {told}{more}; choose another folder with "
            "--out, or delete this one"
        )


def differences(first: Any, second: Any, name: str = "") -> Iterator[Difference]:
    """Every place where two values of JSON are not the same, by its dotted name."""
    if first == second:
        return
    if isinstance(first, dict) and isinstance(second, dict):
        for key in dict.fromkeys([*first, *second]):
            yield from differences(first.get(key), second.get(key), f"{name}.{key}" if name else str(key))
    else:
        yield Difference(name, first, second)


def _told(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."
