"""Score correlation for `evaluate.load`: `giqa_hf.metrics.score_correlation.compute` as an `evaluate.Metric`.

`evaluate` copies this file away before it imports it, hence the absolute imports, and looks for packages in
lines that begin with `import`, hence one per line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from giqa_hf.errors import DataError
from giqa_hf.metrics.fingerprint import RowsFingerprint
from giqa_hf.metrics.score_correlation.compute import VERSION, as_score, score_correlation
from giqa_hf.metrics.signature import signature

_DESCRIPTION = """
How well a model's quality scores follow mean opinion scores: SRCC, PLCC (plain and after a four-parameter logistic),
KRCC and RMSE, as the literature on image quality assessment reports them.
"""

_INPUTS = """
Args:
    predictions (`list` of `float` or None): the model's scores, higher for better; None where it gave none.
    references (`list` of `float` or `str`): mean opinion scores; strings may have blanks around the number.
    logistic (`bool`, *optional*, defaults to `True`): whether to fit the logistic, which takes scipy.

Returns:
    `dict`: "srcc", "plcc", "plcc_logistic", "krcc", "rmse", "rmse_logistic", each None where it cannot be told;
    "logistic", the curve's b1 to b4 or None; "pairs", how many were compared; "missing", images without a score;
    "signature", what the figures depended on.

Examples:

    >>> metric = evaluate.load("score_correlation")
    >>> result = metric.compute(predictions=[0.1, 0.2, 0.3, 0.4], references=["1.0", "3.0 ", "2.0", "4.0"])
    >>> round(result["srcc"], 6), round(result["krcc"], 6), result["pairs"]
    (0.8, 0.666667, 4)
"""

_CITATION = """
@inproceedings{groundingiqa2026,
  title     = {Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  note      = {arXiv:2411.17237}
}

@techreport{vqeg2000,
  title       = {Final report from the Video Quality Experts Group on the validation of objective models of video
                 quality assessment},
  institution = {VQEG},
  year        = {2000}
}
"""


class ScoreCorrelationMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """Correlations of scores; `compute` takes `logistic` beside the data."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("float64")}
            ),
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Add scores with their opinions; strings become numbers here.

        Raises:
            `DataError`: on lists of unequal length and on entries that are no finite numbers; it names the entry.
        """
        for name, values in (("predictions", predictions), ("references", references)):
            if values is None or isinstance(values, str):
                raise DataError(f"{name}: expected a list of numbers, got {values!r:.80}")
        if len(predictions) != len(references):
            raise DataError(
                f"expected one score per opinion, got {len(predictions)} predictions and {len(references)} references"
            )
        scores = [as_score(value, f"predictions[{i}]", may_miss=True) for i, value in enumerate(predictions)]
        opinions = [as_score(value, f"references[{i}]") for i, value in enumerate(references)]
        super().add_batch(predictions=scores, references=opinions)

    def add(self, *, prediction: Any = None, reference: Any = None) -> None:
        """Add one score with its opinion, see `add_batch`."""
        self.add_batch(predictions=[prediction], references=[reference])

    def _compute(
        self, predictions: Sequence[float | None], references: Sequence[float], logistic: bool = True
    ) -> dict[str, Any]:
        found = score_correlation(predictions, references, logistic=logistic)
        # The curve after which they were taken is a part of two of the figures, and of them alone.
        fitted = None if found.logistic is None else "4 parameters"
        data = RowsFingerprint()
        for opinion in references:
            data.add(None, [opinion])
        return {
            **found._asdict(),
            "logistic": None if found.logistic is None else found.logistic._asdict(),
            "signature": signature(
                "score_correlation", VERSION, {"krcc": "tau-b", "logistic": fitted, "data": data.result()}
            ),
        }
