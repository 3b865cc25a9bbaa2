"""Which judge a word of the command line means."""

from __future__ import annotations

from pathlib import Path

from ..annotation.llm import LLM, CachedLLM, EndpointLLM, LocalLLM
from ..metrics.llm_score.judge import JudgeChoice
from ..metrics.llm_score.llm_judge import LLMJudge

KEY_VARIABLE = "GIQA_JUDGE_API_KEY"
CACHE = "judge.sqlite"


def judge_of(choice: str, folder: Path, *, model: str | None = None) -> JudgeChoice:
    """The judge.

    Args:
        choice (`str`): `"lexical"`, `"none"`, the address of an OpenAI-compatible server (its key, if it wants one, in
            the environment variable `GIQA_JUDGE_API_KEY`), or a language model's folder or Hub id.
        folder (`Path`): of the run; what a language model answered is kept there, so that nothing is asked twice.
        model (`str`, *optional*): the model's name at the server; without one, the only one that it offers.

    Returns:
        `Judge`, `False` or `None`, as `giqa_bench` takes it.
    """
    if choice == "lexical":
        return None
    if choice == "none":
        return False
    llm: LLM
    if choice.startswith(("http://", "https://")):
        llm = EndpointLLM(choice, model, api_key_variable=KEY_VARIABLE)
    else:
        llm = LocalLLM(choice)
    return LLMJudge(CachedLLM(llm, folder / CACHE))
