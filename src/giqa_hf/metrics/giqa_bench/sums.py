"""What GIQA-Bench keeps of the samples that it has seen: sums, never the samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import DataError
from ...formats.notation import boxes_in
from ..bleu4.compute import BleuSums
from ..grounding_miou.box_f1 import BoxSums
from ..grounding_miou.compute import MiouSums
from ..llm_score.compute import LlmScore, MarkSums, mean_mark
from ..llm_score.judge import Judge, JudgeItem, Verdict, verdicts_of
from ..overlaps import overlaps
from ..tag_recall.compute import TagRecallSums
from ..vqa_accuracy.compute import VqaAccuracySums
from .image_sums import GroundingPart, ImageSums
from .samples import Sample, stacked_boxes

UNRECOGNISED = "unrecognised"
"""Beside the statuses of boxes: a prediction of which nothing was read, though its text tries to hold a box."""


class GroundingSums:
    """The boxes of one task.

    Args:
        task (`str`): `"des"` or `"vqa"`.
        miou (`MiouSums`): empty sums with the wanted matching.
        tags (`TagRecallSums`): empty sums with the wanted similarity.
        images (`ImageSums`, *optional*): gets what each sample adds.
    """

    def __init__(self, task: str, miou: MiouSums, tags: TagRecallSums, images: ImageSums | None) -> None:
        self.miou = miou
        self.tags = tags
        self.boxes = BoxSums()
        self._task = task
        self._images = images
        self._samples = self._with_boxes = self._only_unreadable = self._unreadable = 0
        self._true_in = {"readable": 0, "unreadable": 0, "none": 0}
        self._statuses: Counter[str] = Counter()

    @property
    def attempted(self) -> bool:
        """Whether any prediction tried to write a box, readable or not."""
        return self._with_boxes + self._only_unreadable > 0

    def add(self, samples: Sequence[Sample]) -> None:
        """Add samples; their IoU is computed at once.

        Raises:
            `DataError`: on true boxes that are none.
        """
        if not samples:
            return
        names = [sample.prediction.phrases for sample in samples]
        boxes = [region.boxes_norm for sample in samples for region in sample.prediction.regions]
        ious_of_each = overlaps(
            np.concatenate([np.zeros((0, 4)), *boxes]),
            [len(own) for own in names],
            stacked_boxes([(sample.number, sample.truth) for sample in samples]),
            [len(sample.truth.names) for sample in samples],
        )
        self.tags.prepare(
            name for own in (*names, *(sample.truth.names for sample in samples)) for name in own
        )
        for sample, own, ious in zip(samples, names, ious_of_each, strict=True):
            truth = sample.truth
            self._count(sample, has_boxes=len(own) > 0)
            miou, tags = self.miou.add(ious), self.tags.add(ious, own, truth.names)
            found = self.boxes.add(ious)
            if self._images is not None and truth.image is not None:
                part = GroundingPart(miou, len(truth.names) > 0, tags, found, *ious.shape)
                self._images.add_boxes(truth.image, self._task, part)

    def counts(self) -> dict[str, Any]:
        """The counts by name; the three kinds of predictions add up to the samples."""
        tags = self.tags.result(self.attempted)
        return {
            "samples": self._samples,
            "with_true_boxes": tags.scored,
            "true_boxes": tags.true_tags,
            "predicted_boxes": tags.pred_tags,
            "predictions_with_boxes": self._with_boxes,
            "predictions_with_only_unreadable_boxes": self._only_unreadable,
            "predictions_without_boxes": self._samples - self._with_boxes - self._only_unreadable,
            "box_statuses": dict(sorted(self._statuses.items())),
            "tags_found": tags.found,
            "boxes_found": self.boxes.result().found,
        }

    def outcomes(self) -> dict[str, dict[str, int]]:
        """What became of every true box, and of every box that was written, by figure.

        A true box that was not found is wrong where its prediction has readable boxes, malformed where it has only
        unreadable ones, absent where it has none. A box that was written is right, wrong or malformed.
        """
        boxes = self.boxes.result()
        return {
            "mIoU": self._of_true_boxes(self.miou.result().matched),
            "Tag-Recall": self._of_true_boxes(self.tags.result().found),
            "Box-Precision": {
                "right": boxes.found,
                "wrong": boxes.pred_boxes - boxes.found,
                "malformed": self._unreadable,
                "absent": 0,
            },
            "Box-Recall": self._of_true_boxes(boxes.found),
        }

    def _of_true_boxes(self, right: int) -> dict[str, int]:
        return {
            "right": right,
            "wrong": self._true_in["readable"] - right,
            "malformed": self._true_in["unreadable"],
            "absent": self._true_in["none"],
        }

    def _count(self, sample: Sample, has_boxes: bool) -> None:
        self._samples += 1
        unreadable = [issue.status for issue in sample.prediction.issues]
        if not has_boxes and not unreadable and boxes_in(sample.prediction.text):
            unreadable = [UNRECOGNISED]  # one, however many it tried
        if has_boxes:
            self._with_boxes += 1
            for region in sample.prediction.regions:
                self._statuses.update(region.box_statuses)
        elif unreadable:
            self._only_unreadable += 1
        kind = "readable" if has_boxes else "unreadable" if unreadable else "none"
        self._true_in[kind] += len(sample.truth.names)
        self._unreadable += len(unreadable)
        self._statuses.update(unreadable)


class TextSums:
    """The texts of both tasks, without coordinates.

    Args:
        judge (`Judge`, *optional*): marks descriptions and What/Why/How answers; None leaves them unmarked.
        images (`ImageSums`, *optional*): gets what each sample adds.
    """

    def __init__(self, judge: Judge | None, images: ImageSums | None) -> None:
        self._judge = judge
        self._images = images
        self.bleu = BleuSums()
        self.descriptions = MarkSums()
        self.answers = VqaAccuracySums()
        self._bleu_outcomes = {"scored": 0, "absent": 0}
        self._yes_no_outcomes = {"right": 0, "wrong": 0, "malformed": 0, "absent": 0}
        self._description_outcomes = {"scored": 0, "unscored": 0, "absent": 0}
        self._answer_outcomes = {"scored": 0, "unscored": 0, "absent": 0}

    def add(self, samples: Sequence[Sample]) -> None:
        """Add samples; a judge that takes many texts gets those of one task at once.

        Raises:
            `DataError`: on a Yes/No question whose true answer is neither.
        """
        descriptions: list[Sample] = []
        answers: list[Sample] = []
        for sample in samples:
            said, truth = sample.prediction.text, sample.truth
            if truth.task == "des":
                added = self.bleu.add(said, (truth.answer,))
                self._bleu_outcomes["scored" if said.strip() else "absent"] += 1
                if self._images is not None and truth.image is not None:
                    self._images.add_bleu(truth.image, added)
                descriptions.append(sample)
            elif truth.question_type == "yes_no":
                try:
                    outcome = self.answers.add_yes_no(said, truth.answer)
                except ValueError as error:
                    raise DataError(f"references[{sample.number}], field answer: {error}") from None
                self._yes_no_outcomes[outcome] += 1
                if self._images is not None and truth.image is not None:
                    self._images.add_yes_no(truth.image, outcome == "right")
            else:
                answers.append(sample)
        for sample, verdicts in zip(descriptions, self._verdicts(descriptions), strict=True):
            self.descriptions.add(verdicts)
            mark = mean_mark(verdicts)
            self._description_outcomes[_outcome(sample, mark)] += 1
            if self._images is not None and sample.truth.image is not None:
                self._images.add_description_mark(sample.truth.image, mark)
        for sample, verdicts in zip(answers, self._verdicts(answers), strict=True):
            self.answers.add_mark(verdicts)
            mark = mean_mark(verdicts)
            self._answer_outcomes[_outcome(sample, mark)] += 1
            if self._images is not None and sample.truth.image is not None:
                self._images.add_answer_mark(sample.truth.image, mark)

    def description_outcomes(self) -> dict[str, dict[str, int]]:
        """What became of every description, by figure: no text at all, no mark, or scored."""
        return {"BLEU@4": dict(self._bleu_outcomes), "LLM-Score": dict(self._description_outcomes)}

    def answer_outcomes(self) -> dict[str, dict[str, int]]:
        """What became of every question, by figure.

        A Yes/No question is answered right, wrong, malformed (neither word) or absent (no text at all).
        """
        return {"Acc (Y)": dict(self._yes_no_outcomes), "Acc (W)": dict(self._answer_outcomes)}

    def judging(self, judge: str) -> dict[str, dict[str, Any]]:
        """What the judge did, by task; the values of its runs in the unit of LLM-Score and of Acc (W)."""
        answers = self.answers.marks.result(judge)
        return {
            "des": _told(self.descriptions.result(judge), scale=1.0),
            "vqa": _told(answers, scale=0.01),  # Acc (W) is 0..1, LLM-Score 0..100
        }

    def _verdicts(self, samples: list[Sample]) -> list[tuple[Verdict, ...]]:
        if self._judge is None:
            return [()] * len(samples)
        items = [
            # The judge of a description is not told the question: it is one of fifteen that ask the same.
            JudgeItem(
                sample.truth.question if sample.truth.task == "vqa" else None,
                sample.truth.answer,
                sample.prediction.text,
            )
            for sample in samples
        ]
        return verdicts_of(self._judge, items)


def _told(score: LlmScore, scale: float) -> dict[str, Any]:
    return {
        "marks": list(score.marks),
        "problems": dict(score.reasons),
        "runs": [None if run is None else scale * run for run in score.runs],
        "spread": None if score.spread is None else scale * score.spread,
        "self_agreement": score.self_agreement,
    }


def _outcome(sample: Sample, mark: float | None) -> str:
    """A text that is empty is absent, whether or not the judge marked it."""
    if not sample.prediction.text.strip():
        return "absent"
    return "scored" if mark is not None else "unscored"
