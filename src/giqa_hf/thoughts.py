"""What a model says beside its thoughts: some think aloud first, between `<think>` and `</think>`.

Whoever reads a model's answer, for its boxes, its words or its mark, reads what is left without them: a box that was
thought of is no box of the answer.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# As Qwen and DeepSeek, Mistral, Kimi, and models tuned on open reasoning data write them.
_TAG = re.compile(
    r"<(?P<a>/?)(?i:think(?:ing)?|thoughts?|reasoning)\s*+>"
    r"|\[(?P<b>/?)THINK\]|\u25c1(?P<c>/?)think\u25b7|<\|(?P<d>begin|end)_of_thought\|>"
)


class Spoken(NamedTuple):
    """An answer without thoughts."""

    text: str
    """What is left; the whole text where there are none."""
    only_thoughts: bool
    """Whether there are thoughts and nothing beside them, as in an answer that was cut off."""


def spoken(text: str) -> Spoken:
    r"""The part of a model's answer that it says.

    Left out is what stands between tags, what stands before a closing tag without an opening one (chat templates write
    that as part of the prompt), and what stands behind an opening tag that nothing closes.

    Example:

    ```python
    >>> spoken("<think>Is there no blur?</think>\n\nYes.").text
    'Yes.'
    >>> spoken("<think>Is there no bl")
    Spoken(text='', only_thoughts=True)
    ```
    """
    said: list[str] = []
    start, thinking, any_tag = 0, False, False
    for tag in _TAG.finditer(text):
        any_tag = True
        if "/" in tag.group("a", "b", "c") or tag["d"] == "end":
            if not thinking:
                said.clear()
            start, thinking = tag.end(), False
        elif not thinking:
            said.append(text[start : tag.start()])
            thinking = True
    if not any_tag:
        return Spoken(text, only_thoughts=False)
    if not thinking:
        said.append(text[start:])
    left = " ".join(part for part in said if part.strip()).lstrip()
    return Spoken(left, only_thoughts=not left)
