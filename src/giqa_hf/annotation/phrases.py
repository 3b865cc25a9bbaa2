"""Where a phrase stands in a text, though a language model rarely gives it back letter by letter.

A place is looked for in three ways, the strictest first: as it stands; without regard to case, white space, accents
and the shape of quotes; word by word without articles, in singular or plural. Each way takes time that is linear in
the text. Places are (start, end) in characters of the untouched text, end exclusive, and never halves of words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from ..words import DETERMINERS as _ARTICLES
from ..words import singular, word_set
from .record import Span

DETERMINERS = (_ARTICLES | {"all", "both"}) - {"one"}  # "one" stands for a thing here
PRONOUNS = word_set("it they them he she him we us you i one which who what everything something")
_COUNTS = word_set(
    "group pair bunch row couple lot number set bit piece part side area portion majority most rest"
)
_END_OF_HEAD = word_set(
    "of in on at by with from to into under over behind above below near beside between against around for inside "
    "outside across along through within without toward towards upon onto among next that which who whose where and "
    "or but as is are was were be been has have had look looks appear appears seem seems"
)
_ING_NOUNS = word_set(
    "awning building ceiling clothing crossing evening lighting morning opening painting parking railing ring "
    "siding spring string swing thing wing drawing clearing landing king being topping earring writing"
)

_LETTER = r"[^\W_][\u0300-\u036f]*"  # with the accents that follow it as characters of their own
_WORD = re.compile(rf"(?:{_LETTER})+(?:[-'\u2019](?:{_LETTER})+)*")
_BLANK, _TWO_BLANKS = re.compile(r"\s"), re.compile(r"\s\s")
_STOP = re.compile(r"[.!?;:](?=\s|$)|\n\s*\n")
_EDGE = " \t\r\n.,;:!?\"'`\u2018\u2019\u201c\u201d"


class Word(NamedTuple):
    """A word of a text."""

    span: Span
    folded: str
    """In lower case, without accents."""


@lru_cache(maxsize=4096)
def _plain(char: str) -> str:
    """A character without what may differ between two ways of writing the same text."""
    if char in "\u2018\u2019\u201b":
        return "'"
    if char in "\u201c\u201d\u201e":
        return '"'
    if char in "\u2010\u2011\u2012\u2013\u2014":
        return "-"
    parts = unicodedata.normalize("NFKD", char).casefold()
    return "".join(part for part in parts if not unicodedata.combining(part))


def fold(text: str) -> str:
    """The text in lower case, without accents, with plain quotes and hyphens."""
    return text.lower() if text.isascii() else "".join(map(_plain, text))


def words_of(text: str) -> list[Word]:
    """The words of a text; the `'s` of a possessive is no part of its word."""
    found = []
    for match in _WORD.finditer(text):
        start, end = match.span()
        folded = fold(match.group())
        if folded.endswith("'s"):
            folded, end = folded[:-2], end - 2
        found.append(Word((start, end), folded))
    return found


PROPERTIES = frozenset(
    map(
        singular,
        word_set(
            "artefact artifact blur brightness clarity color colour composition contrast darkness definition detail "
            "distortion exposure focus hue illumination lighting noise quality resolution saturation sharpness "
            "texture tone visibility"
        ),
    )
)
"""What an object or an image has and is not itself, in the form that `singular` gives."""


@lru_cache(maxsize=4096)  # names and phrases are compared again and again
def forms_of(text: str) -> tuple[str, ...]:
    """The words of a text without articles, each in the form that singular and plural share.

    Two phrases with the same forms are the same for us.
    """
    return tuple(singular(word.folded) for word in words_of(text) if word.folded not in DETERMINERS)


def names_a_thing(phrase: str) -> bool:
    """Whether a phrase has a word besides articles and pronouns."""
    return any(word.folded not in DETERMINERS | PRONOUNS for word in words_of(phrase))


class Finder:
    """Finds phrases in one text.

    Args:
        text (`str`): the text; all places are places in it.

    Example:

    ```python
    >>> finder = Finder("The tall  towers are sharp.")
    >>> finder.find("towers"), finder.find("the tall towers"), finder.find("a tower"), finder.find("tow")
    ((10, 16), (0, 16), (10, 16), None)
    ```
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def find(self, phrase: str) -> Span | None:
        """The first place of a phrase in the strictest way in which it is there at all, or `None`."""
        return next(self.places(phrase), None)

    def places(self, phrase: str) -> Iterator[Span]:
        """All places of a phrase, the strictest way first, from left to right; a place may come more than once."""
        phrase = phrase.strip(_EDGE)
        if not _WORD.search(phrase):
            return
        for start in _occurrences(self.text, phrase):
            if self._whole_words(start, start + len(phrase)):
                yield start, start + len(phrase)
        folded, places = self._folded
        wanted = _fold_with_places(phrase)[0]
        for at in _occurrences(folded, wanted):
            start, end = places[at], places[at + len(wanted)]
            if start < end and self._whole_words(start, end):
                yield start, end
        joined, words = self._forms
        wanted = "".join(f"{form} " for form in forms_of(phrase))
        for at in _occurrences(joined, f" {wanted}") if wanted else ():
            yield words[at].span[0], words[at + len(wanted) - 1].span[1]

    def find_within(self, phrase: str, span: Span) -> Span | None:
        """The first place of a phrase that lies in `span`, or `None`."""
        return next(
            (place for place in self.places(phrase) if span[0] <= place[0] <= place[1] <= span[1]), None
        )

    @cached_property
    def _words(self) -> list[Word]:
        return words_of(self.text)

    @cached_property
    def _inside(self) -> bytearray:
        """1 for every place within a word; before a possessive `'s` is a word's end."""
        inside = bytearray(len(self.text) + 1)
        for match in _WORD.finditer(self.text):
            start, end = match.span()
            inside[start + 1 : end] = b"\1" * (end - start - 1)
        for word in self._words:
            inside[word.span[1]] = 0
        return inside

    def _whole_words(self, start: int, end: int) -> bool:
        return not self._inside[start] and not self._inside[end]

    @cached_property
    def _folded(self) -> tuple[str, Sequence[int]]:
        return _fold_with_places(self.text)

    @cached_property
    def _forms(self) -> tuple[str, dict[int, Word]]:
        """The words' forms between blanks, and the word that begins or ends next to each blank.

        A stop stands between sentences, so that no phrase reaches over it.
        """
        stops = [match.start() for match in _STOP.finditer(self.text)]
        joined, length, at_blank, seen = [" "], 1, {}, 0
        for word in self._words:
            before = seen
            while seen < len(stops) and stops[seen] < word.span[0]:
                seen += 1
            if seen > before:
                joined.append(". ")
                length += 2
            if word.folded in DETERMINERS:
                continue
            form = singular(word.folded)
            at_blank[length - 1] = word  # a phrase that begins after this blank begins with this word
            joined.append(f"{form} ")
            length += len(form) + 1
            at_blank[length - 2] = word  # and one whose last letter is here ends with it
        return "".join(joined), at_blank


def head_noun(phrase: str) -> Span | None:
    """Where the word stands that a noun phrase is about, for phrases as descriptions of quality have them.

    It is the last word before a preposition, a verb or a relative clause; of "a group of people" or "the texture of
    the wall" it is the word after "of". A rule of thumb, for when a name is missing.

    ```python
    >>> phrase = "the man wearing a white t-shirt"
    >>> phrase[slice(*head_noun(phrase))]
    'man'
    ```
    """
    words = words_of(phrase)
    start, number = 0, len(words)
    while True:
        while start < number and words[start].folded in DETERMINERS | _END_OF_HEAD:
            start += 1
        if start >= number:
            return None
        end = next((i for i in range(start + 1, number) if _ends_head(phrase, words, i)), number)
        head = words[end - 1]
        if end + 1 < number and words[end].folded == "of" and singular(head.folded) in _COUNTS | PROPERTIES:
            start = end + 1
            continue
        return None if head.folded in PRONOUNS else head.span


def _ends_head(phrase: str, words: list[Word], i: int) -> bool:
    """Whether the head of a noun phrase, which has begun before word `i`, ends before it."""
    word = words[i].folded
    if word in _END_OF_HEAD or re.search(r"[,;:.()]", phrase[words[i - 1].span[1] : words[i].span[0]]):
        return True
    participle = (
        (word.endswith("ing") and len(word) > 4 and singular(word) not in _ING_NOUNS)
        or (word.endswith("ed") and len(word) > 4 and not word.endswith("eed"))
        or word in ("worn", "seen", "held", "shown")
    )  # fmt: skip
    # "the man wearing a shirt", "the car parked in front", but "the old painted door"
    following = words[i + 1].folded if i + 1 < len(words) else None
    return participle and (following is None or following in DETERMINERS | _END_OF_HEAD)


def _fold_with_places(text: str) -> tuple[str, Sequence[int]]:
    """The folded text with single blanks, and where each of its characters comes from; then the text's end."""
    if text.isascii() and not _TWO_BLANKS.search(text):
        return _BLANK.sub(" ", text.lower()), range(len(text) + 1)
    letters: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        plain = " " if char.isspace() else _plain(char)
        if plain == " " and letters and letters[-1] == " ":
            continue
        letters.extend(plain)
        places.extend([place] * len(plain))
    return "".join(letters), [*places, len(text)]


def _occurrences(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted) if wanted else -1
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)
