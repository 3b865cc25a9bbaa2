"""Load a checkpoint to ask or to tune: model and processor, or one sentence about what is wrong with it."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import GiqaError, MissingExtraError
from .chat import chat_prompt, read_template
from .files import checkpoint_folder, checkpoint_identity, explained_loading, first_line, model_type_of

__all__ = ["Checkpoint", "checkpoint_identity", "explained_loading", "load_checkpoint"]


class Checkpoint(NamedTuple):
    """A model (in evaluation mode) and its processor with `GroundingProcessorMixin`."""

    model: Any
    processor: Any


def load_checkpoint(
    name_or_path: str,
    *,
    revision: str | None = None,
    device: str | None = None,
    dtype: str = "float32",
    with_frame: bool = True,
    chat_template: str | None = None,
) -> Checkpoint:
    """Load an image-text-to-text model and its processor as they are; `load_backbone` loads them as they are tuned.

    Only safetensors are read, and no code of the checkpoint runs. A Hub repository is asked for once; without a network
    the copy in the cache is taken.

    Args:
        name_or_path (`str`): a folder that `save_pretrained` wrote, or the id of a Hub repository.
        revision (`str`, *optional*): commit, branch or tag of the repository; the newest commit if not given.
        device (`str`, *optional*): such as `"cuda:1"`; without one the model stays on the CPU.
        dtype (`str`, *optional*, defaults to `"float32"`): of the weights, such as `"bfloat16"`; `"auto"` is as they
            were saved.
        with_frame (`bool`, *optional*, defaults to `True`): refuse a processor whose frame is not known. Without, the
            caller declares in which frame the model's boxes are.
        chat_template (`str`, *optional*): a Jinja text, or the file that holds one, instead of the checkpoint's own.

    Returns:
        `Checkpoint`

    Raises:
        `GiqaError`: when there is no such checkpoint, or it is not one that can be asked about pictures and boxes.
        `MissingExtraError`: when torch or transformers is not installed.
    """
    try:
        import torch  # noqa: F401  # to say what is missing before anything is downloaded
        import transformers  # noqa: F401
    except ImportError:
        raise MissingExtraError("loading a model", "models") from None
    folder = checkpoint_folder(name_or_path, revision)
    with explained_loading(name_or_path):
        processor = load_processor(folder)
    if chat_template is not None:
        processor.chat_template = read_template(chat_template)
    check_processor(processor, name_or_path, with_frame=with_frame)
    return Checkpoint(load_model(folder, name_or_path, device=device, dtype=dtype), processor)


def load_processor(folder: str) -> Any:
    """A checkpoint's processor with `GroundingProcessorMixin`, those of Qwen-VL for pictures alone (see `qwen`)."""
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    model_type = model_type_of(folder)
    if model_type == "qwen2_5_vl":
        from .qwen import Qwen2_5_VLProcessor

        return Qwen2_5_VLProcessor.from_pretrained(folder, **options)
    if model_type == "qwen3_vl":
        from .qwen import Qwen3VLProcessor

        return Qwen3VLProcessor.from_pretrained(folder, **options)
    from ..processing import load_grounding_processor
    from .pictures import quicken

    processor = load_grounding_processor(folder, **options)
    if hasattr(processor, "image_processor"):
        processor.image_processor = quicken(processor.image_processor)
    return processor


def check_processor(processor: Any, name_or_path: str, *, with_frame: bool = True) -> None:
    """Tell now rather than later what boxes and questions need: a frame, a chat template, padding.

    Raises:
        `GiqaError`: when something of it is missing.
    """
    tokenizer = getattr(processor, "tokenizer", None)
    with explained_loading(name_or_path):
        if with_frame:
            processor.frame(640, 480)
        if getattr(processor, "chat_template", None) is None:
            raise GiqaError(
                f"{name_or_path}: expected a processor with a chat template, found none; give one with "
                "--chat-template (in Python: chat_template=...), a file with the template or its text"
            )
        chat_prompt(processor, "?")
    if getattr(tokenizer, "padding_side", None) not in ("left", "right"):
        raise GiqaError(
            f"{name_or_path}: expected a tokenizer that pads on one side, found the padding side "
            f"{getattr(tokenizer, 'padding_side', None)!r}; set padding_side to left in its tokenizer_config.json"
        )
    if getattr(tokenizer, "pad_token", None) is None:
        raise GiqaError(
            f"{name_or_path}: expected a tokenizer with a token that fills up a batch, found none; set pad_token in "
            "its tokenizer_config.json"
        )


def load_model(
    folder: str, name_or_path: str, *, device: str | None, dtype: str, quantization: Any = None
) -> Any:
    """The model of a checkpoint's folder, all of whose weights are there.

    Args:
        folder (`str`): see `checkpoint_folder`.
        name_or_path (`str`): what the user called it.
        device (`str`, *optional*): see `load_checkpoint`.
        dtype (`str`): see `load_checkpoint`.
        quantization (`transformers.BitsAndBytesConfig`, *optional*): loads the weights in fewer bits, on `device`.

    Raises:
        `GiqaError`: when it does not load.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    auto: Any = AutoModelForImageTextToText
    options: dict[str, Any] = {} if quantization is None else {"quantization_config": quantization}
    if quantization is not None and device is not None:
        options["device_map"] = {"": device}
    with explained_loading(name_or_path):
        model, report = auto.from_pretrained(
            folder,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, more clearly
            local_files_only=True,
            trust_remote_code=False,
            **options,
        )
    # transformers fills such tensors with random numbers.
    if absent := sorted({*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])}):
        raise GiqaError(
            f"{name_or_path}: expected weights for all of {type(model).__name__}, found none that fit for "
            f"{len(absent)} of its tensors, such as {absent[0]}; choose another checkpoint, or save this one again"
        )
    if device is not None and quantization is None:
        try:
            model = model.to(device)
        except Exception as error:  # torch has a dozen kinds for a device that is not there, or too small
            raise GiqaError(
                f"{name_or_path}: expected a device that takes the model, got {device!r} ({first_line(error)}); "
                "choose another"
            ) from error
    return model
