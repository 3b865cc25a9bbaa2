"""What the boxes of each form look like in a text, whatever they mean, and whether a text tries to hold any.

Nothing is read by these marks. They tell a model that never tried to write a box from one whose boxes are broken, or
in another form than the one that was read.
"""

from __future__ import annotations

import re

NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_four = rf"{NUMBER}(?:\s*,\s*{NUMBER}){{3}}"
_FRACTIONS_BEFORE = (
    r"(?:^|[\w\"'.)\]])\s*[\[(]\s*"  # behind a word: in JSON it is behind a colon, a comma, a bracket
)

MARKS: dict[str, re.Pattern[str]] = {
    "[name](<first,last>)": re.compile(r"\]\s*\(\s*<\s*([0-9]+\s*,\s*[0-9]+)\s*>"),
    "[name](<x1,y1,x2,y2>)": re.compile(rf"\]\s*\(\s*<\s*({_four})\s*>"),
    "name [fractions]": re.compile(rf"{_FRACTIONS_BEFORE}(?=[^\[\]()]*\.[0-9])({_four})(?=\s*[;\])])"),
    "name [whole numbers]": re.compile(rf"{_FRACTIONS_BEFORE}(?![^\[\]()]*\.[0-9])({_four})(?=\s*\])"),
    "JSON": re.compile(rf"[\w\"']\s*:\s*\[(?:\s*\[)?\s*({_four})\s*\]"),
    "<box>": re.compile(r"<box>\s*([-+0-9.,()\[\]\s]+)"),
    "(x1,y1),(x2,y2)": re.compile(
        rf"(?<!<box>)(\(\s*{NUMBER}\s*,\s*{NUMBER}\s*\)\s*,?\s*\(\s*{NUMBER}\s*,\s*{NUMBER}\s*\))"
    ),
    "<|det|>": re.compile(r"<\|det\|>\s*([-+0-9.,()\[\]\s]+)"),
    "<loc0000>": re.compile(r"<loc([0-9]+)>"),
    "<loc_0>": re.compile(r"<loc_([0-9]+)>"),
    "<patch_index_0000>": re.compile(r"<patch_index_([0-9]+)>"),
}
"""The marks by form; the group holds the numbers."""

_REMAINS = re.compile(rf"<[0-9]+\s*[,>]|\]\s*\(\s*(?:<|{NUMBER}\s*,\s*[0-9])")
"""Pieces of the paper's form: a cell behind `<`, a name's end before `(<` or before two numbers."""


def tries_boxes(text: str) -> bool:
    """Whether a text holds what looks like a box of any form, or like the remains of one.

    Args:
        text (`str`): anything; the clean text of a `GroundedText` has what its reader did not know as a box.

    Example:

    ```python
    >>> [tries_boxes(text) for text in ("The cup [1] is dark (ISO 200).", "The ] cup]<<<10,331", '{"b": [1, 2, 3, 4]}')]
    [False, True, True]
    ```
    """
    if not any(bracket in text for bracket in "<[("):
        return False
    return bool(_REMAINS.search(text)) or any(mark.search(text) for mark in MARKS.values())
