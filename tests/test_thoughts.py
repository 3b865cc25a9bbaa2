"""Thoughts are no part of an answer, whichever of their tags are there."""

from __future__ import annotations

import pytest

from giqa_hf.thoughts import Spoken, spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes.", "Yes."),
        ("", ""),
        ("<think>No?</think>\n\nYes.", "Yes."),
        ("  <Thinking>No?</THINKING> Yes. ", "Yes. "),  # blanks at the end are the answer's own
        ("No? There is no noise.</think>Yes.", "Yes."),  # the template wrote the opening tag into the prompt
        ("<think>a</think> so <think>b</think>Yes.", "Yes."),  # it thought twice
        ("Yes. <think> is a tag", "Yes. <think> is a tag"),  # no thoughts: they come first
        ("I think so < 3 </b>", "I think so < 3 </b>"),
    ],
)
def test_what_is_said(text, said):
    assert spoken(text) == Spoken(said, only_thoughts=False)


@pytest.mark.parametrize(
    "text", ["<think>", " <think>No", "<think>No</think>", "No</think> \n", "<think></think>"]
)
def test_only_thoughts(text):
    assert spoken(text) == Spoken("", only_thoughts=True)
