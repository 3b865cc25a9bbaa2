"""The shipped configurations for `accelerate launch`: FSDP2, DeepSpeed ZeRO-3, and ZeRO-3 with AdamW in RAM."""

from __future__ import annotations

from pathlib import Path

from ...errors import DataError

NAMES = ("fsdp2", "zero3", "zero3-offload")


def config_text(name: str) -> str:
    """A configuration's YAML text, for `accelerate launch --config_file`.

    Args:
        name (`str`): one of `NAMES`.

    Raises:
        `DataError`: for another name.
    """
    if name not in NAMES:
        raise DataError(f"configuration: expected one of {', '.join(NAMES)}, got {name!r}")
    return (Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8")
