"""Rewards for reinforcement learning, made of the bench's own functions.

Each is a plain function as TRL's `GRPOTrainer` (1.16) calls its `reward_funcs`: `completions` with a text, or a list of
messages, for each completion; every column of the dataset as a list beside it; back comes a list with a number per
completion, or `None` where it has nothing to say of that row (TRL leaves such a reward out of that row's sum). The
columns are those that `grpo_rows` writes:

| column | of the row |
|---|---|
| `question`, `answer` | clean, without boxes |
| `question_type` | `"yes_no"`, `"what"`, `"why"`, `"how"`; `None` for a description |
| `true_boxes_norm` | the boxes of the true answer, normalised by the original upright image |
| `frame` | in which the model sees the image, see `frame_of_row`; without it, boxes are read as of the whole image |
| `box_format` | JSON of the format in which the model writes boxes; without it, the paper's |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy.typing as npt

from ..benchmark.reading import read_grounded
from ..formats import BoxFormat, GiqaFormat, format_from_dict
from ..formats.notation import boxes_in
from ..frames import Frame
from ..grounded_text import GroundedText
from ..metrics.grounding_miou.box_f1 import BoxSums
from ..metrics.grounding_miou.compute import MiouSums
from ..metrics.llm_score.judge import JudgeChoice, JudgeItem, resolve_judge, verdicts_of
from ..metrics.overlaps import iter_overlaps
from ..metrics.vqa_accuracy.compute import VqaAccuracySums
from ..thoughts import spoken

Completion: TypeAlias = str | Sequence[Mapping[str, Any]]
"""What a model wrote: a text, or the messages of its turn."""
Rewards: TypeAlias = list[float | None]
RewardFunction: TypeAlias = Callable[..., Rewards]


def format_reward(
    completions: Sequence[Completion], *, true_boxes_norm: Sequence[npt.ArrayLike], **columns: Any
) -> Rewards:
    """Whether boxes are well-formed, and there where they are asked for.

    Args:
        completions (`list`): what the model wrote, see `Completion`.
        true_boxes_norm (`list` of arrays of shape (N, 4)): boxes are asked for where the true answer has some.
        columns: `frame` and `box_format` are read, see the module; the rest that TRL gives is not.

    Returns:
        `list[float]`: the share of well-formed boxes (status `ok` or `clipped`) among all that were tried, unreadable
        ones and duplicates included, 0 where only remains of boxes stand in the text; without any, 0 where boxes are
        asked for and 1 where not.

    Example (two of three are well-formed; none was asked for, and none came):

    ```python
    >>> said = ["A [cup](<0,21>) and a [jar](<5,9>, <400,401>).", "No."]
    >>> format_reward(said, true_boxes_norm=[[[0, 0, 0.1, 0.1]], []])
    [0.6666666666666666, 1.0]
    ```
    """
    rewards: Rewards = []
    for read, true_boxes in zip(_read(completions, columns), true_boxes_norm, strict=True):
        statuses = [status for region in read.regions for status in region.box_statuses]
        tried = len(statuses) + len(read.issues)
        well = sum(status in ("ok", "clipped") for status in statuses)
        if tried or boxes_in(read.text):
            rewards.append(well / max(tried, 1))
        else:
            rewards.append(float(len(_rows(true_boxes)) == 0))
    return rewards


def box_iou_reward(
    completions: Sequence[Completion], *, true_boxes_norm: Sequence[npt.ArrayLike], **columns: Any
) -> Rewards:
    """The sample's part of mIoU, as GIQA-Bench has it: matched IoU over the number of true boxes.

    Args are those of `format_reward`.

    Returns:
        `list`: 0..1; `None` where the true answer has no box. Boxes too many cost nothing here: see `box_f1_reward`.

    Example (one of two true boxes is found exactly):

    ```python
    >>> said = ["A [cup](<0,21>)."]
    >>> box_iou_reward(said, true_boxes_norm=[[[0.025, 0.025, 0.075, 0.075], [0.5, 0.5, 0.9, 0.9]]])
    [0.5]
    ```
    """
    rewards: Rewards = []
    predicted = [read.boxes_norm for read in _read(completions, columns)]
    for ious in iter_overlaps(predicted, [_rows(boxes) for boxes in true_boxes_norm]):
        sums = MiouSums()
        sums.add(ious)
        # An answer without a box is no "not available" here: it earns nothing.
        rewards.append(sums.result(attempted=True).value)
    return rewards


def box_f1_reward(
    completions: Sequence[Completion], *, true_boxes_norm: Sequence[npt.ArrayLike], **columns: Any
) -> Rewards:
    """F1 of a sample's boxes at IoU above 0.5: boxes too many cost, and so do those that were invented.

    Args are those of `format_reward`.

    Returns:
        `list[float]`: 0..1; where the true answer has no box, 1 for none and 0 for any.

    Example (one of two predicted boxes is right, and the only true one is found: 2 / (2 + 1)):

    ```python
    >>> said = ["A [cup](<0,84>) and a [jar](<300,399>)."]
    >>> box_f1_reward(said, true_boxes_norm=[[[0.0, 0.0, 0.25, 0.25]]])
    [0.6666666666666666]
    ```
    """
    rewards: Rewards = []
    predicted = [read.boxes_norm for read in _read(completions, columns)]
    for ious in iter_overlaps(predicted, [_rows(boxes) for boxes in true_boxes_norm]):
        sums = BoxSums()
        sums.add(ious)
        f1 = sums.result(attempted=True).f1
        rewards.append(float(ious.shape[0] == 0) if f1 is None else f1)
    return rewards


def answer_reward(
    completions: Sequence[Completion],
    *,
    question: Sequence[str],
    answer: Sequence[str],
    question_type: Sequence[str | None],
    judge: JudgeChoice = None,
    **columns: Any,
) -> Rewards:
    """Whether a question is answered right, as VQA accuracy has it.

    Args:
        completions (`list`): what the model wrote, see `Completion`.
        question (`list` of `str`): clean questions.
        answer (`list` of `str`): clean true answers.
        question_type (`list` of `str` or `None`): see the module.
        judge (`Judge`, *optional*, defaults to `LexicalJudge()`): marks What/Why/How; `answer_reward_of` binds another
            one for TRL, which gives columns only.
        columns: `frame` and `box_format` are read, see the module.

    Returns:
        `list`: 1 or 0 for Yes/No, the judge's mark over 4 for What/Why/How; `None` for descriptions, and where the
        judge failed (no 0 is invented for it).

    Example:

    ```python
    >>> answer_reward(["Yes, it is.", "Noise."], question=["Is it sharp?", "What is wrong?"],
    ...               answer=["Yes.", "It is blurry."], question_type=["yes_no", "what"])
    [1.0, 0.0]
    ```
    """
    texts = [read.text for read in _read(completions, columns)]
    rewards: Rewards = [None] * len(texts)
    judged: list[int] = []
    for number, kind in enumerate(question_type):
        if kind == "yes_no":
            sums = VqaAccuracySums()
            sums.add_yes_no(texts[number], answer[number])
            rewards[number] = sums.result(None).acc_y
        elif kind is not None:
            judged.append(number)
    items = [JudgeItem(question[number], answer[number], texts[number]) for number in judged]
    for number, share in zip(judged, _shares(items, judge), strict=True):
        rewards[number] = share
    return rewards


def description_reward(
    completions: Sequence[Completion],
    *,
    answer: Sequence[str],
    question_type: Sequence[str | None],
    judge: JudgeChoice = None,
    **columns: Any,
) -> Rewards:
    """How much of the true description a description says, as LLM-Score has it: the judge's mark over 4.

    Args are those of `answer_reward`; `description_reward_of` binds another judge.

    Returns:
        `list`: 0..1; `None` for questions, and where the judge failed.
    """
    texts = [read.text for read in _read(completions, columns)]
    rewards: Rewards = [None] * len(texts)
    described = [number for number, kind in enumerate(question_type) if kind is None]
    items = [JudgeItem(None, answer[number], texts[number]) for number in described]
    for number, share in zip(described, _shares(items, judge), strict=True):
        rewards[number] = share
    return rewards


def answer_reward_of(judge: JudgeChoice) -> RewardFunction:
    """`answer_reward` with another judge; TRL logs it under the judge's name too."""
    return _with_judge(answer_reward, judge)


def description_reward_of(judge: JudgeChoice) -> RewardFunction:
    """`description_reward` with another judge; TRL logs it under the judge's name too."""
    return _with_judge(description_reward, judge)


REWARDS: tuple[RewardFunction, ...] = (
    format_reward,
    box_iou_reward,
    box_f1_reward,
    answer_reward,
    description_reward,
)
"""All of them, with the lexical judge: what `grpo` uses unless told otherwise."""


def frame_of_row(frame: Frame) -> dict[str, list[float]]:
    """A frame as the column `frame` of a row holds it."""
    return {
        "image_wh": [float(side) for side in frame.image_wh],
        "model_wh": [float(side) for side in frame.model_wh],
        "scale_xy": list(frame.scale_xy),
        "offset_xy": list(frame.offset_xy),
    }


def _with_judge(reward: RewardFunction, judge: JudgeChoice) -> RewardFunction:
    chosen = resolve_judge(judge)

    def judged(completions: Sequence[Completion], **columns: Any) -> Rewards:
        return reward(completions, judge=judge, **columns)

    # TRL calls a reward in its log what the function is called.
    judged.__name__ = reward.__name__ if chosen is None else f"{reward.__name__}[{chosen.name}]"
    return judged


def _shares(items: Sequence[JudgeItem], judge: JudgeChoice) -> Rewards:
    """The judge's marks over the best one, all asked at once; `None` without a judge, and where it failed."""
    chosen = resolve_judge(judge)
    if chosen is None:
        return [None] * len(items)
    shares: Rewards = []
    for verdicts in verdicts_of(chosen, items):
        sums = VqaAccuracySums()
        sums.add_mark(verdicts)
        shares.append(sums.result(chosen.name).acc_w)
    return shares


def _read(completions: Sequence[Completion], columns: Mapping[str, Any]) -> list[GroundedText]:
    """What the model wrote, its boxes brought into the original images."""
    # As GIQA-Bench reads answers: without thoughts, which are free.
    texts = [spoken(text_of(completion).strip()).text for completion in completions]
    formats: Sequence[str | None] = columns.get("box_format") or [None] * len(texts)
    frames: Sequence[Any] = columns.get("frame") or [None] * len(texts)
    read = []
    for text, saved, frame in zip(texts, formats, frames, strict=True):
        box_format = _format(saved)
        if frame is None:
            read.append(box_format.read(text))
        else:
            read += read_grounded(box_format, [text], [_frame(frame)])
    return read


def text_of(completion: Completion) -> str:
    """The words of a completion: of its last message where it is a conversation, of its text parts where it has some.

    ```python
    >>> text_of("Yes."), text_of([{"role": "assistant", "content": [{"type": "text", "text": "Yes."}]}])
    ('Yes.', 'Yes.')
    ```
    """
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content or ())


def _frame(saved: Mapping[str, Sequence[float]]) -> Frame:
    (image_width, image_height), (model_width, model_height) = saved["image_wh"], saved["model_wh"]
    return Frame(
        (int(image_width), int(image_height)),
        (int(model_width), int(model_height)),
        (saved["scale_xy"][0], saved["scale_xy"][1]),
        (saved["offset_xy"][0], saved["offset_xy"][1]),
    )


@cache
def _format(saved: str | None) -> BoxFormat:
    return GiqaFormat() if saved is None else format_from_dict(json.loads(saved))


def _rows(boxes: npt.ArrayLike | None) -> Any:
    return [] if boxes is None else boxes
