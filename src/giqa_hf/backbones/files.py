"""The files of a checkpoint: where they are, which ones they are, and what they say before any weight is read."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import GiqaError

# What a Hub repository holds for us: no pickles, no folders, no second copy of the weights under Mistral's names.
_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
_UNWANTED = ["*/*", "consolidated*"]
_DECISIVE = (".json", ".safetensors", ".jinja", ".model", ".txt")
_HUB_ID = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?")


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
            f"does not load ({first_line(error)}); choose another"
        ) from error


def checkpoint_identity(name_or_path: str, revision: str | None = None) -> dict[str, str]:
    """Which checkpoint it is, whatever it is called: the commit of a Hub repository, or a digest of a folder's files.

    Errors are those of `load_checkpoint`.
    """
    folder = Path(checkpoint_folder(name_or_path, revision))
    if not Path(name_or_path).expanduser().is_dir():
        return {"name": name_or_path, "revision": folder.name}  # of a snapshot in the Hub's cache
    return {"name": Path(name_or_path).expanduser().resolve().name, "sha256": folder_digest(folder)}


def folder_digest(folder: Path) -> str:
    """SHA-256, in hexadecimal, over the names and contents of a checkpoint's files that decide what it answers."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in _DECISIVE:
            with path.open("rb") as file:
                whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return whole.hexdigest()


def checkpoint_folder(name_or_path: str, revision: str | None = None) -> str:
    """The checkpoint's folder on this machine, downloaded if need be, with weights that may be opened.

    Args:
        name_or_path (`str`): a folder that `save_pretrained` wrote, or the id of a Hub repository.
        revision (`str`, *optional*): commit, branch or tag of the repository; the newest commit if not given.

    Raises:
        `GiqaError`: when there is no such checkpoint, or it has no weights as safetensors.
    """
    folder = Path(name_or_path).expanduser()
    if not folder.is_dir():
        if folder.exists() or not _HUB_ID.fullmatch(name_or_path):
            raise GiqaError(
                f"{name_or_path}: expected the folder of a checkpoint or the id of a Hub repository, found "
                f"{'a file' if folder.exists() else 'no such folder'}; check the path"
            )
        folder = Path(_downloaded(name_or_path, revision))
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise GiqaError(
                f"{name_or_path}: expected the folder of a whole model, found an adapter; put it into its model with "
                "giqa train ... --merge, and give the folder merged/"
            )
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


def model_type_of(folder: str) -> str | None:
    """What config.json calls the kind of model; `None` when it does not say."""
    with explained_loading(folder):
        config: Any = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    said = config.get("model_type") if isinstance(config, dict) else None
    return said if isinstance(said, str) else None


def parameters_of(folder: str) -> int:
    """How many weights a folder's files hold, by their headers."""
    from safetensors import safe_open

    count = 0
    with explained_loading(folder):
        for path in Path(folder).glob("*.safetensors"):
            with safe_open(path, framework="numpy") as file:
                count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (no dict)
    return count


def first_line(error: BaseException) -> str:
    """An error's message, or its kind, for the middle of a sentence."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _hint(name: str) -> str:
    """A word without an owner is no repository of the Hub that one could make; most such words are backbones' names."""
    if "/" in name:
        return ""
    return (
        "; a name such as giqa-tiny is a backbone's (giqa train, load_backbone), whose checkpoint has a folder or an "
        "id of its own: giqa-tiny's are giqa_hf.models.giqa_tiny.BASE and TUNED"
    )


def _downloaded(repo_id: str, revision: str | None) -> str:
    from huggingface_hub import get_token, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        folder: str = snapshot_download(
            repo_id, revision=revision, allow_patterns=_WANTED, ignore_patterns=_UNWANTED
        )
    except LocalEntryNotFoundError as error:
        if (status := _status(error.__cause__)) is not None:
            raise GiqaError(
                f"{repo_id}: expected the Hub to answer, found it busy (HTTP {status}); run again later"
            ) from None
        raise GiqaError(
            f"{repo_id}: expected a folder of that name, or a repository in the Hub's cache, found neither, and the "
            f"Hub cannot be reached; check the path or the network{_hint(repo_id)}"
        ) from None
    except GatedRepoError:
        login = "" if get_token() else ", log in with  hf auth login"
        raise GiqaError(
            f"{repo_id}: expected a repository whose terms you have agreed to, found a gated one; agree on its page on "
            f"the Hub{login}, then run again"
        ) from None
    except HfHubHTTPError as error:
        if _status(error) == 401 and get_token() and not isinstance(error, RepositoryNotFoundError):
            raise GiqaError(
                f"{repo_id}: the Hub does not accept the access token; run  hf auth login --force  or mend HF_TOKEN, "
                "then run again"
            ) from None
        raise GiqaError(
            f"{repo_id}: expected a folder of that name, or a repository on the Hub that you may read, found neither "
            f"({first_line(error)}); check the name, or log in with  hf auth login"
        ) from None
    return folder


def _status(error: BaseException | None) -> int | None:
    """The HTTP status behind an error of the Hub's client; `None` where nothing answered."""
    response = getattr(error, "response", None)
    return None if response is None else int(response.status_code)
