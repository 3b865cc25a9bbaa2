"""Score-based image quality assessment on a list of opinion scores: from `{img_path, gt_score}` to SRCC and PLCC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..corpora.photos import PhotoFolder
from ..images import Picture
from ..metrics.score_correlation.compute import ScoreCorrelation, score_correlation
from ..metrics.score_correlation.labels import ScoreLabel
from .score_reading import Q_INSTRUCT, ScoreProtocol, read_scores


class ScoredPhotos(NamedTuple):
    """A model's scores of a list of photos, beside the opinions."""

    correlation: ScoreCorrelation
    """Over the photos with a score; its `pairs` and `missing` add up to the list."""
    scores: tuple[float | None, ...]
    """In the order of the list; None where there is none."""
    unreadable: Mapping[str, str]
    """Why photos could not be read, by path. Photos without a score that are not here got NaN from the model."""
    protocol: str
    """The name of the protocol, which belongs beside every figure: figures of two protocols are two things."""


def score_photos(
    model: Any,
    processor: Any,
    labels: Sequence[ScoreLabel],
    root: Path | str,
    protocol: ScoreProtocol = Q_INSTRUCT,
    *,
    batch_size: int = 32,
    logistic: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> ScoredPhotos:
    """Let a model score the photos of a list, and compare with the opinions.

    Args:
        model (`transformers.PreTrainedModel`): any `AutoModelForImageTextToText`; left as it was found.
        processor (`transformers.ProcessorMixin`): its processor, with a chat template.
        labels (`sequence` of `ScoreLabel`): from `read_score_labels`.
        root (`Path` or `str`): the folder below which the photos lie.
        protocol (`ScoreProtocol`, *optional*, defaults to `Q_INSTRUCT`): what is asked and how it is read.
        batch_size (`int`, *optional*, defaults to `32`): photos per forward pass.
        logistic (`bool`, *optional*, defaults to `True`): as in `score_correlation`.
        progress (`callable`, *optional*): called with the number done and the number of all.

    Returns:
        `ScoredPhotos`: a photo that is missing, damaged or leads out of the root has no score, and its reason stands in
            `unreadable`.

    Raises:
        `GiqaError`: as in `read_scores`.
    """
    scores, unreadable = label_scores(
        model, processor, labels, root, protocol, batch_size=batch_size, progress=progress
    )
    correlation = score_correlation(scores, [label.score for label in labels], logistic=logistic)
    return ScoredPhotos(correlation, tuple(scores), unreadable, protocol.name)


class LabelScores(NamedTuple):
    """A model's scores of listed photos."""

    scores: list[float | None]
    """In the order of the list; None where there is none."""
    unreadable: Mapping[str, str]
    """Why photos could not be read, by path."""


def label_scores(
    model: Any,
    processor: Any,
    labels: Sequence[ScoreLabel],
    root: Path | str,
    protocol: ScoreProtocol = Q_INSTRUCT,
    *,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> LabelScores:
    """The scores of `score_photos` alone; arguments and errors as there."""
    folder = PhotoFolder(Path(root))
    unreadable: dict[str, str] = {}
    found: list[int] = []
    pictures: list[Picture] = []
    for number, label in enumerate(labels):
        place = folder.find(label.image)
        if place.problem:
            unreadable[label.image] = f"{place.problem} ({place.detail})"
        else:
            found.append(number)
            pictures.append(folder.root / place.path)
    damaged: dict[int, str] = {}
    read = read_scores(
        model, processor, pictures, protocol, batch_size=batch_size, progress=progress, unreadable=damaged
    )
    scores: list[float | None] = [None] * len(labels)
    for number, score in zip(found, read, strict=True):
        scores[number] = score
    unreadable |= {labels[found[at]].image: reason for at, reason in sorted(damaged.items())}
    return LabelScores(scores, unreadable)
