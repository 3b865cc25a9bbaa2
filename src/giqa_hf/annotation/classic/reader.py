"""Who is spoken of: the chunks of a sentence read from left to right, each quality given to its thing.

The rules are those listed in `tags`. There is no grammar behind them, only what stands before and behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .chunks import Chunk
from .lexicon import graded, negated, words_of
from .vocabulary import BY_ADJECTIVE, Sense

MAX_LISTED = 12
"""Things, or qualities, in one list of a sentence; more are read over, so that lists do not multiply without bound."""

_PARTS = frozenset(
    words_of(
        "part parts area areas surface region regions portion portions rest whole entirety majority half side"
        " sides most "
        "body level pair group series section sections texture"
    )
)
"""In "the surface of the table" the thing is the table."""
_WHOLE_IMAGE = frozenset(
    words_of("image images picture pictures photo photos photograph frame shot screen general scene")
)
_ONLY_AFTER_A_VERB = frozenset(
    words_of(
        "dark bright flat natural wrong broken harsh pale intact damaged distinct illuminated shaky dull gritty"
    )
)
"""Before a noun these say what the thing is like ("a dark jacket"), not how it was photographed."""
_POINTS_AT = frozenset({"focused", "focus", "well-focused", "focusing"})
"""In "the focus is on the dog" the quality goes to what stands behind "on"."""


class FoundTag(NamedTuple):
    """A quality that a sentence gives to a thing; places are in characters of the description."""

    name_start: int
    name_end: int
    phrase_start: int
    phrase_end: int
    quality: str
    sense: Sense


class _Thing(NamedTuple):
    """A noun phrase with what hangs on it: "man", and the phrase "man in the white shirt"."""

    head: Chunk
    start: int
    end: int


class _Pending(NamedTuple):
    """A defect, or an attribute with its grade, that still looks for its thing."""

    quality: str
    sense: Sense
    owners: list[_Thing]
    """Who gets it when no place is named."""


@dataclass
class Reader:
    """Reads the chunks of one sentence from left to right, and remembers who is spoken of."""

    text: str
    chunks: Sequence[Chunk]
    position: int = 0
    found: list[FoundTag] = field(default_factory=list)
    subject: list[_Thing] = field(default_factory=list)
    fronted: list[_Thing] = field(default_factory=list)
    attribute: Chunk | None = None
    """The side of the subject that is spoken of: "the texture of the tower is …"."""
    pending: list[_Pending] = field(default_factory=list)
    negative: bool = False
    denied: bool = False
    """Whether the denial has met a quality already."""
    losing: bool = False
    causing: bool = False
    after_verb: bool = False

    def read(self) -> list[FoundTag]:
        """All tags of the sentence."""
        while self.position < len(self.chunks):
            chunk = self.chunks[self.position]
            self.position += 1
            match chunk.kind:
                case "noun phrase":
                    self._read_things()
                case "adjective":
                    self._read_adjectives()
                case "defect":
                    sense = chunk.sense or BY_ADJECTIVE["distorted"]
                    sense = negated(sense) if self.negative or self.losing else sense
                    self.denied = self.negative
                    self._wait_for_place(sense.adjective, sense)
                    self.losing = False
                case "attribute":
                    self._read_attribute(chunk)
                case "grade":
                    self._read_grade(chunk)
                case "is" | "has":
                    self.after_verb = True
                    self.losing = False
                case "loses":
                    self.after_verb = self.losing = True
                case "makes":
                    self._settle()
                    self.causing = True
                case "not":
                    self.negative = True
                case "comma" if self._peek() not in ("defect", "adjective"):
                    self._settle()
                case "and" if self.denied and self._peek() != "defect":
                    self.negative = self.denied = False  # "no noise on the wall, and the sky is clear"
                case "but":
                    self._settle()
                case "cause":
                    self._settle()
                    self.after_verb = False  # "dark because of poor light": a reason is no further quality
        self._settle()
        return self.found

    def _peek(self, skip: Sequence[str] = ("filler",)) -> str:
        """The kind of the next chunk that is not to be skipped; empty at the end."""
        return next((c.kind for c in self._ahead() if c.kind not in skip), "")

    def _ahead(self) -> Iterator[Chunk]:
        return (self.chunks[i] for i in range(self.position, min(self.position + 8, len(self.chunks))))

    def _before(self, steps: int = 2) -> str:
        """The kind of the chunk before the one that was just taken, fillers left out."""
        place = self.position - steps
        while place >= 0 and self.chunks[place].kind == "filler":
            place -= 1
        return self.chunks[place].kind if place >= 0 else ""

    def _read_things(self, attributive: Sequence[Chunk] = ()) -> None:
        """A group of noun phrases, the first of which was just taken: what is it to the sentence?"""
        before = self._before(2 + len(attributive))
        opens = self.position - len(attributive) - 1 <= 2 and before == "place"
        objects = before in ("place", "of", "harms")
        if before == "has" and self.pending and not self.subject:
            objects = True  # "nothing is wrong with the seat"
        things = self._group(lists=not opens, objects=objects and not (self.attribute and before == "of"))
        for chunk in attributive:
            if chunk.words[0] not in _ONLY_AFTER_A_VERB:
                self._give(things[:1], self._said(chunk), self._sense(chunk))
        points = self.attribute is not None and self.attribute.words[-1] in _POINTS_AT and self.after_verb
        if objects and self.pending:
            for pending in self.pending:
                self._give(things, pending.quality, pending.sense)
            self.pending = []
        elif before == "place" and points:
            self._give(things, "in focus", BY_ADJECTIVE["clear"])
        elif before in ("of", "place") and self.attribute is not None and not self.subject:
            self.subject = things
        elif opens:
            self.fronted = things
        elif things[0].head.owned and self.subject and _PARTS.issuperset(things[0].head.words):
            self.attribute = None  # "the statue is dark and its surface …"
        elif self.causing or before not in ("place", "of", "harms", "loses"):
            self.subject, self.attribute = things, None
            self.after_verb = self.causing = False

    def _group(self, *, lists: bool, objects: bool) -> list[_Thing]:
        """The noun phrase that was just taken, with what hangs on it, and those that are listed with it."""
        things = [self._thing()]
        while self.position + 1 < len(self.chunks):
            link, follows = self.chunks[self.position], self.chunks[self.position + 1]
            if follows.kind != "noun phrase" or not (link.kind == "and" or (lists and link.kind == "comma")):
                break
            after = self.chunks[self.position + 2].kind if self.position + 2 < len(self.chunks) else ""
            if link.kind == "comma" and after not in ("comma", "and"):
                break
            if objects and after in ("is", "has", "loses", "adjective"):
                break  # "noise on the wall and the floor is dark": the floor begins a new clause
            self.position += 2
            things.append(self._thing())
        return things[:MAX_LISTED]

    def _thing(self) -> _Thing:
        head = self.chunks[self.position - 1]
        start, end = head.start, head.end
        while self.position < len(self.chunks):
            link = self.chunks[self.position]
            follows = self.chunks[self.position + 1] if self.position + 1 < len(self.chunks) else None
            if link.kind == "noun phrase" and link.words[0].endswith("ing") and not link.determined:
                end = link.end  # "the man wearing a hat"
                self.position += 1
                if follows is not None and follows.kind == "noun phrase":
                    end = follows.end
                    self.position += 1
                continue
            if link.kind not in ("of", "place") or follows is None or follows.kind != "noun phrase":
                break
            if _WHOLE_IMAGE.intersection(follows.words):
                self.position += 2  # "the man in the picture"
                continue
            if link.kind == "of" and _PARTS.issuperset(head.words):
                head = follows  # "the surface of the table"
            end = follows.end
            self.position += 2
        return _Thing(head, start, end)

    def _read_adjectives(self) -> None:
        """A run of adjectives: before a noun, before an attribute, or said of the subject."""
        run = [self.chunks[self.position - 1]]
        alternative: set[int] = set()
        while self._next_joins():
            while self.chunks[self.position].kind != "adjective":
                if self.chunks[self.position].words == ("or",):
                    alternative.add(len(run))
                self.position += 1
            run.append(self.chunks[self.position])
            self.position += 1
        run = run[:MAX_LISTED]
        kind = self._peek()
        follows = next((c for c in self._ahead() if c.kind != "filler"), None)
        if kind in ("attribute", "defect"):
            if kind == "attribute":
                self.position += 1 + [c.kind for c in self._ahead()].index("attribute")
                for chunk in run:
                    self._wait_for_place(self._said(chunk), self._sense(chunk))
            return
        if follows is not None and kind == "noun phrase" and (run[0].determined or not follows.determined):
            self.position += 1 + [c.kind for c in self._ahead()].index("noun phrase")
            self._read_things(run)
            return
        points = follows is not None and follows.words[0] in ("on", "at") and run[-1].words[-1] in _POINTS_AT
        whole = all(_WHOLE_IMAGE.intersection(thing.head.words) for thing in self.subject)
        for number, chunk in enumerate(run):
            if not points:
                self._give(self.subject, self._said(chunk), self._sense(chunk))
            if (points or whole) and (kind == "place" or (kind == "has" and not self.subject)):
                waiting = _Pending(self._said(chunk), self._sense(chunk), [])
                self.pending = [*self.pending[: MAX_LISTED - 1], waiting]
            self.negative = self.negative and number + 1 in alternative  # "not clear or sharp" denies both

    def _next_joins(self) -> bool:
        """Whether another adjective of the same run follows: "blurry and dark", "blurry, very dark"."""
        kinds = [c.kind for c in self._ahead()]
        if "adjective" not in kinds:
            return False
        between = kinds[: kinds.index("adjective")]
        return (
            set(between) <= {"filler", "and", "comma"} and between.count("comma") + between.count("and") <= 2
        )

    def _read_attribute(self, chunk: Chunk) -> None:
        before = self._before()
        if self.losing or before == "loss" or self._peek() == "loss" or self._lost_of() or self._only(chunk):
            side = chunk.attribute
            assert side is not None  # an attribute chunk has one
            sense = graded(side, "bad")
            self._wait_for_place(sense.adjective, sense)
            self.losing = False
            if self._peek() == "loss":
                self.position += 1
            return
        if (not chunk.owned and before not in ("noun phrase", "has", "and")) or (
            before == "and" and self.attribute is None
        ):
            self.subject = []
            self.after_verb = False
        self.attribute = chunk

    def _lost_of(self) -> bool:
        """Whether the attribute that was just taken stands behind "loss of" or "lack of"."""
        before = [self.chunks[i] for i in range(max(self.position - 4, 0), self.position - 1)]
        kinds = [c.kind for c in before if c.kind != "filler"]
        return kinds[-2:] in (["loss", "of"], ["loses", "of"])

    def _only(self, chunk: Chunk) -> bool:
        """Whether it says "only the outline (of …)", that is, that the rest cannot be seen."""
        said_before = self.chunks[self.position - 2].words if self.position >= 2 else ()
        outline = chunk.words[-1].startswith(("outline", "contour"))
        return outline and said_before in (("only",), ("just",))

    def _read_grade(self, chunk: Chunk) -> None:
        assert chunk.grade is not None  # a grade chunk has one
        grade = chunk.grade
        if self._peek(("filler", "grade", "adjective")) == "attribute":
            kinds = [c.kind for c in self._ahead()]
            side = self.chunks[self.position + kinds.index("attribute")].attribute
            if "adjective" in kinds[: kinds.index("attribute")]:
                return  # "good clear texture": the adjective says more
            assert side is not None
            self.position += 1 + kinds.index("attribute")
            sense = graded(side, "bad" if self.losing else grade)
            self._wait_for_place(*self._maybe_not(sense))
        elif self.attribute is not None and self.attribute.attribute is not None and not self.pending:
            quality, sense = self._maybe_not(graded(self.attribute.attribute, grade))
            self._give(self.subject, quality, sense)
            if not self.subject:
                self._wait_for_place(quality, sense)
            self.negative = False

    def _maybe_not(self, sense: Sense) -> tuple[str, Sense]:
        sense = negated(sense) if self.negative else sense
        return sense.adjective, sense

    def _said(self, chunk: Chunk) -> str:
        said = self.text[chunk.start : chunk.end].lower()
        return f"not {said}" if self.negative else said

    def _sense(self, chunk: Chunk) -> Sense:
        assert chunk.sense is not None  # an adjective chunk has one
        return negated(chunk.sense) if self.negative else chunk.sense

    def _wait_for_place(self, quality: str, sense: Sense) -> None:
        owners = self.subject if self.after_verb and self.subject else self.fronted
        self.pending = [*self.pending[: MAX_LISTED - 1], _Pending(quality, sense, owners)]

    def _settle(self) -> None:
        """The end of a clause: what waits for a place that was not named goes to who was spoken of."""
        for pending in self.pending:
            self._give(pending.owners or self.fronted, pending.quality, pending.sense)
        self.pending = []
        self.negative = self.denied = self.losing = self.causing = False

    def _give(self, things: Sequence[_Thing], quality: str, sense: Sense) -> None:
        for thing in things:
            possessive = 2 if thing.head.words[-1].endswith("'s") else 0  # "the dog's texture"
            end = thing.head.end - possessive
            phrase_end = end if thing.end == thing.head.end else thing.end
            self.found.append(FoundTag(thing.head.start, end, thing.start, phrase_end, quality, sense))
