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
    assert set(signature_differences(usual, signed(predictions[:1], references[:1]))) == {"data"}
    for option, value in options.items():
        assert set(signature_differences(usual, signed(**{option: value}))) == {option}
