"""The same rows for other tools, and back: annotation tools, viewers, and people who train with something else."""

from __future__ import annotations

from .converting import CARRIES, FORMS, Converted, convert, open_rows
from .exporting import Exported, export_data
from .llama_factory import LlamaFactory
from .ms_swift import MsSwift
from .target import Target, Writing

__all__ = [
    "CARRIES",
    "FORMS",
    "Converted",
    "Exported",
    "LlamaFactory",
    "MsSwift",
    "Target",
    "Writing",
    "convert",
    "export_data",
    "open_rows",
]
