"""What GIQA-Bench keeps of the samples that it has seen: sums, never the samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import DataError
from ..bleu4.compute import BleuSums
from ..grounding_miou.compute import MiouSums
from ..llm_score.compute import MarkSums
from ..llm_score.judge import Judge, JudgeItem, marks_of
from ..overlaps import overlaps
from ..tag_recall.compute import TagRecallSums
from ..vqa_accuracy.compute import VqaAccuracySums
from .samples import Sample, stacked_boxes


class GroundingSums:
    """The boxes of one task.

    Args:
        miou (`MiouSums`): empty sums with the wanted matching.
        tags (`TagRecallSums`): empty sums with the wanted similarity.
    """

    def __init__(self, miou: MiouSums, tags: TagRecallSums) -> None:
        self.miou = miou
        self.tags = tags
        self._samples = self._with_boxes = self._only_unreadable = 0
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
        for sample, own, ious in zip(samples, names, ious_of_each, strict=True):
            self._count(sample, has_boxes=len(own) > 0)
            self.miou.add(ious)
            self.tags.add(ious, own, sample.truth.names)

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
        }

    def _count(self, sample: Sample, has_boxes: bool) -> None:
        self._samples += 1
        if has_boxes:
            self._with_boxes += 1
            for region in sample.prediction.regions:
                for status in region.box_statuses:
                    self._statuses[status] += 1
        elif sample.prediction.issues:
            self._only_unreadable += 1
        for issue in sample.prediction.issues:
            self._statuses[issue.status] += 1


class TextSums:
    """The texts of both tasks, without coordinates.

    Args:
        judge (`Judge`, *optional*): marks descriptions and What/Why/How answers; None leaves them unmarked.
    """

    def __init__(self, judge: Judge | None) -> None:
        self._judge = judge
        self.bleu = BleuSums()
        self.descriptions = MarkSums()
        self.answers = VqaAccuracySums()

    def add(self, samples: Sequence[Sample]) -> None:
        """Add samples; a judge that takes many texts gets those of one task at once.

        Raises:
            `DataError`: on a Yes/No question whose true answer is neither.
        """
        descriptions: list[JudgeItem] = []
        answers: list[JudgeItem] = []
        for sample in samples:
            said, truth = sample.prediction.text, sample.truth
            if truth.task == "des":
                self.bleu.add(said, (truth.answer,))
                descriptions.append(JudgeItem(None, truth.answer, said))
            elif truth.question_type == "yes_no":
                try:
                    self.answers.add_yes_no(said, truth.answer)
                except ValueError as error:
                    raise DataError(f"references[{sample.number}], field answer: {error}") from None
            else:
                answers.append(JudgeItem(truth.question, truth.answer, said))
        for mark in self._marks(descriptions):
            self.descriptions.add(mark)
        for mark in self._marks(answers):
            self.answers.add_mark(mark)

    def _marks(self, items: list[JudgeItem]) -> list[int | None]:
        return [None] * len(items) if self._judge is None else marks_of(self._judge, items)
