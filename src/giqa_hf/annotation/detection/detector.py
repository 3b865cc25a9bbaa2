"""What a detector is asked and what it answers.

A detector is one class with `detect` and `settings`. It says what it saw and judges nothing: `DetectBoxes` clips boxes
to the photo, and drops what is no box there, so that each of them is in the audit with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...boxes import Boxes, as_boxes

Scores = npt.NDArray[np.float64]
SCORE_DECIMALS = 6
"""To how many decimals scores count. A detector's numbers differ in the seventh with the size of the batch."""


class Detections(NamedTuple):
    """What was found for one phrase in one photo."""

    boxes_norm: Boxes
    """Shape (N, 4), `x1, y1, x2, y2`, normalised to the upright photo, best first. As the model gave them: they may
    reach over the rim, and where a model broke they hold NaN."""
    scores: Scores
    """Shape (N,), the detector's confidence, falling; NaN, at the end, where a model broke."""
    problem: str | None = None
    """Why the detector could not look: a short phrase that can be counted. Then there are no boxes."""


class Detector(Protocol):
    """Finds the boxes of a phrase in a photo."""

    def detect(self, images: Sequence[Image.Image], phrases: Sequence[str]) -> list[Detections]:
        """One phrase for each photo, as pairs; the answers come in their order.

        Args:
            images (`Sequence[PIL.Image.Image]`): upright RGB photos, as `read_image` gives them. A photo may come
                several times; the same object is prepared for the model once.
            phrases (`Sequence[str]`): as many phrases.

        Returns:
            `list[Detections]`

        Raises:
            `GiqaError`: when the detector cannot work at all (no such model, no memory for a single photo).
        """
        ...

    def settings(self) -> dict[str, Any]:
        """Everything that its answers depend on, as plain values for the manifest."""
        ...


def plain_phrase(phrase: str) -> str:
    """A phrase as text for a detector: lower case, single spaces, without dots.

    Grounding DINO takes a dot for the end of a phrase. Lower case also keeps `[SEP]` in a description from being read
    as the tokenizer's own mark.

    Example:

    ```python
    >>> plain_phrase("  The U.S.  flag. ")
    'the u s flag'

    ```
    """
    return " ".join(phrase.lower().replace(".", " ").split())


def caption(phrase: str) -> str:
    """A single phrase in Grounding DINO's form of text: plain, with one dot at its end; empty without any word.

    Example:

    ```python
    >>> caption("The Red tower")
    'the red tower.'

    ```
    """
    plain = plain_phrase(phrase)
    return f"{plain}." if plain else ""


def best_first(boxes_norm: npt.ArrayLike, scores: npt.ArrayLike, max_boxes: int) -> Detections:
    """Sort what a model gave by its score, and keep the best.

    Args:
        boxes_norm (`ArrayLike` of shape (N, 4)): `x1, y1, x2, y2`, normalised.
        scores (`ArrayLike` of shape (N,)): scores equal to `SCORE_DECIMALS` decimals leave the order as it is; NaN goes
            to the end.
        max_boxes (`int`): how many to keep at most.
    """
    boxes, numbers = as_boxes(boxes_norm), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-np.round(numbers, SCORE_DECIMALS), kind="stable")[:max_boxes]
    return Detections(boxes[order], numbers[order])


def nothing(problem: str | None = None) -> Detections:
    """No boxes, because there are none, or because of a problem."""
    return Detections(np.zeros((0, 4)), np.zeros(0), problem)


def distinct(images: Sequence[Image.Image]) -> dict[int, list[int]]:
    """The places of each photo that is a different object, by the first of them, in order."""
    first: dict[int, int] = {}
    places: dict[int, list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(first.setdefault(id(image), place), []).append(place)
    return places
