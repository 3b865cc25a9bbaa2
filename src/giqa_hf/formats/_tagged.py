r"""Text in which tags mark phrases and boxes: Kosmos-2, Qwen-VL, InternVL, DeepSeek-VL2.

Grammar, with any white space where `_` stands::

    region = phrase-open phrase phrase-close _ [ : | = | dash ] [ _ boxes { ( _ | , ) boxes } ]
    boxes  = boxes-open { _ boxes-open } _ body _ boxes-close

**Forgiven.** A tag twice; a closing tag that is missing or too many; boxes without tags, as a tokenizer leaves
them when it drops special tokens; boxes without a phrase, which then belong to the words before them (see
`_last_words`). White space at the rims of a phrase belongs to the text around it.

**Escapes**, so that any text survives writing and reading, and ordinary text is written without any: where a
text holds what would read as a tag or as bare boxes, a backslash stands behind its first character, `<\ref>`
for `<ref>`, `(\1,2),(3,4)` for `(1,2),(3,4)`; one more where backslashes stand there already. White space at
the rim of a phrase that is to stay there gets a backslash towards the rim: `<ref>\ x</ref>`.

Reading takes time linear in the length of the text, and raises on none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..grounded_text import GroundedText, Issue, Region
from ._bracketed import Verdict
from ._groups import NUMBERS_ONLY, number_groups
from ._last_words import REACH, last_words
from ._scale import NUMBER, Found, Judge, judged, region_of

_two, _four = (r"\s*+" + r"\s*+,\s*+".join([NUMBER] * count) + r"\s*+" for count in (2, 4))
_CUT_TAG = r"<[/|a-z_]{0,30}+\Z"  # a tag that the end of the text cuts
_MARK = re.compile(r"\s*+(?:[:=\u2013\u2014-]\s*+)?+")  # what may stand between a phrase and its boxes
_BETWEEN = re.compile(r"[\s,]++")  # and what between boxes of a phrase
_LEFT_RIM = re.compile(r"\\*+\s")
_RIGHT_RIM = re.compile(r"\s\\*+\Z")


def _bare(inner: str) -> str:
    return rf"(?:{_two}\)\s*+,?\s*+\({inner}{_two}\)|{_four}[\])]|\s*+(?:\[{inner}{_four}\]\s*+,?\s*+)++\])"


BARE_NUMBERS = (r"[\[(]", _bare(""), _bare(r"\\*+"))
"""Numbers that are boxes even without tags: their first character, what follows it, and what follows it where
brackets within may have been escaped."""


@dataclass(frozen=True)
class Grammar:
    """The tags of a family.

    Args:
        phrase (`tuple` of two `str`): the tags around a phrase.
        boxes (`tuple` of two `str`): the tags around its boxes.
        body (`str`, *optional*): expression of what can stand between those; possessive.
        bare (`tuple` of three `str`, *optional*): expressions of what is boxes without tags, see `BARE_NUMBERS`.
        groups (`Callable`, *optional*): the boxes of a stretch of text that `body` or `bare` matched.
        silent (`tuple` of `str`, *optional*): tokens that are neither text nor boxes, such as `<grounding>`.
        blank_inside (`bool`, *optional*, defaults to `False`): write the blank before a phrase within its tags.
    """

    phrase: tuple[str, str]
    boxes: tuple[str, str]
    body: str = NUMBERS_ONLY
    bare: tuple[str, str, str] = BARE_NUMBERS
    groups: Callable[[str, int, int], Iterable[Found]] = number_groups
    silent: tuple[str, ...] = ()
    blank_inside: bool = False

    @cached_property
    def tags(self) -> re.Pattern[str]:
        """Every tag, with what stands between the tags of boxes."""
        phrase_open, phrase_close, boxes_open, boxes_close = map(re.escape, (*self.phrase, *self.boxes))
        silent = "|".join([*map(re.escape, self.silent), boxes_close])
        return re.compile(
            rf"(?P<open>{phrase_open})|(?P<close>{phrase_close})|(?:{boxes_open}\s*+)++(?:"
            rf"(?P<body>{self.body}){boxes_close}|(?P<mess>[^<]{{0,200}}+){boxes_close}|(?P<rest>{self.body})(?:{_CUT_TAG})?+)"
            rf"|(?P<bare>{self.bare[0]}{self.bare[1]})|(?P<silent>{silent})"
        )

    @cached_property
    def to_escape(self) -> re.Pattern[str]:
        """The first character of what would be read as a tag, or would but for backslashes behind it."""
        return re.compile(rf"<(?=\\*+(?:{self._rests}))|{self.bare[0]}(?=\\*+{self.bare[2]})")

    @cached_property
    def escaped(self) -> re.Pattern[str]:
        """That character with one backslash; it is in the group that there is."""
        return re.compile(rf"(<)\\(?=\\*+(?:{self._rests}))|({self.bare[0]})\\(?=\\*+{self.bare[2]})")

    @property
    def _rests(self) -> str:
        return "|".join(re.escape(tag[1:]) for tag in (*self.phrase, *self.boxes, *self.silent))


def write_tagged(grounded: GroundedText, grammar: Grammar, boxes_texts: Sequence[str]) -> str:
    """Write a grounded text; `boxes_texts` has the boxes of each region, tags included, or an empty string."""
    pieces = []
    position = 0
    phrase_open, phrase_close = grammar.phrase
    for region, boxes_text in zip(grounded.regions, boxes_texts, strict=True):
        start, end = region.span
        plain = _escape(grounded.text[position:start], grammar)
        phrase = _escape(_keep_rims(region.phrase), grammar)
        if grammar.blank_inside and plain.endswith(" "):
            plain, phrase = plain[:-1], " " + phrase
        pieces.append(f"{plain}{phrase_open}{phrase}{phrase_close}{boxes_text}")
        position = end
    return "".join(pieces) + _escape(grounded.text[position:], grammar)


def read_tagged(text: str, grammar: Grammar, judge: Judge) -> GroundedText:
    """Read a text; the grammar is in the module's head."""
    reading = _Reading(text, grammar, judge)
    position = 0
    for match in grammar.tags.finditer(text):
        if match.start() < position:  # within boxes that ended later than they seemed to
            continue
        kind = match.lastgroup
        reading.plain(text[position : match.start()], before_boxes=kind in _BOXES)
        position = match.end()
        if kind == "open":
            reading.open_phrase()
        elif kind == "close":
            reading.close_phrase()
        elif kind in _BOXES:
            position = reading.boxes(kind, match)
    reading.plain(text[position:], before_boxes=False)
    return reading.result()


_BOXES = ("body", "mess", "rest", "bare")


class _Gathered(NamedTuple):
    """A region of which more boxes may come."""

    span: tuple[int, int]
    verdicts: list[Verdict]


class _Reading:
    """The clean text and the regions so far."""

    def __init__(self, text: str, grammar: Grammar, judge: Judge) -> None:
        self.text, self.grammar, self.judge = text, grammar, judge
        self.pieces: list[str] = []
        self.length = 0
        self.regions: list[_Gathered] = []
        self.issues: list[Issue] = []
        self.opened: int | None = None  # where in `pieces` the open phrase starts
        self.takes_boxes = False  # nothing stands behind the last region
        self.has_boxes = False  # but boxes, or what should have been some

    def plain(self, raw: str, *, before_boxes: bool) -> None:
        """Text between two tags."""
        if not raw:
            return
        if before_boxes and self.takes_boxes:
            if not self.has_boxes and _MARK.fullmatch(raw):
                self._add(raw.strip())
                return
            if self.has_boxes and _BETWEEN.fullmatch(raw):
                return
        self._add(_unescape(raw, self.grammar) if "\\" in raw else raw)
        self.takes_boxes = False

    def open_phrase(self) -> None:
        """What was opened and not closed before is plain text."""
        self.opened = len(self.pieces)
        self.takes_boxes = False

    def close_phrase(self) -> None:
        """The text since the opening tag is a phrase; without an opening tag nothing happens."""
        if self.opened is None:
            return
        raw = "".join(self.pieces[self.opened :])
        self.length -= len(raw)
        del self.pieces[self.opened :]
        self.opened = None
        before, phrase, behind = _rims(raw)
        self._add(before)
        self.regions.append(_Gathered((self.length, self.length + len(phrase)), []))
        self._add(phrase)
        self._add(behind)
        self.takes_boxes, self.has_boxes = True, False

    def boxes(self, kind: str, match: re.Match[str]) -> int:
        """Boxes, or what should have been some; returns where the text behind them starts."""
        if kind == "bare" and self.opened is not None:  # numbers within a phrase
            self._add(match[0])
            return match.end()
        (start, end), after = match.span(kind), match.end()
        if kind in ("rest", "bare"):  # no closing tag: what the body took too much of is text
            body = self.text[start:end].rstrip(" \t\r\n.,;-+")
            if kind == "rest" and end < len(self.text):
                body = body[: max(body.rfind(")"), body.rfind("]")) + 1] or body
            cut_tag = after == len(self.text) > end
            end = start + len(body)
            after = after if cut_tag else end
        found = list(self.grammar.groups(self.text, start, end))
        if kind == "mess":
            found = [box for box in found if box.numbers] or [Found(None, "bad_arity", (start, end))]
        elif kind == "rest" and not found and after == len(self.text):
            found = [Found(None, "truncated", (match.start(), after))]
        if self.opened is not None:  # the phrase's closing tag is missing
            self.close_phrase()
        if found:
            self._take(judged(found, self.text, self.judge, self.issues), after)
        return after

    def result(self) -> GroundedText:
        """What was read."""
        clean = "".join(self.pieces)
        regions: list[Region] = [
            region_of(clean[slice(*span)], span, verdicts) for span, verdicts in self.regions
        ]
        return GroundedText(clean, regions, self.issues)

    def _take(self, verdicts: list[Verdict], after: int) -> None:
        if not self.takes_boxes:
            tail = self.pieces[-1] if self.pieces else ""
            if tail.endswith(" ") and not self.text[after : after + 1].isalnum():
                self.pieces[-1] = tail[:-1]  # the blank before the boxes goes with them
                self.length -= 1
            last_end = self.regions[-1].span[1] if self.regions else 0
            reach = self._reach(min(REACH, self.length - last_end))
            offset = self.length - len(reach)
            first, last = last_words(reach, max(0, last_end - offset))
            self.regions.append(_Gathered((first + offset, last + offset), []))
            self.takes_boxes = True
        self.has_boxes = True
        self.regions[-1].verdicts.extend(verdicts)

    def _reach(self, length: int) -> str:
        """The end of the clean text, of at least that length if it is so long."""
        reach = ""
        for piece in reversed(self.pieces):
            if len(reach) >= length:
                break
            reach = piece[-2 * REACH :] + reach
        return reach

    def _add(self, piece: str) -> None:
        if piece:
            self.pieces.append(piece)
            self.length += len(piece)


def _escape(plain: str, grammar: Grammar) -> str:
    return grammar.to_escape.sub(r"\g<0>\\", plain)


def _unescape(plain: str, grammar: Grammar) -> str:
    return grammar.escaped.sub(lambda match: match[match.lastindex or 0], plain)


def _keep_rims(phrase: str) -> str:
    """The phrase with a backslash towards each rim at which there is white space."""
    if _LEFT_RIM.match(phrase):
        phrase = "\\" + phrase
    return phrase + "\\" if _RIGHT_RIM.search(phrase) else phrase


def _rims(raw: str) -> tuple[str, str, str]:
    """White space before a phrase, the phrase, white space behind it."""
    left = raw.lstrip()
    before = raw[: len(raw) - len(left)]
    right = left.rstrip()
    behind = left[len(right) :]
    if right[:1] == "\\" and _LEFT_RIM.match(left):
        right = right[1:]
    if right[-1:] == "\\" and _RIGHT_RIM.search(right):
        right = right[:-1]
    return before, right, behind
