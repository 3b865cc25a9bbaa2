"""A checkpoint in vLLM, in this process. Needs the extra "vllm" and a GPU; it was never run here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...backbones import checkpoint_identity
from ...backbones.chat import chat_prompt
from ...errors import MissingExtraError
from .asking import Asked, Reply


class VllmBackend:
    """Runs a model with vLLM, greedily; vLLM makes the batches, `batch_size` rows are handed over at a time.

    Args:
        model (`str`): a folder or the id of a Hub repository.
        batch_size (`int`): rows after which the answers are kept.
        max_new_tokens (`int`): where an answer is cut off.
        dtype (`str`, *optional*, defaults to `"auto"`): of the weights.
    """

    def __init__(self, model: str, *, batch_size: int, max_new_tokens: int, dtype: str | None = None) -> None:
        from ...processing import load_grounding_processor

        try:
            from vllm import LLM, SamplingParams  # type: ignore[import-not-found]  # not installed here
        except ImportError:
            raise MissingExtraError("the back end vllm", "vllm") from None
        self._identity = checkpoint_identity(model)
        self._processor = load_grounding_processor(model)
        self._dtype = dtype or "auto"
        self._batch_size = batch_size
        self._llm = LLM(model=model, dtype=self._dtype, limit_mm_per_prompt={"image": 1}, seed=0)
        self._sampling = SamplingParams(temperature=0.0, seed=0, max_tokens=max_new_tokens)

    @property
    def processor(self) -> Any:
        """See `Backend`."""
        return self._processor

    def settings(self) -> dict[str, Any]:
        """See `Backend`."""
        return {"model": self._identity, "backend": {"name": "vllm", "dtype": self._dtype}}

    def execution(self) -> dict[str, Any]:
        """See `Backend`."""
        return {"batch_size": self._batch_size}

    def replies(self, asked: Asked) -> Iterator[list[Reply]]:
        """See `Backend`."""
        order = asked.alike_together()
        self._sampling.skip_special_tokens = not asked.special_tokens
        for start in range(0, len(order), self._batch_size):
            places = order[start : start + self._batch_size]
            requests = [
                {
                    "prompt": chat_prompt(self._processor, asked.prompts[place]),
                    "multi_modal_data": {"image": asked.photo(place)},
                }
                for place in places
            ]
            outputs = self._llm.generate(requests, self._sampling, use_tqdm=False)
            yield [
                Reply(
                    place, output.outputs[0].text.strip(), cut_off=output.outputs[0].finish_reason == "length"
                )
                for place, output in zip(places, outputs, strict=True)
            ]
