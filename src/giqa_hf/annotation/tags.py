"""Stage 1, object tags (paper Sec. 3.2): what a description speaks of, as {T_r phrase, T_q quality, T_e effect}.

Who finds the tags, a language model or a lexicon, is not trusted: every candidate passes the same checks, and the
reason for each that fails stays in the record. T_e is asked for so that a model thinks before it lists: what has no
impact on the image's quality goes (the paper's "explicit effect classification, similar to chain-of-thought").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from ..formats.notation import boxes_in
from ..words import singular, word_set
from .answers import MAX_CLIPPED_CHARS, clip, read_items, text_of
from .llm.client import LLM
from .phrases import PROPERTIES, Finder, forms_of, head_noun, names_a_thing, words_of
from .prompts import TAGS_PROMPT, instructions_in
from .record import Record, Span, Tag, drop
from .stage import Pictures, Stage

MAX_TAGS = 12
"""As many tags of one description are kept; Q-Pathway's texts have 46 words on average."""
MAX_CANDIDATES = 1000
"""Of an answer that goes on and on, the rest is counted and not looked at."""
MAX_PHRASE_WORDS = 25
MAX_NAME_WORDS = 4
MAX_QUALITY_WORDS = 10
MAX_DESCRIPTION_CHARS = 10_000
ITEM_KEYS = ("name", "phrase", "quality", "effect")

_WHOLE = word_set("image picture photo photograph photography scene snapshot")
_WHOLE_ALONE = frozenset(
    map(singular, word_set("frame shot view whole everything composition overall else rest remainder"))
)
_OF_THE_WHOLE = word_set("overall entire whole general complete full")
_POSITIVE = word_set(
    "positive positively good better improve improves improved improving enhance enhances enhanced help helps "
    "beneficial raise raises"
)
_NEGATIVE = word_set(
    "negative negatively bad worse degrade degrades degraded degrading harm harms harmful reduce reduces reduced "
    "hurt hurts detrimental lower lowers"
)
_NONE = word_set(
    "no none not neutral neither nothing unaffected irrelevant negligible insignificant without zero"
)


class _Refusal(NamedTuple):
    """Why a candidate is not admitted."""

    reason: str
    detail: str | None = None


def admit_tags(record: Record, found: Sequence[Any], stage: str = "tags", *, limit: int = MAX_TAGS) -> None:
    """Add every candidate to the record's tags, and drop those that cannot be used, each with its reason.

    The reasons: `"not a tag"`, `"no phrase"`, `"no quality"`, `"too long"`, `"whole image"`, `"property, not an
    object"`, `"no impact"`, `"unknown effect"`, `"phrase not in the description"`, `"duplicate"`, `"overlaps another
    tag"`, `"over the limit"`. A record in which no tag is left is dropped with `"no tags"`; one whose description
    speaks to a language model, with `"instructions in the description"`; one whose description already holds boxes in
    any notation, with `"boxes in the description"`: its numbers would be read as boxes, or as things of the photo.

    Args:
        record (`Record`): the record; its description is not changed.
        found (`Sequence` of `Mapping`): candidates with `name`, `phrase`, `quality`, `effect`, in order of preference;
            anything else in it becomes a dropped tag. The name may be absent: then it is the head noun of the phrase.
        stage (`str`, *optional*, defaults to `"tags"`): as it stands in the audit.
        limit (`int`, *optional*, defaults to 12): as many tags are kept.
    """
    if unusable := _unusable(record.description):
        drop(record, stage, unusable.reason, detail=unusable.detail)
    finder = Finder(record.description)
    kept = record.live_tags
    for number, item in enumerate(found):
        texts = [text_of(item, key) for key in ITEM_KEYS]
        name, phrase, quality, effect = map(clip, texts)
        record.tags.append(tag := Tag(name, phrase, quality, effect))
        if len(kept) >= limit or number >= MAX_CANDIDATES:
            drop(tag, stage, "over the limit")
        elif not any(texts):
            drop(tag, stage, "not a tag", detail=clip(str(item)) or None)
        elif max(map(len, texts)) > MAX_CLIPPED_CHARS:
            drop(tag, stage, "too long")
        elif refusal := _refusal(tag) or _place(tag, finder, kept):
            drop(tag, stage, refusal.reason, detail=refusal.detail)
        else:
            kept.append(tag)
    if not kept:
        drop(record, stage, "no tags", detail=f"{len(found)} candidates, none kept" if found else None)


@dataclass
class LLMTags(Stage):
    """Tags by a language model.

    A record for which the model gives no usable answer is dropped with that reason.

    Args:
        llm (`LLM`): the model; it is asked once per batch.
        limit (`int`, *optional*, defaults to 12): as many tags of a description are kept.
    """

    name: ClassVar[str] = "tags"
    reads: ClassVar[tuple[str, ...]] = ("description",)
    adds: ClassVar[tuple[str, ...]] = ("tags",)

    llm: LLM
    limit: int = MAX_TAGS

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Ask for all descriptions at once, and admit what comes back."""
        asked = []
        for record in records:
            if len(record.description) > MAX_DESCRIPTION_CHARS:
                drop(
                    record, self.name, "description too long", detail=f"{len(record.description)} characters"
                )
            elif _unusable(record.description):
                admit_tags(record, [], self.name)  # which says why; the model never sees it
            else:
                asked.append(record)
        if not asked:
            return
        completions = self.llm.complete([TAGS_PROMPT.fill(record.description) for record in asked])
        for record, (text, problem) in zip(asked, completions, strict=True):
            items: list[Any] = []
            if text is not None:
                items, problem = read_items(text, ITEM_KEYS)
            if problem and not items:
                drop(record, self.name, f"no usable answer: {problem}", detail=clip(text or "") or None)
                continue
            admit_tags(record, items, self.name, limit=self.limit)
            if problem:
                record.tags.append(lost := Tag("", "", "", ""))
                drop(lost, self.name, "unfinished in the answer")

    def settings(self) -> dict[str, Any]:
        """The model's settings, the version of the prompt and the limit."""
        return {"llm": self.llm.settings(), "prompt": TAGS_PROMPT.version, "limit": self.limit}


def effect_of(text: str) -> str | None:
    """T_e in one of its three forms, however a model words it; `None` where that cannot be told.

    ```python
    >>> [effect_of(text) for text in ("Positive", "has a negative effect", "no_impact", "mixed")]
    ['positive', 'negative', 'no impact', None]
    ```
    """
    words = {word.folded for word in words_of(text.replace("_", " ").replace("-", " "))}
    if words & _NONE:
        return "no impact"
    positive, negative = bool(words & _POSITIVE), bool(words & _NEGATIVE)
    return None if positive == negative else "positive" if positive else "negative"


def _unusable(description: str) -> _Refusal | None:
    """Why nothing can be made of a description, whatever is found in it."""
    if words := instructions_in(description):
        return _Refusal("instructions in the description", clip(words))
    if boxes := boxes_in(description):
        return _Refusal("boxes in the description", clip(boxes))
    return None


def _refusal(tag: Tag) -> _Refusal | None:
    """Check a candidate by itself, and bring its fields into their form."""
    tag.phrase = tag.phrase or tag.name
    if not names_a_thing(tag.phrase):
        return _Refusal("no phrase")
    tag.quality = tag.quality.strip(" .,;")
    if not words_of(tag.quality):
        return _Refusal("no quality")
    if len(words_of(tag.phrase)) > MAX_PHRASE_WORDS or len(words_of(tag.quality)) > MAX_QUALITY_WORDS:
        return _Refusal("too long")
    forms = forms_of(tag.name) or _head_forms(tag.phrase)
    rest = [form for form in forms if form not in _OF_THE_WHOLE]
    if forms and (not rest or rest[-1] in _WHOLE or (len(rest) == 1 and rest[0] in _WHOLE_ALONE)):
        return _Refusal("whole image")
    if rest and rest[-1] in PROPERTIES:
        return _Refusal("property, not an object")
    effect = effect_of(tag.effect)
    if effect is None:
        return _Refusal("unknown effect", tag.effect or None)
    tag.effect = effect
    return _Refusal("no impact") if effect == "no impact" else None


def _head_forms(phrase: str) -> tuple[str, ...]:
    head = head_noun(phrase)
    return forms_of(phrase[slice(*head)]) if head else ()


def _place(tag: Tag, finder: Finder, kept: Sequence[Tag]) -> _Refusal | None:
    """Find where a tag stands in the description, and give it the description's own words."""
    phrase_span = finder.find(tag.phrase)
    if phrase_span is None:
        return _Refusal("phrase not in the description")
    span = _name_span(tag, finder, phrase_span)
    if span is None:
        return _Refusal("no phrase", "no noun in it")
    tag.phrase = finder.text[slice(*phrase_span)]
    tag.name = finder.text[slice(*span)]
    if any(_same(tag, span, other) for other in kept):
        return _Refusal("duplicate")
    # Regions of a grounded text do not overlap; the same words may stand somewhere else in the phrase's place.
    if (span := _free(span, tag, finder, kept)) is None:
        return _Refusal("overlaps another tag")
    tag.name, tag.span = finder.text[slice(*span)], span
    return None


def _name_span(tag: Tag, finder: Finder, phrase_span: Span) -> Span | None:
    """The name inside its phrase, else its first mention, else the head noun of the phrase."""
    words = words_of(tag.name)
    while words and forms_of(words[0].folded) == ():  # articles are no part of a name
        words.pop(0)
    name = tag.name[words[0].span[0] :] if words else ""
    if name and len(words) <= MAX_NAME_WORDS and not set(name) & set("[]()<>{}|\n"):
        span = finder.find_within(name, phrase_span) or finder.find(name)
        if span:
            return span
    start, end = phrase_span
    head = head_noun(finder.text[start:end])
    return None if head is None else (start + head[0], start + head[1])


def _free(span: Span, tag: Tag, finder: Finder, kept: Sequence[Tag]) -> Span | None:
    """The place itself where no other tag has it, else the next place of the same name."""
    taken = [other.span for other in kept if other.span]
    places = [span, *finder.places(tag.name)]
    return next((at for at in places if all(at[1] <= s or e <= at[0] for s, e in taken)), None)


def _same(tag: Tag, span: Span, other: Tag) -> bool:
    """Whether two tags are of one thing: the same name at one place, or one phrase's words within the other's."""
    if forms_of(tag.name) != forms_of(other.name):
        return False
    shorter, longer = sorted((forms_of(tag.phrase), forms_of(other.phrase)), key=len)
    return span == other.span or f" {' '.join(shorter)} " in f" {' '.join(longer)} "
