"""Rows with all their fields, before `evaluate` meets them: what it says of a missing one is the bare name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import DataError


def check_fields(rows: Any, where: str, fields: Sequence[str]) -> None:
    """See that each row is a mapping with these fields.

    Args:
        rows (sequence of `Mapping`): as the user gave them.
        where (`str`): what the rows are, for the message.
        fields (sequence of `str`): what each must have.

    Raises:
        `DataError`: naming the row and the field.
    """
    if isinstance(rows, (str, bytes, Mapping)) or not hasattr(rows, "__iter__"):
        raise DataError(
            f"{where}: expected a list of rows with {', '.join(fields)}, found {type(rows).__name__}"
        )
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{where}[{number}]: expected a row with {', '.join(fields)}, found {type(row).__name__}; give a dict"
            )
        if lacking := [name for name in fields if name not in row]:
            raise DataError(
                f"{where}[{number}], field {lacking[0]}: expected in every row, found only "
                f"{', '.join(map(str, row)) or 'nothing'}; add it"
            )
