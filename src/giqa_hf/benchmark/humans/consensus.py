"""From several annotators' work one benchmark: what most of them agree on, and a list of what they do not.

A name is taken when more than half of the annotators marked it, a box when more than half drew it; its corners are
the medians of theirs. Whatever has no majority is a conflict, and its row goes into the next round.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...boxes import iou
from ...grounded_text import GroundedText, Region
from ...schema import TEXT_FIELDS, grounded_of, regions_of
from .agreement import corrections
from .label_studio import Judgement, row_id

SAME_BOX_IOU = 0.5
"""Boxes of different annotators with at least this IoU are the same box."""


class Conflict(NamedTuple):
    """Why a row needs another round."""

    row_id: str
    what: str
    votes: str
    """Who said what, for people to read."""


class Consensus(NamedTuple):
    """The agreed rows, and the rest."""

    rows: list[dict[str, Any]]
    """Rows without conflict, with the agreed regions; those that most find unusable are left out."""
    conflicts: list[Conflict]
    unusable: list[str]
    """Ids of the rows that most find unusable."""
    waiting: list[str]
    """Ids of the rows that fewer than `min_annotators` have judged."""


def consensus(
    rows: Sequence[Mapping[str, Any]], judgements: Iterable[Judgement], *, min_annotators: int = 3
) -> Consensus:
    """Make one benchmark of several annotators' work.

    Args:
        rows (`list` of rows): those that were exported, in the same order.
        judgements (iterable of `Judgement`): see `read_exports`.
        min_annotators (`int`, *optional*, defaults to `3`): the paper has at least three per sample (Sec. 3.4).
    """
    by_row: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        by_row[judgement.row_id].append(judgement)
    agreed: list[dict[str, Any]] = []
    conflicts: list[Conflict] = []
    unusable: list[str] = []
    waiting: list[str] = []
    for number, row in enumerate(rows):
        name = row_id(row, number)
        own = sorted(by_row.get(name, []), key=lambda judgement: judgement.annotator)
        if len(own) < min_annotators:
            waiting.append(name)
            continue
        good = [judgement for judgement in own if judgement.usable]
        if 2 * len(good) < len(own):
            unusable.append(name)
            continue
        found = [*_verdict_conflicts(name, own), *_text_conflicts(name, good)]
        new = dict(row)
        for field in TEXT_FIELDS:
            grounded, open_points = _agree(
                grounded_of(row, field),
                {judgement.annotator: getattr(judgement, field) for judgement in good},
            )
            found += [Conflict(name, f"{field}: {what}", votes) for what, votes in open_points]
            new[f"{field}_regions"] = regions_of(grounded)
        conflicts += found
        if not found:
            agreed.append(new)
    return Consensus(agreed, conflicts, unusable, waiting)


def _verdict_conflicts(name: str, own: Sequence[Judgement]) -> list[Conflict]:
    good = sum(judgement.usable for judgement in own)
    if 2 * good != len(own):
        return []
    return [Conflict(name, "as many find it usable as not", f"{good} of {len(own)}")]


def _text_conflicts(name: str, own: Sequence[Judgement]) -> list[Conflict]:
    """Wished corrections always need a round: marks and boxes belong to the text as it was."""
    wishes = Counter(wish for judgement in own for wish in corrections(judgement))
    return [Conflict(name, wish, f"{votes} of {len(own)}") for wish, votes in sorted(wishes.items())]


def _agree(
    before: GroundedText, marked: Mapping[str, GroundedText]
) -> tuple[GroundedText, list[tuple[str, str]]]:
    """The regions that most annotators marked, whose texts come by their names; quality and effect stay the row's."""
    names = list(marked)
    groups = _by_span([(i, region) for i, who in enumerate(names) for region in marked[who].regions])
    kept: list[Region] = []
    open_points: list[tuple[str, str]] = []
    for group in groups:
        voters = {index for index, _ in group}
        votes = f"{len(voters)} of {len(marked)}"
        (span, _), *_ = Counter(region.span for _, region in group).most_common()
        phrase = before.text[span[0] : span[1]]
        if 2 * len(voters) == len(marked):
            open_points.append((f"as many mark {phrase!r} as not", votes))
        if 2 * len(voters) <= len(marked):
            continue
        boxes = [(index, box) for index, region in group for box in region.boxes_norm]
        agreed, lone = agreed_boxes(boxes, len(voters))
        if lone or not len(agreed):
            drawn = [f"{names[index]}: {np.round(box, 3).tolist()}" for index, box in lone or boxes]
            without = voters - {index for index, _ in boxes}
            drawn += [f"{names[index]}: no box" for index in sorted(without)]
            open_points.append((f"boxes of {phrase!r} differ", ", ".join(drawn)))
        same = next((r for r in before.regions if r.span == span), None)
        quality, effect = (same.quality, same.effect) if same else (None, None)
        kept.append(Region(phrase, span, agreed, quality=quality, effect=effect))
    kept.sort(key=lambda region: region.span)
    disjoint = [r for i, r in enumerate(kept) if i == 0 or r.span[0] >= kept[i - 1].span[1]]
    return GroundedText(before.text, disjoint), open_points


def _by_span(marks: list[tuple[int, Region]]) -> list[list[tuple[int, Region]]]:
    """Marks whose spans overlap, together."""
    groups: list[list[tuple[int, Region]]] = []
    end = -1
    for index, region in sorted(marks, key=lambda mark: mark[1].span):
        if region.span[0] < end:
            groups[-1].append((index, region))
        else:
            groups.append([(index, region)])
        end = max(end, region.span[1])
    return groups


def agreed_boxes(
    drawn: Sequence[tuple[int, npt.NDArray[np.float64]]], voters: int
) -> tuple[npt.NDArray[np.float64], list[tuple[int, npt.NDArray[np.float64]]]]:
    """The boxes that more than half of `voters` drew, and those that exactly half did; the others are no boxes.

    A group is a box with the best box of each other annotator that has at least `SAME_BOX_IOU` with it; the largest
    group is taken first. Its corners are the medians, coordinate by coordinate.

    Args:
        drawn (`list` of (annotator, array of 4)): all boxes of one name, normalised.
        voters (`int`): how many annotators marked the name.
    """
    left = list(drawn)
    agreed: list[npt.NDArray[np.float64]] = []
    while left:
        corners = np.array([box for _, box in left])
        overlap = iou(corners, corners)
        groups = [_group(left, overlap[i]) for i in range(len(left))]
        best = max(groups, key=lambda group: (len(group), sum(value for _, value in group)))
        if 2 * len(best) <= voters:
            return _stacked(agreed), left if 2 * len(best) == voters else []
        members = {index for index, _ in best}
        agreed.append(np.median(corners[sorted(members)], axis=0))
        left = [item for index, item in enumerate(left) if index not in members]
    return _stacked(agreed), []


def _stacked(boxes: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _group(drawn: Sequence[tuple[int, Any]], overlap: npt.NDArray[np.float64]) -> list[tuple[int, float]]:
    """For one box: of each annotator the index of the box that overlaps it most, and that IoU."""
    best: dict[int, tuple[int, float]] = {}
    for index, (annotator, _) in enumerate(drawn):
        value = float(overlap[index])
        if value >= SAME_BOX_IOU and (annotator not in best or value > best[annotator][1]):
            best[annotator] = (index, value)
    return list(best.values())
