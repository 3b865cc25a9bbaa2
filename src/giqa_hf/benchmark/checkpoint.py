"""Load a checkpoint to ask or to tune: model and processor, or one sentence about what is wrong with it."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import GiqaError, MissingExtraError
from .generate import chat_prompt

# What a Hub repository holds for us: no pickles, no folders, no second copy of the weights under Mistral's names.
_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_UNWANTED = ["*/*", "consolidated*"]
_DECISIVE = (".json", ".safetensors", ".jinja", ".model", ".txt")
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")


class Checkpoint(NamedTuple):
    """A model (in evaluation mode) and its processor with `GroundingProcessorMixin`."""

    model: Any
    processor: Any


def load_checkpoint(
    name_or_path: str, *, device: str | None = None, dtype: str = "float32", with_frame: bool = True
) -> Checkpoint:
    """Load an image-text-to-text model and its processor.

    Only safetensors are read, and no code of the checkpoint runs. A Hub repository is asked for once; without a network
    the copy in the cache is taken.

    Args:
        name_or_path (`str`): a folder that `save_pretrained` wrote, or the id of a Hub repository.
        device (`str`, *optional*): such as `"cuda:1"`; without one the model stays on the CPU.
        dtype (`str`, *optional*, defaults to `"float32"`): of the weights, such as `"bfloat16"`; `"auto"` is as they
            were saved.
        with_frame (`bool`, *optional*, defaults to `True`): refuse a processor whose frame is not known. Without, the
            caller declares in which frame the model's boxes are.

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
    with explained_loading(name_or_path):
        model, report = auto.from_pretrained(
            folder,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are told below, more clearly
            **options,
        )
        processor = load_grounding_processor(folder, **options)
        # Boxes need a known frame, and questions a chat template: better told now than later.
        if with_frame:
            processor.frame(640, 480)
        chat_prompt(processor, "?")
    # transformers fills such tensors with random numbers.
    if absent := sorted({*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])}):
        raise GiqaError(
            f"{name_or_path}: expected weights for all of {type(model).__name__}, found none that fit for "
            f"{len(absent)} of its tensors, such as {absent[0]}; choose another checkpoint, or save this one again"
        )
    if device is not None:
        try:
            model = model.to(device)
        except Exception as error:  # torch has a dozen kinds for a device that is not there, or too small
            raise GiqaError(
                f"{name_or_path}: expected a device that takes the model, got {device!r} ({_first_line(error)}); "
                "choose another"
            ) from error
    return Checkpoint(model, processor)


@contextlib.contextmanager
def explained_loading(name_or_path: str) -> Iterator[None]:
    """Turn whatever loading a checkpoint's files raises into one sentence."""
    try:
        yield
    except GiqaError:
        raise
    except Exception as error:  # somebody else's files: whatever loading them raises is about them
        raise GiqaError(
            f"{name_or_path}: expected a checkpoint of an image-text-to-text model with its processor, found one that "
            f"does not load ({_first_line(error)}); choose another"
        ) from error


def checkpoint_identity(name_or_path: str) -> dict[str, str]:
    """Which checkpoint it is, whatever it is called: the commit of a Hub repository, or a digest of a folder's files.

    Errors are those of `load_checkpoint`.
    """
    folder = Path(_folder(name_or_path))
    if not Path(name_or_path).expanduser().is_dir():
        return {"name": name_or_path, "revision": folder.name}  # of a snapshot in the Hub's cache
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _DECISIVE:
            with path.open("rb") as file:
                whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return {"name": Path(name_or_path).expanduser().resolve().name, "sha256": whole.hexdigest()}


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
        raise GiqaError(
            f"{repo_id}: expected a folder of that name, or a repository on the Hub that you may read, found neither "
            f"({_first_line(error)}); check the name, or log in with  hf auth login"
        ) from None
    return folder


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
