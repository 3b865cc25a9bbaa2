"""giqa_hf: image quality with words and boxes, after Grounding-IQA (ICLR 2026).

Importing it loads numpy and nothing heavier, and makes `load_dataset("giqa-160k")`, `("giqa-bench")`,
`("giqa-synth")` and `evaluate.load("giqa_bench")` work (see `_register`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._register import register

if TYPE_CHECKING:
    from . import formats
    from .backbones import load_backbone
    from .frames import Frame
    from .grid import Grid
    from .grounded_text import GroundedText, Region
    from .images import read_image
    from .inference import grounding_pipeline
    from .processing import GroundingProcessorMixin
    from .training import sft_config, to_conversations

__version__ = "0.1.0"

_HOME = {
    "Frame": "frames",
    "Grid": "grid",
    "GroundedText": "grounded_text",
    "GroundingProcessorMixin": "processing",
    "Region": "grounded_text",
    "grounding_pipeline": "inference",
    "load_backbone": "backbones",
    "read_image": "images",
    "sft_config": "training",
    "to_conversations": "training",
}

__all__ = [
    "Frame",
    "Grid",
    "GroundedText",
    "GroundingProcessorMixin",
    "Region",
    "formats",
    "grounding_pipeline",
    "load_backbone",
    "read_image",
    "sft_config",
    "to_conversations",
]


def __getattr__(name: str) -> Any:
    if name == "formats":
        return importlib.import_module(".formats", __name__)
    if name in _HOME:
        return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


register()
