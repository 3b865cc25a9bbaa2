"""Answers without any box that look as if they had some, in another form than the one that was read.

They score as malformed. Nothing is read by these marks; they only tell a human to look (`diagnose`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..grounded_text import GroundedText
from .hypotheses import MARKS


class Unread(NamedTuple):
    """What was found."""

    form: str
    """The form that most of them look like, a key of `MARKS`."""
    answers: int
    """How many look so."""


def unread_boxes(texts: Sequence[str], read: Sequence[GroundedText]) -> Unread | None:
    """Look for the marks of other forms where reading found neither a box nor the remains of one.

    Args:
        texts (sequence of `str`): raw answers.
        read (sequence of `GroundedText`): what was read from them, in the same order.

    Returns:
        `Unread`, or `None` where no answer looks so.
    """
    blank = [
        text
        for text, grounded in zip(texts, read, strict=True)
        if not grounded.issues and not len(grounded.boxes_norm)
    ]
    counts = {form: sum(bool(mark.search(text)) for text in blank) for form, mark in MARKS.items()}
    form = max(counts, key=lambda name: counts[name])
    return Unread(form, counts[form]) if counts[form] else None
