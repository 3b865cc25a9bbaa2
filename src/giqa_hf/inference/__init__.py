"""Ask a model about pictures: words and boxes come back, in pixels, with scores."""

from __future__ import annotations

from .answer import Answer, FailedAnswer, GroundedAnswer
from .loading import grounding_pipeline
from .pipeline import GroundingPipeline
from .questions import ABOUT_REGION, DESCRIBE, REGION

__all__ = [
    "ABOUT_REGION",
    "DESCRIBE",
    "REGION",
    "Answer",
    "FailedAnswer",
    "GroundedAnswer",
    "GroundingPipeline",
    "grounding_pipeline",
]
