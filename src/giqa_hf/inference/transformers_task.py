"""transformers' own `pipeline("grounding", model=...)`, for programs that are written around it.

It takes one picture at a time; `grounding_pipeline` does batches, streams and failures.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

TASK = "grounding"


def register_grounding_task(pipelines: ModuleType | None = None) -> None:
    """Make the task "grounding" known to `transformers.pipeline`, by transformers' public registry.

    Args:
        pipelines (`module`, *optional*): `transformers.pipelines`, imported if not given.
    """
    from transformers import AutoModelForImageTextToText

    module: Any = pipelines or importlib.import_module("transformers.pipelines")
    registry = module.PIPELINE_REGISTRY
    if TASK not in registry.supported_tasks:
        registry.register_pipeline(
            TASK,
            pipeline_class=_pipeline_class(module.Pipeline),
            pt_model=AutoModelForImageTextToText,
            type="multimodal",
        )


def _pipeline_class(base: Any) -> type:
    """The class of the task; made here, since its base is transformers' own and importing that takes seconds."""

    class GroundingTaskPipeline(base):  # type: ignore[misc]  # its type is not known before
        """A picture, or a dict with "image" and the arguments of `GroundingPipeline`, to a `GroundedAnswer`."""

        _load_processor = True  # by transformers, which does not know of box formats: see below
        _load_image_processor = _load_feature_extractor = _load_tokenizer = False

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            from ..backbones.checkpoint import load_processor
            from ..backbones.files import checkpoint_folder
            from .pipeline import GroundingPipeline

            processor = load_processor(checkpoint_folder(self.model.name_or_path))
            self._grounding = GroundingPipeline(self.model, processor)

        def _sanitize_parameters(self, **kwargs: Any) -> tuple[dict[str, Any], ...]:
            return kwargs, {}, {}

        def preprocess(self, inputs: Any, **asked: Any) -> dict[str, Any]:
            given = dict(inputs) if isinstance(inputs, dict) else {"image": inputs}
            return {"asked": {**asked, **given}}

        def _forward(self, model_inputs: dict[str, Any]) -> dict[str, Any]:
            asked = dict(model_inputs["asked"])
            return {"answer": self._grounding(asked.pop("image"), **asked)}

        def postprocess(self, model_outputs: dict[str, Any]) -> Any:
            return model_outputs["answer"]

    return GroundingTaskPipeline
