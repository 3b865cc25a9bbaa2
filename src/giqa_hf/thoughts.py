"""What a model says behind its thoughts: some write those first, between `<think>` and `</think>`.

Whoever reads a model's answer, for its boxes, its words or its mark, reads what stands behind them: a box that was
thought of is no box of the answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_BEGIN = re.compile(r"\s*<think(?:ing)?>", re.IGNORECASE)
_END = re.compile(r".*</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)


class Spoken(NamedTuple):
    """An answer without thoughts."""

    text: str
    """What stands behind them; the whole text where there are none."""
    only_thoughts: bool
    """Whether there are thoughts and nothing behind them, as in an answer that was cut off."""


def spoken(text: str) -> Spoken:
    r"""The part of a model's answer that it says.

    Thoughts end at the last closing tag. The opening one may be missing: chat templates write it as part of the prompt.

    Example:

    ```python
    >>> spoken("<think>Is there no blur?</think>\n\nYes.").text
    'Yes.'
    >>> spoken("<think>Is there no bl")
    Spoken(text='', only_thoughts=True)
    ```
    """
    if "</" in text and (end := _END.match(text)):
        said = text[end.end() :]
        return Spoken(said, only_thoughts=not said)
    if _BEGIN.match(text):
        return Spoken("", only_thoughts=True)
    return Spoken(text, only_thoughts=False)
