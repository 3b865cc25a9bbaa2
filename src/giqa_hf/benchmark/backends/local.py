"""A checkpoint in this process: any `AutoModelForImageTextToText` of transformers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ...backbones import checkpoint_identity, load_checkpoint
from ...first_token import WordTokens, word_tokens
from ...metrics.score_correlation.labels import ScoreLabel
from ..generate import generate_batches
from ..score_reading import YES_NO, ScoreProtocol, yes_probabilities
from ..scored_photos import LabelScores, label_scores
from .asking import Asked, Reply

_BATCHES_AT_ONCE = 4  # photos of one size come together within them


class LocalBackend:
    """Runs a model with transformers, greedily, in batches padded on the left.

    Args:
        model (`str`): a folder or the id of a Hub repository; safetensors only, no code of the checkpoint runs.
        batch_size (`int`): rows per forward pass; halved when memory runs out.
        max_new_tokens (`int`): where an answer is cut off.
        device (`str`, *optional*): a CUDA device if there is any, or the CPU.
        dtype (`str`, *optional*): as the weights were saved on a CUDA device, `"float32"` on the CPU.
        with_frame (`bool`, *optional*, defaults to `True`): see `load_checkpoint`.
        chat_template (`str`, *optional*): see `load_checkpoint`.
    """

    def __init__(
        self,
        model: str,
        *,
        batch_size: int,
        max_new_tokens: int,
        device: str | None = None,
        dtype: str | None = None,
        with_frame: bool = True,
        chat_template: str | None = None,
    ) -> None:
        self._device = device or _best_device()
        self._dtype = dtype or ("float32" if self._device == "cpu" else "auto")
        self._batch_size = batch_size
        self._max_new_tokens = max_new_tokens
        self._identity = checkpoint_identity(model)
        self._model, self._processor = load_checkpoint(
            model, device=self._device, dtype=self._dtype, with_frame=with_frame, chat_template=chat_template
        )

    @property
    def processor(self) -> Any:
        """See `Backend`."""
        return self._processor

    def settings(self) -> dict[str, Any]:
        """See `Backend`."""
        dtype = str(self._model.dtype).removeprefix("torch.")
        template = hashlib.sha256(str(self._processor.chat_template).encode()).hexdigest()
        backend = {"name": "transformers", "dtype": dtype, "chat_template_sha256": template}
        return {"model": self._identity, "backend": backend}

    def execution(self) -> dict[str, Any]:
        """See `Backend`."""
        import torch

        device = torch.cuda.get_device_name(self._device) if self._device.startswith("cuda") else self._device
        return {"batch_size": self._batch_size, "device": device, "threads": torch.get_num_threads()}

    def replies(self, asked: Asked) -> Iterator[list[Reply]]:
        """See `Backend`."""
        batches = generate_batches(
            self._model,
            self._processor,
            asked.photo,
            asked.prompts,
            asked.alike_together(),
            batch_size=self._batch_size,
            max_new_tokens=self._max_new_tokens,
            special_tokens=asked.special_tokens,
        )
        for batch in batches:
            yield [Reply(place, said.text, cut_off=said.cut_off) for place, said in batch]

    def word_tokens(self, words: Sequence[str] = YES_NO) -> WordTokens:
        """The tokens by which words are told apart, see `first_token.word_ids`."""
        return word_tokens(self._processor.tokenizer, words)

    def yes_probabilities(self, asked: Asked, tokens: WordTokens) -> Iterator[list[tuple[int, float | None]]]:
        """P(Yes) at the first token of the answers to `asked.places`, with the place of each, as they come.

        They are read by the tokens of Yes and No that `word_tokens` gave, see `score_reading.yes_probabilities`.
        """
        order, step = asked.alike_together(), _BATCHES_AT_ONCE * self._batch_size
        for start in range(0, len(order), step):
            places = order[start : start + step]
            found = yes_probabilities(
                self._model,
                self._processor,
                [asked.photo(place) for place in places],
                [asked.prompts[place] for place in places],
                token_ids=tokens.ids,
                batch_size=self._batch_size,
            )
            yield list(zip(places, found, strict=True))

    def photo_scores(self, labels: Sequence[ScoreLabel], root: Path, protocol: ScoreProtocol) -> LabelScores:
        """Quality scores of listed photos, see `scored_photos.label_scores`."""
        return label_scores(self._model, self._processor, labels, root, protocol, batch_size=self._batch_size)


def _best_device() -> str:
    try:
        import torch
    except ImportError:  # `load_checkpoint` says what to install
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"
