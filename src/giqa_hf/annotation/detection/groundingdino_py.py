"""Grounding DINO as the package `groundingdino-py` 0.4.0 has it, an adapter: the extra [groundingdino].

It is for weights in the original's own names, and to hold transformers' port against. Its network is the original one
in plain PyTorch, without compiled parts, but it imports torchvision and timm. Everything around the network (pixels,
captions, batches, thresholds) is the same as for `GroundingDinoDetector`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from ...errors import GiqaError, MissingExtraError
from .loading import chosen_device
from .phrase_grounding import Network, PhraseGrounding

_COMPUTED = "relative_position_index"  # a table of the Swin backbone that is worked out, not learned
_CONFIGS = {"tiny": "GroundingDINO_SwinT_OGC", "base": "GroundingDINO_SwinB_cfg"}


class GroundingDinoPyDetector(PhraseGrounding):
    """The original network with original weights, asked as `GroundingDinoDetector` is asked.

    The published weights are pickles (`groundingdino_swint_ogc.pth`), which are not opened here. Convert them once:

    ```python
    import torch
    from safetensors.torch import save_file

    state = torch.load("groundingdino_swint_ogc.pth", weights_only=True)["model"]
    save_file({k.removeprefix("module."): v.clone() for k, v in state.items()}, "groundingdino_swint_ogc.safetensors")
    ```

    Args:
        weights (`str` or `Path`): a safetensors file with the network's state.
        backbone (`str`, *optional*, defaults to `"tiny"`): `"tiny"` (Swin-T OGC) or `"base"` (Swin-B), which the
            weights belong to.
        text_encoder (`str`, *optional*, defaults to `"bert-base-uncased"`): a folder or a Hub repository with the
            configuration and the tokenizer of BERT. Its weights are not needed: they are in `weights`.
        options: the thresholds and limits of `PhraseGrounding`.
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        backbone: Literal["tiny", "base"] = "tiny",
        text_encoder: str = "bert-base-uncased",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if backbone not in _CONFIGS:
            raise ValueError(f"backbone: expected {' or '.join(_CONFIGS)}, got {backbone!r}")
        self.weights = Path(weights)
        self.backbone = backbone
        self.text_encoder = text_encoder

    def settings(self) -> dict[str, Any]:
        """What its answers depend on: not the device, and not the size of a batch."""
        return {
            "detector": "groundingdino-py",
            "weights": str(self.weights),
            "backbone": self.backbone,
            "text_encoder": self.text_encoder,
            **super().settings(),
        }

    def _open(self) -> Network:
        build_model = _package()
        from transformers import GroundingDinoImageProcessorPil

        state = _read(self.weights)
        with _fitted_to_transformers_5():
            model = build_model(network_args(self.backbone, self.text_encoder))
        missing = model.load_state_dict(state, strict=False).missing_keys
        missing = [name for name in missing if not name.endswith(_COMPUTED)]
        if missing:
            raise GiqaError(
                f"{self.weights}: expected weights for all of the {self.backbone} network, found none for "
                f"{len(missing)} of its tensors, such as {missing[0]}; choose the backbone that they belong to"
            )
        device = chosen_device(self.device)
        model = model.eval().to(device)

        def forward(pixels: Any, captions: Sequence[str], texts: Any) -> tuple[Any, Any]:
            output = model(pixels, captions=captions)  # it turns the captions into tokens itself
            return output["pred_logits"], output["pred_boxes"]

        # With its default settings it gives the very pixels of the package's own `load_image`.
        return Network(GroundingDinoImageProcessorPil(), model.tokenizer, forward, device, model.max_text_len)


def network_args(backbone: str, text_encoder: str) -> SimpleNamespace:
    """The package's own configuration of a network."""
    config = importlib.import_module(f"groundingdino.config.{_CONFIGS[backbone]}")
    args = {name: value for name, value in vars(config).items() if not name.startswith("__")}
    # Recomputing activations saves memory in training only.
    return SimpleNamespace(
        **args | {"text_encoder_type": text_encoder, "use_checkpoint": False, "use_transformer_ckpt": False}
    )


def _package() -> Any:
    """The package's `build_model`."""
    what = "the detector of groundingdino-py"
    try:
        # First: beside a torchvision that does not work, transformers cannot be imported either, with another error.
        import torchvision  # type: ignore[import-not-found, unused-ignore]  # noqa: F401  # only with the extra
    except ImportError:
        raise MissingExtraError(what, "groundingdino") from None
    except (RuntimeError, OSError) as error:
        raise GiqaError(
            f"{what}: expected a torchvision that works, found one that does not fit this torch ({error}); install the "
            "torchvision that belongs to this torch, or use GroundingDinoDetector, which needs none"
        ) from error
    try:
        from groundingdino.models import build_model  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise MissingExtraError(what, "groundingdino") from None
    return build_model


def _read(weights: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(weights)
    except (OSError, SafetensorError) as error:
        raise GiqaError(
            f"{weights}: expected a safetensors file with the weights of groundingdino-py, found none that can be read "
            f"({error}); a .pth file has to be converted once, see GroundingDinoPyDetector"
        ) from error


@contextlib.contextmanager
def _fitted_to_transformers_5() -> Iterator[None]:
    """While a network is built, put two parts in place of the package's own.

    Its wrapper of BERT calls `get_head_mask` and `get_extended_attention_mask`, which transformers 5 no longer has. And
    it downloads BERT's weights, only to overwrite them with those of the checkpoint.
    """
    network: Any = importlib.import_module("groundingdino.models.GroundingDINO.groundingdino")
    wrapper, language_model = network.BertModelWarper, network.get_tokenlizer.get_pretrained_language_model
    network.BertModelWarper = _text_encoder
    network.get_tokenlizer.get_pretrained_language_model = _untrained_bert
    try:
        yield
    finally:
        network.BertModelWarper = wrapper
        network.get_tokenlizer.get_pretrained_language_model = language_model


def _untrained_bert(name_or_path: str) -> Any:
    from transformers import AutoConfig, BertModel

    return BertModel(AutoConfig.from_pretrained(name_or_path, trust_remote_code=False))


def _text_encoder(bert_model: Any) -> Any:
    """BERT's parts under the names that the checkpoints know, called as the network calls them."""
    import torch

    class TextEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = bert_model.config
            self.embeddings: Any = bert_model.embeddings
            self.encoder: Any = bert_model.encoder
            self.pooler: Any = bert_model.pooler

        def forward(
            self, input_ids: Any, attention_mask: Any, position_ids: Any, token_type_ids: Any
        ) -> dict[str, Any]:
            """`attention_mask`, (B, tokens, tokens), is true where a token may look at another."""
            embedded = self.embeddings(
                input_ids=input_ids, position_ids=position_ids, token_type_ids=token_type_ids
            )
            blocked = ~attention_mask.bool()[:, None]
            added = torch.zeros_like(blocked, dtype=embedded.dtype)
            added = added.masked_fill(blocked, torch.finfo(embedded.dtype).min)
            return {"last_hidden_state": self.encoder(embedded, attention_mask=added)[0]}

    return TextEncoder()
