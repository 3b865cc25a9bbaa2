"""Load a checkpoint to ask or to tune: model and processor, or one sentence about what is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import GiqaError, MissingExtraError
from .generate import chat_prompt

# What a Hub repository holds for us: no pickles, no folders, no second copy of the weights under Mistral's names.
_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_UNWANTED = ["*/*", "consolidated*"]
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")


class Checkpoint(NamedTuple):
    """A model (float32, in evaluation mode) and its processor with `GroundingProcessorMixin`."""

    model: Any
    processor: Any


def load_checkpoint(name_or_path: str) -> Checkpoint:
    """Load an image-text-to-text model and its processor.

    Only safetensors are read, and no code of the checkpoint runs. A Hub repository is asked for once; without a network
    the copy in the cache is taken.

    Args:
        name_or_path (`str`): a folder that `save_pretrained` wrote, or the id of a Hub repository.

    Returns:
        `Checkpoint`

    Raises:
        `GiqaError`: when there is no such checkpoint, or it is not one that can be asked about pictures and boxes.
        `MissingExtraError`: when torch or transformers is not installed.
    """
    try:
        import torch
        from transformers import AutoModelForImageTextToText
    except ImportError:
        raise MissingExtraError("loading a model", "models") from None
    from ..processing import load_grounding_processor

    folder = _folder(name_or_path)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    auto: Any = AutoModelForImageTextToText
    try:
        model, report = auto.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, more clearly
            **options,
        )
        processor = load_grounding_processor(folder, **options)
        processor.frame(
            640, 480
        )  # boxes need a known frame, and questions a chat template: better told now than later
        chat_prompt(processor, "?")
    except Exception as error:  # somebody else's files: whatever loading them raises is about them
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise GiqaError(
            f"{name_or_path}: expected a checkpoint of an image-text-to-text model with its processor, found one that "
            f"does not load ({reason}); choose another"
        ) from error
    # transformers fills such tensors with random numbers.
    if absent := sorted({*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])}):
        raise GiqaError(
            f"{name_or_path}: expected weights for all of {type(model).__name__}, found none that fit for "
            f"{len(absent)} of its tensors, such as {absent[0]}; choose another checkpoint, or save this one again"
        )
    return Checkpoint(model, processor)


def _folder(name_or_path: str) -> str:
    """The checkpoint's folder on this machine, downloaded if need be, with weights that may be opened."""
    folder = Path(name_or_path).expanduser()
    if not folder.is_dir():
        if folder.exists() or not _HUB_ID.fullmatch(name_or_path):
            raise GiqaError(
                f"{name_or_path}: expected the folder of a checkpoint or the id of a Hub repository, found "
                f"{'a file' if folder.exists() else 'no such folder'}; check the path"
            )
        folder = Path(_downloaded(name_or_path))
    if not (folder / "config.json").is_file():
        raise GiqaError(
            f"{name_or_path}: expected the folder of a checkpoint, found no config.json in it; give the folder that "
            "save_pretrained wrote"
        )
    if not any(folder.glob("*.safetensors")):
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt*"))
        raise GiqaError(
            f"{name_or_path}: expected weights as *.safetensors, found "
            + ("only pickled ones, which can run any code when opened" if pickled else "none")
            + "; save the model again with save_pretrained"
        )
    return str(folder)


def _downloaded(repo_id: str) -> str:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder: str = snapshot_download(repo_id, allow_patterns=_WANTED, ignore_patterns=_UNWANTED)
    except LocalEntryNotFoundError:
        raise GiqaError(
            f"{repo_id}: expected a folder of that name, or a repository in the Hub's cache, found neither, and the "
            "Hub cannot be reached; check the path or the network"
        ) from None
    except HfHubHTTPError as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise GiqaError(
            f"{repo_id}: expected a folder of that name, or a repository on the Hub that you may read, found neither "
            f"({reason}); check the name, or log in with  hf auth login"
        ) from None
    return folder
