"""mPLUG-Owl2 for transformers 5: configuration, model, image processor, processor, converter.

Nothing heavy is imported until a name is asked for. `import giqa_hf` makes transformers' Auto classes know the model
(see `giqa_hf._register`); `register_mplug_owl2()` does so by hand.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

from ...errors import GiqaError

if TYPE_CHECKING:
    from .configuration_mplug_owl2 import (
        MPLUGOwl2AbstractorConfig,
        MPLUGOwl2Config,
        MPLUGOwl2TextConfig,
        MPLUGOwl2VisionConfig,
    )
    from .convert_mplug_owl2 import convert_checkpoint
    from .image_processing_mplug_owl2 import MPLUGOwl2ImageProcessor
    from .modeling_mplug_owl2 import (
        MPLUGOwl2ForConditionalGeneration,
        MPLUGOwl2Model,
        MPLUGOwl2PreTrainedModel,
    )
    from .modeling_mplug_owl2_text import MPLUGOwl2TextModel
    from .modeling_mplug_owl2_vision import MPLUGOwl2VisionModel, MPLUGOwl2VisualAbstractor
    from .processing_mplug_owl2 import CHAT_TEMPLATES, MPLUGOwl2Processor

_HOME = {
    "CHAT_TEMPLATES": "processing_mplug_owl2",
    "MPLUGOwl2AbstractorConfig": "configuration_mplug_owl2",
    "MPLUGOwl2Config": "configuration_mplug_owl2",
    "MPLUGOwl2ForConditionalGeneration": "modeling_mplug_owl2",
    "MPLUGOwl2ImageProcessor": "image_processing_mplug_owl2",
    "MPLUGOwl2Model": "modeling_mplug_owl2",
    "MPLUGOwl2PreTrainedModel": "modeling_mplug_owl2",
    "MPLUGOwl2Processor": "processing_mplug_owl2",
    "MPLUGOwl2TextConfig": "configuration_mplug_owl2",
    "MPLUGOwl2TextModel": "modeling_mplug_owl2_text",
    "MPLUGOwl2VisionConfig": "configuration_mplug_owl2",
    "MPLUGOwl2VisionModel": "modeling_mplug_owl2_vision",
    "MPLUGOwl2VisualAbstractor": "modeling_mplug_owl2_vision",
    "convert_checkpoint": "convert_mplug_owl2",
}

__all__ = [
    "CHAT_TEMPLATES",
    "MPLUGOwl2AbstractorConfig",
    "MPLUGOwl2Config",
    "MPLUGOwl2ForConditionalGeneration",
    "MPLUGOwl2ImageProcessor",
    "MPLUGOwl2Model",
    "MPLUGOwl2PreTrainedModel",
    "MPLUGOwl2Processor",
    "MPLUGOwl2TextConfig",
    "MPLUGOwl2TextModel",
    "MPLUGOwl2VisionConfig",
    "MPLUGOwl2VisionModel",
    "MPLUGOwl2VisualAbstractor",
    "convert_checkpoint",
    "is_supported",
    "register_mplug_owl2",
]

OLDEST_TRANSFORMERS = "5.21"
"""The first version with all that the implementation builds on; it was run with this one and with 5.23."""


def __getattr__(name: str) -> Any:
    if name in _HOME:
        _check_version()
        found = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
        register_config()
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return list(__all__)


def is_supported() -> bool:
    """Whether the installed transformers is new enough."""
    import transformers
    from packaging.version import Version

    return Version(transformers.__version__) >= Version(OLDEST_TRANSFORMERS)


def register_mplug_owl2() -> None:
    """Make AutoConfig, AutoImageProcessor, AutoProcessor and AutoModel* know mPLUG-Owl2; calling it again is free.

    Raises:
        `GiqaError`: if the installed transformers is too old for it.
    """
    _check_version()
    register_config()
    register_processors()
    register_models()


def _check_version() -> None:
    if not is_supported():
        import transformers

        raise GiqaError(
            f"mPLUG-Owl2 needs transformers {OLDEST_TRANSFORMERS} or later, found {transformers.__version__}: run  "
            "pip install --upgrade transformers"
        )


@cache
def register_config() -> None:
    """AutoConfig's part, with the models' to follow when the next configuration is made.

    It imports no model code, so it can run at the end of the import of AutoConfig itself.
    """
    from transformers.models.auto.configuration_auto import AutoConfig

    from .configuration_mplug_owl2 import MODEL_TYPE, MPLUGOwl2Config, when_next_made

    AutoConfig.register(MODEL_TYPE, MPLUGOwl2Config, exist_ok=True)
    when_next_made(register_models)


@cache
def register_processors() -> None:
    """The part of AutoImageProcessor and AutoProcessor, to run once AutoProcessor is imported."""
    from transformers.models.auto.image_processing_auto import AutoImageProcessor
    from transformers.models.auto.processing_auto import AutoProcessor

    from .configuration_mplug_owl2 import MPLUGOwl2Config
    from .image_processing_mplug_owl2 import MPLUGOwl2ImageProcessor
    from .processing_mplug_owl2 import MPLUGOwl2Processor

    AutoImageProcessor.register(
        MPLUGOwl2Config, image_processor_classes={"pil": MPLUGOwl2ImageProcessor}, exist_ok=True
    )
    AutoProcessor.register(MPLUGOwl2Config, MPLUGOwl2Processor, exist_ok=True)


@cache
def register_models() -> None:
    """The part of AutoModel and AutoModelForImageTextToText.

    At the import of the Auto classes it would be too early: model code imports modules that are themselves in the
    middle of importing them. To ask an Auto class for a model takes a configuration, so its making is the moment.
    """
    from transformers import AutoModel, AutoModelForImageTextToText

    from .configuration_mplug_owl2 import MPLUGOwl2Config
    from .modeling_mplug_owl2 import MPLUGOwl2ForConditionalGeneration, MPLUGOwl2Model

    AutoModel.register(MPLUGOwl2Config, MPLUGOwl2Model, exist_ok=True)
    AutoModelForImageTextToText.register(MPLUGOwl2Config, MPLUGOwl2ForConditionalGeneration, exist_ok=True)
