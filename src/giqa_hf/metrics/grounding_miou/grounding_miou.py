"""Category-agnostic mIoU for `evaluate.load`: `giqa_hf.metrics.grounding_miou` behind `evaluate`'s interface.

`evaluate` copies this file away before it imports it, hence the absolute imports, and looks for packages in
lines that begin with `import`, hence one per line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from giqa_hf.metrics.fingerprint import RowsFingerprint
from giqa_hf.metrics.grounding_miou.box_f1 import box_f1
from giqa_hf.metrics.grounding_miou.compute import VERSION, grounding_miou
from giqa_hf.metrics.overlaps import absent_boxes, check_samples, check_units
from giqa_hf.metrics.signature import signature

_DESCRIPTION = """
How well predicted boxes lie on the true ones, whatever their names: mIoU with one-to-one matching, and precision,
recall and F1 of boxes at IoU > 0.5.
"""

_INPUTS = """
Args:
    predictions (`list` of `list` of boxes): each sample's predicted x1, y1, x2, y2; a sample may have none.
    references (`list` of `list` of boxes): each sample's true boxes, in the same unit; a sample may have none.
    matching (`str`): "hungarian" (default) or "greedy".
    normalise (`str`): "truth" (default), or "matched" as GLaMM's evaluation.

Returns:
    `dict`: "grounding_miou", "box_precision", "box_recall", "box_f1", each 0..1, or None without any true or without
    any predicted box; the counts "samples", "scored", "true_boxes", "predicted_boxes", "matched", "found" (IoU > 0.5),
    "wrong" (not found, though the sample has predicted boxes) and "absent" (it has none), which three add up to
    "true_boxes"; "signature", one line with all that the values depended on.

Examples:

    >>> metric = evaluate.load("grounding_miou")
    >>> truth = [[[0, 0, 1, 1], [2, 2, 3, 3]], [[0, 0, 1, 1]]]
    >>> found = metric.compute(predictions=[[[0, 0, 1, 1], [8, 8, 9, 9]], []], references=truth)
    >>> found["grounding_miou"], found["box_precision"], round(found["box_f1"], 3)
    (0.25, 0.5, 0.4)
"""

_CITATION = """
@inproceedings{groundingiqa2026,
  title     = {Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  note      = {arXiv:2411.17237}
}
"""


class GroundingMiou(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """mIoU of boxes; `compute` takes `matching` and `normalise` beside the data."""

    def _info(self) -> evaluate.MetricInfo:
        boxes = datasets.List(datasets.List(datasets.Value("float64"), length=4))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": boxes, "references": boxes}),
            reference_urls=["https://arxiv.org/abs/2411.17237"],
        )

    def _compute(
        self,
        predictions: Sequence[Any],
        references: Sequence[Any],
        matching: str = "hungarian",
        normalise: str = "truth",
    ) -> dict[str, Any]:
        check_samples(references, "references")
        check_samples(predictions, "predictions")
        check_units(predictions, references)
        found = grounding_miou(
            predictions,
            references,
            matching=matching,  # type: ignore[arg-type]  # checked there, with a message
            normalise=normalise,  # type: ignore[arg-type]
        )
        boxes = box_f1(predictions, references)
        data = RowsFingerprint()
        for own in references:
            data.add(None, [number for box in own for number in box])
        parts = {"matching": matching, "normalise": normalise, "data": data.result()}
        absent = absent_boxes(predictions, references)
        return {
            "grounding_miou": found.value,
            "box_precision": boxes.precision,
            "box_recall": boxes.recall,
            "box_f1": boxes.f1,
            "samples": found.samples,
            "scored": found.scored,
            "true_boxes": found.true_boxes,
            "predicted_boxes": found.pred_boxes,
            "matched": found.matched,
            "found": boxes.found,
            "wrong": found.true_boxes - boxes.found - absent,
            "absent": absent,
            "signature": signature("grounding_miou", VERSION, parts),
        }
