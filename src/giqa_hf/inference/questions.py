"""What a model is asked: the describing prompt, and how a box gets into a question."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np

from ..boxes import Boxes, as_boxes
from ..grounded_text import GroundedText, Region

DESCRIBE = "Describe how good this picture is and say what shapes your verdict. Mention positions."
"""Asked of a picture alone: a stem of GIQA-DES (`builders.questions`) and its short request for positions."""
ABOUT_REGION = "What is wrong with this region?"
"""Asked of a picture and a box: a form of GIQA-VQA's referring questions."""
REGION = "this region"
"""The words of a question that a given box is tied to."""


def about(question: str, boxes_norm: Boxes, phrase: str = REGION) -> GroundedText:
    """Tie boxes to words of a question.

    Args:
        question (`str`): the user's words.
        boxes_norm (`array` of shape (N, 4)): normalised by the upright picture.
        phrase (`str`, *optional*, defaults to `"this region"`): the words, whatever their case. The boxes go to their
            first occurrence as whole words (in "cupboard cup" the second "cup"), and where there is none to the first
            one within a word. A question without "this region" as whole words gets "About this region: " in front.

    Returns:
        `GroundedText`: which a processor writes in its model's own format and frame.

    Raises:
        `ValueError`: when the question lacks a phrase other than "this region".

    Example:

    ```python
    >>> about("How clear is the cup?", np.array([[0.25, 0.5, 0.5, 1.0]]), "cup").regions[0].span
    (17, 20)
    ```
    """
    starts = [found.start() for found in re.finditer(f"(?={re.escape(phrase)})", question, re.IGNORECASE)]
    whole = [start for start in starts if _is_whole(question, start, start + len(phrase))]
    # Scripts without blanks have no whole words, and a user's own words are meant in any case.
    found = whole or (starts if phrase != REGION else [])
    start = found[0] if phrase and found else -1
    if start < 0:
        if phrase != REGION:
            raise ValueError(
                f"phrase: expected words of the question {question!r:.120}, got {phrase!r}; name the words that the "
                "box belongs to"
            )
        question, start = f"About {REGION}: {question}", len("About ")
    end = start + len(phrase)
    return GroundedText(question, [Region(question[start:end], (start, end), boxes_norm)])


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word of a text reaches over the start or the end of a stretch of it."""
    return not any(
        0 < rim < len(text) and _in_word(text[rim - 1]) and _in_word(text[rim]) for rim in (start, end)
    )


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character).startswith("M")


def check_region(region: Any, name: str) -> Boxes:
    """A region that a user gave, as boxes of shape (N, 4), N at least 1.

    Args:
        region (array-like): one box `x1, y1, x2, y2`, or several.
        name (`str`): of the argument, for the message.

    Raises:
        `ValueError`: when it is none.
    """
    try:
        boxes = as_boxes(np.atleast_2d(np.asarray(region, dtype=np.float64)))
    except (TypeError, ValueError):
        boxes = np.zeros((0, 4))
    is_box = np.isfinite(boxes).all() and bool((boxes[:, :2] < boxes[:, 2:]).all())
    if not len(boxes) or not is_box:
        raise ValueError(
            f"{name}: expected a box x1, y1, x2, y2 with x1 < x2 and y1 < y2, or several of them, got {region!r:.120}"
        )
    return boxes


def within(boxes: Boxes, width: float, height: float, name: str) -> Boxes:
    """The boxes (N, 4) normalised by a picture of that size in their unit.

    Raises:
        `ValueError`: when one of them is not inside the picture.
    """
    if name == "region_px" and len(boxes) and boxes.max() <= 1 < min(width, height):
        raise ValueError(
            f"region_px: expected pixels of the upright picture, got {boxes[0].tolist()}, which lies within one pixel; "
            "give shares of width and height as region_norm"
        )
    outside = ~((boxes >= 0).all(axis=1) & (boxes <= [width, height, width, height]).all(axis=1))
    if outside.any():
        box = boxes[int(np.flatnonzero(outside)[0])].tolist()
        raise ValueError(
            f"{name}: expected a box inside the picture, which is {width:g} x {height:g}, got {box}; cut it to the "
            "picture, and count in pixels of the upright picture for region_px, in 0..1 for region_norm"
        )
    return np.asarray(boxes / np.array([width, height, width, height], dtype=np.float64))
