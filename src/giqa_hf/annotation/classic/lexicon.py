"""Finds quality words in texts, and reads what a tag's quality says; the words themselves stand in `vocabulary`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeVar

from .vocabulary import (
    ATTRIBUTES,
    BAD_GRADES,
    BY_ADJECTIVE,
    EXCESS_GRADES,
    GOOD_GRADES,
    SENSES,
    Attribute,
    Grade,
    Sense,
)

T = TypeVar("T")

WORD = re.compile("[^\\W_]+(?:['\u2019-][^\\W_]+)*")
"""A word; hyphens and apostrophes, plain and typographic (U+2019), stay inside."""


class Found(NamedTuple):
    """A quality expression in a run of words."""

    length: int
    """How many words it takes."""
    sense: Sense
    kind: Literal["adjective", "noun"]


class FoundAttribute(NamedTuple):
    """An attribute in a run of words."""

    length: int
    attribute: Attribute


class FoundGrade(NamedTuple):
    """A grade in a run of words."""

    length: int
    grade: Grade


def words_of(text: str) -> list[str]:
    """The words of a text, lower-cased, typographic apostrophes made plain."""
    return [found.group().lower().replace("\u2019", "'") for found in WORD.finditer(text)]


def find_sense(words: Sequence[str], start: int) -> Found | None:
    """The longest adjective or defect noun of the lexicon that begins at `words[start]` (lower case)."""
    found = _longest(_senses(), words, start)
    return None if found is None else Found(found[0], *found[1])


def find_attribute(words: Sequence[str], start: int) -> FoundAttribute | None:
    """The longest attribute that begins at `words[start]`."""
    found = _longest(_attributes(), words, start)
    return None if found is None else FoundAttribute(*found)


def find_grade(words: Sequence[str], start: int) -> FoundGrade | None:
    """The longest grade that begins at `words[start]`."""
    found = _longest(_grades(), words, start)
    return None if found is None else FoundGrade(*found)


def graded(attribute: Attribute, grade: Grade) -> Sense:
    """The sense of an attribute with a grade."""
    adjective = {"good": attribute.good, "bad": attribute.bad, "too_much": attribute.too_much}[grade]
    return BY_ADJECTIVE[adjective]


def negated(sense: Sense) -> Sense:
    """What "not …" says."""
    return BY_ADJECTIVE[sense.opposite]


LOSSES = frozenset(words_of("loss lack"))
"""Before "of" and an attribute, or behind it: "loss of detail", "detail loss"."""
NEGATORS = frozenset(
    words_of(
        "not no never without hardly barely isn't aren't wasn't weren't doesn't don't lacks lack lacking "
        "neither nor "
        "cannot can't nothing insufficiently scarcely none"
    )
)


@lru_cache(maxsize=4096)
def read_quality(text: str) -> Sense | None:
    """The sense of a tag's quality T_q, whoever wrote it: the lexicon, an annotator or an LLM.

    Args:
        text (`str`): e.g. `"blurry"`, `"slightly out of focus"`, `"not clear"`, `"rich texture"`, `"lost details"`.

    Returns:
        `Sense` or None: of the first quality expression in the text, with its negation; `None` when no word of
            it is known.
    """
    words = words_of(text[:200])  # a quality is a few words; what is longer is no quality
    negative = False
    grade: Grade | None = None
    attribute: Attribute | None = None
    position = 0
    while position < len(words):
        if (sense := find_sense(words, position)) is not None:
            return negated(sense.sense) if negative else sense.sense
        length = 1
        if (side := find_attribute(words, position)) is not None:
            length, attribute = side
        elif (step := find_grade(words, position)) is not None:
            length, grade = step
        elif words[position] in LOSSES:
            grade = "bad"
        elif words[position] in NEGATORS:
            negative = not negative
        if attribute is not None and grade is not None:
            found = graded(attribute, grade)
            return negated(found) if negative else found
        position += length
    return None if attribute is None else graded(attribute, "bad" if negative else "good")


_Table = Mapping[str, Sequence[tuple[tuple[str, ...], T]]]


def _table(rows: Iterable[tuple[str, T]]) -> _Table[T]:
    """Phrases by their first word, longest first; each row is a list of phrases with what they mean."""
    table: dict[str, list[tuple[tuple[str, ...], T]]] = {}
    for listed, meaning in rows:
        for words in filter(None, map(words_of, listed.split(","))):
            table.setdefault(words[0], []).append((tuple(words), meaning))
    for phrases in table.values():
        phrases.sort(key=lambda phrase: -len(phrase[0]))
    return table


def _longest(table: _Table[T], words: Sequence[str], start: int) -> tuple[int, T] | None:
    for phrase, meaning in table.get(words[start], ()):
        if tuple(words[start : start + len(phrase)]) == phrase:
            return len(phrase), meaning
    return None


@lru_cache(maxsize=1)
def _senses() -> _Table[tuple[Sense, Literal["adjective", "noun"]]]:
    rows: list[tuple[str, tuple[Sense, Literal["adjective", "noun"]]]] = []
    for sense in SENSES:
        rows.append((sense.adjectives, (sense, "adjective")))
        rows.append((sense.nouns, (sense, "noun")))
    return _table(rows)


@lru_cache(maxsize=1)
def _attributes() -> _Table[Attribute]:
    return _table((attribute.words, attribute) for attribute in ATTRIBUTES)


@lru_cache(maxsize=1)
def _grades() -> _Table[Grade]:
    return _table(((GOOD_GRADES, "good"), (BAD_GRADES, "bad"), (EXCESS_GRADES, "too_much")))
