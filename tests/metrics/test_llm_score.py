"""LLM-Score: the lexical judge's table, the judge's contract, failures that stay visible."""

from __future__ import annotations

import pytest

from giqa_hf.metrics.llm_score.compute import llm_score
from giqa_hf.metrics.llm_score.judge import BatchJudge, Judge, JudgeItem, resolve_judge, verdicts_of
from giqa_hf.metrics.llm_score.lexical import LexicalJudge


class Fixed:
    """A judge that gives what it was told to."""

    def __init__(self, *marks, name="fixed"):
        self.marks, self.name, self.seen = list(marks), name, []

    def score(self, question, reference, prediction):
        self.seen.append((question, reference, prediction))
        return self.marks[len(self.seen) - 1]


class Batched(Fixed):
    def score_many(self, items):
        self.seen.append(len(items))
        return self.marks


@pytest.mark.parametrize(
    ("question", "reference", "prediction", "mark"),
    [
        (None, "The dog is blurry.", "the dog is BLURRY", 4),  # the same words
        (None, "The dog is blurry.", "", 0),  # empty
        (None, "The dog is blurry.", "...", 0),  # no words
        (None, "", "anything", 0),  # nothing to compare with
        ("Is it sharp?", "No.", "Yes.", 0),  # the opposite
        ("Is it sharp?", "Yes.", "No, it is blurred.", 0),
        ("Is it sharp?", "No.", "No, the dog is blurred.", 4),  # the reference says no more than No
        ("Is it sharp?", "No.", "Maybe.", 0),
        ("How clear is the dog?", "Blurry.", "It is not clear.", 4),  # not clear = blur
        ("How clear is the dog?", "Blurry.", "The dog is blurred.", 4),  # the question's "dog" is not counted
        ("How clear is the dog?", "Blurry.", "Clear.", 0),  # contradicted: (0 - 1) / 2, at least 0
        ("How clear is the dog?", "Not clear.", "Out of focus.", 4),
        ("How clear is the dog?", "Clear.", "No, it is clear.", 4),  # this No answers, it negates nothing
        ("Why is it bad?", "Inaccurate exposure.", "Because the exposure is inaccurate.", 4),
        ("What is overexposed?", "The window.", "The windows on the left.", 2 + 1),  # 2*1/(2+1) = .67
        ("What is overexposed?", "The window.", "The sky.", 0),
        # {dog, blur} against {dog, sharp}: 2 * (1 - 1) / 4 = 0
        (None, "The dog is blurry.", "The dog is sharp.", 0),
        # {dog, blur, tree, bright} against {dog, blur}: 2 * 2 / 6 = .67
        (None, "The dog is blurry and the tree is bright.", "The dog is out of focus.", 3),
        # {dog, blur, noise, dark, window, overexposed} against {dog, blur}: 2 * 2 / 8 = .5
        (None, "The dog is blurry, with noise; dark, but the window is over-exposed.", "Blurred dog.", 2),
        # {blur, noise, ...6 words} against {noise, sky, cloud}: 2 * 1 / 9 = .22
        (
            None,
            "The dog is blurry, with noise; dark, but the window is over-exposed.",
            "Noisy sky, clouds",
            1,
        ),
        # a text that says both is no contradiction: {dog, sharp, sky, blur} twice
        (None, "The dog is sharp, the sky is blurry.", "The sky is unclear, but the dog is in focus.", 4),
    ],
)
def test_lexical_judge(question, reference, prediction, mark):
    assert LexicalJudge().score(question, reference, prediction) == mark


def test_value_and_counts():
    # marks 4, 3, 0: (4 + 3 + 0) / (4 * 3) * 100 = 58.33; the failure is in no mean, but shown
    found = llm_score(["a"] * 4, ["b"] * 4, judge=Fixed(4, None, 3, 0))
    assert found[:5] == (pytest.approx(700 / 12), "fixed", 3, 1, (1, 0, 0, 1, 1))
    assert found.reasons == {"no reason given": 1} and found.runs == (found.value,)
    assert (found.spread, found.self_agreement, found.human) == (None, None, None)
    # had the failure been a 0: 7 / 16; a 4: 11 / 16
    assert found.bounds == (pytest.approx(700 / 16), pytest.approx(1100 / 16))


def test_paper_scale():
    # spec A6: one mark per sample, mean x 25: 100 descriptions with 252 points in all are 63.00 (Tab. 5)
    marks = [2] * 48 + [3] * 52
    assert sum(marks) == 252
    assert llm_score(["a"] * 100, ["b"] * 100, judge=Fixed(*marks)).value == pytest.approx(63.0)


@pytest.mark.parametrize(
    ("judge", "value", "failures"),
    [(Fixed(None, None), None, 2), (Fixed(0, 0), 0.0, 0), (Fixed(4, 4), 100.0, 0), (False, None, 0)],
)
def test_none_is_not_zero(judge, value, failures):
    found = llm_score(["a", "b"], ["c", "d"], judge=judge)
    assert (found.value, found.failures) == (value, failures)
    # nothing judged: anything from 0 to 100; no failure: the value itself; no judge: nothing to say
    assert found.bounds == (None if judge is False else (0.0, 100.0) if failures else (value, value))
    assert llm_score([], [], judge=judge).value is None


def test_default_judge_names_itself():
    found = llm_score(["The dog."], ["The dog."])
    assert (found.judge, found.value) == ("lexical", 100.0)


def test_what_a_judge_sees():
    judge = Fixed(4, 4)
    llm_score(["p", "q"], ["r", "s"], ["Why?", None], judge=judge)
    assert judge.seen == [("Why?", "r", "p"), (None, "s", "q")]
    assert isinstance(judge, Judge) and not isinstance(judge, BatchJudge)
    many = Batched(1, 2)
    assert verdicts_of(many, [JudgeItem(None, "a", "b")] * 2) == [((1, None),), ((2, None),)]
    assert many.seen == [2]  # one call for both


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        (Fixed(5), "judge fixed: expected a whole number from 0 to 4, or None when it failed, got 5"),
        (Fixed(-1), "got -1"),
        (Fixed(2.5), "got 2.5"),
        (Fixed(True), "got True"),
        (Fixed("4"), "got '4'"),
        (Batched(1, 2), "judge fixed: expected 1 marks for 1 texts, got 2"),
        (True, "judge: expected an object with a name and score"),
        (lambda q, r, p: 4, "judge: expected an object with a name and score"),
        (Fixed(4, name=None), "judge: expected an object with a name and score"),
    ],
)
def test_refusals(judge, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        llm_score(["a"], ["b"], judge=judge)
    with pytest.raises(ValueError, match="got 1 predictions, 2 references and 1 questions"):
        llm_score(["a"], ["b", "c"])


def test_resolve():
    assert resolve_judge(False) is None
    assert resolve_judge(None).name == "lexical"
