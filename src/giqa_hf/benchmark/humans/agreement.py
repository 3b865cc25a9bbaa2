"""How well annotators agree: on boxes, on which names carry them, and on answers; pair by pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ...boxes import iou
from ...grounded_text import GroundedText, Region
from ...metrics.matching import match
from ...schema import TEXT_FIELDS
from .label_studio import Judgement


class Agreement(NamedTuple):
    """Means over all pairs of annotators on all rows that both judged; `None` where there is nothing to compare."""

    box_iou: float | None
    """Of the boxes of names that both marked, matched one to one; a box without partner counts 0."""
    tag_f1: float | None
    """Of the marked names: two are the same where their spans overlap."""
    usable: float | None
    """Share of pairs that give the same verdict on a row."""
    texts: float | None
    """Share of pairs that both leave question and answer as they are, or correct them to the same words."""
    rows: int
    annotators: int
    pairs: int


def agreement(judgements: Iterable[Judgement]) -> Agreement:
    """Compare the judgements of every two annotators on the same row.

    Example, worked by hand: two annotators on one row. A marks "cup" with the box (0, 0, 0.5, 0.5), B marks "cup"
    with (0, 0, 0.5, 0.25) and "plate". Box IoU: of "cup" alone, 0.125 / 0.25 = 0.5. Tag F1: one name in common of one
    and two, 2 * 1 / (1 + 2) = 0.667.
    """
    by_row: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_row[judgement.row_id].append(judgement)
    ious, f1s, verdicts, texts = [], [], [], []
    for own in by_row.values():
        for a, b in combinations(own, 2):
            verdicts.append(a.usable == b.usable)
            texts.append(corrections(a) == corrections(b))
            if not (a.usable and b.usable):
                continue
            for field in TEXT_FIELDS:
                first, second = getattr(a, field), getattr(b, field)
                common = shared_names(first, second)
                ious += [value for one, two in common for value in box_overlaps(one, two)]
                marked = len(first.regions) + len(second.regions)
                if marked:
                    f1s.append(2 * len(common) / marked)
    return Agreement(
        _mean(ious), _mean(f1s), _mean(verdicts), _mean(texts),
        len(by_row), len({j.annotator for own in by_row.values() for j in own}), len(verdicts),
    )  # fmt: skip


def corrections(judgement: Judgement) -> tuple[str, ...]:
    """What the annotator would have the texts read."""
    return tuple(problem for problem in judgement.problems if " should read: " in problem)


def shared_names(first: GroundedText, second: GroundedText) -> list[tuple[Region, Region]]:
    """Regions of two annotators whose spans overlap, each at most once: the largest overlaps first."""
    overlap = np.array(
        [
            [max(0, min(a.span[1], b.span[1]) - max(a.span[0], b.span[0])) for b in second.regions]
            for a in first.regions
        ],
        dtype=np.float64,
    ).reshape(len(first.regions), len(second.regions))
    return [(first.regions[i], second.regions[j]) for i, j in match(overlap)]


def box_overlaps(first: Region, second: Region) -> list[float]:
    """IoU of the boxes of one name by two annotators; as many numbers as the one with more boxes has."""
    overlap = iou(first.boxes_norm, second.boxes_norm)
    matched = [float(overlap[i, j]) for i, j in match(overlap)]
    most = max(len(first.boxes_norm), len(second.boxes_norm))
    return matched + [0.0] * (most - len(matched))


def _mean(values: Sequence[float | bool]) -> float | None:
    return float(np.mean(values)) if values else None
