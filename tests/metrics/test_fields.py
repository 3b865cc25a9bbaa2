"""Through `evaluate`: a row that lacks a field is named, and every true box is found, wrong or absent."""

from __future__ import annotations

import evaluate
import pytest

from giqa_hf.errors import DataError

ONE = [[0, 0, 1, 1]]
TAG = {"boxes": ONE, "names": ["cup"]}
LACKING = [
    (
        "tag_recall",
        [{"boxes": ONE}],
        [TAG],
        r"predictions\[0\], field names: expected in every row, found only boxes",
    ),
    ("tag_recall", [TAG, TAG], [TAG, {"names": []}], r"references\[1\], field boxes"),
    ("tag_recall", [[0, 0, 1, 1]], [TAG], r"predictions\[0\]: expected a row with boxes, names, found list"),
    (
        "vqa_accuracy",
        ["No."],
        [{"answer": "No.", "question_type": "how"}],
        r"references\[0\], field question:",
    ),
    ("vqa_accuracy", ["No."], "No.", "references: expected a list of rows"),
    ("giqa_bench", ["No."], [{"task": "vqa", "question_type": "how"}], r"references\[0\], field question:"),
]


@pytest.mark.parametrize("name, predictions, references, said", LACKING)
def test_what_lacks_is_named(name, predictions, references, said):
    with pytest.raises(DataError, match=said):
        evaluate.load(name).compute(predictions=predictions, references=references)


def test_found_wrong_and_absent_add_up():
    """Sample 1: of two true boxes one is found, the other not; sample 2 has no predicted box; sample 3 no true one."""
    truth = [[*ONE, [2, 2, 3, 3]], ONE, []]
    said = [ONE, [], ONE]
    boxes = evaluate.load("grounding_miou").compute(predictions=said, references=truth)
    tags = evaluate.load("tag_recall").compute(
        predictions=[{"boxes": own, "names": ["cup"] * len(own)} for own in said],
        references=[{"boxes": own, "names": ["cup"] * len(own)} for own in truth],
    )
    for result in (boxes, tags):
        assert (result["found"], result["wrong"], result["absent"]) == (1, 1, 1)
