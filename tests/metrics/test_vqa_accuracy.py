"""VQA accuracy: the word Yes or No, the judge's share, the arithmetic of the paper's Tab. 5."""

from __future__ import annotations

import math

import pytest

from giqa_hf.metrics.vqa_accuracy.compute import total_accuracy, vqa_accuracy, yes_or_no


class Fixed:
    name = "fixed"

    def __init__(self, *marks):
        self.marks = iter(marks)

    def score(self, question, reference, prediction):
        return next(self.marks)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Yes.", "yes"),
        ("no", "no"),
        ("NO!", "no"),
        ("Yes, there is no noise.", "yes"),  # the first decides
        ("No. Yes.", "no"),
        ("I would say yes", "yes"),
        ("**No**", "no"),
        ("_Yes_", "yes"),
        ("'Yes'", "yes"),
        ("No - it is dark", "no"),
        ("Its eyes are not known", None),  # neither word stands alone
        ("no-one can tell", None),
        ("non-yes", None),
        ("No's", None),
        ("", None),
        ("It is sharp.", None),
        ("Yes/No", None),  # the question once more
        ("yes or no: no", "no"),
        ("(No / Yes) Yes", "yes"),
        ("No or yes? No.", "no"),
        ("No or little noise", "no"),
        ("\uff39\uff25\uff33", "yes"),  # wide letters
    ],
)
def test_yes_or_no(text, word):
    assert yes_or_no(text) == word


def test_by_hand():
    found = vqa_accuracy(
        ["Yes.", "No.", "Perhaps.", "a", "b", "c"],
        ["Yes.", "Yes.", "No.", "x", "y", "z"],
        ["yes_no", "yes_no", "yes_no", "what", "why", "how"],
        judge=Fixed(4, None, 1),
    )
    assert found.acc_y == pytest.approx(1 / 3)  # Perhaps is wrong, and malformed
    assert found.acc_w == pytest.approx((4 + 1) / (4 * 2))  # over the two that were judged
    assert found.acc_total == pytest.approx((3 * 1 / 3 + 3 * 0.625) / 6)  # all six questions weigh
    assert found[3:] == (3, 1, 1, 3, "fixed", 2, 1, 0)  # none of the malformed is empty


@pytest.mark.parametrize(
    ("kinds", "marks", "values"),
    [
        ([], (), (None, None, None)),
        (["yes_no"], (), (1.0, None, 1.0)),  # only one kind: the total is that kind's
        (["how"], (2,), (None, 0.5, 0.5)),
        (["how"], (None,), (None, None, None)),  # nothing judged
        (["yes_no", "how"], (None,), (1.0, None, None)),  # half of a total is no total
    ],
)
def test_none_is_not_zero(kinds, marks, values):
    assert (
        vqa_accuracy(["Yes."] * len(kinds), ["Yes."] * len(kinds), kinds, judge=Fixed(*marks))[:3] == values
    )


def test_without_a_judge():
    assert vqa_accuracy(["Yes.", "a"], ["Yes.", "b"], ["yes_no", "what"], judge=False)[:3] == (
        1.0,
        None,
        None,
    )
    assert vqa_accuracy(["Yes."], ["Yes."], ["yes_no"], judge=False)[:3] == (1.0, None, None)


# The paper's Tab. 5, columns Acc (Y), Acc (W), Acc (Total): 90 Yes/No questions, 60 others.
TABLE_5 = {
    "LLaVA-v1.5-7B": (0.4444, 0.5167, 0.4733),
    "LLaVA-v1.5-13B": (0.3888, 0.5250, 0.4433),  # 35 / 90 = 0.38888...: cut off, not rounded
    "LLaVA-v1.6-7B": (0.4889, 0.5333, 0.5067),
    "mPLUG-Owl2-7B": (0.5889, 0.5250, 0.5633),
    "Shikra-7B": (0.5333, 0.3917, 0.4767),
    "Kosmos-2-1.6B": (0.3889, 0.4750, 0.4233),
    "Ferret-7B": (0.4111, 0.4875, 0.4417),
    "GroundingGPT-7B": (0.5444, 0.5250, 0.5367),
    "DepictQA-Wild-7B": (0.4333, 0.5458, 0.4783),
    "Q-Instruct (LLaVA-v1.5-7B)": (0.6444, 0.5375, 0.6017),
    "Q-Instruct (LLaVA-v1.5-13B)": (0.6222, 0.5417, 0.5900),
    "Q-Instruct (mPLUG-Owl2-7B)": (0.6111, 0.5375, 0.5817),
    "Grounding-IQA (LLaVA-v1.5-7B)": (0.7777, 0.5458, 0.6850),  # 70 / 90 = 0.77777...: cut off
    "Grounding-IQA (LLaVA-v1.5-13B)": (0.7889, 0.5542, 0.6950),
    "Grounding-IQA (LLaVA-v1.6-7B)": (0.8333, 0.5625, 0.7250),
    "Grounding-IQA (mPLUG-Owl2-7B)": (0.8444, 0.5875, 0.7417),
}


def _printed(value):
    """Four decimals, as the table may have them: rounded or cut off."""
    return {round(value, 4), math.floor(value * 10_000 + 1e-9) / 10_000}


@pytest.mark.parametrize(("acc_y", "acc_w", "acc_total"), TABLE_5.values(), ids=TABLE_5)
def test_table_5(acc_y, acc_w, acc_total):
    # Acc (Y) is right answers over 90; Acc (W) is points over 240: find the whole numbers that were printed.
    right, points = round(acc_y * 90), round(acc_w * 240)
    assert acc_y in _printed(right / 90)
    assert acc_w in _printed(points / 240)
    total = total_accuracy(right / 90, 90, points / 240, 60)
    assert total == pytest.approx((right + points / 4) / 150)  # (90 * right/90 + 60 * points/240) / 150
    assert acc_total in _printed(total)


def test_table_5_has_all_rows():
    assert len(TABLE_5) == 16


def test_table_5_from_answers():
    # The last row through the metric itself: 76 of 90, and 141 points on 60 answers
    marks = [2] * 39 + [3] * 21
    assert sum(marks) == 141
    found = vqa_accuracy(
        ["Yes."] * 76 + ["No."] * 14 + ["a"] * 60,
        ["Yes."] * 90 + ["b"] * 60,
        ["yes_no"] * 90 + ["what"] * 30 + ["why"] * 18 + ["how"] * 12,
        judge=Fixed(*marks),
    )
    assert [round(value, 4) for value in found[:3]] == [0.8444, 0.5875, 0.7417]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], ["No."], []), "got 1 predictions, 1 answers, 0 question_types and 1 questions"),
        (
            (["a", "Yes."], ["No.", "Blurry."], ["yes_no"] * 2),
            "sample 1: expected a true answer with the word Yes",
        ),
        ((["a"], ["b"], ["which"]), "sample 0: expected question_type yes_no, what, why or how, got 'which'"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        vqa_accuracy(*arguments)
