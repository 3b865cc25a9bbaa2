"""VQA pairs of the profile `classic`: questions and answers from the tags, in sentence forms of our own.

The paper has Llama3 write them from the description (Sec. 3.2, "For GIQA-VQA"). Here each says of a boxed object what
its tag says, or denies what it does not say, so every answer follows from the description: referring, where the object
stands in the question, and grounding, where it stands in the answer. Yes and No are as many, give or take one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..pairs import admit_pairs, has_quality_word
from ..phrases import forms_of
from ..record import Record, Tag
from ..stage import Pictures, Stage, record_rng
from .called import Called, called
from .lexicon import NEGATORS, negated, read_quality, words_of
from .vocabulary import Sense

VERSION = "2"
"""Of the sentence forms; it stands in the manifest."""

YES_NO = (
    "{Is} {it} {adjective}?",
    "{Does} {it} look {adjective}?",
    "Would you call {it} {adjective}?",
    "Would you say that {it} {is} {adjective}?",
)
YES_NO_FLAW = ("{Does} {it} suffer from {noun}?",)
"""Beside `YES_NO`, for what lowers the quality."""
WHAT_LOW = (
    "What flaw {does} {it} show?",
    "What lowers the quality of {it}?",
    "What is wrong with the quality of {it}?",
)
WHAT_HIGH = (
    "What makes {it} look good?",
    "What raises the quality of {it}?",
    "What is good about the quality of {it}?",
)
WHAT_GROUNDING = (
    "What is {adjective} in this image?",
    "What part of the picture is {adjective}?",
    "Which region of the photo looks {adjective}?",
)
WHAT_GROUNDING_SEVERAL = (
    "What is {adjective} in this image?",
    "What parts of the picture are {adjective}?",
    "Which regions of the photo look {adjective}?",
)
WHY_LOW = (
    "Why {does} {it} lower the quality of the image?",
    "Why is the quality of {it} poor?",
    "Why {does} {it} look degraded?",
)
WHY_HIGH = ("Why {does} {it} raise the quality of the image?", "Why is the quality of {it} good?")
HOW = ("How {does} {it} look in terms of {aspect}?", "How would you describe the {aspect} of {it}?")
HOW_NOISE = ("How {does} {it} look in terms of noise?", "How clean {does} {it} look?")
ASPECTS = {
    "detail": "sharpness", "sharpness": "sharpness", "brightness": "lighting", "shadows": "lighting",
    "highlights": "exposure", "contrast": "contrast", "veil": "contrast", "saturation": "color",
    "blockiness": "compression",
}  # fmt: skip
"""What How asks about, by the measure of the tag's quality; "quality" where none stands here."""

DENIED = (
    "blurry", "noisy", "overexposed", "dark", "washed out", "oversaturated", "faded", "overcompressed", "pixelated",
)  # fmt: skip
"""What people would ask about, and what may be denied of a thing beside the opposite of its own quality."""
_NEAR = (
    ("bright", "overexposed", "washed out"),
    ("blurry", "washed out", "pixelated", "overcompressed"),
    ("banded", "pixelated", "overcompressed", "noisy"),
    ("faded", "washed out"),
    ("vivid", "oversaturated"),
)
"""Qualities that go together, or that cannot be told apart by looking: none is denied where another one is said."""
_NO_MAP = frozenset(("clean", "distorted"))
"""Too general to be denied: a blurry thing is distorted as well."""
_SPOKEN = {"harsh": "too harsh in contrast"}
"""Where the lexicon's adjective alone says too little in a question."""


class _Object(NamedTuple):
    """A boxed object with what its tag says."""

    tag: Tag
    sense: Sense
    called: Called
    said: frozenset[str]
    """Adjectives of all that the description says of it, and of the photo as a whole."""

    @property
    def adjective(self) -> str:
        """The description's own word, unless it is a denial ("not clear") or tells nothing of quality by itself."""
        quality = self.tag.quality
        own = has_quality_word(quality) and not NEGATORS.intersection(words_of(quality))
        return quality if own else _spoken(self.sense)


class TemplatePairs(Stage):
    """Pairs from templates; `annotation.pairs.admit_pairs` then ties them to the boxes and checks them.

    Of every boxed object there is one Yes or No question that is true and one that is denied by turns, one referring
    What, one How and one Why; of every quality in the record one grounding What. A tag whose quality is not in the
    lexicon gives none.

    Args:
        seed (`int`, *optional*, defaults to `0`): of the choice among sentence forms, together with the record's id.
    """

    name: ClassVar[str] = "pairs"
    reads: ClassVar[tuple[str, ...]] = ("description", "tags", "boxes")
    adds: ClassVar[tuple[str, ...]] = ("pairs",)

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Write and admit the pairs of each record."""
        for record in records:
            rng = record_rng(record, self.name, self.seed)
            objects = [
                _Object(tag, sense, called(tag, record.description), _said(tag, record))
                for tag in record.live_tags
                if tag.live_boxes and (sense := read_quality(tag.quality)) is not None
            ]
            found = [{"question": q, "answer": a} for q, a in _pairs(objects, rng)]
            admit_pairs(record, found, self.name)

    def settings(self) -> dict[str, Any]:
        """The method, the version of its sentence forms and the seed."""
        return {"profile": "classic", "method": "templates", "version": VERSION, "seed": self.seed}


def _pairs(objects: Sequence[_Object], rng: np.random.Generator) -> Iterator[tuple[str, str]]:
    # One true and one false question for each object would make all of a record's Yes come before its No; which of the
    # two comes first is drawn, so that the limit of `admit_pairs` cuts both alike.
    for thing in objects:
        first = bool(rng.integers(2))
        for answer in (first, not first):
            sense = thing.sense if answer else _denied(thing, rng)
            forms = YES_NO + (YES_NO_FLAW if sense.effect == "negative" else ())
            adjective = thing.adjective if answer else _spoken(sense)
            question = _fill(_pick(forms, rng), thing, adjective=adjective, noun=sense.noun)
            yield question, "Yes." if answer else "No."
    for thing in objects:
        low = thing.tag.effect == "negative"
        noise = thing.sense.measure == "noise"
        aspect = ASPECTS.get(thing.sense.measure or "", "quality")
        yield _fill(_pick(HOW_NOISE if noise else HOW, rng), thing, aspect=aspect), _sentence(thing.adjective)
        if thing.sense.adjective != "clean":  # "Why is it good? Because of good quality." says nothing
            yield _fill(_pick(WHAT_LOW if low else WHAT_HIGH, rng), thing), _sentence(thing.sense.noun)
            because = f"because of {thing.sense.noun}"
            yield _fill(_pick(WHY_LOW if low else WHY_HIGH, rng), thing), _sentence(because)
    for sense in dict.fromkeys(thing.sense for thing in objects):
        same = [thing for thing in objects if thing.sense == sense]
        names = [thing.called.words for thing in same]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        forms = WHAT_GROUNDING if len(names) == 1 else WHAT_GROUNDING_SEVERAL
        yield _fill(_pick(forms, rng), same[0], adjective=_spoken(sense)), _sentence(listed)


def _said(tag: Tag, record: Record) -> frozenset[str]:
    """What the description says of a tag's thing, also in tags that were dropped, and of the whole photo."""
    senses = (
        read_quality(other.quality)
        for other in record.tags
        if forms_of(other.name) == forms_of(tag.name)
        or (other.fate is not None and other.fate.reason == "whole image")
    )
    return frozenset(sense.adjective for sense in senses if sense is not None)


def _denied(thing: _Object, rng: np.random.Generator) -> Sense:
    """A quality that the thing has not: the opposite of its own, or another one that nothing hints at.

    Of what a description does not say the answer is No, as in the paper's questions ("quality questions that cannot be
    inferred are answered No").
    """
    own = thing.sense
    opposite = negated(own)
    # What has too much of something has it: an oversaturated thing is no example of one that is not vivid.
    excess = (opposite.measure, opposite.direction) == (own.measure, own.direction)
    if not excess and opposite.adjective not in _NO_MAP | thing.said and rng.random() < 0.5:
        return opposite
    near = {word for group in _NEAR if thing.said.intersection(group) for word in group}
    pool = [word for word in DENIED if word not in near | thing.said]
    senses = [
        sense for sense in map(read_quality, pool) if sense is not None and sense.measure != own.measure
    ]
    return senses[int(rng.integers(len(senses)))] if senses else opposite


def _fill(form: str, thing: _Object, **words: str) -> str:
    plural = thing.called.plural
    verbs = {"is": "are", "does": "do"} if plural else {"is": "is", "does": "does"}
    capitals = {verb.capitalize(): said.capitalize() for verb, said in verbs.items()}
    # One pass: the name is the description's, and may hold anything.
    return form.format(**verbs, **capitals, **words, it=thing.called.words)


def _spoken(sense: Sense) -> str:
    return _SPOKEN.get(sense.adjective, sense.adjective)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _pick(pool: Sequence[str], rng: np.random.Generator) -> str:
    return pool[int(rng.integers(len(pool)))]
