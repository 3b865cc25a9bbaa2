"""Questions and answers as a chat template writes them, and whether it writes what a model can be trained with."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..errors import GiqaError

_QUESTION, _ANSWER = "How sharp is it?", "Sharp."


def chat_prompt(processor: Any, prompt: str) -> str:
    """A user's words beside one picture, as the processor's chat template writes them before an answer."""
    text: str = processor.apply_chat_template(_asked(prompt), add_generation_prompt=True)
    return text


def read_template(text_or_path: str) -> str:
    """A chat template from its text, or from the file that holds it.

    Raises:
        `GiqaError`: when it is neither.
    """
    if "{{" in text_or_path:
        return text_or_path
    try:
        return Path(text_or_path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise GiqaError(
            f"{text_or_path}: expected a file with a chat template, or a Jinja text, found neither ({error}); check "
            "the path"
        ) from None


class TemplateFault(NamedTuple):
    """Why a model cannot be trained with a chat template."""

    kind: Literal["absent", "question", "end", "start"]
    """There is none, it writes a question otherwise when an answer follows, or a token is missing at an end."""
    words: str
    """Half a sentence."""


def template_fault(processor: Any) -> TemplateFault | None:
    """Why a model cannot be trained with a processor's chat template; `None` if it can.

    Training sees the template's own text and nothing beside it (TRL adds no tokens), so the template itself has to
    write the token that begins a text, where the tokenizer would add one in use, and the one that ends an answer.
    Else a model is trained on other tokens than it is asked with, and never learns to stop. The templates of the
    public LLaVA checkpoints lack both.
    """
    if getattr(processor, "chat_template", None) is None:
        return TemplateFault("absent", "there is none")
    tokenizer = processor.tokenizer
    prompt = chat_prompt(processor, _QUESTION)
    answer = [{"role": "assistant", "content": [{"type": "text", "text": _ANSWER}]}]
    whole: str = processor.apply_chat_template(_asked(_QUESTION) + answer)
    if not whole.startswith(prompt):
        return TemplateFault("question", "it writes a question otherwise when an answer follows")
    if not whole[len(prompt) :].split(_ANSWER, 1)[-1].startswith(tokenizer.eos_token):
        return TemplateFault("end", f"it does not write {tokenizer.eos_token!r} behind an answer")
    start = tokenizer.bos_token
    if start and tokenizer("x").input_ids[0] == tokenizer.bos_token_id and not prompt.startswith(start):
        return TemplateFault("start", f"it does not write {start!r}, which the tokenizer puts before a text")
    return None


def template_with_start(processor: Any) -> str | None:
    """A processor's chat template with the token that begins a text in front of it.

    Tokenizers differ in whether they put a blank before the first word behind such a token. It is written where a
    prompt has the same tokens with it as with the token that the tokenizer adds; `None` where it has neither way.
    """
    prompt = chat_prompt(processor, _QUESTION)
    asked_with = processor.tokenizer(prompt).input_ids
    for blank in ("", " "):
        text = f"{processor.tokenizer.bos_token}{blank}{prompt}"
        if processor.tokenizer(text, add_special_tokens=False).input_ids == asked_with:
            return f"{{{{ bos_token }}}}{blank}{processor.chat_template}"
    return None


def _asked(prompt: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}]
