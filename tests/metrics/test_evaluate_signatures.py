"""Every number that `evaluate` gives has a signature: it changes with data and options, not with the order of rows."""

from __future__ import annotations

import numpy as np
import pytest

evaluate = pytest.importorskip("evaluate")

import giqa_hf  # noqa: E402, F401  (makes the names known)
from giqa_hf.metrics.signature import parse_signature, signature_differences  # noqa: E402

BOXES = [[[0.0, 0.0, 0.5, 0.5]], [[0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]]
TAGS = [{"boxes": own, "names": ["cup", "dog"][: len(own)]} for own in BOXES]
TEXTS = ["The cup is sharp.", "The dog is blurred and dark."]
SCORES, OPINIONS = [0.1, 0.3, 0.2, 0.5, 0.4, 0.6], [1.0, 2.0, 3.0, 4.0, 5.0, 4.5]
ANSWERS = [
    {"question_type": "yes_no", "question": "Is it sharp?", "answer": "Yes."},
    {"question_type": "how", "question": "How sharp is it?", "answer": "Very sharp."},
]
ROWS = [
    {"task": "vqa", "answer_regions": [{"phrase": "cup", "boxes_norm": own}], **answer}
    for own, answer in zip(BOXES, ANSWERS, strict=True)
]


@pytest.mark.parametrize(
    ("name", "predictions", "references", "options"),
    [
        ("grounding_miou", BOXES, BOXES, {"matching": "greedy", "normalise": "matched"}),
        ("tag_recall", TAGS, TAGS, {
            "similarity": lambda a, b: np.ones((len(a), len(b))), "iou_threshold": 0.6, "similarity_threshold": 0.4,
        }),
        ("bleu4", TEXTS, TEXTS, {}),
        ("vqa_accuracy", ["Yes.", "Sharp."], ANSWERS, {"judge": False}),
        ("llm_score", TEXTS, TEXTS, {"judge": False, "box_format": False}),
        ("score_correlation", SCORES, OPINIONS, {"logistic": False}),
        ("giqa_bench", ["Yes.", "Sharp."], ROWS, {"judge": False, "matching": "greedy", "decoding": "greedy"}),
    ],
)  # fmt: skip
def test_signature(name, predictions, references, options, monkeypatch, tmp_path):
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path))

    def signed(predictions=predictions, references=references, **options):
        metric = evaluate.load(name)
        return metric.compute(predictions=predictions, references=references, **options)["signature"]

    usual = signed()
    assert parse_signature(usual)["metric"] == name
    assert signed() == usual
    assert signed(predictions[::-1], references[::-1]) == usual
    assert set(signature_differences(usual, signed(predictions[:-1], references[:-1]))) == {"data"}
    for option, value in options.items():
        assert set(signature_differences(usual, signed(**{option: value}))) == {option}


def test_questions_and_references_are_data_and_scores_are_not(monkeypatch, tmp_path):
    """Of LLM-Score the questions too; of correlations the opinions, and what the model said in neither."""
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path))

    def signed(name, predictions, references, **options):
        return evaluate.load(name).compute(predictions=predictions, references=references, **options)[
            "signature"
        ]

    texts = signed("llm_score", TEXTS, TEXTS)
    assert signed("llm_score", ["", "Noise."], TEXTS) == texts
    assert signed("llm_score", TEXTS, TEXTS, questions=[None, None]) == texts
    asked = signed("llm_score", TEXTS, TEXTS, questions=["Why?", None])
    assert set(signature_differences(texts, asked)) == {"data"}
    opinions = signed("score_correlation", SCORES, OPINIONS)
    assert signed("score_correlation", SCORES[::-1], OPINIONS) == opinions
    changed = signed("score_correlation", SCORES, [*OPINIONS[:-1], 4.25])
    assert set(signature_differences(opinions, changed)) == {"data"}
