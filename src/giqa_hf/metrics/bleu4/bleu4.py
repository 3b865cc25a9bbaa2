"""BLEU@4 for `evaluate.load`: `giqa_hf.metrics.bleu4` behind `evaluate`'s interface.

`evaluate` copies this file away before it imports it, hence the absolute imports, and looks for packages in
lines that begin with `import`, hence one per line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from giqa_hf.metrics.bleu4.compute import VERSION, bleu4
from giqa_hf.metrics.fingerprint import texts_fingerprint
from giqa_hf.metrics.plain_texts import plain_texts
from giqa_hf.metrics.signature import signature

_DESCRIPTION = """
BLEU@4 of image captioning: corpus level, PTB-like tokens, lower case, without punctuation, closest reference length,
x 100. On the same tokens it is pycocoevalcap's number; sacrebleu's is a second variant.
"""

_INPUTS = """
Args:
    predictions (`list` of `str`): the model's texts; boxes and thoughts are taken out first.
    references (`list` of `str`, or of `list` of `str`): one text or several per prediction.
    variant (`str`): "captioning" (default) or "sacrebleu", which needs that package.
    box_format (format, *optional*): reads boxes; the paper's grid by default, False leaves texts as they are.

Returns:
    `dict`: "bleu4", 0..100, or None without samples; the corpus sums "matches", "guesses", "predicted_length",
    "true_length"; "samples"; "variant", its full name: values of different variants do not compare; "signature", one
    line with all that the value depended on.

Examples:

    >>> metric = evaluate.load("bleu4")
    >>> found = metric.compute(
    ...     predictions=["the dog in the middle is blurred"], references=["The dog in the middle is sharp."])
    >>> round(found["bleu4"], 1), found["matches"], found["guesses"], found["variant"]
    (80.9, [6, 5, 4, 3], [7, 6, 5, 4], 'captioning-ptb-lower-corpus-closest')
"""

_CITATION = """
@inproceedings{groundingiqa2026,
  title     = {Grounding-IQA: Grounding Multimodal Language Model for Image Quality Assessment},
  booktitle = {International Conference on Learning Representations},
  year      = {2026},
  note      = {arXiv:2411.17237}
}
"""


class Bleu4(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    """BLEU@4; `compute` takes `variant` and `box_format` beside the data."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=[
                datasets.Features({"predictions": text, "references": text}),
                datasets.Features({"predictions": text, "references": datasets.List(text)}),
            ],
            reference_urls=["https://arxiv.org/abs/2411.17237"],
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[Any],
        variant: str = "captioning",
        box_format: Any = None,
    ) -> dict[str, Any]:
        plain = plain_texts(predictions, box_format)
        found = bleu4(plain.texts, references, variant=variant)  # type: ignore[arg-type]  # checked there
        return {
            "bleu4": found.value,
            "samples": found.samples,
            "matches": list(found.matches),
            "guesses": list(found.guesses),
            "predicted_length": found.pred_length,
            "true_length": found.true_length,
            "variant": found.variant,
            "signature": signature(
                "bleu4",
                VERSION,
                {"bleu": found.variant, "box_format": plain.read_as, "data": texts_fingerprint(references)},
            ),
        }
