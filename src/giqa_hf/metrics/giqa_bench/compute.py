"""GIQA-Bench (paper Sec. 3.4, Tab. 5): its nine figures, and six of boxes beside them, in one pass.

Samples are read, scored and forgotten a thousand at a time; only sums stay, so memory does not grow with
their number; intervals keep sums per image. Absent, malformed and wrong are told apart: a task whose
predictions never tried to write a box has no figures of boxes (None), boxes that could not be read are
counted by status, and readable boxes are scored. What no reader takes for a box but looks like the remains of one is an
attempt too (`formats.notation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Any

from ...formats import GiqaFormat
from ...grounded_text import GroundedText
from ...schema import TASKS
from ..bleu4.compute import CAPTIONING
from ..fingerprint import RowsFingerprint
from ..grounding_miou.compute import MiouSums, Normalise
from ..llm_score.judge import JudgeChoice, resolve_judge
from ..matching import MatchingMethod
from ..overlaps import SAMPLES_AT_ONCE
from ..signature import signature
from ..tag_recall.compute import TagRecallSums
from ..tag_recall.similarity import Similarity, lexical_similarity, similarity_name
from ..uncertainty import LEVEL, bootstrap_intervals, check_resamples
from .image_sums import ImageSums, figures_of_sums
from .samples import TextReader, Truth, check_images, read_samples
from .sums import GroundingSums, TextSums

VERSION = 3
"""Raised by every change that changes a number; it stands in the signature.

3: thoughts (`<think>`) are no part of a prediction, "yes or no" is no answer, boxes in JSON with quoted numbers are
read, and names before doubled brackets, a colon or a quoted box are kept.
2: a prediction with the remains of a box, or with a box of another form, is an attempt: 0 where 1 said None.
"""

_BESIDE = frozenset(("counts", "judging", "settings", "signature", "intervals"))
_JUDGED = frozenset(("DES LLM-Score", "VQA Acc (W)", "VQA Acc (Total)"))


def giqa_bench(
    predictions: Iterable[str | GroundedText],
    references: Iterable[Mapping[str, Any]],
    *,
    judge: JudgeChoice = None,
    similarity: Similarity | None = None,
    box_format: TextReader | None = None,
    matching: MatchingMethod = "hungarian",
    normalise: Normalise = "truth",
    decoding: str | None = None,
    frame: str | None = None,
    intervals: bool = False,
    seed: int = 0,
    resamples: int = 1000,
    images: ImageSums | None = None,
) -> dict[str, Any]:
    """Every figure of GIQA-Bench.

    Args:
        predictions (iterable of `str` or `GroundedText`): what the model wrote, one per reference in the same
            order; strings are read with `box_format`. Boxes are normalised to the original upright image.
        references (iterable of `Mapping`): rows of the schema; of each, `task`, `question_type`, `question`,
            `answer` and `answer_regions` (`phrase`, `boxes_norm`) are read, and `image_id` where there is one.
        judge (`Judge`, *optional*, defaults to `LexicalJudge()`): marks descriptions (LLM-Score) and
            What/Why/How answers (Acc (W)); its name stands in the keys. False: no judge, and these figures are None.
        similarity (`callable`, *optional*, defaults to `lexical_similarity`): of names in Tag-Recall, from N
            and M names to an (N, M) array.
        box_format (`TextReader`, *optional*, defaults to `GiqaFormat()`): reads raw predictions.
        matching (`str`, *optional*, defaults to `"hungarian"`): of boxes in mIoU, or `"greedy"`.
        normalise (`str`, *optional*, defaults to `"truth"`): of mIoU, or `"matched"`, see `grounding_miou`.
        decoding (`str`, *optional*): how the predictions were generated, e.g. `"greedy, 512 new tokens"`; it stands in
            the signature.
        frame (`str`, *optional*): in which picture boxes were read, e.g. `"square"`; it stands in the signature.
        intervals (`bool`, *optional*, defaults to `False`): adds the 95 % interval of every figure, by a bootstrap
            over images; then every row needs its `image_id`.
        seed (`int`, *optional*, defaults to `0`): of the bootstrap's draws.
        resamples (`int`, *optional*, defaults to `1000`): of the bootstrap, at least 100.
        images (`ImageSums`, *optional*): an empty one, which is filled with what each image adds, to be kept or
            compared with another run's by `compare_images`; then too every row needs its `image_id`.

    Returns:
        `dict`: the columns of Tab. 5, mIoU, Tag-Recall and accuracies 0..1, BLEU@4 and LLM-Score 0..100, then
            Box-Precision, Box-Recall and Box-F1 of both tasks, 0..1, each None where it cannot be told; `"counts"`,
            per task, what they were computed from; `"judging"`, per task, the judge's marks, its problems by
            reason, and with a judge that reads each text several times the figure of each run and their spread (no
            judge: `{}`); `"settings"`, with what; `"signature"`, one line with all that they depended on; with
            `intervals`, `"intervals"`: the two ends by figure, or None.

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
    if intervals:
        check_resamples(resamples)
        images = ImageSums() if images is None else images
    if images is not None and images.image_ids:
        raise ValueError(
            "images: expected empty ImageSums, found some that hold a run already; make new ones"
        )
    des, vqa = (
        GroundingSums(task, MiouSums(matching, normalise), TagRecallSums(similarity), images)
        for task in TASKS
    )
    texts = TextSums(chosen, images)
    data = RowsFingerprint()
    samples = read_samples(predictions, references, reader)
    while chunk := list(islice(samples, SAMPLES_AT_ONCE)):
        if images is not None:
            check_images(chunk)
        des.add([sample for sample in chunk if sample.truth.task == "des"])
        vqa.add([sample for sample in chunk if sample.truth.task == "vqa"])
        texts.add(chunk)
        for sample in chunk:
            _add_row(data, sample.truth)
    judge_name = chosen.name if chosen else None
    figures = _figures(des, vqa, texts, judge_name)
    asked = lexical_similarity if similarity is None else similarity
    parts = {
        "judge": judge_name,
        "similarity": similarity_name(asked),
        "box_format": _format_name(reader),
        "matching": matching,
        "normalise": normalise,
        "bleu": CAPTIONING,
    }
    signed = {
        **parts,
        "box_format": _with_parameters(reader),
        "frame": frame,
        "decoding": decoding,
        "data": data.result(),
    }
    result: dict[str, Any] = {_key(name, judge_name): value for name, value in figures.items()}
    result["counts"] = _counts(des, vqa, texts, judge_name)
    result["judging"] = {} if judge_name is None else texts.judging(judge_name)
    result["settings"] = {**parts}
    result["signature"] = signature("giqa_bench", VERSION, signed)
    if images is not None:
        images.data, images.figures = data.result(), figures
    if intervals and images is not None:
        found = bootstrap_intervals(images.sums, figures_of_sums, seed=seed, resamples=resamples)
        result["intervals"] = {
            _key(name, judge_name): None if value is None or (ends := found[name]) is None else list(ends)
            for name, value in figures.items()
        }
        result["settings"]["intervals"] = {
            "level": LEVEL, "resamples": resamples, "seed": seed, "images": len(images.image_ids)
        }  # fmt: skip
    return result


def figures_of(result: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures in a result of `giqa_bench`, in its order, without what stands beside them."""
    return {name: value for name, value in result.items() if name not in _BESIDE}


def _key(figure: str, judge: str | None) -> str:
    return f"{figure}[{judge}]" if judge is not None and figure in _JUDGED else figure


def _figures(
    des: GroundingSums, vqa: GroundingSums, texts: TextSums, judge: str | None
) -> dict[str, float | None]:
    accuracy = texts.answers.result(judge)
    des_boxes, vqa_boxes = des.boxes.result(des.attempted), vqa.boxes.result(vqa.attempted)
    return {
        "DES mIoU": des.miou.result(des.attempted).value,
        "DES Tag-Recall": des.tags.result(des.attempted).value,
        "DES BLEU@4": texts.bleu.result().value,
        "DES LLM-Score": texts.descriptions.result(judge).value,
        "VQA mIoU": vqa.miou.result(vqa.attempted).value,
        "VQA Tag-Recall": vqa.tags.result(vqa.attempted).value,
        "VQA Acc (Y)": accuracy.acc_y,
        "VQA Acc (W)": accuracy.acc_w,
        "VQA Acc (Total)": accuracy.acc_total,
        "DES Box-Precision": des_boxes.precision,
        "DES Box-Recall": des_boxes.recall,
        "DES Box-F1": des_boxes.f1,
        "VQA Box-Precision": vqa_boxes.precision,
        "VQA Box-Recall": vqa_boxes.recall,
        "VQA Box-F1": vqa_boxes.f1,
    }


def _counts(des: GroundingSums, vqa: GroundingSums, texts: TextSums, judge: str | None) -> dict[str, Any]:
    marks = texts.descriptions.result(judge)
    accuracy = texts.answers.result(judge)
    return {
        "des": {
            **des.counts(),
            "judged": marks.judged,
            "judge_failures": marks.failures if judge is not None else 0,
            "outcomes": {**des.outcomes(), **texts.description_outcomes()},
        },
        "vqa": {
            **vqa.counts(),
            "yes_no": accuracy.yes_no,
            "yes_no_correct": accuracy.correct,
            "yes_no_malformed": accuracy.malformed,
            "what_why_how": accuracy.what_why_how,
            "judged": accuracy.judged,
            "judge_failures": accuracy.judge_failures,
            "outcomes": {**vqa.outcomes(), **texts.answer_outcomes()},
        },
    }


def _add_row(data: RowsFingerprint, truth: Truth) -> None:
    texts = (truth.image, truth.task, truth.question_type, truth.question, truth.answer, truth.names)
    data.add(texts, chain.from_iterable(truth.boxes))


def _format_name(reader: TextReader) -> str:
    name = getattr(reader, "name", None)
    return name if isinstance(name, str) else type(reader).__name__


def _with_parameters(reader: TextReader) -> str:
    """A box format's name with its parameters, e.g. the grid, without which a cell is no place."""
    name = _format_name(reader)
    described = getattr(reader, "to_dict", None)
    if not callable(described):
        return name
    parameters = [f"{key}={value}" for key, value in described().items() if key != "name"]
    return f"{name}({','.join(parameters)})" if parameters else name
