"""Which judge a word of the command line means."""

from __future__ import annotations

from math import inf
from pathlib import Path

from ..annotation.llm import LLM, CachedLLM, EndpointLLM, LocalLLM
from ..errors import DataError
from ..metrics.llm_score.judge import JudgeChoice
from ..metrics.llm_score.llm_judge import LLMJudge
from ..metrics.llm_score.prompt import MAX_TOKENS

KEY_VARIABLE = "GIQA_JUDGE_API_KEY"
CACHE = "judge.sqlite"
_TIMEOUT_S = 60.0
"""A mark takes seconds; this leaves room for the texts before it in a server's queue."""
_SLOWEST = 10.0
"""Tokens a second, of a judge that thinks aloud: one with 4,096 tokens has 410 s."""
_TIMEOUT_RETRIES = 1
"""Once may be the server's bad moment; a text on which it hangs again is counted as failed."""


def judge_of(
    choice: str,
    folder: Path,
    *,
    model: str | None = None,
    repeats: int | None = None,
    max_tokens: int | None = None,
    timeout_s: float | None = None,
) -> JudgeChoice:
    """The judge.

    Args:
        choice (`str`): `"lexical"`, `"none"`, the address of an OpenAI-compatible server (its key, if it wants one, in
            the environment variable `GIQA_JUDGE_API_KEY`), or a language model's folder or Hub id.
        folder (`Path`): of the run; what a language model answered is kept there, so that nothing is asked twice.
        model (`str`, *optional*): the model's name at the server; without one, the only one that it offers.
        repeats (`int`, *optional*, defaults to 1): how often a language model reads each text; see `LLMJudge`.
        max_tokens (`int`, *optional*, defaults to 256): where its answer is cut off; one that thinks aloud before it
            answers needs some thousands.
        timeout_s (`float`, *optional*, defaults to 60, or a second per 10 tokens of `max_tokens` where that is more):
            seconds without an answer after which a server is given up. It is asked once more; a text on which it fails
            again has no mark, is counted as timed out, and is asked about anew by the next scoring.

    Returns:
        `Judge`, `False` or `None`, as `giqa_bench` takes it.

    Raises:
        `DataError`: when the choice is none of these, a number is below 1 or no number of seconds, or options are given
            to a judge that has none.
    """
    for option, number in (("--judge-repeats", repeats), ("--judge-max-tokens", max_tokens)):
        if number is not None and number < 1:
            raise DataError(f"{option}: expected at least 1, got {number}")
    if timeout_s is not None and not 0 < timeout_s < inf:
        raise DataError(f"--judge-timeout: expected seconds, more than 0, got {timeout_s:g}")
    if choice in ("lexical", "none"):
        options = {
            "--judge-model": model,
            "--judge-repeats": repeats,
            "--judge-max-tokens": max_tokens,
            "--judge-timeout": timeout_s,
        }
        if given := [name for name, value in options.items() if value is not None]:
            raise DataError(
                f"{', '.join(given)}: expected a language model as judge, got --judge {choice}, which asks none; name "
                "one with --judge, or leave the option out"
            )
        return None if choice == "lexical" else False
    most = MAX_TOKENS if max_tokens is None else max_tokens
    llm: LLM
    if choice.startswith(("http://", "https://")):
        llm = EndpointLLM(
            choice,
            model,
            api_key_variable=KEY_VARIABLE,
            timeout_s=max(_TIMEOUT_S, most / _SLOWEST) if timeout_s is None else timeout_s,
            timeout_retries=_TIMEOUT_RETRIES,
        )
    elif model is not None or timeout_s is not None:
        option = "--judge-timeout" if model is None else "--judge-model"
        raise DataError(
            f"{option}: expected with the address of a server, got --judge {choice}; leave it out"
        )
    elif "/" not in choice and not Path(choice).expanduser().is_dir():
        raise DataError(
            f"--judge: expected lexical, none, the address of a server, or a language model's folder or Hub id "
            f"(OWNER/NAME), got {choice!r}; choose one of these"
        )
    else:
        llm = LocalLLM(choice)
    return LLMJudge(
        CachedLLM(llm, folder / CACHE),
        repeats=1 if repeats is None else repeats,
        max_tokens=most,
    )
