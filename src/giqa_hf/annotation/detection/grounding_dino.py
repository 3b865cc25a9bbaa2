"""Grounding DINO (arXiv 2303.05499) and MM-Grounding-DINO (arXiv 2401.02361) of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .loading import load_detector
from .phrase_grounding import Network, PhraseGrounding


class GroundingDinoDetector(PhraseGrounding):
    """The detector of the paper's stage 2, asked for the description phrase T_r, one at a time.

    Args:
        model (`str`, *optional*, defaults to `"IDEA-Research/grounding-dino-tiny"`): a folder or a Hub repository with
            a checkpoint of `GroundingDinoForObjectDetection` or `MMGroundingDinoForObjectDetection`, e.g.
            `"IDEA-Research/grounding-dino-base"`. The paper does not say which it used.
        revision (`str`, *optional*): of the Hub repository.
        dtype (`str`, *optional*, defaults to `"float32"`): number format of the network.
        options: the thresholds and limits of `PhraseGrounding`.
    """

    def __init__(
        self,
        model: str = "IDEA-Research/grounding-dino-tiny",
        revision: str | None = None,
        *,
        dtype: str = "float32",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.model = model
        self.revision = revision
        self.dtype = dtype

    def settings(self) -> dict[str, Any]:
        """What its answers depend on: not the device, and not the size of a batch."""
        return {
            "detector": "grounding-dino",
            "model": self.model,
            "revision": self.revision,
            "dtype": self.dtype,
            **super().settings(),
        }

    def _open(self) -> Network:
        model, image_processor, tokenizer = load_detector(
            self.model, self.revision, ("grounding-dino", "mm-grounding-dino"), self.dtype, self.device
        )

        def forward(pixels: Any, captions: Sequence[str], texts: Any) -> tuple[Any, Any]:
            output = model(pixel_values=pixels.to(model.dtype), **texts)
            return output.logits, output.pred_boxes

        return Network(image_processor, tokenizer, forward, str(model.device), model.config.max_text_len)
