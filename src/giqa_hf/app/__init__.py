"""The web app: a photo in the browser, words and boxes tied to each other, in a page that works on a phone."""

from __future__ import annotations

import os
from typing import Any

from ..errors import MissingExtraError
from ..inference import GroundingPipeline

__all__ = ["build"]


def build(*models: str | os.PathLike[str] | GroundingPipeline) -> Any:
    """The web app, ready for `.launch()`: on this machine, or as the whole app.py of a Gradio Space.

    Args:
        models (`str`, `os.PathLike` or `GroundingPipeline`): checkpoints to choose from, as `grounding_pipeline` takes
            them, or pipelines that are loaded already; giqa-tiny if none is given. The first is loaded at once, another
            one when it is chosen; one is in memory at a time.

    Returns:
        `gradio.Blocks`: its `launch` takes Gradio's arguments. Without any it serves on 127.0.0.1 alone, makes no
        public address, refuses uploads above 30 MB, and lets 64 requests wait; a further one is told that the queue is
        full.

    Raises:
        `MissingExtraError`: when gradio is not installed.
        `GiqaError`: when the first checkpoint cannot be loaded.

    Example:

    ```python
    >>> from giqa_hf.app import build
    >>> build("me/grounding-iqa-llava").launch()
    ```
    """
    try:
        import gradio  # noqa: F401  # to say what is missing before a model is loaded
    except ImportError:
        raise MissingExtraError("the web app", "app") from None
    from .page import make_page
    from .sessions import Models

    return make_page(Models(models))
