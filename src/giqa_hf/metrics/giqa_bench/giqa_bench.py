"""GIQA-Bench for `evaluate.load`: `giqa_hf.metrics.giqa_bench.compute` behind `evaluate`'s interface.

`evaluate` copies this file away before it imports it, hence the absolute imports, and looks for packages in
lines that begin with `import`, hence one per line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import datasets
import evaluate

from giqa_hf.errors import DataError
from giqa_hf.metrics.giqa_bench.compute import giqa_bench
from giqa_hf.metrics.giqa_bench.samples import check_lengths, plain_row, wrong_prediction

_DESCRIPTION = """
GIQA-Bench of Grounding-IQA: how well a model describes image quality and grounds what it says in boxes.
Descriptions: mIoU, Tag-Recall, BLEU@4, LLM-Score. Questions: mIoU, Tag-Recall, Acc (Y), Acc (W), Acc
(Total).
"""

_INPUTS = """
Args:
    predictions (`list` of `str`): the model's raw texts with their boxes, one per reference, in order.
    references (`list` of `dict`): rows with task, question_type, question, answer, answer_regions (a list of
        {phrase, boxes_norm}, boxes as normalised x1, y1, x2, y2), and image_id where there is one; further columns
        are ignored.
    judge, similarity, box_format, matching, normalise, decoding, frame, intervals, seed, resamples: see
        `giqa_hf.metrics.giqa_bench.compute.giqa_bench`.

Returns:
    `dict`: the nine figures of the paper and six of boxes, each None where it cannot be told, "counts", "settings",
    "signature", and "intervals" where they were asked for.

Examples:

    >>> metric = evaluate.load("giqa_bench")
    >>> row = {"task": "vqa", "question_type": "yes_no", "question": "Is it sharp?", "answer": "No."}
    >>> metric.compute(predictions=["No."], references=[{**row, "answer_regions": []}])["VQA Acc (Y)"]
    1.0
"""

_CITATION = """
@inproceedings{groundingiqa2026,
  title     = {Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  note      = {arXiv:2411.17237}
}
"""


class GiqaBench(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """The paper's Tab. 5; `compute` takes the keyword arguments of `_compute` beside the data."""

    def _info(self) -> evaluate.MetricInfo:
        region = {
            "phrase": datasets.Value("string"),
            "boxes_norm": datasets.List(datasets.List(datasets.Value("float64"), length=4)),
        }
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {
                    "predictions": datasets.Value("string"),
                    "references": {
                        "task": datasets.Value("string"),
                        "question_type": datasets.Value("string"),
                        "question": datasets.Value("string"),
                        "answer": datasets.Value("string"),
                        "answer_regions": datasets.List(region),
                        "image_id": datasets.Value("string"),
                    },
                }
            ),
            reference_urls=["https://arxiv.org/abs/2411.17237"],
        )

    def add_batch(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
    ) -> None:
        """Add predictions with their references; columns that the metric does not read are left out.

        Raises:
            `DataError`: on entries of another type or without a field; it names the index and the field.
        """
        for name, value in (("predictions", predictions), ("references", references)):
            if value is None:
                raise DataError(f"{name}: expected a list with one entry per sample, got None")
        check_lengths(len(predictions), len(references))
        for number, prediction in enumerate(predictions):
            if not isinstance(prediction, str):
                raise wrong_prediction(prediction, number, "a string")
        rows = [plain_row(reference, number) for number, reference in enumerate(references)]
        super().add_batch(predictions=list(predictions), references=rows)

    def add(self, *, prediction: str | None = None, reference: Mapping[str, Any] | None = None) -> None:
        """Add one prediction with its reference, see `add_batch`."""
        self.add_batch(predictions=[prediction], references=[reference])

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[Mapping[str, Any]],
        judge: Any = None,
        similarity: Callable[[list[str], list[str]], Any] | None = None,
        box_format: Any = None,
        matching: str = "hungarian",
        normalise: str = "truth",
        decoding: str | None = None,
        frame: str | None = None,
        intervals: bool = False,
        seed: int = 0,
        resamples: int = 1000,
    ) -> dict[str, Any]:
        return giqa_bench(
            predictions,
            references,
            judge=judge,
            similarity=similarity,
            box_format=box_format,
            matching=matching,  # type: ignore[arg-type]  # checked there, with a message
            normalise=normalise,  # type: ignore[arg-type]
            decoding=decoding,
            frame=frame,
            intervals=intervals,
            seed=seed,
            resamples=resamples,
        )
