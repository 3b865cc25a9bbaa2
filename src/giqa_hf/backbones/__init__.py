"""The models that are tuned and asked: which there are, and how one is loaded."""

from __future__ import annotations

from .backbone import Backbone, Size
from .checkpoint import Checkpoint, load_checkpoint
from .entries import ALIASES, BACKBONES, find_backbone
from .files import checkpoint_identity
from .loading import LoadedBackbone, load_backbone, load_backbone_processor
from .memory import MemoryEstimate, check_memory, estimate_memory

__all__ = [
    "ALIASES",
    "BACKBONES",
    "Backbone",
    "Checkpoint",
    "LoadedBackbone",
    "MemoryEstimate",
    "Size",
    "check_memory",
    "checkpoint_identity",
    "estimate_memory",
    "find_backbone",
    "load_backbone",
    "load_backbone_processor",
    "load_checkpoint",
]
