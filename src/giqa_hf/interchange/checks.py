"""Values of other tools' files, checked one by one: a message says file and record, what was expected and found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import DataError

LARGEST = 1e9
"""Beyond this no number is a place in a picture or a character of a text."""


def load_document(path: Path) -> dict[str, Any]:
    """A file with one JSON object, whole.

    Raises:
        `DataError`: when it cannot be read or is something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: expected a file with a JSON object, found none ({_said(error)}); check or export it again"
        ) from None
    return record(value, str(path))


def record(value: Any, where: str) -> dict[str, Any]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected a JSON object, found {value!r:.80}")
    return value


def records(holder: Mapping[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    """The JSON objects of the list `name`."""
    value = holder.get(name)
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list {name}, found {value!r:.80}")
    return [record(item, f"{where}, {name}[{number}]") for number, item in enumerate(value)]


def text(holder: Mapping[str, Any], name: str, where: str) -> str:
    """The string `name`."""
    value = holder.get(name)
    if not isinstance(value, str):
        raise DataError(f"{where}: expected a text {name}, found {value!r:.80}")
    return value


def optional_text(holder: Mapping[str, Any], name: str, where: str) -> str | None:
    """The string `name`, or `None` where there is none."""
    return None if holder.get(name) is None else text(holder, name, where)


def whole(holder: Mapping[str, Any], name: str, where: str) -> int:
    """The whole number `name`; a float without fraction is one."""
    value = holder.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_small(value):
        raise DataError(f"{where}: expected a whole number {name}, found {value!r:.80}")
    if value != int(value):
        raise DataError(f"{where}: expected a whole number {name}, found {value!r:.80}")
    return int(value)


def numbers(value: Any, count: int, name: str, where: str) -> list[float]:
    """So many finite numbers."""
    if (
        not isinstance(value, (list, tuple))
        or len(value) != count
        or any(isinstance(n, bool) or not isinstance(n, (int, float)) or not _is_small(n) for n in value)
    ):
        raise DataError(f"{where}: expected {name} of {count} numbers, found {value!r:.120}")
    return [float(n) for n in value]


def span(value: Any, where: str) -> tuple[int, int]:
    """Start and end in a text."""
    start, end = numbers(value, 2, "a span", where)
    if start != int(start) or end != int(end):
        raise DataError(f"{where}: expected a span of two whole numbers, found {value!r:.80}")
    return int(start), int(end)


def _is_small(value: float) -> bool:
    return math.isfinite(value) and abs(value) < LARGEST if isinstance(value, float) else abs(value) < LARGEST


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "lists inside lists too deep"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).splitlines()[0]
