"""A judge that asks a language model: a server, a model in this process, or either behind a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...annotation.llm.client import LLM, Sampling
from .judge import JudgeItem, Verdict
from .prompt import LONGEST, MAX_TOKENS, PROMPT_VERSION, judge_prompt
from .reading import read_mark

_HASH = 12  # characters of a revision in the name


@dataclass
class LLMJudge:
    """Marks texts with a language model.

    With `repeats=1` the model's likeliest answer is taken (temperature 0), as the paper's single pass. With more, each
    text is asked about so many times at `temperature` with the seeds 0, 1, 2, ...; the runs are alike, and their spread
    shows how much of a difference between two models may be the judge's mood. Each run has its own key in a cache.

    An empty prediction says nothing: it gets 0 without asking. Of a text of more than 8,000 characters the model is
    shown the beginning, and `notes` tells of it. What goes wrong with one text (a time-out, a refusal, an answer
    without a mark) is a `Verdict` with the problem; what concerns all of them (a server that is gone) is an error, and
    behind a `CachedLLM` the next run goes on where this one stopped.

    Args:
        llm (`LLM`): `EndpointLLM`, `LocalLLM`, or `CachedLLM` around one of them.
        repeats (`int`, *optional*, defaults to `1`): how often each text is read.
        temperature (`float`, *optional*, defaults to `0.7`): at which it is read more than once.
        revision (`str`, *optional*): of the model behind a server, which does not tell; it only stands in the name.
        max_tokens (`int`, *optional*, defaults to `256`): where its answer is cut off, which makes it a failure; a
            model that thinks aloud before it answers needs some thousands.

    Raises:
        `ValueError`: when an option cannot be.

    Example:

    <!-- not run: needs a server -->
    ```python
    judge = LLMJudge(CachedLLM(EndpointLLM("http://localhost:8000/v1"), "judge.sqlite"), repeats=3)
    llm_score(["The dog is blurred."], ["The dog is not sharp."], judge=judge)
    ```
    """

    llm: LLM
    repeats: int = 1
    temperature: float = 0.7
    revision: str | None = None
    max_tokens: int = MAX_TOKENS
    _cut: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for option in ("repeats", "max_tokens"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{option}: expected a whole number of at least 1, got {value!r:.80}")
        if not 0 < self.temperature <= 2:
            raise ValueError(f"temperature: expected more than 0 and at most 2, got {self.temperature!r:.80}")

    @property
    def name(self) -> str:
        """Model, revision, prompt and repeats, e.g. `"org/llama-3@5f0b02c75b57, judge-0f3a9b21c4, 3x at T=0.7"`.

        Another `max_tokens` than the usual stands there too.
        """
        settings = self.llm.settings()
        model = str(settings.get("model") or type(self.llm).__name__)
        # Of a folder its name will do, since the revision tells its files.
        if model.startswith(("/", ".", "~")):
            model = model.rstrip("/").rsplit("/", 1)[-1]
        revision = settings.get("revision") or self.revision
        return (
            model
            + (f"@{str(revision)[:_HASH]}" if revision else "")
            + f", {PROMPT_VERSION}"
            + (f", {self.repeats}x at T={self.temperature:g}" if self.repeats > 1 else "")
            + (f", {self.max_tokens} tokens" if self.max_tokens != MAX_TOKENS else "")
        )

    def settings(self) -> dict[str, Any]:
        """Everything that the marks depend on, as JSON values; it holds no address and no key."""
        return {
            "judge": type(self).__name__,
            "llm": self.llm.settings(),
            "revision": self.revision,
            "prompt": PROMPT_VERSION,
            "repeats": self.repeats,
            "temperature": self.temperature if self.repeats > 1 else 0.0,
            "max_tokens": self.max_tokens,
        }

    def notes(self) -> list[str]:
        """What showed only while asking, as sentences for people."""
        of_llm = getattr(self.llm, "notes", None)
        said: list[str] = list(of_llm()) if callable(of_llm) else []
        if self._cut:
            said.append(f"the judge was shown only the first {LONGEST} characters of {self._cut} texts")
        return said

    def score(self, question: str | None, reference: str, prediction: str) -> int | None:
        """The mark of one text, None when there is none; only with `repeats=1`."""
        return self.score_many([JudgeItem(question, reference, prediction)])[0]

    def score_many(self, items: Sequence[JudgeItem]) -> list[int | None]:
        """One mark or None per item; only with `repeats=1`."""
        if self.repeats != 1:
            raise ValueError(
                f"score_many: expected a judge with repeats=1, got repeats={self.repeats}; take judge_many"
            )
        return [verdict.mark for (verdict,) in self.judge_many(items)]

    def judge_many(self, items: Sequence[JudgeItem]) -> list[tuple[Verdict, ...]]:
        """For each item `repeats` verdicts.

        Raises:
            `GiqaError`: for what concerns all texts, such as a server that is gone.
        """
        runs = (
            [Sampling(self.temperature, run) for run in range(self.repeats)] if self.repeats > 1 else [None]
        )
        asked = [index for index, item in enumerate(items) if item.prediction.strip()]
        framed = [[judge_prompt(items[index], run, self.max_tokens) for run in runs] for index in asked]
        self._cut += sum(own[0].cut for own in framed)
        completions = self.llm.complete([one.prompt for own in framed for one in own])
        verdicts = [
            Verdict(None, completion.problem) if completion.text is None else read_mark(completion.text)
            for completion in completions
        ]
        found = [(Verdict(0, None),) * self.repeats] * len(items)
        for place, index in enumerate(asked):
            found[index] = tuple(verdicts[place * self.repeats : (place + 1) * self.repeats])
        return found
