"""An `LLM` in this process: any causal language model of transformers, in batches; greedy unless a prompt asks else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...backbones.files import folder_digest
from ...errors import DataError, GiqaError, MissingExtraError
from ..batches import is_out_of_memory
from .client import (
    NOT_UNICODE,
    TOO_LONG,
    Answer,
    Completion,
    Prompt,
    Sampling,
    completion_of,
    in_order,
    is_unicode,
)

# Chat templates that know these words write the same every day, and let the model answer without thinking aloud
# first; other templates take no notice. The date is the one that Llama-3.1's own template falls back to.
_TEMPLATE_OPTIONS = {"date_string": "26 Jul 2024", "enable_thinking": False}


@dataclass
class LocalLLM:
    """Runs a chat model with transformers; it is loaded at the first batch.

    Prompts go through the model's chat template, sorted by length, padded on the left. A batch that does not fit into
    memory is halved, for good. A JSON schema is not enforced.

    Args:
        model (`str`): a folder that `save_pretrained` wrote, or the id of a Hub repository; safetensors only.
        revision (`str`, *optional*): of the Hub repository; its main branch without one.
        batch_size (`int`, *optional*, defaults to `8`): prompts per forward pass.
        device (`str`, *optional*): such as `"cuda:1"`; without one, a CUDA device if there is any, or the CPU.
        dtype (`str`, *optional*, defaults to `"auto"`): of the weights, such as `"bfloat16"`; `"auto"` is as they were
            saved.

    Raises:
        `DataError`: when an option cannot be.

    Example:
        ```python
        >>> llm = LocalLLM("meta-llama/Meta-Llama-3-8B-Instruct")
        >>> llm.complete([Prompt("", "Say yes.", None, "1", 8)])
        [Completion(text='Yes.', problem=None)]
        ```
    """

    model: str
    revision: str | None = None
    batch_size: int = 8
    device: str | None = None
    dtype: str = "auto"
    _loaded: _Loaded | None = field(default=None, init=False, repr=False, compare=False)
    _identity: str | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise DataError(f"batch_size: expected at least 1, got {self.batch_size}")

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: a loaded model does not travel to another process."""
        return {**self.__dict__, "_loaded": None}

    def settings(self) -> dict[str, Any]:
        """Back end, model, revision and decoding.

        The revision of a folder is the SHA-256 of its files, so that other weights under the same name are not taken
        for the same model. What changes answers by rounding alone (batch size, device) is left out.
        """
        if self._identity is None:
            folder = self._folder
            self._identity = folder_digest(folder) if folder else _commit(self.model, self.revision)
        return {
            "backend": "transformers",
            "model": self.model,
            "revision": self._identity,
            "dtype": self.dtype,
            "temperature": 0.0,
        }

    @property
    def _folder(self) -> Path | None:
        """Where the model lies, unless it is the Hub's."""
        folder = Path(self.model).expanduser()
        return folder if folder.is_dir() else None

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Answer the prompts, in their order; see `LLM`."""
        return in_order(self.answers(prompts), len(prompts))

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[Answer]:
        """Answer the prompts, short ones first.

        Raises:
            `GiqaError`: when the model cannot be loaded, or a single prompt does not fit into memory.
            `MissingExtraError`: when torch or transformers is not installed.
        """
        if not prompts:
            return
        if self._loaded is None:
            # The commit that the settings tell, should the branch move on between the two.
            revision = None if self._folder else self.settings()["revision"]
            self._loaded = _load(self.model, self._folder, revision, self.device, self.dtype)
        loaded = self._loaded
        tokens: dict[int, list[int]] = {}
        for index, prompt in enumerate(prompts):
            if not is_unicode(prompt):
                yield Answer(index, Completion(None, NOT_UNICODE))
                continue
            ids = _token_ids(loaded, prompt)
            if loaded.context is not None and len(ids) + prompt.max_tokens > loaded.context:
                yield Answer(index, Completion(None, TOO_LONG))
            else:
                tokens[index] = ids
        order = sorted(tokens, key=lambda index: len(tokens[index]))
        start = 0
        while start < len(order):
            batch = order[start : start + self.batch_size]
            limits = [prompts[index].max_tokens for index in batch]
            samplings = [prompts[index].sampling for index in batch]
            try:
                completions = _generate(loaded, [tokens[index] for index in batch], limits, samplings)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                completions = None
            if completions is None:  # not in the handler above, where the traceback still holds the memory
                self._halve(len(batch), len(tokens[batch[-1]]))
                continue
            for index, completion in zip(batch, completions, strict=True):
                yield Answer(index, completion)
            start += len(batch)

    def _halve(self, count: int, longest: int) -> None:
        """Go on with smaller batches, if there are any."""
        import torch

        if count == 1:
            raise GiqaError(
                f"{self.model}: not enough memory for a single prompt of {longest} tokens; take a smaller model or "
                'dtype="bfloat16", or free some memory, then run the same command again to go on'
            )
        self.batch_size = count // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class _Loaded(NamedTuple):
    model: Any
    tokenizer: Any
    system_role: bool
    """Whether the chat template knows it; otherwise the system text comes before the user's."""
    end_ids: frozenset[int]
    pad_id: int
    context: int | None
    """Tokens that the model takes, with its answer."""


def _load(name: str, folder: Path | None, revision: str | None, device: str | None, dtype: str) -> _Loaded:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
    except ImportError:
        raise MissingExtraError("a language model in this process", "annotate") from None
    options: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    place = str(folder) if folder else name
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(place, **options)
        auto: Any = AutoModelForCausalLM
        model, report = auto.from_pretrained(
            place, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
        )
    except Exception as error:  # somebody else's files: whatever loading them raises is about them
        if is_out_of_memory(error):
            raise _too_large(name, "cpu") from error
        raise _unusable(name, error) from error
    try:
        model = model.to(device).eval()
    except Exception as error:  # torch has a dozen kinds for a device that is not there
        if is_out_of_memory(error):
            raise _too_large(name, device) from error
        raise GiqaError(
            f"device: expected one that this machine has, got {device!r} ({_first_line(error)}); choose another"
        ) from error
    if absent := sorted(report["missing_keys"]):  # transformers fills such tensors with random numbers
        raise GiqaError(
            f"{name}: expected weights for all of {type(model).__name__}, found none for {len(absent)} of its tensors, "
            f"such as {absent[0]}; choose another checkpoint, or save this one again"
        )
    saved = model.generation_config
    ends = saved.eos_token_id if saved.eos_token_id is not None else tokenizer.eos_token_id
    end_ids = frozenset([ends] if isinstance(ends, int) else ends or ())
    if not end_ids:
        raise GiqaError(
            f"{name}: expected a model that ends its answers, found no end token; choose another model"
        )
    pad_id = min(end_ids) if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
    # Greedy and nothing else: checkpoints bring sampling and penalties of their own.
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=sorted(end_ids), pad_token_id=pad_id
    )
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return _Loaded(model, tokenizer, _knows_system_role(name, tokenizer), end_ids, pad_id, context)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _too_large(name: str, device: str) -> GiqaError:
    return GiqaError(
        f"{name}: not enough memory to load it on {device}; take a smaller model, another device or "
        'dtype="bfloat16"'
    )


def _unusable(name: str, error: Exception) -> GiqaError:
    return GiqaError(
        f"{name}: expected a causal language model with its tokenizer and weights as *.safetensors, in a folder or on "
        f"the Hub, found none that loads ({_first_line(error)}); check the name, or choose another"
    )


def _knows_system_role(name: str, tokenizer: Any) -> bool:
    """Whether the chat template takes a system message; some raise an error of their own."""
    if not tokenizer.chat_template:
        raise GiqaError(
            f"{name}: expected a chat model, found no chat template; choose an instruction-tuned model"
        )
    roles = [{"role": "system", "content": "\u2713"}, {"role": "user", "content": "?"}]
    try:
        return "\u2713" in tokenizer.apply_chat_template(roles, tokenize=False, **_TEMPLATE_OPTIONS)
    except Exception:  # jinja2's TemplateError, whose module need not be there to be named
        return False


def _token_ids(loaded: _Loaded, prompt: Prompt) -> list[int]:
    if prompt.system and not loaded.system_role:
        messages = [{"role": "user", "content": f"{prompt.system}\n\n{prompt.user}"}]
    else:
        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        messages.append({"role": "user", "content": prompt.user})
    text = loaded.tokenizer.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, **_TEMPLATE_OPTIONS
    )
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=False)["input_ids"]  # the template has them
    return ids


def _generate(
    loaded: _Loaded,
    token_ids: Sequence[Sequence[int]],
    limits: Sequence[int],
    samplings: Sequence[Sampling | None],
) -> list[Completion]:
    """Completions of one batch."""
    import torch

    draws = _Draws(token_ids, samplings)

    width = max(len(ids) for ids in token_ids)
    ids = torch.tensor([[loaded.pad_id] * (width - len(row)) + list(row) for row in token_ids])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in token_ids])
    with torch.inference_mode():
        produced = loaded.model.generate(
            input_ids=ids.to(loaded.model.device),
            attention_mask=mask.to(loaded.model.device),
            max_new_tokens=max(limits),
            logits_processor=[draws] if draws.any else None,
        )
    completions = []
    for row, limit in zip(produced[:, width:].tolist(), limits, strict=True):
        length = next((place for place, token in enumerate(row) if token in loaded.end_ids), None)
        # A server counts the end token too.
        cut_off = length is None or length >= limit
        text = None if cut_off else loaded.tokenizer.decode(row[:length], skip_special_tokens=True)
        completions.append(completion_of(text, cut_off=cut_off))
    return completions


class _Draws:
    """Turns the likeliest token of some rows into a drawn one.

    The largest of logits / temperature + Gumbel noise is a draw from their softmax (the Gumbel-max trick). Each row has
    a random generator of its own, seeded with its prompt: what is drawn does not depend on the batch around it.

    Args:
        token_ids (`list`): of each row's prompt.
        samplings (`list` of `Sampling` or `None`): how each row is drawn; `None` leaves it alone.
    """

    def __init__(self, token_ids: Sequence[Sequence[int]], samplings: Sequence[Sampling | None]) -> None:
        import torch

        self._rows: list[tuple[int, float, Any]] = []
        for row, (ids, sampling) in enumerate(zip(token_ids, samplings, strict=True)):
            if sampling is not None:
                seed = hashlib.sha256(repr((sampling.seed, list(ids))).encode()).digest()[:8]
                generator = torch.Generator().manual_seed(int.from_bytes(seed) >> 1)
                self._rows.append((row, sampling.temperature, generator))
        self.any = bool(self._rows)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        drawn = scores.float().clone()
        for row, temperature, generator in self._rows:
            waits = torch.empty(scores.shape[-1]).exponential_(generator=generator)
            drawn[row] = drawn[row] / temperature - waits.log().to(scores.device)
        return drawn


def _commit(name: str, revision: str | None) -> str | None:
    """The commit that a Hub repository stands at."""
    try:
        from transformers import AutoConfig
    except ImportError:
        raise MissingExtraError("a language model in this process", "annotate") from None
    try:
        config = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    except Exception as error:  # somebody else's files, as in `_load`
        raise _unusable(name, error) from error
    commit: str | None = getattr(config, "_commit_hash", None)
    return commit or revision
