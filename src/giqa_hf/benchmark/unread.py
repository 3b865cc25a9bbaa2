"""Answers without any box that look as if they had some, in another form than the one that was read.

They score as malformed. Nothing is read by these marks; they only tell a human to look (`diagnose`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..formats import BoxFormat
from ..grounded_text import GroundedText
from .hypotheses import HYPOTHESES, MARKS


class Unread(NamedTuple):
    """What was found."""

    form: str
    """The form that most of them look like, a key of `MARKS`."""
    answers: int
    """How many look so."""


def unread_boxes(texts: Sequence[str], read: Sequence[GroundedText], box_format: BoxFormat) -> Unread | None:
    """Look for the marks of other forms where reading found neither a box nor the remains of one.

    Args:
        texts (sequence of `str`): raw answers.
        read (sequence of `GroundedText`): what was read from them, in the same order.
        box_format (`BoxFormat`): by which; its own marks are not looked for, for what it could not read is broken.

    Returns:
        `Unread`, or `None` where no answer looks so.
    """
    blank = [
        text
        for text, grounded in zip(texts, read, strict=True)
        if not grounded.issues and not len(grounded.boxes_norm)
    ]
    own = {known.form for known in HYPOTHESES if type(known.box_format) is type(box_format)}
    others = {form: mark for form, mark in MARKS.items() if form not in own}
    counts = {form: sum(bool(mark.search(text)) for text in blank) for form, mark in others.items()}
    form = max(counts, key=lambda name: counts[name])
    return Unread(form, counts[form]) if counts[form] else None
