"""GIQA-Bench (paper Sec. 3.4, Tab. 5): nine figures in one pass.

Samples are read, scored and forgotten a thousand at a time; only sums stay, so memory does not grow with
their number. Absent, malformed and wrong are told apart: a task whose predictions never tried to write a box
has no mIoU and no Tag-Recall (None), boxes that could not be read are counted by status, and readable boxes
are scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from ...formats import GiqaFormat
from ...grounded_text import GroundedText
from ..grounding_miou.compute import MiouSums, Normalise
from ..llm_score.judge import JudgeChoice, resolve_judge
from ..matching import MatchingMethod
from ..overlaps import SAMPLES_AT_ONCE
from ..tag_recall.compute import TagRecallSums
from ..tag_recall.similarity import Similarity, lexical_similarity
from .samples import TextReader, read_samples
from .sums import GroundingSums, TextSums


def giqa_bench(
    predictions: Iterable[str | GroundedText],
    references: Iterable[Mapping[str, Any]],
    *,
    judge: JudgeChoice = None,
    similarity: Similarity | None = None,
    box_format: TextReader | None = None,
    matching: MatchingMethod = "hungarian",
    normalise: Normalise = "truth",
) -> dict[str, Any]:
    """Every figure of GIQA-Bench.

    Args:
        predictions (iterable of `str` or `GroundedText`): what the model wrote, one per reference in the same
            order; strings are read with `box_format`. Boxes are normalised to the original upright image.
        references (iterable of `Mapping`): rows of the schema; of each, `task`, `question_type`, `question`,
            `answer` and `answer_regions` (`phrase`, `boxes_norm`) are read.
        judge (`Judge`, *optional*, defaults to `LexicalJudge()`): marks descriptions (LLM-Score) and
            What/Why/How
            answers (Acc (W)); its name stands in the keys. False: no judge, and these figures are None.
        similarity (`callable`, *optional*, defaults to `lexical_similarity`): of names in Tag-Recall, from N
            and M names to an (N, M) array.
        box_format (`TextReader`, *optional*, defaults to `GiqaFormat()`): reads raw predictions.
        matching (`str`, *optional*, defaults to `"hungarian"`): of boxes in mIoU, or `"greedy"`.
        normalise (`str`, *optional*, defaults to `"truth"`): of mIoU, or `"matched"`, see `grounding_miou`.

    Returns:
        `dict`: the columns of Tab. 5, mIoU, Tag-Recall and accuracies 0..1, BLEU@4 and LLM-Score 0..100, each
            None
        where it cannot be told; `"counts"`, per task, what they were computed from; `"settings"`, with what.

    Raises:
        `DataError`: on inputs of unequal length and on entries that are not as described; it names index and
            field.
        `ValueError`: on unknown options.

    Example:

    ```python
    >>> region = {"phrase": "dog", "boxes_norm": [[0.025, 0.025, 0.975, 0.975]]}
    >>> row = {"task": "vqa", "question_type": "what", "question": "What is blurred?", "answer": "The dog."}
    >>> result = giqa_bench(["The [dog](<0,399>)."], [{**row, "answer_regions": [region]}])
    >>> result["VQA mIoU"], result["VQA Tag-Recall"], result["VQA Acc (W)[lexical]"], result["DES mIoU"]
    (1.0, 1.0, 1.0, None)
    ```
    """
    chosen = resolve_judge(judge)
    reader: TextReader = GiqaFormat() if box_format is None else box_format
    if not callable(getattr(reader, "read", None)):
        raise ValueError(
            f"box_format: expected a format with read(text), e.g. GiqaFormat(), got {reader!r:.80}"
        )
    des, vqa = (GroundingSums(MiouSums(matching, normalise), TagRecallSums(similarity)) for _ in range(2))
    texts = TextSums(chosen)
    samples = read_samples(predictions, references, reader)
    while chunk := list(islice(samples, SAMPLES_AT_ONCE)):
        des.add([sample for sample in chunk if sample.truth.task == "des"])
        vqa.add([sample for sample in chunk if sample.truth.task == "vqa"])
        texts.add(chunk)
    name = chosen.name if chosen else None
    settings = {
        "judge": name,
        "similarity": _name_of(lexical_similarity if similarity is None else similarity),
        "box_format": _name_of(reader),
        "matching": matching,
        "normalise": normalise,
    }
    return {**_figures(des, vqa, texts, name), "counts": _counts(des, vqa, texts, name), "settings": settings}


def _figures(
    des: GroundingSums, vqa: GroundingSums, texts: TextSums, judge: str | None
) -> dict[str, float | None]:
    by = f"[{judge}]" if judge is not None else ""
    accuracy = texts.answers.result(judge)
    return {
        "DES mIoU": des.miou.result(des.attempted).value,
        "DES Tag-Recall": des.tags.result(des.attempted).value,
        "DES BLEU@4": texts.bleu.result().value,
        f"DES LLM-Score{by}": texts.descriptions.result(judge).value,
        "VQA mIoU": vqa.miou.result(vqa.attempted).value,
        "VQA Tag-Recall": vqa.tags.result(vqa.attempted).value,
        "VQA Acc (Y)": accuracy.acc_y,
        f"VQA Acc (W){by}": accuracy.acc_w,
        f"VQA Acc (Total){by}": accuracy.acc_total,
    }


def _counts(des: GroundingSums, vqa: GroundingSums, texts: TextSums, judge: str | None) -> dict[str, Any]:
    marks = texts.descriptions.result(judge)
    accuracy = texts.answers.result(judge)
    return {
        "des": {
            **des.counts(),
            "judged": marks.judged,
            "judge_failures": marks.failures if judge is not None else 0,
        },
        "vqa": {
            **vqa.counts(),
            "yes_no": accuracy.yes_no,
            "yes_no_correct": accuracy.correct,
            "yes_no_malformed": accuracy.malformed,
            "what_why_how": accuracy.what_why_how,
            "judged": accuracy.judged,
            "judge_failures": accuracy.judge_failures,
        },
    }


def _name_of(part: Any) -> str:
    """What a similarity or a box format calls itself."""
    name = getattr(part, "name", None) or getattr(part, "__name__", None)
    return name if isinstance(name, str) else type(part).__name__
