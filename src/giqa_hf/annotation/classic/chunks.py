"""A sentence cut into chunks: noun phrases, quality words, verbs, prepositions, by closed word lists alone.

No part-of-speech model: every word that is in none of the lists below counts as a part of a noun phrase. In the
short, plain sentences of quality descriptions that is nearly always right, and where it is not, the phrase finds no
quality word beside it and is never used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from .lexicon import LOSSES, NEGATORS, WORD, find_attribute, find_grade, find_sense, words_of
from .vocabulary import Attribute, Grade, Sense

ChunkKind = Literal[
    "noun phrase", "adjective", "defect", "attribute", "grade", "loss", "is", "has", "loses", "makes", "harms",
    "place", "of", "cause", "and", "but", "not", "comma", "filler", "pronoun",
]  # fmt: skip

_CLOSED: dict[ChunkKind, str] = {
    "is": "is are was were be been being look looks looked appear appears appeared seem seems seemed "
    "remain remains "
    "remained stay stays become becomes became get gets feels feel turned turns comes come",
    "has": "has have had having shows show showing suffers suffer suffering contains contain displays "
    "display exhibits "
    "exhibit carries carry keeps keep retains retain presents present possesses possess with holds sees "
    "contained "
    "containing presenting having preserves preserve",
    "loses": "loses lose losing lost lacks lack lacking misses miss missing without",
    "makes": "makes make making made leave leaving causes cause causing renders render rendering "
    "resulting results",
    "harms": "spoils spoil affects affect affecting degrades degrade damages covers cover covering hurts "
    "hurt ruins ruin "
    "obscures obscure obscuring reduces reduce impairs impair blurs disturbs disturb mars fills plagues",
    "place": "on in at across over around along behind under near beside above below between inside "
    "within throughout "
    "beneath outside onto through to from by about into against towards among",
    "of": "of",
    "cause": "because due since as so therefore thus hence if when caused",
    "and": "and or nor plus & well",
    "but": "but while whereas however although though yet except whilst despite",
    "pronoun": "it they he she them this that these those there which who what one everything something "
    "its their "
    "his her we you i others",
    "filler": "sum total summary final conclusion close next due like such very quite rather slightly "
    "somewhat severely moderately relatively extremely fairly really"
    " highly also still "
    "all both generally particularly especially seriously heavily totally completely partially partly "
    "more most bit little "
    "too mostly just even only basically obviously visibly noticeably pretty significantly mildly "
    "strongly overly "
    "excessively badly terribly largely entirely much less lightly greatly considerably now equally incredibly "
    "exceptionally reasonably sufficiently enough nearly almost always often somehow apparently rendered "
    "captured shot "
    "taken reproduced severe slight moderate serious heavy obvious noticeable some significant "
    "considerable minor "
    "faint apparent amount amounts lot lots degree level levels certain out has can could will would may "
    "might do does did "
    "overall clearly here terms extent seen visible sharply shown",
}  # fmt: skip
_POSSESSIVES = frozenset(("its", "their", "his", "her", "our", "my", "your"))
_DETERMINERS = _POSSESSIVES | frozenset(
    words_of("the a an this that these those some any each every both all")
)
_KIND_OF: dict[str, ChunkKind] = {
    word: kind for kind, listed in reversed(_CLOSED.items()) for word in listed.split()
}
_KIND_OF |= dict.fromkeys(NEGATORS - {"lack", "lacks", "lacking", "without"} - {"nor"} | {"free"}, "not")
MAX_NOUN_PHRASE = 5
"""Words; a longer run of unknown words is no noun phrase of a quality description, and is cut there."""

_SENTENCE_END = re.compile(r"[.!?;:\n]+(?=\s|$)|\n")
_TOKEN = re.compile(WORD.pattern + "|[,()\u2013\u2014]")  # with commas, brackets and dashes


class Token(NamedTuple):
    """A word, lower-cased, or a comma, with its place in the description."""

    word: str
    start: int
    end: int


@dataclass(frozen=True)
class Chunk:
    """One or several words that act as one in a sentence.

    Args:
        kind (`str`): what it is.
        start, end (`int`): its place in the description, in characters, end exclusive; without a determiner.
        words (`tuple` of `str`): lower-cased, without a determiner.
        sense (`Sense`, *optional*): of an `"adjective"` or `"defect"`.
        attribute (`Attribute`, *optional*): of an `"attribute"`.
        grade (`str`, *optional*): of a `"grade"`.
        determined (`bool`): whether a determiner stands before it.
        owned (`bool`): whether that is "its" or the like.
    """

    kind: ChunkKind
    start: int
    end: int
    words: tuple[str, ...]
    sense: Sense | None = None
    attribute: Attribute | None = None
    grade: Grade | None = None
    determined: bool = False
    owned: bool = False


def sentences(text: str) -> Iterator[list[Chunk]]:
    """The chunks of each sentence of a description, in reading order; linear in the length of the text."""
    start = 0
    for stop in [*_SENTENCE_END.finditer(text), None]:
        end = stop.start() if stop else len(text)
        if chunks := _chunks(_tokens(text, start, end)):
            yield chunks
        start = stop.end() if stop else end


def _tokens(text: str, start: int, end: int) -> list[Token]:
    found = _TOKEN.finditer(text, start, end)
    return [Token(m.group().lower().replace("\u2019", "'"), m.start(), m.end()) for m in found]


def _chunks(tokens: list[Token]) -> list[Chunk]:
    words = [token.word for token in tokens]
    chunks: list[Chunk] = []
    position, determined, owned = 0, False, False
    while position < len(tokens):
        chunk = _fixed(tokens, words, position)
        if chunk is not None and chunk.kind == "pronoun" and words[position] in _DETERMINERS:
            follows = _fixed(tokens, words, position + 1) if position + 1 < len(tokens) else chunk
            if follows is None or follows.kind in ("adjective", "defect", "attribute", "grade", "filler"):
                chunk = None  # "this tower", "its blurry background": a determiner after all
        if words[position] in _DETERMINERS and (chunk is None or chunk.kind == "filler"):
            determined, owned = True, words[position] in _POSSESSIVES
            position += 1
            continue
        if chunk is None:
            end = _end_of_noun_phrase(tokens, words, position)
            place = (tokens[position].start, tokens[end - 1].end)
            chunk = Chunk("noun phrase", *place, tuple(words[position:end]))
        position += len(chunk.words)
        chunks.append(replace(chunk, determined=determined, owned=owned))
        if chunk.kind not in ("adjective", "filler", "grade"):  # these may stand between "the" and its noun
            determined = owned = False
    return chunks


def _end_of_noun_phrase(tokens: list[Token], words: list[str], start: int) -> int:
    """Behind the last word of the noun phrase that begins at `start`."""
    end = start + 1
    while (
        end < min(len(tokens), start + MAX_NOUN_PHRASE)
        and words[end] not in _DETERMINERS
        and _fixed(tokens, words, end) is None
        and not _participle(words, end)
    ):
        end += 1
    return end


def _participle(words: list[str], position: int) -> bool:
    """Whether a word behind a noun begins what modifies it: "the man wearing a hat", "the car parked there"."""
    return len(words[position]) > 5 and words[position].endswith("ing")


def _fixed(tokens: list[Token], words: list[str], position: int) -> Chunk | None:
    """The chunk of known words that begins here; `None` where a noun phrase may begin."""
    kind: ChunkKind
    word = words[position]
    start = tokens[position].start
    if (sense := find_sense(words, position)) is not None:
        kind = "adjective" if sense.kind == "adjective" else "defect"
        last = position + sense.length
        return Chunk(kind, start, tokens[last - 1].end, tuple(words[position:last]), sense=sense.sense)
    if (side := find_attribute(words, position)) is not None:
        last = position + side.length
        return Chunk(
            "attribute", start, tokens[last - 1].end, tuple(words[position:last]), attribute=side.attribute
        )
    if word in LOSSES and words[position + 1 : position + 2] == ["of"]:
        return Chunk("loss", start, tokens[position].end, (word,))
    if word == "loss":
        return Chunk("loss", start, tokens[position].end, (word,))
    if (step := find_grade(words, position)) is not None:
        last = position + step.length
        return Chunk("grade", start, tokens[last - 1].end, tuple(words[position:last]), grade=step.grade)
    if not word[0].isalnum():
        return Chunk("comma", start, tokens[position].end, (word,))
    if word in _KIND_OF:
        return Chunk(_KIND_OF[word], start, tokens[position].end, (word,))
    return None
