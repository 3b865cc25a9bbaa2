"""Text encoders, from names to vectors: mean pooling with transformers, other heads with sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ...errors import GiqaError, MissingExtraError

Encode: TypeAlias = Callable[[list[str]], npt.NDArray[np.float32]]

MEAN_POOLED = "mean-pooled"
SENTENCE_HEAD = "sentence embeddings"


class Encoder(NamedTuple):
    """A loaded encoder."""

    kind: str
    """`MEAN_POOLED`, or `SENTENCE_HEAD` for a model of sentence-transformers that does more than that."""
    commit: str | None
    """Of the Hub repository; None for a folder."""
    encode: Encode
    """From names to vectors of length 1, shape (names, width); of length 0 for a name without any token."""


def load_encoder(model: str, revision: str | None, device: str | None) -> Encoder:
    """Load a text encoder.

    Args:
        model (`str`): a folder, or the id of a Hub repository.
        revision (`str`, *optional*): of the Hub repository.
        device (`str`, *optional*): such as `"cuda:1"`; without one, a CUDA device if there is any, or the CPU.

    Raises:
        `GiqaError`: when the model cannot be loaded, or is pooled in a way that only sentence-transformers knows, which
            is not installed.
        `MissingExtraError`: when torch or transformers is not installed.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError:
        raise MissingExtraError("name similarity by embeddings", "models") from None
    folder = Path(model).expanduser()
    place, revision = (str(folder), None) if folder.is_dir() else (model, revision)
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    auto_tokenizer: Any = AutoTokenizer
    auto_model: Any = AutoModel
    try:
        tokenizer = auto_tokenizer.from_pretrained(place, **options)
        # In float32 whatever it was saved in: a threshold is compared with the cosine.
        encoder, report = auto_model.from_pretrained(
            place, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options
        )
        # The pooler is not used; BERT checkpoints often come without one.
        absent = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
        if absent:  # transformers fills such tensors with random numbers
            raise GiqaError(
                f"{model}: expected weights for all of {type(encoder).__name__}, found none for {len(absent)} of its "
                f"tensors, such as {absent[0]}; choose another checkpoint, or save this one again"
            )
        commit = getattr(encoder.config, "_commit_hash", None) or revision
        head = _other_head(model, place, revision)
        if head is None:
            return Encoder(MEAN_POOLED, commit, mean_pooling(encoder.to(device).eval(), tokenizer))
        del encoder
        return Encoder(SENTENCE_HEAD, commit, _sentence_encode(model, place, head, device, options))
    except GiqaError:
        raise
    except Exception as error:  # somebody else's files: whatever loading them raises is about them
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise GiqaError(
            f"{model}: expected a text encoder with its tokenizer, as a folder or a Hub repository with safetensors, "
            f"found none that loads ({type(error).__name__}: {first_line:.200}); check the name, or download it first"
        ) from error


def mean_pooling(encoder: Any, tokenizer: Any) -> Encode:
    """The mean of the last hidden states over all tokens of the attention mask, the special ones among them."""
    longest = min(tokenizer.model_max_length, getattr(encoder.config, "max_position_embeddings", 512))

    def encode(names: list[str]) -> npt.NDArray[np.float32]:
        import torch

        tokens = tokenizer(names, padding=True, truncation=True, max_length=longest, return_tensors="pt")
        tokens = tokens.to(encoder.device)
        with torch.inference_mode():
            states = encoder(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"].unsqueeze(-1).to(states.dtype)
        pooled = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1.0)
        vectors: npt.NDArray[np.float32] = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return vectors

    return encode


def _sentence_encode(model: str, place: str, head: str, device: str, options: dict[str, Any]) -> Encode:
    try:
        from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise GiqaError(
            f"{model}: expected an encoder that pools by the mean over tokens, found {head}; "
            "`pip install sentence-transformers`, which knows others, or choose another model"
        ) from None
    import torch

    kwargs = {"use_safetensors": True, "dtype": torch.float32}
    sentences: Any = SentenceTransformer(place, device=device, model_kwargs=kwargs, **options)

    def encode(names: list[str]) -> npt.NDArray[np.float32]:
        vectors = sentences.encode(
            names, batch_size=len(names), normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)

    return encode


def _other_head(model: str, place: str, revision: str | None) -> str | None:
    """What a checkpoint of sentence-transformers does beside taking the mean over tokens; None for nothing.

    Raises:
        `GiqaError`: when one of its parts has weights that are no safetensors.
    """
    from transformers.utils.hub import cached_file

    def find(name: str) -> str | None:
        return cached_file(
            place,
            name,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )

    def read(name: str) -> Any:
        found = find(name)
        return None if found is None else json.loads(Path(found).read_text(encoding="utf-8"))

    parts = {str(part.get("type", "")).rsplit(".", 1)[-1]: part for part in read("modules.json") or ()}
    others = sorted(set(parts) - {"Transformer", "Pooling", "Normalize"})
    for name in others:
        if find(f"{parts[name].get('path')}/model.safetensors") is None:
            raise GiqaError(
                f"{model}: expected the weights of its part {name} as safetensors, found none; choose another model"
            )
    if others:
        return f"{', '.join(others)} in modules.json"
    place_of_pooling = parts["Pooling"].get("path") if "Pooling" in parts else "1_Pooling"
    pooling = read(f"{place_of_pooling}/config.json")
    if pooling is None:
        if "Pooling" in parts:
            raise GiqaError(
                f"{model}: expected {place_of_pooling}/config.json, which modules.json names, found none; download it "
                "whole, or choose another model"
            )
        return None
    chosen = sorted(
        name for name, value in pooling.items() if name.startswith("pooling_mode_") and value is True
    )
    mode = pooling.get("pooling_mode")  # as newer versions write it
    if mode == "mean" or (mode is None and chosen == ["pooling_mode_mean_tokens"]):
        return None
    return f"{mode or ', '.join(chosen)} in {place_of_pooling}/config.json"
