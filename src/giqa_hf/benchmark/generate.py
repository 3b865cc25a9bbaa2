"""Let a model answer the rows of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from PIL import Image

from ..annotation.batches import is_out_of_memory
from ..backbones.chat import chat_prompt
from ..errors import DataError, GiqaError

GREEDY: Mapping[str, Any] = MappingProxyType(
    {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
)
"""Given to every `generate`, since checkpoints bring sampling and penalties of their own."""


class Token(NamedTuple):
    """One token of an answer."""

    id: int
    log_probability: float
    """Natural logarithm of what the model gave it at its place, 0 or below."""


class Said(NamedTuple):
    """What a model wrote for one prompt."""

    text: str
    """The raw answer."""
    cut_off: bool
    """Whether the limit on new tokens ended it, not the model."""
    tokens: tuple[Token, ...] = ()
    """The tokens that the text was decoded from, where probabilities were asked for."""


class Done(NamedTuple):
    """An answer with the place of its prompt."""

    place: int
    said: Said


def generate(
    model: Any,
    processor: Any,
    images: Sequence[Image.Image],
    prompts: Sequence[str],
    *,
    batch_size: int = 32,
    max_new_tokens: int = 256,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Greedy answers of an image-text-to-text model, one per picture and prompt.

    Args:
        model (`transformers.PreTrainedModel`): any `AutoModelForImageTextToText`; left as it was found.
        processor (`transformers.ProcessorMixin`): its processor, with a chat template.
        images (`sequence` of `PIL.Image.Image`): upright pictures.
        prompts (`sequence` of `str`): the user's words for each picture, boxes already written in the model's format.
        batch_size (`int`, *optional*, defaults to `32`): prompts per forward pass, batched by length.
        max_new_tokens (`int`, *optional*, defaults to `256`): where an answer is cut off.
        progress (`callable`, *optional*): called with the number done and the number of all.

    Returns:
        `list[str]`: raw answers in the order of the prompts.

    Raises:
        `ValueError`: when there are not as many images as prompts.
        `DataError`: when a prompt holds the processor's placeholder for pictures.
    """
    if len(images) != len(prompts):
        raise ValueError(
            f"generate: expected one image per prompt, got {len(images)} images, {len(prompts)} prompts"
        )
    answers = [""] * len(prompts)
    done = 0
    for batch in generate_batches(
        model,
        processor,
        images.__getitem__,
        prompts,
        sorted(range(len(prompts)), key=lambda place: len(prompts[place])),
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
    ):
        for place, said in batch:
            answers[place] = said.text
        done += len(batch)
        if progress:
            progress(done, len(prompts))
    return answers


def generate_batches(
    model: Any,
    processor: Any,
    image_of: Callable[[int], Image.Image],
    prompts: Sequence[str],
    order: Sequence[int],
    *,
    batch_size: int,
    max_new_tokens: int,
    special_tokens: bool | None = None,
    probabilities: bool = False,
) -> Iterator[list[Done]]:
    """Greedy answers, batch by batch, each as soon as it is there.

    A batch that does not fit into memory is halved, and so are those behind it.

    Args:
        model (`transformers.PreTrainedModel`): any `AutoModelForImageTextToText`; left as it was found.
        processor (`transformers.ProcessorMixin`): its processor, with a chat template.
        image_of (`callable`): the upright picture of a place; asked when its batch begins.
        prompts (`sequence` of `str`): the user's words.
        order (`sequence` of `int`): places of the prompts in the order in which they are batched.
        batch_size (`int`): prompts per forward pass.
        max_new_tokens (`int`): where an answer is cut off.
        special_tokens (`bool`, *optional*): whether the text keeps the tokenizer's special tokens, as it must where
            they mark boxes; as the processor's box format has it if not given.
        probabilities (`bool`, *optional*, defaults to `False`): whether answers come with their tokens and what the
            model gave each of them; one number per step is kept, not the scores of the whole vocabulary.

    Raises:
        `DataError`: when a prompt holds the processor's placeholder for pictures.
        `GiqaError`: when a single prompt does not fit into memory.
    """
    for number, prompt in enumerate(prompts):
        check_words_only(processor, prompt, f"prompt {number}")
    if special_tokens is None:
        special_tokens = marks_are_special(getattr(processor, "box_format", None))
    start = 0
    while start < len(order):
        places = order[start : start + batch_size]
        said = _unless_memory_runs_out(
            model,
            processor,
            [image_of(place) for place in places],
            [prompts[p] for p in places],
            max_new_tokens,
            special_tokens,
            probabilities,
        )
        if said is not None:
            yield [Done(*pair) for pair in zip(places, said, strict=True)]
            start += len(places)
        elif len(places) > 1:
            batch_size = len(places) // 2
        else:
            raise GiqaError(
                "too little memory for a single picture and prompt; use a smaller model, a smaller number format "
                "(dtype), or a device with more memory, then run the same command again to go on"
            )


def _unless_memory_runs_out(
    model: Any,
    processor: Any,
    images: Sequence[Image.Image],
    prompts: Sequence[str],
    max_new_tokens: int,
    special_tokens: bool,
    probabilities: bool,
) -> list[Said] | None:
    import torch

    try:
        return generate_batch(
            model,
            processor,
            images,
            prompts,
            max_new_tokens=max_new_tokens,
            special_tokens=special_tokens,
            probabilities=probabilities,
        )
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # Here, and no longer in `except`: the error held on to the frames that hold the tensors.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None


def generate_batch(
    model: Any,
    processor: Any,
    images: Sequence[Image.Image],
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    special_tokens: bool = False,
    probabilities: bool = False,
) -> list[Said]:
    """Greedy answers to one batch, padded on the left; arguments as in `generate_batches`."""
    import torch

    chosen: list[Any] = []  # of each step the log-probability of each row's token, shape (N,)

    def note(_: Any, scores: Any) -> Any:
        # What is greedy takes the highest; the last processor of logits sees what it takes it from.
        chosen.append(scores.float().max(dim=-1).values - scores.float().logsumexp(dim=-1))
        return scores

    inputs = model_inputs(model, processor, images, prompts)
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            produced = model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                logits_processor=[note] if probabilities else [],
                **GREEDY,
            )
    finally:
        model.train(was_training)
    new_ids = produced[:, inputs["input_ids"].shape[1] :].tolist()
    ends = _end_ids(model, processor)
    # Of special tokens only those are kept that can mark a box: not the end, nor what a batch is filled up with.
    shown = [[token for token in row if token not in ends] for row in new_ids] if special_tokens else new_ids
    texts = processor.batch_decode(shown, skip_special_tokens=not special_tokens)
    steps = torch.stack(chosen, dim=1).tolist() if chosen else [[]] * len(new_ids)
    return [
        Said(
            text.strip(),
            len(row) >= max_new_tokens and ends.isdisjoint(row),
            # As in `shown`, and without the end in any case: it is no part of the text.
            tuple(Token(*pair) for pair in zip(row, step, strict=False) if pair[0] not in ends),
        )
        for text, row, step in zip(texts, new_ids, steps, strict=True)
    ]


def marks_are_special(box_format: object) -> bool:
    """Whether a format's marks are special tokens, which decoding must keep."""
    return bool(getattr(box_format, "special_tokens", False))


def model_inputs(model: Any, processor: Any, images: Sequence[Image.Image], prompts: Sequence[str]) -> Any:
    """The tensors of one batch, on the model's device and in its number format."""
    texts = [chat_prompt(processor, prompt) for prompt in prompts]
    return processor(
        images=[[image] for image in images],
        text=texts,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        add_special_tokens=not _has_its_start(processor, texts[0]),
    ).to(model.device, model.dtype)


def _has_its_start(processor: Any, text: str) -> bool:
    """Whether the chat template wrote the token that begins a text; else the tokenizer adds it, if it has one.

    This is the rule by which `apply_chat_template(tokenize=True)`, and so TRL in training, decides it.
    """
    start: str | None = getattr(processor.tokenizer, "bos_token", None)
    return start is not None and text.startswith(start)


def context_of(model: Any) -> int | None:
    """How many tokens a model can take, `None` where its configuration does not say."""
    found = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return int(found) if found else None


def check_room(model: Any, tokenizer: Any, question: str) -> None:
    """See that a question leaves room: beyond its context a model writes rubbish that looks like an answer.

    Args:
        model (`PreTrainedModel`): which is asked.
        tokenizer (`PreTrainedTokenizerBase`): its own.
        question (`str`): as the model reads it, with its boxes written.

    Raises:
        `ValueError`: when it has more tokens than half of the model's context.
    """
    context = context_of(model)
    if context is None or len(question) <= context // 2:  # a token has a character or more
        return
    tokens = len(tokenizer(question, add_special_tokens=False).input_ids)
    if tokens > context // 2:
        raise ValueError(
            f"the question has {tokens:,} tokens, expected at most half of the {context:,} that the model reads, "
            "for picture and answer need room too; ask something shorter"
        )


def check_words_only(processor: Any, prompt: str, name: str) -> None:
    """Refuse a prompt that holds the processor's placeholder for pictures, by a `DataError` that calls it `name`."""
    placeholder = getattr(processor, "image_token", None)
    if placeholder and placeholder in prompt:
        raise DataError(
            f"{name}: expected words only, found the model's placeholder for pictures, {placeholder!r}, "
            f"in {prompt!r:.200}; leave it out"
        )


def _end_ids(model: Any, processor: Any) -> frozenset[int]:
    """The tokens that end an answer, and the one that fills a batch up behind such a token."""
    ends = model.generation_config.eos_token_id
    ids = {ends} if isinstance(ends, int) else set(ends or ())
    tokenizer = processor.tokenizer
    return frozenset({*ids, tokenizer.eos_token_id, tokenizer.pad_token_id} - {None})
