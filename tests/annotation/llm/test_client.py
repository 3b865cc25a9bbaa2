"""What all back ends share."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from giqa_hf.annotation.llm.client import (
    CUT_OFF,
    EMPTY,
    Answer,
    Completion,
    Prompt,
    completion_of,
    in_order,
    is_unicode,
)


@pytest.mark.parametrize(
    "text, cut_off, completion",
    [
        (" {} ", False, Completion(" {} ", None)),  # as it is, blanks included
        ("{", True, Completion(None, CUT_OFF)),
        (None, True, Completion(None, CUT_OFF)),
        ("\n ", False, Completion(None, EMPTY)),
        (None, False, Completion(None, EMPTY)),
    ],
)
def test_half_an_answer_is_none(text, cut_off, completion):
    assert completion_of(text, cut_off=cut_off) == completion


def test_answers_in_any_order():
    answers = [
        Answer(2, Completion("c", None)),
        Answer(0, Completion(None, EMPTY)),
        Answer(1, Completion("b", None)),
    ]
    assert [completion.text for completion in in_order(iter(answers), 3)] == [None, "b", "c"]


@pytest.mark.parametrize(
    "system, user, good",
    [("a\0", "🐶 \u202e", True), ("", "", True), ("\ud83d", "", False), ("", "x\udc36", False)],
)
def test_lone_surrogates(system, user, good):
    assert is_unicode(Prompt(system, user, None, "1", 8)) is good


def test_importing_is_light():
    """A build without a language model pays for none, nor does one with a server pay for torch."""
    script = """
import sys
from giqa_hf.annotation.llm import CachedLLM, EndpointLLM, LocalLLM
EndpointLLM("http://localhost:8000/v1"), LocalLLM("a/b")
print(*{"torch", "transformers", "datasets", "huggingface_hub"} & set(sys.modules))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
