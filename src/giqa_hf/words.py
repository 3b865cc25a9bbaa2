"""Words of short English phrases in a form that can be compared: case-folded, without articles, singular.

What the lexical stand-ins (name similarity, judge) and the search for phrases share. Text in other scripts passes
through case-folding only.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def word_set(text: str) -> frozenset[str]:
    """The words of a list that is written as text."""
    return frozenset(text.split())


DETERMINERS = word_set(
    "a an the this that these those its his her hers their our your my some any each every one"
)
PREPOSITIONS = word_set(
    "of in on at by with from to into under over behind above below near beside between against around for"
)

_IRREGULAR = dict(
    pair.split(">")
    for pair in word_set(
        "people>person men>man women>woman children>child feet>foot teeth>tooth mice>mouse geese>goose "
        "leaves>leaf knives>knife shelves>shelf wolves>wolf halves>half loaves>loaf scarves>scarf"
    )
)
_NO_PLURAL = word_set("lens gas canvas its this was has does as always less clothes")


def words(text: str) -> list[str]:
    """The words of `text`, case-folded; an inner apostrophe stays (`isn't`), a possessive `'s` goes."""
    found = _WORD.findall(text.casefold().replace("\u2019", "'"))
    return [word.removesuffix("'s") for word in found]


def singular(word: str) -> str:
    """A form that a case-folded English noun shares with its regular plural; not always a word itself.

    ```python
    >>> [singular(w) for w in ("cups", "boxes", "box", "houses", "house", "cities", "glass", "people")]
    ['cup', 'box', 'box', 'hous', 'hous', 'city', 'glass', 'person']
    ```
    """
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word in _NO_PLURAL or not word.isascii():
        return word
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    # After a hissing sound the plural is -es, and whether the e was there before cannot be seen: drop it on
    # both.
    return word[:-1] if word.endswith(("se", "xe", "ze", "che", "she")) and len(word) > 3 else word
