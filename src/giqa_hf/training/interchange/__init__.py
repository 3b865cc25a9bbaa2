"""The same rows for people who train with other tools: ms-swift and LLaMA-Factory."""

from __future__ import annotations

from .exporting import Exported, export_data
from .llama_factory import LlamaFactory
from .ms_swift import MsSwift
from .target import Target, Writing

__all__ = ["Exported", "LlamaFactory", "MsSwift", "Target", "Writing", "export_data"]
