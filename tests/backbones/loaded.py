"""Every backbone, loaded once for all tests of a process from its tiny checkpoint."""

from __future__ import annotations

import functools

from giqa_hf.backbones import BACKBONES, LoadedBackbone, load_backbone
from tests.make_tiny_backbones import tiny_backbone

NAMES = list(BACKBONES)


@functools.cache
def loaded(name: str) -> LoadedBackbone:
    """The backbone with random weights; not to be changed."""
    return load_backbone(name, checkpoint=str(tiny_backbone(name)))
