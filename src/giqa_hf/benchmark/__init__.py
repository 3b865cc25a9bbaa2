"""From a model and rows to predictions; scoring them is `giqa_hf.metrics`' business."""

from __future__ import annotations

from .generate import generate

__all__ = ["generate"]
