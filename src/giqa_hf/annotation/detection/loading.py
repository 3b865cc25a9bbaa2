"""Open a detector's checkpoint, or say in one sentence what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from ...errors import GiqaError, MissingExtraError


class Checkpoint(NamedTuple):
    """A detector, in evaluation mode on its device, with what prepares photos and texts for it."""

    model: Any
    image_processor: Any
    tokenizer: Any


def load_detector(
    name_or_path: str, revision: str | None, model_types: Collection[str], dtype: str, device: str | None
) -> Checkpoint:
    """Load a zero-shot detector of transformers. Only safetensors are read, and no code of the checkpoint runs.

    Args:
        name_or_path (`str`): a folder that `save_pretrained` wrote, or the id of a Hub repository.
        revision (`str`, *optional*): of the Hub repository.
        model_types (`Collection[str]`): the kinds of model that will do, as `config.json` calls them.
        dtype (`str`): number format, e.g. `"float32"`.
        device (`str`, *optional*): by default the GPU, where there is one.

    Raises:
        `GiqaError`: when there is no such checkpoint, or not of these kinds, or not a whole one.
        `MissingExtraError`: when torch or transformers is not installed.
    """
    try:
        import torch
        from transformers import (
            AutoConfig,
            AutoImageProcessor,
            AutoModelForZeroShotObjectDetection,
            AutoTokenizer,
        )
    except ImportError:
        raise MissingExtraError("detecting boxes with a model", "models") from None

    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        kind = AutoConfig.from_pretrained(name_or_path, **options).model_type
        if kind in model_types:
            auto: Any = AutoModelForZeroShotObjectDetection
            model, report = auto.from_pretrained(
                name_or_path,
                dtype=getattr(torch, dtype),
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are told below, more clearly
                **options,
            )
            # torchvision's back end gives other pixels, by up to 1/255, and torchvision is not everywhere.
            images = AutoImageProcessor.from_pretrained(name_or_path, backend="pil", **options)
            tokenizer = AutoTokenizer.from_pretrained(name_or_path, **options)
    except Exception as error:  # somebody else's files: whatever loading them raises is about them
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise GiqaError(
            f"{name_or_path}: expected the checkpoint of a detector (a folder, or a Hub repository), found one that "
            f"does not load ({reason}); check the name and the network, or choose another"
        ) from error
    if kind not in model_types:
        raise GiqaError(
            f"{name_or_path}: expected a detector of the kind {' or '.join(sorted(model_types))}, found a model of the "
            f"kind {kind}; choose another checkpoint, or the detector class that belongs to it"
        )
    # transformers fills such tensors with random numbers.
    if absent := sorted({*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])}):
        raise GiqaError(
            f"{name_or_path}: expected weights for all of {type(model).__name__}, found none that fit for "
            f"{len(absent)} of its tensors, such as {absent[0]}; choose another checkpoint"
        )
    return Checkpoint(model.eval().to(chosen_device(device)), images, tokenizer)


def chosen_device(device: str | None) -> str:
    """The device as asked for, else the GPU where there is one."""
    import torch

    return device or ("cuda" if torch.cuda.is_available() else "cpu")
