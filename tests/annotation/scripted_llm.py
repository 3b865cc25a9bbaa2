"""A language model that says what it is told to, for the tests of the stages that ask one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from giqa_hf.annotation.llm.client import Completion, Prompt


class ScriptedLLM:
    """Gives its answers in order, and keeps what it was asked."""

    def __init__(self, *answers: str | Completion) -> None:
        self.answers = answers
        self.asked: list[list[Prompt]] = []

    def complete(self, prompts: Sequence[Prompt]) -> list[Completion]:
        self.asked.append(list(prompts))
        assert len(prompts) == len(self.answers)
        return [Completion(answer, None) if isinstance(answer, str) else answer for answer in self.answers]

    def settings(self) -> dict[str, Any]:
        return {"model": "scripted"}
