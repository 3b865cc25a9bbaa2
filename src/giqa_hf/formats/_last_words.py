"""Which words a box belongs to in a form that does not mark where a phrase starts.

There the phrase ends where its box stands; its start has to be found. The rule: words joined by spaces or
hyphens, back from the box, up to a small word of the language (article, preposition, conjunction, pronoun,
form of "be" or "have"), any other mark, or six words. So "Noise in the dark water surface [...]" gives "dark
water surface".
"""

from __future__ import annotations

import re

from ..words import DETERMINERS, PREPOSITIONS, word_set

MOST_WORDS = 6
REACH = 200  # characters that are looked at, so that a long text costs no more than a short one
_STOPS = (
    DETERMINERS
    | PREPOSITIONS
    | word_set(
        "and or but while which who where when than then so as if not no very too also both either there here it "
        "they them he she we you i is are was were be been being am has have had do does did can could will would "
        "may might shows show showing shown appears appear seems seem looks look contains contain includes include "
        "locate located see yes"
    )
)
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_BETWEEN = re.compile(r"[ \t]+|-")
_BEHIND = re.compile(r"""[ \t]*(?:[:=\u2013\u2014"'\u201d\u2019][ \t]*)?\Z""")


def last_words(text: str, start: int = 0) -> tuple[int, int]:
    """The phrase that ends at the end of `text` and starts at `start` or behind it, as a span of `text`.

    One colon, equals sign, dash or closing quotation mark may stand behind it. Where no word is left, the span
    is empty and lies at the end of `text`.
    """
    nothing = (len(text), len(text))
    begin = max(start, len(text) - REACH)
    if begin > start and not text[begin - 1].isspace():  # the reach cuts a word: leave it out
        begin = next((i for i in range(begin, len(text)) if text[i].isspace()), len(text))
    found = list(_WORD.finditer(text, begin))
    if not found or not _BEHIND.match(text, found[-1].end()):
        return nothing
    first = None
    for word in reversed(found[-MOST_WORDS:]):
        if first is not None and not _BETWEEN.fullmatch(text, word.end(), first):
            break
        if word[0].casefold() in _STOPS:
            break
        first = word.start()
    return nothing if first is None else (first, found[-1].end())
