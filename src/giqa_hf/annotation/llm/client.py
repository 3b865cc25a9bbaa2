"""What the pipeline asks of a language model: prompts in, completions out, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

# Why there is no usable text. They are counted in the audit, so each is one short phrase without details.
CUT_OFF = "cut off at max_tokens"
EMPTY = "empty answer"
REFUSED = "refused by the model"
REQUEST_REFUSED = "refused by the server"
TOO_LONG = "too long for the model's context"
TIMED_OUT = "timed out"
SERVER_FAILED = "the server fails on it"
NOT_UNICODE = "the prompt is not valid Unicode"


class Sampling(NamedTuple):
    """How an answer is drawn at random, where not the likeliest one is wanted."""

    temperature: float
    """More than 0; 1 is the model's own distribution."""
    seed: int
    """Another one is another draw, and another key in a cache; a server may take no notice of it."""


class Prompt(NamedTuple):
    """One question to a language model."""

    system: str
    """The instructions; may be empty."""
    user: str
    """What they are applied to."""
    schema: dict[str, Any] | None
    """JSON schema of the answer, for back ends that can enforce one; `None` for free text."""
    version: str
    """Of the prompt's wording; a part of the key under which its answer is cached."""
    max_tokens: int
    """Where an answer is cut off, which makes it unusable."""
    sampling: Sampling | None = None
    """`None` for the likeliest answer, as everywhere in the pipeline; a judge that is asked several times draws."""


class Completion(NamedTuple):
    """The answer to a prompt, or why there is none; exactly one of the two is `None`."""

    text: str | None
    problem: str | None


class Answer(NamedTuple):
    """A completion on its own, as soon as it is there."""

    place: int
    """Of its prompt."""
    completion: Completion


class LLM(Protocol):
    """A language model that answers batches of prompts."""

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        """Answer the prompts, in their order.

        Raises:
            `GiqaError`: for what concerns all prompts: a server that does not answer after all retries, a refused
                key, too little memory. What concerns one prompt is the `problem` of its completion.
        """

    def settings(self) -> dict[str, Any]:
        """Everything that the answers depend on, as JSON values; it holds no address and no key."""


@runtime_checkable
class StreamingLLM(LLM, Protocol):
    """One that hands over each answer as soon as it is there, so that none is lost when a later one fails."""

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[Answer]:
        """Answer the prompts, in any order, each once; errors as in `complete`."""


def answers_of(llm: LLM, prompts: Sequence[Prompt]) -> Iterator[Answer]:
    """The answers of any `LLM`: as they come where it can, otherwise all at the end."""
    if isinstance(llm, StreamingLLM):
        yield from llm.answers(prompts)
    else:
        for index, completion in enumerate(llm.complete(prompts)):
            yield Answer(index, completion)


def in_order(answers: Iterator[Answer], count: int) -> list[Completion]:
    """Completions in the order of their prompts, from answers in any order."""
    found = {answer.place: answer.completion for answer in answers}
    return [found[index] for index in range(count)]


def completion_of(text: str | None, *, cut_off: bool) -> Completion:
    """What a model wrote, as a completion; half an answer is none, and neither is an empty one."""
    if cut_off:
        return Completion(None, CUT_OFF)
    if text is None or not text.strip():
        return Completion(None, EMPTY)
    return Completion(text, None)


def is_unicode(prompt: Prompt) -> bool:
    """Whether a prompt can be sent: a lone surrogate, from broken JSON, has no UTF-8 form and no token."""
    try:
        f"{prompt.system}{prompt.user}".encode()
    except UnicodeEncodeError:
        return False
    return True
