"""From a name to a pipeline."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..backbones import ALIASES, BACKBONES, load_backbone, load_checkpoint
from ..errors import MissingExtraError
from ..models import giqa_tiny
from .pipeline import ANSWER_TOKENS, BATCH_SIZE, GroundingPipeline


def grounding_pipeline(
    checkpoint: str | os.PathLike[str] | None = None,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    chat_template: str | None = None,
    batch_size: int = BATCH_SIZE,
    max_new_tokens: int = ANSWER_TOKENS,
) -> GroundingPipeline:
    """Load a model that answers with words and boxes.

    Args:
        checkpoint (`str` or `os.PathLike`, *optional*): a folder that `save_pretrained` wrote, the id of a Hub
            repository, or a name of `BACKBONES`, which is the model before any tuning on boxes. Without one it is
            giqa-tiny after its tuning, which comes with the package and knows few things. A folder of a LoRA adapter
            alone is refused: merge it into its model first.
        revision (`str`, *optional*): commit, branch or tag of the Hub repository.
        device (`str`, *optional*): such as `"cuda:1"`; an accelerator of CUDA if there is one, else the CPU.
        dtype (`str`, *optional*): of the weights, such as `"bfloat16"`; on an accelerator as they were saved
            (`"auto"`), float32 on the CPU.
        chat_template (`str`, *optional*): a Jinja text, or the file that holds one, instead of the checkpoint's own.
        batch_size (`int`, *optional*, defaults to `8`): pictures per forward pass; halved where memory runs out.
        max_new_tokens (`int`, *optional*, defaults to `320`): where an answer is cut off.

    Returns:
        `GroundingPipeline`

    Raises:
        `GiqaError`: when there is no such checkpoint, or it is not one that can be asked about pictures and boxes.
        `MissingExtraError`: when torch or transformers is not installed.

    Example:

    ```python
    >>> pipe = giqa_hf.grounding_pipeline()
    >>> answer = pipe("photo.jpg", "How clear is the cup?")
    >>> answer.text, answer.phrases, answer.boxes_px
    ```
    """
    name = giqa_tiny.TUNED if checkpoint is None else os.fspath(checkpoint)
    try:
        import torch
    except ImportError:
        raise MissingExtraError("loading a model", "models") from None
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    dtype = dtype or ("float32" if device == "cpu" else "auto")
    given: dict[str, Any] = {
        "revision": revision,
        "device": device,
        "dtype": dtype,
        "chat_template": chat_template,
    }
    if (name in BACKBONES or name in ALIASES) and not Path(name).is_dir():
        backbone = load_backbone(name, **given)
        model, processor = backbone.model, backbone.processor
    else:
        model, processor = load_checkpoint(name, **given)
    return GroundingPipeline(model, processor, batch_size=batch_size, max_new_tokens=max_new_tokens)
