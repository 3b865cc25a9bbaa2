"""Questions and answers for GIQA-VQA (paper Sec. 3.2): Yes/No and What/Why/How about objects that have boxes.

Whoever writes the pairs, a language model or templates, each passes the same checks: the keyword filter (spec A4: a
boxed object and a low-level word in it), the form of its type, and a place for the boxes. They go to the question
where it names the object (referring), otherwise to the answer (grounding).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from ..words import word_set
from .answers import MAX_CLIPPED_CHARS, clip, read_items, text_of
from .llm.client import LLM, Completion
from .phrases import Finder, forms_of, words_of
from .prompts import OPEN_PROMPT, YES_NO_PROMPT
from .record import Mention, Pair, Record, Span, Tag, drop
from .stage import Pictures, Stage

MAX_PAIRS = 24
"""As many pairs of one record are kept."""
MAX_CANDIDATES = 1000
MAX_QUESTION_WORDS = 40
MAX_ANSWER_WORDS = 12
"""Answers to open questions are short phrases (Fig. 5)."""
ITEM_KEYS = ("question", "answer")
PROMPTS = (YES_NO_PROMPT, OPEN_PROMPT)

_OPEN_TYPES = {"what": "what", "which": "what", "why": "why", "how": "how"}  # the paper counts Which as What
_AUXILIARIES = word_set(
    "is are was were am be been do does did has have had can could will would shall should may might must isn't aren't "
    "wasn't weren't doesn't don't didn't hasn't haven't can't couldn't"
)
_QUALITY = re.compile(
    r"""\b(?:over-?|under-?|de-?|un-?|in-?|mis-?|dis-?|well-?|low-?|high-?)?(?:
        (?:blur|clear|clarit|focus|nois|expos|satur|textur|detail|sharp|contrast|artefact|artifact|compress
          |pixel|distort|colou?r|bright|dark|haz[ey]|fuzz|smear|crisp|resol|distinct|degrad|visib|glar|quality
          |qualities|illumin|lumin|legib|jagged|smooth|grain|vivid|flicker)\w*
        |light(?:s|ed|er|ing|ness)?|lit|dim|dimly|dimmed|hues?|tints?|tinted|tones?|tonal|shadows?|shadowy|shak[ey]
        |shaking|shaken|block(?:y|iness|ing)|band(?:ing|ed)|moir[e\u00e9]|aliasing|ringing|halos?|flares?|motion
        |dull|faded|bokeh|soft|softness|bland|washed|tilted|depth\ of\ field|white\ balance|dynamic\ range|low-level
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
_POSITIONS = re.compile(
    r"<\s*[\d.]|\]\s*\(|[\[(]\s*-?[\d.]+\s*[,;]\s*-?[\d.]+|\b[xy][12]?\s*=|<\|?/?(?:box|ref|loc|bbox)|\bcoordinates?\b"
    r"|\b0?\.\d+\s*,\s*0?\.\d+",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[\[\]<>{}|\\`\uff5c]")
_YES_NO = re.compile(r"(yes|no)\s*(?:$|[.,;:!\u2013\u2014].*)", re.IGNORECASE | re.DOTALL)
_NO_ANSWER = re.compile(
    r"not (?:mentioned|specified|stated|described|given|clear from)|unknown|undetermined|cannot be|can't be|n/?a\W*$",
    re.IGNORECASE,
)


def admit_pairs(
    record: Record, found: Sequence[Any], stage: str = "pairs", *, limit: int = MAX_PAIRS
) -> None:
    """Add every candidate to the record's pairs, and drop those that cannot be used, each with its reason.

    The reasons: `"not a pair"`, `"no question"`, `"no answer"`, `"too long"`, `"positions already in the text"`,
    `"markup in the text"`, `"not a question"`, `"question type unknown"`, `"yes/no mismatch"`, `"answer too long"`,
    `"answer unknown"`, `"duplicate"`, `"names no boxed object"`, `"object ambiguous"`, `"no quality word"`, `"over the
    limit"`.

    Args:
        record (`Record`): the record with its tags; only tags that are in and have boxes are boxed objects.
        found (`Sequence` of `Mapping`): candidates with `question` and `answer`, in order of preference; anything else
            in it becomes a dropped pair. The type follows from the words of the question.
        stage (`str`, *optional*, defaults to `"pairs"`): as it stands in the audit.
        limit (`int`, *optional*, defaults to 24): as many pairs are kept.
    """
    objects = _Objects.of(record)
    kept = {forms_of(pair.question) for pair in record.live_pairs}
    for number, item in enumerate(found):
        question, answer = (text_of(item, key) for key in ITEM_KEYS)
        record.pairs.append(pair := Pair(clip(question), clip(answer), ""))
        if len(kept) >= limit or number >= MAX_CANDIDATES:
            reason: str | None = "over the limit"
        elif not (question or answer):
            reason = "not a pair"
        elif max(len(question), len(answer)) > MAX_CLIPPED_CHARS:
            reason = "too long"
        else:
            reason = _settle_form(pair) or _settle_objects(pair, objects)
            if reason is None and forms_of(pair.question) in kept:
                reason = "duplicate"
        if reason:
            pair.mentions = []
            drop(pair, stage, reason, detail=clip(str(item)) if reason == "not a pair" else None)
        else:
            kept.add(forms_of(pair.question))


@dataclass
class LLMPairs(Stage):
    """Pairs by a language model, from the description and the names of the boxed objects.

    It is asked twice per record, for Yes/No and for open questions, all in one call per batch. An answer that cannot
    be used becomes a dropped pair with that reason; the record stays, since its description is good without pairs.

    Args:
        llm (`LLM`): the model.
        limit (`int`, *optional*, defaults to 24): as many pairs of a record are kept.
    """

    name: ClassVar[str] = "pairs"
    reads: ClassVar[tuple[str, ...]] = ("description", "tags", "boxes")
    adds: ClassVar[tuple[str, ...]] = ("pairs",)

    llm: LLM
    limit: int = MAX_PAIRS

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Ask for all records at once, and admit what comes back."""
        asked = [(record, names) for record in records if (names := _names(record))]
        if not asked:
            return
        prompts = [prompt.fill(record.description, names) for record, names in asked for prompt in PROMPTS]
        completions = iter(self.llm.complete(prompts))
        for record, _ in asked:
            found: list[Any] = []
            for prompt in PROMPTS:
                found += self._read(record, next(completions), prompt.name)
            admit_pairs(record, found, self.name, limit=self.limit)

    def settings(self) -> dict[str, Any]:
        """The model's settings, the versions of the prompts and the limit."""
        return {
            "llm": self.llm.settings(),
            "prompts": [prompt.version for prompt in PROMPTS],
            "limit": self.limit,
        }

    def _read(self, record: Record, completion: Completion, prompt_name: str) -> list[Any]:
        text, problem = completion
        items: list[Any] = []
        if text is not None:
            items, problem = read_items(text, ITEM_KEYS)
        if problem:
            record.pairs.append(lost := Pair("", "", ""))
            reason = "unfinished in the answer" if items else f"no usable answer: {problem}"
            drop(lost, self.name, reason, detail=f"{prompt_name}: {clip(text or '')}")
        return items


def has_quality_word(text: str) -> bool:
    """Whether a word of low-level quality is in a text: the keyword filter of spec A4."""
    return _QUALITY.search(text) is not None


def _boxed(record: Record) -> Iterator[tuple[int, Tag]]:
    """The tags that are in and have boxes, with their place in the record."""
    return ((i, tag) for i, tag in enumerate(record.tags) if tag.fate is None and tag.live_boxes)


def _names(record: Record) -> list[str]:
    """What the model is told of: names; phrases where two objects have the same name."""
    boxed = [tag for _, tag in _boxed(record)]
    times = Counter(forms_of(tag.name) for tag in boxed)
    names = [tag.name if times[forms_of(tag.name)] == 1 else tag.phrase for tag in boxed]
    return list(dict.fromkeys(names))


class _Object(NamedTuple):
    """A boxed object and the words that it is known by, the surest first."""

    tag: int
    name: str
    wordings: tuple[tuple[str, str], ...]
    """Each a wording and the part of it that the boxes belong to."""
    alike: bool
    """Whether another object has the same name."""


@dataclass(frozen=True)
class _Objects:
    """The boxed objects of a record, long names first, so that "car door" is found before "car"."""

    known: tuple[_Object, ...]

    @classmethod
    def of(cls, record: Record) -> _Objects:
        boxed = list(_boxed(record))
        names = Counter(forms_of(tag.name) for _, tag in boxed)
        # "Table" stands for the billiard table, unless another name ends with it or is it.
        heads = Counter(forms_of(tag.name)[-1:] for _, tag in boxed)
        known = []
        for i, tag in boxed:
            forms = forms_of(tag.name)
            alike = names[forms] > 1
            wordings = [(tag.phrase, tag.name)]
            if not alike:
                wordings.append((tag.name, tag.name))
                if len(forms) > 1 and heads[forms[-1:]] == 1:
                    head = words_of(tag.name)[-1].folded
                    wordings.append((head, head))
            known.append(_Object(i, tag.name, tuple(wordings), alike))
        return cls(tuple(sorted(known, key=lambda known: -len(known.name))))

    def mentions(self, question: str, answer: str) -> list[Mention]:
        """Where the objects stand: each once, in the question if it is there, in order, without overlap."""
        fields: tuple[tuple[Literal["question", "answer"], Finder], ...] = (
            ("question", Finder(question)),
            ("answer", Finder(answer)),
        )
        found: list[Mention] = []
        for known in self.known:
            place = next(
                (
                    Mention(field, span, known.tag)
                    for field, finder in fields
                    for wording, part in known.wordings
                    for span in _parts(finder, wording, part)
                    if not any(
                        m.field == field and m.span[0] < span[1] and span[0] < m.span[1] for m in found
                    )
                ),
                None,
            )
            if place:
                found.append(place)
        return sorted(found, key=lambda mention: (mention.field == "answer", mention.span))

    def ambiguous(self, question: str, answer: str) -> bool:
        """Whether a name is there that several objects have."""
        finders = (Finder(question), Finder(answer))
        return any(known.alike and finder.find(known.name) for known in self.known for finder in finders)


def _parts(finder: Finder, wording: str, part: str) -> Iterator[Span]:
    """The places of a part in each place of a wording."""
    for place in finder.places(wording):
        if inner := finder.find_within(part, place):
            yield inner


def _settle_form(pair: Pair) -> str | None:
    """Bring a pair into the form of its type, or say why it has none."""
    if not words_of(pair.question):
        return "no question"
    if not words_of(pair.answer):
        return "no answer"
    for text in (pair.question, pair.answer):
        if _POSITIONS.search(text):
            return "positions already in the text"
        if _MARKUP.search(text):
            return "markup in the text"
    if len(words_of(pair.question)) > MAX_QUESTION_WORDS:
        return "too long"
    kind = _type_of(pair.question)
    if not pair.question.endswith("?") and (kind is None or pair.question[-1] in ".!"):
        return "not a question"
    if kind is None:
        return "question type unknown"
    pair.question_type = kind
    pair.question = _capitalized(pair.question.rstrip("? ") + "?")
    said = _YES_NO.fullmatch(pair.answer)
    if (said is not None) != (kind == "yes_no"):
        return "yes/no mismatch"
    if said:
        pair.answer = f"{said.group(1).capitalize()}."
        return None
    if _NO_ANSWER.match(pair.answer):
        return "answer unknown"
    if len(words_of(pair.answer)) > MAX_ANSWER_WORDS:
        return "answer too long"
    pair.answer = _capitalized(pair.answer.rstrip(" .,;:!") + ".")
    return None


def _settle_objects(pair: Pair, objects: _Objects) -> str | None:
    """Find the boxed objects in a pair, or say why it is not about the quality of one."""
    pair.mentions = objects.mentions(pair.question, pair.answer)
    if not pair.mentions:
        ambiguous = objects.ambiguous(pair.question, pair.answer)
        return "object ambiguous" if ambiguous else "names no boxed object"
    rest = {"question": pair.question, "answer": pair.answer}
    for mention in reversed(pair.mentions):  # "street light" asks for no light
        text = rest[mention.field]
        rest[mention.field] = text[: mention.span[0]] + "_" + text[mention.span[1] :]
    return None if has_quality_word(f"{rest['question']} {rest['answer']}") else "no quality word"


def _type_of(question: str) -> str | None:
    """The type that the first words tell, those of the last sentence, or those behind a comma ("In it, is ...")."""
    sentence = re.split(r"[.!?]\s+", question.strip())[-1]
    for part in sentence.split(",")[:2]:
        words = [word.folded for word in words_of(part)][:2]
        for word in words:
            if word in _OPEN_TYPES:  # also "In what way", "At which"
                return _OPEN_TYPES[word]
        # What's, how's: the possessive is cut off by words_of, so they are found above.
        if words and words[0] in _AUXILIARIES:
            return "yes_no"
    return None


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
