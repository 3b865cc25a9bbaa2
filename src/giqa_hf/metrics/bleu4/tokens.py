"""Tokens in the manner of the Penn Treebank, as captioning scores see them: lower case, without punctuation.

A small stand-in for the Stanford tokenizer with `-lowerCase` that captioning toolkits call (spec A6); no
Java. It splits contractions (`isn't` -> `is n't`, `dog's` -> `dog 's`, `cannot` -> `can not`), keeps
hyphenated and slashed words, numbers and dotted abbreviations whole, and drops quotes, round and curly
brackets, `. ? ! , : ;`, dashes and ellipses; other signs are tokens of their own.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CLITIC = r"(?:n't|'(?:s|m|d|re|ve|ll))\b"
_TOKEN = re.compile(
    rf"(?<= ){_CLITIC}|^{_CLITIC}$"  # cut off below, or given so
    r"|(?:[^\W\d_]\.){2,}"  # e.g. u.s.
    r"|(?:\d+[.,:])+\d+(?![^\W_])"  # 0.5 1,000 10:30
    r"|[^\W_]+(?:[-/][^\W_]+)*"
    r"|[^\w\s'`\"\u201c\u201d\u2018\u2019«»(){}.?!,:;\u2026\u2013\u2014-]"
    r"|_+"
)
_CONTRACTION = re.compile(rf"(?<=[^\W_])({_CLITIC})")
_CACHED_LENGTH = 40  # no word of a language is longer; longer strings are not worth remembering


def ptb_tokens(text: str) -> list[str]:
    """The tokens of `text`.

    ```python
    >>> ptb_tokens("The dog's well-lit fur isn't sharp (ISO 1,600).")
    ['the', 'dog', "'s", 'well-lit', 'fur', 'is', "n't", 'sharp', 'iso', '1,600']
    ```
    """
    # No token holds white space, so each chunk between spaces stands alone, and the same chunks come back.
    tokens: list[str] = []
    for chunk in text.lower().split():
        tokens += _remembered(chunk) if len(chunk) <= _CACHED_LENGTH else _chunk_tokens(chunk)
    return tokens


def _chunk_tokens(chunk: str) -> tuple[str, ...]:
    plain = chunk.replace("\u2019", "'").replace("cannot", "can not")
    return tuple(_TOKEN.findall(_CONTRACTION.sub(r" \1", plain)))


_remembered = lru_cache(maxsize=65_536)(_chunk_tokens)
