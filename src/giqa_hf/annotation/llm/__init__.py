"""Language models for the annotation pipeline: a server, one in this process, and a cache before either."""

from __future__ import annotations

from .cache import CachedLLM
from .client import LLM, Completion, Prompt, Sampling
from .endpoint import EndpointLLM
from .local import LocalLLM

__all__ = ["LLM", "CachedLLM", "Completion", "EndpointLLM", "LocalLLM", "Prompt", "Sampling"]
