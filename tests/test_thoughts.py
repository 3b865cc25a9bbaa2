"""Thoughts are no part of an answer, whichever of their tags are there."""

from __future__ import annotations

import pytest

from giqa_hf.thoughts import Spoken, spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Yes.", "Yes."),
        ("", ""),
        (
            " I think so < 3 </b> [think](<1,2>)",
            " I think so < 3 </b> [think](<1,2>)",
        ),  # no tags, nothing changes
        ("<think>No?</think>\n\nYes.", "Yes."),
        ("  <Thinking>No?</THINKING> Yes. ", "Yes. "),  # blanks at the end are the answer's own
        ("<think >No?</think\n>Yes.", "Yes."),
        ("No? There is no noise.</think>Yes.", "Yes."),  # the template wrote the opening tag into the prompt
        ("<think>a</think> so <think>b</think>Yes.", " so  Yes.".lstrip()),
        (
            "<think>a<think>b</think>c</think>Yes.",
            "Yes.",
        ),  # "c" stands before a closing tag without an opening one
        ("Yes.<think>for it is sharp</think>", "Yes."),  # it thought afterwards
        ("Yes. <think>for it is", "Yes. "),  # and was cut off
        ("assistant\n<think>No?</think>Yes.", "assistant\n Yes."),
        ("[THINK]No?[/THINK]Yes.", "Yes."),
        ("\u25c1think\u25b7No?\u25c1/think\u25b7Yes.", "Yes."),
        ("<|begin_of_thought|>No?<|end_of_thought|>Yes.", "Yes."),
        ("<reasoning>No?</reasoning>Yes.", "Yes."),
        ("<thought>No?</thought>Yes.", "Yes."),
    ],
)
def test_what_is_said(text, said):
    assert spoken(text) == Spoken(said, only_thoughts=False)


@pytest.mark.parametrize(
    "text", ["<think>", " <think>No", "<think>No</think>", "No</think> \n", "<think></think>", "[THINK]No"]
)
def test_only_thoughts(text):
    assert spoken(text) == Spoken("", only_thoughts=True)


@pytest.mark.parametrize(
    "part", ["<think>", "</think>", "<think>a</think>", "<think", "<thinking ", "[THINK]"]
)
def test_long_answers_take_linear_time(part):
    assert len(spoken(part * 200_000).text) <= len(part) * 200_000  # a quadratic reading would not end
