"""VQA pairs of the profile `classic`: questions and answers from the tags, in sentence forms of our own.

The paper has Llama3 write them from the description (Sec. 3.2, "For GIQA-VQA"). Here each says of a boxed object what
its tag says, or denies what it does not say, so every answer follows from the description: referring, where the object
stands in the question, and grounding, where it stands in the answer. Yes and No are as many, give or take one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ..pairs import admit_pairs
from ..record import Record, Tag
from ..stage import Pictures, Stage, record_rng
from .detector import is_plural
from .lexicon import BY_ADJECTIVE, SENSES, Sense, negated, read_quality

VERSION = "1"
"""Of the sentence forms; it stands in the manifest."""

YES_NO = (
    "{Is} the {name} {adjective}?",
    "{Does} the {name} look {adjective}?",
    "Would you call the {name} {adjective} in terms of quality?",
    "Is it fair to say that the {name} {is} {adjective} in quality?",
)
WHAT_REFERRING = (
    "What stands out in the quality of the {name}?",
    "What describes the low-level quality of the {name}?",
    "What can be said of the quality of the {name}?",
)
WHAT_GROUNDING = (
    "What is {adjective} in this image?",
    "What part of the picture is {adjective}?",
    "Which region of the photo looks {adjective}?",
)
WHY_LOW = (
    "Why does the {name} lower the quality of the image?",
    "Why is the quality of the {name} poor?",
    "Why {does} the {name} look degraded?",
)
WHY_HIGH = (
    "Why does the {name} raise the quality of the image?",
    "Why is the quality of the {name} good?",
)
HOW = {
    "detail": ("How clear {is} the {name}?", "How is the clarity of the {name}?"),
    "sharpness": ("How clear {is} the {name}?", "How is the clarity of the {name}?"),
    "brightness": ("How is the lighting of the {name}?", "How well exposed {is} the {name}?"),
    "highlights": ("How is the exposure of the {name}?", "How well exposed {is} the {name}?"),
    "shadows": ("How is the lighting of the {name}?", "How bright {is} the {name}?"),
    "contrast": ("How is the contrast of the {name}?",),
    "veil": ("How is the contrast of the {name}?",),
    "saturation": ("How {is} the color of the {name}?", "How vivid {is} the color of the {name}?"),
    "noise": ("How much noise {does} the {name} show?", "How noisy {is} the {name}?"),
}
"""By the measure of the tag's quality; other measures are asked about with `HOW_ANY`."""
HOW_ANY = ("How is the quality of the {name}?", "How does the quality of the {name} appear?")

_NOT_ASKED = frozenset(("clean", "distorted"))
"""Too general to be denied: a blurry thing is distorted as well."""


class _Object(NamedTuple):
    """A boxed object with what its tag says."""

    tag: Tag
    sense: Sense
    plural: bool


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
                _Object(tag, sense, is_plural(tag.name))
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
            adjective = thing.tag.quality if answer else _denied(thing, rng)
            yield _fill(_pick(YES_NO, rng), thing, adjective), "Yes." if answer else "No."
    for thing in objects:
        adjective = thing.tag.quality
        yield _fill(_pick(WHAT_REFERRING, rng), thing), _sentence(thing.sense.noun)
        yield _fill(_pick(HOW.get(thing.sense.measure or "", HOW_ANY), rng), thing), _sentence(adjective)
        why = WHY_LOW if thing.tag.effect == "negative" else WHY_HIGH
        yield _fill(_pick(why, rng), thing), _sentence(_because(thing))
    for adjective in dict.fromkeys(thing.sense.adjective for thing in objects):
        same = [thing for thing in objects if thing.sense.adjective == adjective]
        names = [f"the {thing.tag.name}" for thing in same]
        listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        yield _fill(_pick(WHAT_GROUNDING, rng), same[0], adjective), _sentence(listed)


def _denied(thing: _Object, rng: np.random.Generator) -> str:
    """A quality that the thing has not: the opposite of its own, or one of another measure.

    Of what a description does not say the answer is No, as in the paper's questions ("quality questions that cannot be
    inferred are answered No").
    """
    opposite = negated(thing.sense)
    if opposite.adjective not in _NOT_ASKED and rng.random() < 0.5:
        return opposite.adjective
    others = [
        sense.adjective
        for sense in SENSES
        if sense.measure not in (None, thing.sense.measure)
        and sense.adjective not in (thing.sense.adjective, thing.sense.opposite)
        and sense.effect == "negative"
        and BY_ADJECTIVE[sense.adjective].opposite != thing.sense.opposite
    ]
    return _pick(others, rng)


def _because(thing: _Object) -> str:
    """The short phrase that answers Why."""
    if thing.sense.adjective in _NOT_ASKED:
        return (
            f"its quality is {thing.tag.quality}"
            if not thing.plural
            else f"their quality is {thing.tag.quality}"
        )
    return f"because of {thing.sense.noun}"


def _fill(form: str, thing: _Object, adjective: str = "") -> str:
    verbs = ("are", "do") if thing.plural else ("is", "does")
    filled = form.replace("{is}", verbs[0]).replace("{does}", verbs[1])
    filled = filled.replace("{Is}", verbs[0].capitalize()).replace("{Does}", verbs[1].capitalize())
    # The name comes last: it is the description's, and may hold anything.
    return filled.replace("{adjective}", adjective).replace("{name}", thing.tag.name)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _pick(pool: Sequence[str], rng: np.random.Generator) -> str:
    return pool[int(rng.integers(len(pool)))]
