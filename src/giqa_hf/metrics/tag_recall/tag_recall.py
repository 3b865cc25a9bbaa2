"""Tag-Recall for `evaluate.load`: `giqa_hf.metrics.tag_recall` behind `evaluate`'s interface.

`evaluate` copies this file away before it imports it, hence the absolute imports, and looks for packages in
lines that begin with `import`, hence one per line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import datasets
import evaluate

from giqa_hf.metrics.fields import check_fields
from giqa_hf.metrics.fingerprint import RowsFingerprint
from giqa_hf.metrics.overlaps import absent_boxes, check_samples, check_units
from giqa_hf.metrics.signature import signature
from giqa_hf.metrics.tag_recall.compute import VERSION, tag_recall
from giqa_hf.metrics.tag_recall.similarity import lexical_similarity, similarity_name

_DESCRIPTION = """
How many of the true boxes with their names a model finds: a pair needs IoU > 0.5 and a name similarity > 0.5.
"""

_INPUTS = """
Args:
    predictions (`list` of `dict`): per sample {"boxes": boxes as x1, y1, x2, y2, "names": one name per box}.
    references (`list` of `dict`): likewise, the truth, in the same unit.
    similarity (`callable`): from N predicted and M true names to an (N, M) array; word overlap by default.
    iou_threshold, similarity_threshold (`float`): 0.5 by default, both to be exceeded.

Returns:
    `dict`: "tag_recall" (mean over samples) and "micro" (over all tags), each 0..1, or None without any true or without
    any predicted box; the counts "samples", "scored", "true_tags", "predicted_tags", "found", "wrong" (not found, with
    predicted boxes in the sample) and "absent" (without), which three add up to "true_tags"; "similarity", its name;
    "signature", one line with all that the values depended on.

Examples:

    >>> metric = evaluate.load("tag_recall")
    >>> boxes = [[0, 0, 1, 1], [2, 2, 3, 3]]
    >>> said, true = {"boxes": boxes, "names": ["the cup", "a dog"]}, {"boxes": boxes, "names": ["cup", "cat"]}
    >>> found = metric.compute(predictions=[said], references=[true])
    >>> found["tag_recall"], found["similarity"]
    (0.5, 'lexical_similarity')
"""

_CITATION = """
@inproceedings{groundingiqa2026,
  title     = {Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  note      = {arXiv:2411.17237}
}
"""


class TagRecall(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """Recall of named boxes; `compute` takes a similarity and thresholds beside the data."""

    def _info(self) -> evaluate.MetricInfo:
        tags = {
            "boxes": datasets.List(datasets.List(datasets.Value("float64"), length=4)),
            "names": datasets.List(datasets.Value("string")),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": tags, "references": tags}),
            reference_urls=["https://arxiv.org/abs/2411.17237"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Add samples; raises `DataError` where one lacks its boxes or names."""
        for where, rows in (("predictions", predictions), ("references", references)):
            check_fields(rows, where, ("boxes", "names"))
        super().add_batch(predictions=predictions, references=references)

    def _compute(
        self,
        predictions: Sequence[Mapping[str, Any]],
        references: Sequence[Mapping[str, Any]],
        similarity: Callable[[list[str], list[str]], Any] | None = None,
        iou_threshold: float = 0.5,
        similarity_threshold: float = 0.5,
    ) -> dict[str, Any]:
        truth = [sample["boxes"] for sample in references]
        told = [sample["boxes"] for sample in predictions]
        check_samples(truth, "references")
        check_samples(told, "predictions")
        check_units(told, truth)
        found = tag_recall(
            told,
            [sample["names"] for sample in predictions],
            truth,
            [sample["names"] for sample in references],
            similarity=similarity,
            iou_threshold=iou_threshold,
            similarity_threshold=similarity_threshold,
        )
        data = RowsFingerprint()
        for sample in references:
            data.add(sample["names"], [number for box in sample["boxes"] for number in box])
        parts = {
            "similarity": similarity_name(lexical_similarity if similarity is None else similarity),
            "iou_threshold": str(iou_threshold),
            "similarity_threshold": str(similarity_threshold),
            "data": data.result(),
        }
        absent = absent_boxes(told, truth)
        return {
            "tag_recall": found.value,
            "micro": found.micro,
            "samples": found.samples,
            "scored": found.scored,
            "true_tags": found.true_tags,
            "predicted_tags": found.pred_tags,
            "found": found.found,
            "wrong": found.true_tags - found.found - absent,
            "absent": absent,
            "similarity": parts["similarity"],
            "signature": signature("tag_recall", VERSION, parts),
        }
