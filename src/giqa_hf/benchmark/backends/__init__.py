"""Where a benchmark's answers come from: this process, an OpenAI-compatible server, or vLLM."""

from __future__ import annotations

from .asking import Asked, Backend, Reply

__all__ = ["Asked", "Backend", "Reply"]
