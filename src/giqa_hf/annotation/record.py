"""What travels through the annotation pipeline: a photo with its description, and everything that was found in it.

Nothing is ever taken out of a record. A stage adds items (tags, boxes, question-answer pairs), or gives an item its
fate: dropped, or merged into another, at which stage and for what reason. Whatever has no fate at the end is kept.
So candidates = kept + dropped + merged holds by construction, and the record is its own audit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Kind = Literal["record", "tag", "box", "pair"]
KINDS: tuple[Kind, ...] = ("record", "tag", "box", "pair")
BoxNorm = tuple[float, float, float, float]
Span = tuple[int, int]


@dataclass(frozen=True)
class Fate:
    """Why an item is not in the build.

    Args:
        status (`str`): `"dropped"` or `"merged"`.
        stage (`str`): name of the stage that decided it.
        reason (`str`): a short phrase that is the same for all items of the same fate, so that it can be counted.
        detail (`str`, *optional*): what is special to this item, e.g. the model's words.
        score (`float`, *optional*): the number that decided it, e.g. the probability of "Yes".
    """

    status: Literal["dropped", "merged"]
    stage: str
    reason: str
    detail: str | None = None
    score: float | None = None


@dataclass
class Box:
    """A candidate box.

    Args:
        found_norm (`tuple` of 4 `float`): as the detector gave it, clipped to the image; normalised x1, y1, x2, y2.
        score (`float`, *optional*): the detector's confidence.
        box_norm (`tuple` of 4 `float`, *optional*): as it is now: grown where others were merged into it.
        fate (`Fate`, *optional*): `None` while it is in.
        judged (`float`, *optional*): what the quality judge said of it (probability of "Yes"), if it was asked.
    """

    found_norm: BoxNorm
    score: float | None = None
    box_norm: BoxNorm | None = None
    fate: Fate | None = None
    judged: float | None = None

    @property
    def now_norm(self) -> BoxNorm:
        """The box as it is now."""
        return self.box_norm or self.found_norm


@dataclass
class Tag:
    """An object or region that the description speaks of: the paper's {T_r, T_q, T_e} and its short name.

    Args:
        name (`str`): what stands in the brackets of `[name](…)`.
        phrase (`str`): T_r, the description phrase, as it stands in the description where it does.
        quality (`str`): T_q, e.g. `"blurry"`.
        effect (`str`): T_e: `"positive"`, `"negative"` or `"no impact"` on the image's quality.
        span (`tuple` of 2 `int`, *optional*): where the name stands in the description, end exclusive.
        boxes (`list` of `Box`): all that were ever found for it.
        fate (`Fate`, *optional*): `None` while it is in.
    """

    name: str
    phrase: str
    quality: str
    effect: str
    span: Span | None = None
    boxes: list[Box] = field(default_factory=list)
    fate: Fate | None = None

    @property
    def live_boxes(self) -> list[Box]:
        """Its boxes that are still in."""
        return [box for box in self.boxes if box.fate is None]


class Mention(NamedTuple):
    """A tag's name in a question or an answer, to which its boxes go."""

    field: Literal["question", "answer"]
    span: Span
    tag: int
    """Index in `Record.tags`."""


@dataclass
class Pair:
    """A question with its answer, as clean texts.

    Args:
        question (`str`): the question.
        answer (`str`): the answer.
        question_type (`str`): `"yes_no"`, `"what"`, `"why"` or `"how"`.
        mentions (`list` of `Mention`): where boxes belong: in the question (referring) or the answer (grounding).
        fate (`Fate`, *optional*): `None` while it is in.
    """

    question: str
    answer: str
    question_type: str
    mentions: list[Mention] = field(default_factory=list)
    fate: Fate | None = None


@dataclass
class Record:
    """A photo with one description of its quality.

    Args:
        record_id (`str`): unique in the corpus; all chance is seeded by it.
        image_id (`str`): the same for all descriptions of one photo.
        image (`str`): path of the photo, with forward slashes, relative to the corpus' root, or to the build's folder
            where `embedded` is set.
        description (`str`): the text, never changed.
        source (`str`): the corpus, or the part of it, that the photo comes from.
        license (`str`): of this row, see `corpora`.
        embedded (`bool`): whether the photo came inside a table and was written into the build's folder.
        width, height (`int`, *optional*): of the upright photo, in pixels, once it was opened.
        question (`str`, *optional*): of its GIQA-DES row, chosen at fusion.
        tags (`list` of `Tag`): what the description speaks of.
        pairs (`list` of `Pair`): for GIQA-VQA.
        fate (`Fate`, *optional*): `None` while it is in.
    """

    record_id: str
    image_id: str
    image: str
    description: str
    source: str
    license: str
    embedded: bool = False
    width: int | None = None
    height: int | None = None
    question: str | None = None
    tags: list[Tag] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    fate: Fate | None = None

    @property
    def live_tags(self) -> list[Tag]:
        """Its tags that are still in."""
        return [tag for tag in self.tags if tag.fate is None]

    @property
    def live_pairs(self) -> list[Pair]:
        """Its question-answer pairs that are still in."""
        return [pair for pair in self.pairs if pair.fate is None]

    def items(self) -> Iterator[tuple[Kind, Record | Tag | Box | Pair]]:
        """The record itself and everything in it, each with its kind."""
        yield "record", self
        for tag in self.tags:
            yield "tag", tag
            for box in tag.boxes:
                yield "box", box
        for pair in self.pairs:
            yield "pair", pair

    def settle(self) -> None:
        """Let what is inside a dropped item share its fate, and drop pairs that speak of a dropped tag."""
        for tag in self.tags:
            tag.fate = tag.fate or _inherited(self.fate, "its record")
            for box in tag.boxes:
                box.fate = box.fate or _inherited(tag.fate, "its tag")
        for pair in self.pairs:
            pair.fate = pair.fate or _inherited(self.fate, "its record")
            lost = next((self.tags[m.tag].fate for m in pair.mentions if self.tags[m.tag].fate), None)
            pair.fate = pair.fate or _inherited(lost, "a tag that it mentions")

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; `from_dict` reads it back."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "tags": [_tag_to_dict(tag) for tag in self.tags],
            "pairs": [_pair_to_dict(pair) for pair in self.pairs],
            "fate": _fate_to_dict(self.fate),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Record:
        """Read back what `to_dict` wrote."""
        return cls(
            **{name: value[name] for name in _PLAIN},
            tags=[_tag_from_dict(tag) for tag in value["tags"]],
            pairs=[_pair_from_dict(pair) for pair in value["pairs"]],
            fate=_fate_from_dict(value["fate"]),
        )


_PLAIN = (
    "record_id", "image_id", "image", "description", "source", "license", "embedded", "width", "height", "question",
)  # fmt: skip


class Outcome(NamedTuple):
    """One line of the audit table: how many items of a kind met the same fate."""

    kind: Kind
    status: str
    """`"kept"`, `"dropped"` or `"merged"`."""
    stage: str
    """Empty for what is kept."""
    reason: str


def count_outcomes(records: Iterable[Record]) -> Counter[Outcome]:
    """Count the fates of all items; the sum over a kind is the number of its candidates."""
    return Counter(
        Outcome(kind, item.fate.status, item.fate.stage, item.fate.reason)
        if item.fate
        else Outcome(kind, "kept", "", "")
        for record in records
        for kind, item in record.items()
    )


def drop(
    item: Record | Tag | Box | Pair,
    stage: str,
    reason: str,
    *,
    detail: str | None = None,
    score: float | None = None,
) -> None:
    """Drop an item that is still in; one that has its fate keeps it."""
    if item.fate is None:
        item.fate = Fate("dropped", stage, reason, detail, score)


def _inherited(fate: Fate | None, parent: str) -> Fate | None:
    if fate is None:
        return None
    reason = fate.reason if fate.reason.startswith("with ") else f"with {parent}: {fate.reason}"
    return Fate("dropped", fate.stage, reason)


def _fate_to_dict(fate: Fate | None) -> dict[str, Any] | None:
    if fate is None:
        return None
    return {name: value for name, value in vars(fate).items() if value is not None}


def _fate_from_dict(value: Mapping[str, Any] | None) -> Fate | None:
    return None if value is None else Fate(**value)


def _tag_to_dict(tag: Tag) -> dict[str, Any]:
    boxes = [
        {
            "found_norm": list(box.found_norm),
            "score": box.score,
            "box_norm": None if box.box_norm is None else list(box.box_norm),
            "fate": _fate_to_dict(box.fate),
            "judged": box.judged,
        }
        for box in tag.boxes
    ]
    return {
        "name": tag.name, "phrase": tag.phrase, "quality": tag.quality, "effect": tag.effect,
        "span": None if tag.span is None else list(tag.span), "boxes": boxes, "fate": _fate_to_dict(tag.fate),
    }  # fmt: skip


def _tag_from_dict(value: Mapping[str, Any]) -> Tag:
    boxes = [
        Box(
            tuple(box["found_norm"]),
            box["score"],
            None if box["box_norm"] is None else tuple(box["box_norm"]),
            _fate_from_dict(box["fate"]),
            box["judged"],
        )
        for box in value["boxes"]
    ]
    span = None if value["span"] is None else (value["span"][0], value["span"][1])
    plain = {name: value[name] for name in ("name", "phrase", "quality", "effect")}
    return Tag(**plain, span=span, boxes=boxes, fate=_fate_from_dict(value["fate"]))


def _pair_to_dict(pair: Pair) -> dict[str, Any]:
    mentions = [{"field": m.field, "span": list(m.span), "tag": m.tag} for m in pair.mentions]
    return {
        "question": pair.question, "answer": pair.answer, "question_type": pair.question_type,
        "mentions": mentions, "fate": _fate_to_dict(pair.fate),
    }  # fmt: skip


def _pair_from_dict(value: Mapping[str, Any]) -> Pair:
    mentions = [Mention(m["field"], (m["span"][0], m["span"][1]), m["tag"]) for m in value["mentions"]]
    plain = {name: value[name] for name in ("question", "answer", "question_type")}
    return Pair(**plain, mentions=mentions, fate=_fate_from_dict(value["fate"]))
