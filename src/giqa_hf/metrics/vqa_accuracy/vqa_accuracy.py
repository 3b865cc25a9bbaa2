"""Accuracy of short answers for `evaluate.load`: `giqa_hf.metrics.vqa_accuracy` behind `evaluate`'s interface.

`evaluate` copies this file away before it imports it, hence the absolute imports, and looks for packages in
lines that begin with `import`, hence one per line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate

from giqa_hf.metrics.fields import check_fields
from giqa_hf.metrics.fingerprint import texts_fingerprint
from giqa_hf.metrics.plain_texts import plain_texts
from giqa_hf.metrics.signature import signature
from giqa_hf.metrics.vqa_accuracy.compute import VERSION, vqa_accuracy

_DESCRIPTION = """
How many questions on image quality are answered right: Yes/No questions by the word, What/Why/How questions by a
judge's marks from 0 to 4.
"""

_INPUTS = """
Args:
    predictions (`list` of `str`): the model's answers; boxes and thoughts are taken out first.
    references (`list` of `dict`): {"answer", "question_type", "question"}; question_type is yes_no, what, why or how.
    judge: an object with a name and score(question, reference, prediction); the lexical judge by default, False for
        none.
    box_format (format, *optional*): reads boxes; the paper's grid by default, False leaves texts as they are.

Returns:
    `dict`: "acc_y", "acc_w", "acc_total", each 0..1, or None where it cannot be told; the counts "yes_no", "correct",
    "malformed" (words, but neither of the two), "absent" (no text at all), "what_why_how", "judged", "judge_failures";
    "judge", its name; "signature", one line with all that the values depended on.

Examples:

    >>> metric = evaluate.load("vqa_accuracy")
    >>> references = [
    ...     {"answer": "Yes.", "question_type": "yes_no", "question": "Is the cup sharp?"},
    ...     {"answer": "No.", "question_type": "yes_no", "question": "Is the cup dark?"},
    ...     {"answer": "Blurry.", "question_type": "how", "question": "How clear is the cup?"}]
    >>> found = metric.compute(predictions=["Yes, it is.", "Maybe.", "Not sharp."], references=references)
    >>> found["acc_y"], found["acc_w"], round(found["acc_total"], 3), found["malformed"], found["judge"]
    (0.5, 1.0, 0.667, 1, 'lexical')
"""

_CITATION = """
@inproceedings{groundingiqa2026,
  title     = {Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  note      = {arXiv:2411.17237}
}
"""


class VqaAccuracy(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """Acc (Y), Acc (W) and Acc (Total); `compute` takes `judge` and `box_format` beside the data."""

    def _info(self) -> evaluate.MetricInfo:
        question = {
            "answer": datasets.Value("string"),
            "question_type": datasets.Value("string"),
            "question": datasets.Value("string"),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": datasets.Value("string"), "references": question}),
            reference_urls=["https://arxiv.org/abs/2411.17237"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Add answers; raises `DataError` where a reference lacks a field."""
        check_fields(references, "references", ("answer", "question_type", "question"))
        super().add_batch(predictions=predictions, references=references)

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[Mapping[str, Any]],
        judge: Any = None,
        box_format: Any = None,
    ) -> dict[str, Any]:
        plain = plain_texts(predictions, box_format)
        found = vqa_accuracy(
            plain.texts,
            [row["answer"] for row in references],
            [row["question_type"] for row in references],
            [row["question"] for row in references],
            judge=judge,
        )
        data = texts_fingerprint([row["question_type"], row["question"], row["answer"]] for row in references)
        parts = {"judge": found.judge, "box_format": plain.read_as, "data": data}
        signed = signature("vqa_accuracy", VERSION, parts)
        return {**found._asdict(), "signature": signed}
