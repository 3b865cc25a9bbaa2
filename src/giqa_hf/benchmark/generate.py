"""Let a model answer the rows of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from ..errors import DataError


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
    import torch

    if len(images) != len(prompts):
        raise ValueError(
            f"generate: expected one image per prompt, got {len(images)} images, {len(prompts)} prompts"
        )
    placeholder = getattr(processor, "image_token", None)
    for number, prompt in enumerate(prompts):
        if placeholder and placeholder in prompt:
            raise DataError(
                f"prompt {number}: expected words only, found the model's placeholder for pictures, {placeholder!r}, "
                f"in {prompt!r:.200}; leave it out"
            )
    answers = [""] * len(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            texts = [chat_prompt(processor, prompts[i]) for i in batch]
            inputs = processor(
                images=[[images[i]] for i in batch],
                text=texts,
                padding=True,
                padding_side="left",
                return_tensors="pt",
                add_special_tokens=not _has_its_start(processor, texts[0]),
            ).to(model.device, model.dtype)
            with torch.inference_mode():
                produced = model.generate(
                    **inputs, max_new_tokens=max_new_tokens, do_sample=False, num_beams=1
                )
            written = processor.batch_decode(
                produced[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
            for index, text in zip(batch, written, strict=True):
                answers[index] = text.strip()
            if progress:
                progress(min(start + batch_size, len(order)), len(order))
    finally:
        model.train(was_training)
    return answers


def chat_prompt(processor: Any, prompt: str) -> str:
    """A user's words beside one picture, as the processor's chat template writes them before an answer."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    text: str = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True
    )
    return text


def _has_its_start(processor: Any, text: str) -> bool:
    """Whether the chat template wrote the token that begins a text; else the tokenizer adds it, if it has one.

    This is the rule by which `apply_chat_template(tokenize=True)`, and so TRL in training, decides it.
    """
    start: str | None = getattr(processor.tokenizer, "bos_token", None)
    return start is not None and text.startswith(start)
