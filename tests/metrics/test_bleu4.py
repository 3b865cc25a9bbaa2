"""Captioning BLEU@4: tokens, worked corpora, a plain second implementation."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import giqa_hf.metrics.bleu4 as folder
from giqa_hf.errors import MissingExtraError
from giqa_hf.metrics.bleu4.compute import BleuSums, bleu4
from giqa_hf.metrics.bleu4.tokens import ptb_tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The cup is sharp.", "the cup is sharp"),  # lower case, no full stop
        ("It isn't, can't, don\u2019t.", "it is n't ca n't do n't"),  # contractions, curly apostrophe
        ("The dog's and the dogs' fur", "the dog 's and the dogs fur"),  # possessives
        ("I'm we've they'll he'd you're", "i 'm we 've they 'll he 'd you 're"),
        ("the dog 's fur", "the dog 's fur"),  # cut before
        ("It cannot be", "it can not be"),
        ("well-lit and/or out-of-focus", "well-lit and/or out-of-focus"),  # stay whole
        ("0.5, 1,600 at 10:30", "0.5 1,600 at 10:30"),  # numbers keep what is inside them
        ("in 2020.", "in 2020"),
        ("The U.S. flag, e.g. here", "the u.s. flag e.g. here"),  # dotted abbreviations
        ("a; b: c! d? e ... f \u2026 g -- h - i \u2014 j", "a b c d e f g h i j"),  # dropped signs
        ("(a) {b} \u201cc\u201d ''d'' `e` \"f\"", "a b c d e f"),  # brackets and quotes
        ("100% of [it] costs $5", "100 % of [ it ] costs $ 5"),  # other signs are tokens
        ("a_b", "a _ b"),
        ("  \n\t ", ""),
        ("x" * 50 + ".", "x" * 50),  # longer than what is remembered
    ],
)
def test_tokens(text, tokens):
    assert ptb_tokens(text) == tokens.split()


@pytest.mark.parametrize(
    ("predictions", "references", "value"),
    [
        # matches 6/7 5/6 4/5 3/4 multiply to 3/7
        (["the dog in the middle is blurred"], ["The dog in the middle is sharp."], (3 / 7) ** 0.25),
        # clipping: "the" stands twice in the reference, so 2 of 4; no pair matches
        (["the the the the"], ["the cat on the mat"], 0.0),
        # brevity: all n-grams match, 5 of 8 tokens: exp(1 - 8/5)
        (["a b c d e"], ["a b c d e f g h"], math.exp(1 - 8 / 5)),
        # corpus level: the first pair has 6/6 5/5 4/4 3/3, the second ("x" is wrong) 2/3 1/2 0/1 0/0
        # sums 8/9 6/7 4/5 3/3, lengths 9 and 9
        (["a b c d e f", "x y z"], ["a b c d e f", "q y z"], (8 / 9 * 6 / 7 * 4 / 5 * 3 / 3) ** 0.25),
        # two references: of lengths 4 and 8, 4 is closer to 5, so no penalty; an n-gram may be in either:
        # a b c d + e 5/5; ab bc cd 3/4; abc bcd 2/3; abcd 1/2
        (["a b c d e"], [["a b c d", "z z z b c d z e"]], (5 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25),
    ],
)
def test_by_hand(predictions, references, value):
    # The scorer's constants are worth a little in a corpus without any match of some order.
    assert bleu4(predictions, references).value == pytest.approx(100 * value, abs=0.1 if value == 0 else 1e-5)


def test_constants():
    # "b" against "a b": matches 1 0 0 0 of 1 0 0 0, lengths 1 and 2
    found = bleu4(["b"], ["a b"])
    assert found[2:6] == ((1, 0, 0, 0), (1, 0, 0, 0), 1, 2)
    product = (1 + 1e-15) / (1 + 1e-9) * (1e-15 / 1e-9) ** 3
    ratio = (1 + 1e-15) / (2 + 1e-9)
    assert found.value == pytest.approx(100 * product**0.25 * math.exp(1 - 1 / ratio), rel=1e-12)


def test_edges():
    assert bleu4([], []).value is None
    assert bleu4([""], ["a b c d"]).value == 0.0
    assert bleu4(["a b c d e"], ["A b, c d e."]).value == pytest.approx(100.0)
    with pytest.raises(ValueError, match="got 1 predictions and 2 references"):
        bleu4(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="sample 1: expected a predicted text and at least one reference"):
        bleu4(["a", "b"], ["a", []])
    with pytest.raises(ValueError, match="sample 0: expected a predicted text"):
        bleu4([None], ["a"])


# Fixed texts of a real kind: repeats, other lengths, an empty one, one without a match, several references.
CORPUS = [
    ("the dog in the middle is blurred and the sky is dark", ["the dog in the middle is sharp and the sky is bright"]),
    ("the the cat the cat", ["the cat sat on the mat", "the cat is the cat"]),
    ("", ["the image is clear overall"]),
    ("quite another thing", ["the tower on the left lacks detail because of noise"]),
    ("the overall quality of the image is rather poor", ["the quality is poor", "overall the quality of this image is rather poor"]),
]  # fmt: skip
PYCOCOEVALCAP = 30.8811211934
"""What pycocoevalcap 1.2 gave for CORPUS on 2026-11-21, x 100."""


def corpus_value():
    sums = BleuSums()
    for said, true in CORPUS:
        sums.add_tokens(said.split(), [text.split() for text in true])
    return sums.result().value


def test_value_of_pycocoevalcap():
    assert corpus_value() == pytest.approx(PYCOCOEVALCAP, abs=1e-6)


def test_pycocoevalcap_itself():
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu_scorer").BleuScorer(n=4)
    for said, true in CORPUS:
        scorer += (said, true)
    assert 100 * scorer.compute_score(option="closest")[0][3] == pytest.approx(corpus_value(), abs=1e-6)


texts = st.text(alphabet="abcd ", max_size=24)  # up to some twelve tokens, of few kinds, so that much repeats


@settings(max_examples=60, deadline=None)
# for one text alone its compute_score has other defaults
@given(st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=2, max_size=4))
def test_equals_pycocoevalcap(pairs):
    scorer = pytest.importorskip("pycocoevalcap.bleu.bleu_scorer").BleuScorer(n=4)
    sums = BleuSums()
    for said, true in pairs:
        scorer += (said, true)
        sums.add_tokens(said.split(), [text.split() for text in true])
    assert sums.result().value == pytest.approx(
        100 * scorer.compute_score(option="closest")[0][3], rel=1e-9, abs=1e-6
    )


def test_sacrebleu_is_a_variant_of_its_own():
    sacrebleu = pytest.importorskip("sacrebleu")
    said = ["The coffee cup is sharp, the table is dark.", "It is blurred."]
    true = [["The cup is sharp, the table is dark."], ["It is very blurred.", "All of it is blurred."]]
    found = bleu4(said, true, variant="sacrebleu")
    streams = [[own[0] for own in true], [None, true[1][1]]]
    assert found.value == pytest.approx(sacrebleu.corpus_bleu(said, streams).score, abs=1e-12)
    assert found.variant == f"sacrebleu-{sacrebleu.__version__}-13a-mixed-exp-corpus-closest"
    assert found.samples == 2
    # full stops and the comma are tokens there: 11 + 4 against 9 + 3
    assert (found.pred_length, bleu4(said, true).pred_length) == (15, 12)
    assert bleu4([], [], variant="sacrebleu").value is None


def test_sacrebleu_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    with pytest.raises(MissingExtraError, match="giqa-hf\\[bench\\]"):
        bleu4(["a"], ["a"], variant="sacrebleu")
    with pytest.raises(ValueError, match="variant: expected one of captioning, sacrebleu, got 'nltk'"):
        bleu4(["a"], ["a"], variant="nltk")


def _plain_bleu(pairs):
    """Textbook counting, without the short cuts."""
    matches, guesses, lengths = [0] * 4, [0] * 4, [0, 0]
    for said, true in pairs:
        lengths = [lengths[0] + len(said), lengths[1] + len(true)]
        for order in range(1, 5):
            a, b = (Counter(tuple(t[i : i + order]) for i in range(len(t) - order + 1)) for t in (said, true))
            matches[order - 1] += sum((a & b).values())
            guesses[order - 1] += sum(a.values())
    value = math.prod((m + 1e-15) / (g + 1e-9) for m, g in zip(matches, guesses, strict=True)) ** 0.25
    ratio = (lengths[0] + 1e-15) / (lengths[1] + 1e-9)
    return 100 * value * (math.exp(1 - 1 / ratio) if ratio < 1 else 1), tuple(matches), tuple(guesses)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
def test_equals_plain_counting(pairs):
    pairs = [(said.split(), true.split()) for said, true in pairs]
    sums = BleuSums()
    for said, true in pairs:
        sums.add_tokens(said, [true])
    found = sums.result()
    value, matches, guesses = _plain_bleu(pairs)
    assert (found.matches, found.guesses) == (matches, guesses)
    assert found.value == pytest.approx(value, rel=1e-9, abs=1e-12)
    again = BleuSums()
    for said, true in reversed(pairs):
        again.add_tokens(said, [true])
    assert again.result() == found  # whole numbers: the order changes nothing at all


def test_boxes_and_thoughts_are_no_words():
    evaluate = pytest.importorskip("evaluate")
    metric = evaluate.load(str(Path(folder.__file__).parent))
    said, true = "<think>What?</think>the [dog](<1,2>) is sharp now", "the dog is sharp now"
    found = metric.compute(predictions=[said], references=[true])
    assert found["bleu4"] == pytest.approx(100) and "|box_format:giqa|" in found["signature"]
    raw = metric.compute(predictions=[said], references=[true], box_format=False)
    assert raw["bleu4"] < 50 and "box_format" not in raw["signature"]
