"""Read the mark in what a language model wrote, or say why there is none. Nothing is guessed.

The model is asked for one whole number on the first line. What else is taken are a few forms that can mean nothing
else ("Score: 3", "I'd say 3.", "3 out of 4", "three"); a number somewhere in a sentence is no mark.
"""

from __future__ import annotations

import re

from ...thoughts import spoken
from .judge import MAX_MARK, Verdict

READING_VERSION = "2"
"""Changes with any rule below, and with it the judge's name."""

NO_NUMBER = "no mark on the first line"
SEVERAL_NUMBERS = "several numbers on the first line"
NOT_WHOLE = "mark is no whole number"
OUT_OF_RANGE = "mark outside 0 to 4"
OTHER_SCALE = "mark on another scale"
DECLINED = "the judge declined"

_WORDS = {word: mark for mark, word in enumerate(["zero", "one", "two", "three", "four"])}
_DECORATION = str.maketrans(dict.fromkeys('*_`"#{}[]<>$\\', " "))
_DASHES = str.maketrans({"\u2212": "-", "\u2019": "'"})
_LEAD = r"""
    (?:(?:the|my|a|an|final|overall|total)\s+)*
    (?:score|mark|rating|grade|answer|integer|result)(?:\s+(?:of|is|would\s+be))?\s*(?:[:=]|-(?=\s))?\s*(?:a\s+)?
  | (?:i|we)(?:'d|\s+would|\s+will|'ll)?\s+(?:say|give|rate|mark|score)(?:\s+(?:it|this|the\s+response))?
      (?:\s+(?:a|as|at|with))*(?:\s+(?:mark|score)\s+of)?\s*:?\s*
"""
_NUMBER = r"[+-]?\d+(?:[.,]\d+)?"
_FORM = re.compile(
    rf"""\A(?P<lead>{_LEAD})?
    (?P<mark>{_NUMBER}|{"|".join(_WORDS)})(?![\w%])
    (?:\s*(?:/|\bout\s+of\b)\s*(?P<scale>{_NUMBER})(?![\w%]))?
    (?:\s+points?\b)?
    \s*(?:\Z|[.,;:!()-].*\Z)""",
    re.VERBOSE | re.IGNORECASE,
)
_LIST = re.compile(r"1[.)]\s*\w")
_ANY_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_DECLINES = re.compile(
    r"\b(?:i|we)(?:'m|\s+am|\s+are)?\s+(?:sorry|unable|not\s+able|can(?:not|'t)|won't|will\s+not|must\s+decline)\b"
    r"|\Asorry\b|\bas\s+an\s+ai\b|\bapologi[sz]e\b",
    re.IGNORECASE,
)


def read_mark(text: str) -> Verdict:
    """The mark in a judge's answer.

    Only the first line that holds a letter or digit is read; a leading block of thoughts (`<think>`) and marks of
    emphasis are left out.

    Args:
        text (`str`): what the model wrote.

    Returns:
        `Verdict`: a whole number from 0 to 4, or the problem.

    Example:

    ```python
    >>> [read_mark(text).mark for text in ("3", "**Score: 3**", "I'd say 3.", "4/4", "three")]
    [3, 3, 3, 4, 3]
    >>> [read_mark(text).problem for text in ("5", "2 or 3", "It names 2 of the flaws")]
    ['mark outside 0 to 4', 'several numbers on the first line', 'no mark on the first line']
    ```
    """
    lines = spoken(text).text.translate(_DASHES).translate(_DECORATION).splitlines()
    line = next((" ".join(line.split()) for line in lines if any(map(str.isalnum, line))), "")
    found = _FORM.match(line)
    if found is None:
        return Verdict(None, _why_none(line))
    # Beside the mark and its scale there must be no other number: "3, or 4 if one is generous" is no mark.
    if _ANY_NUMBER.search(line, found.end("scale") if found["scale"] else found.end("mark")):
        return Verdict(None, SEVERAL_NUMBERS)
    # A list of remarks begins like this, and so would a mark of 1 with its reason: who can tell?
    if not found["lead"] and _LIST.match(line):
        return Verdict(None, NO_NUMBER)
    word = found["mark"].casefold()
    if word in _WORDS:
        return Verdict(_WORDS[word], None) if found["scale"] in (None, "4") else Verdict(None, OTHER_SCALE)
    if found["scale"] is not None and float(found["scale"].replace(",", ".")) != MAX_MARK:
        return Verdict(None, OTHER_SCALE)
    value = float(found["mark"].replace(",", "."))
    if not 0 <= value <= MAX_MARK:
        return Verdict(None, OUT_OF_RANGE)
    return Verdict(int(value), None) if value.is_integer() else Verdict(None, NOT_WHOLE)


def _why_none(line: str) -> str:
    if _DECLINES.search(line):
        return DECLINED
    return SEVERAL_NUMBERS if len(_ANY_NUMBER.findall(line)) > 1 else NO_NUMBER
