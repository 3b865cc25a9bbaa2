"""LLM-Score for `evaluate.load`: `giqa_hf.metrics.llm_score.compute` behind `evaluate`'s interface.

`evaluate` copies this file away before it imports it, hence the absolute imports, and looks for packages in
lines that begin with `import`, hence one per line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from giqa_hf.errors import DataError
from giqa_hf.metrics.fingerprint import texts_fingerprint
from giqa_hf.metrics.llm_score.compute import VERSION, llm_score
from giqa_hf.metrics.plain_texts import plain_texts
from giqa_hf.metrics.signature import signature

_DESCRIPTION = """
LLM-Score of Grounding-IQA: how much of the meaning of a reference a text has, by a judge's marks from 0 to 4, x 25.
The judge is a language model (a server or in this process), or, by default, a comparison of words that needs none.
"""

_INPUTS = """
Args:
    predictions (`list` of `str`): the model's texts; boxes and thoughts are taken out first.
    references (`list` of `str`): one true text each.
    questions (`list` of `str` or None, *optional*): what was asked, for answers.
    judge (`Judge`, *optional*): gives the marks; the lexical judge by default.
    human_marks (`list` of `float` or None, *optional*): people's marks of the same texts, 0 to 4.
    box_format (format, *optional*): reads boxes; the paper's grid by default, False leaves texts as they are.

Returns:
    `dict`: "llm_score", 0..100 or None when nothing was judged; "judge", its name; "judged" and "failures", texts with
    and without a mark; "marks", how often each of 0 to 4 was given; "reasons", how often there was none, by reason;
    "runs", "spread" and "self_agreement" of a judge that reads each text several times; "human", agreement with people
    or None; "bounds", where the value would lie whatever the marks of the failures were; "signature", what it all
    depended on.

Examples:

    >>> metric = evaluate.load("llm_score")
    >>> predictions = ["The [dog](<0,189>) is blurry.", ""]
    >>> result = metric.compute(predictions=predictions, references=["The dog is not sharp.", "Noise."])
    >>> result["llm_score"], result["judge"], result["marks"]
    (50.0, 'lexical', [1, 0, 0, 0, 1])
"""

_CITATION = """
@inproceedings{groundingiqa2026,
  title     = {Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  note      = {arXiv:2411.17237}
}
"""


class LlmScoreMetric(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """LLM-Score; `compute` takes the keyword arguments of `_compute` beside the data."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": datasets.Value("string")}
            ),
            reference_urls=["https://arxiv.org/abs/2411.17237"],
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None) -> None:
        """Add predictions with their references.

        Raises:
            `DataError`: on entries that are no strings, which `evaluate` would turn into some; it names the first.
        """
        for name, values in (("predictions", predictions), ("references", references)):
            if values is None or isinstance(values, str):
                raise DataError(f"{name}: expected a list of strings, got {values!r:.80}")
            for number, value in enumerate(values):
                if not isinstance(value, str):
                    raise DataError(
                        f"{name}[{number}]: expected a string (an empty answer is ''), found {value!r:.80}"
                    )
        if len(predictions) != len(references):
            raise DataError(
                f"expected one prediction per reference, got {len(predictions)} predictions and {len(references)} "
                "references"
            )
        super().add_batch(predictions=list(predictions), references=list(references))

    def add(self, *, prediction: str | None = None, reference: str | None = None) -> None:
        """Add one prediction with its reference, see `add_batch`."""
        self.add_batch(predictions=[prediction], references=[reference])

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        questions: Sequence[str | None] | None = None,
        judge: Any = None,
        human_marks: Sequence[float | None] | None = None,
        box_format: Any = None,
    ) -> dict[str, Any]:
        plain = plain_texts(predictions, box_format)
        found = llm_score(plain.texts, references, questions, judge=judge, human_marks=human_marks)
        rest = found._asdict()
        value, human = rest.pop("value"), rest.pop("human")
        asked = [None] * len(references) if questions is None else questions
        data = texts_fingerprint([*row] for row in zip(asked, references, strict=True))
        return {
            "llm_score": value,
            **{name: list(part) if isinstance(part, tuple) else part for name, part in rest.items()},
            "human": None if human is None else human._asdict(),
            "signature": signature(
                "llm_score", VERSION, {"judge": found.judge, "box_format": plain.read_as, "data": data}
            ),
        }
