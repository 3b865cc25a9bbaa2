r"""Boxes in brackets behind the words that they belong to: LLaVA-1.5, Shikra, Ferret, GroundingGPT.

`The tower [0.75, 0.05, 1.00, 0.80] is sharp.` Nothing in the form says where the phrase "tower" starts. The
reader takes the words before the box, see `_last_words`; boxes that follow one another, with at most a comma,
a semicolon or "and" between them, share their phrase.

**What is a box.** Brackets around numbers alone, with four numbers in one of its groups (`_groups`). Brackets
around other counts are a fault where they look like a box: three numbers or more of which one has a decimal
point (where boxes are whole numbers: three numbers or more). All else is ordinary text: `[1]`, `(2, 3)`,
`[x1, y1, x2, y2]`. A bracket around a box, or around a list of them, goes with it: `dog [[0.1,0.2,0.3,0.4]]`.

**Escapes**, so that any text survives writing and reading, and ordinary text is written without any: a bracket
that would read as a box has a backslash behind it, `[\0.1,0.2,0.3,0.4]`; one more where backslashes stand
there already. So has a bracket of the text right before a box.

**Lost.** Where a phrase starts, unless the rule finds it; white space right before a box; a phrase without
boxes; that two phrases were two, where nothing but a joint stands between their boxes.

Reading takes time linear in the length of the text, and raises on none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..grounded_text import GroundedText, Issue
from ._bracketed import Verdict
from ._groups import number_groups
from ._last_words import REACH, last_words
from ._scale import NUMBER, Scale, judged, region_of

_body = rf"\s*+{NUMBER}(?:\s*+[,;]\s*+{NUMBER})*+\s*+[,;]?+"
_BRACKET = re.compile(rf"[\[(](?P<escapes>\\*+)(?P<body>{_body})(?P<close>\s*+[\])])?+")
_NUMBER = re.compile(NUMBER)
_joint = r"\s*+(?:[,;&]\s*+|and\b\s*+)?+"
_JOINT = re.compile(_joint)
_MORE_BOXES = re.compile(rf"(?:{_joint}[\[(]{_body}\s*+[\])])*+")
_CLOSING = re.compile(r"\s*+[\])]")
_AT_END = re.compile(r"\s*+(?:,\s*+(?:[\[(][-+.0-9,\s]*+)?+)?+\Z")  # of a list that is cut off
_MOST_AROUND = 3  # brackets around a list of boxes


@dataclass(frozen=True)
class Behind:
    """How a family writes such boxes.

    Args:
        scale (`Scale`): the numbers.
        before (`str`): what stands between a phrase and its box: a blank or nothing.
        comma (`str`): what stands between two numbers.
        joint (`str`): what stands between two boxes.
        outer (`bool`): whether one pair of brackets holds all boxes of a phrase.
    """

    scale: Scale
    before: str
    comma: str
    joint: str
    outer: bool = False

    def boxes_text(self, numbers: list[list[str]]) -> str:
        """The boxes of one phrase."""
        if self.outer:
            return "[" + self.joint.join(self.comma.join(box) for box in numbers) + "]"
        return self.joint.join(f"[{self.comma.join(box)}]" for box in numbers)

    def is_box(self, match: re.Match[str]) -> bool:
        """Whether a bracket holds boxes or what should have been one."""
        numbers = _NUMBER.findall(match["body"])
        fractions = self.scale.decimals > 0
        if match[0][0] == "(":  # round brackets mean many things: they must be a whole box
            return (
                len(numbers) == 4 and match["close"] is not None and (not fractions or "." in match["body"])
            )
        if len(numbers) == 4:
            return True
        return len(numbers) > 2 and (not fractions or "." in match["body"])


def write_behind(grounded: GroundedText, form: Behind) -> str:
    """Write a grounded text; a region without boxes stays as plain words."""
    pieces = []
    position = 0
    for region in grounded.regions:
        if not len(region.boxes_norm):
            continue
        words = _escape(grounded.text[position : region.span[1]], form)
        before = form.before if words else ""
        pieces.append(f"{_escape_end(words)}{before}{form.boxes_text(form.scale.write(region.boxes_norm))}")
        position = region.span[1]
    return "".join(pieces) + _escape(grounded.text[position:], form)


def read_behind(text: str, form: Behind) -> GroundedText:
    """Read a text; the rules are in the module's head."""
    pieces: list[str] = []
    length = position = 0
    behind_box: int | None = None  # where in `text` the last box ended, as long as nothing escaped follows it
    recent = ""  # the end of the clean text, as far as it lies behind the last region
    gathered: list[tuple[tuple[int, int], list[Verdict]]] = []
    issues: list[Issue] = []
    closing: tuple[int, int] | None = None  # where the brackets around a list end
    for match in _BRACKET.finditer(text):
        if not form.is_box(match):
            continue
        plain = text[position : match.start()]
        position = match.end()
        if match["escapes"]:  # ordinary characters, with one backslash less
            plain += match[0].replace("\\", "", 1)
            behind_box = None
            pieces.append(plain)
            length += len(plain)
            recent = (recent + plain)[-2 * REACH :]
            continue
        if match["close"] is None:  # it took what stands before the next word
            position -= len(match[0]) - len(match[0].rstrip(" \t\r\n,;"))
        found = number_groups(text, match.start(), position)
        verdicts = judged(list(found), text, form.scale.judge, issues)
        plain, around = _before_box(plain)
        if around and (listed := _around(text, position, around)) is not None:
            closing = listed
            plain = plain[: -len(around)]
        if closing is not None and closing[0] == position:
            position = closing[1]
        if behind_box is not None and _JOINT.fullmatch(plain):
            gathered[-1][1].extend(verdicts)
        else:
            recent += plain
            words = recent.rstrip()
            plain = plain[: max(0, len(plain) - (len(recent) - len(words)))]
            pieces.append(plain)
            length += len(plain)
            first, last = last_words(words)
            gathered.append(((length - len(words) + first, length - len(words) + last), verdicts))
        recent, behind_box = "", position
    pieces.append(text[position:])
    clean = "".join(pieces)
    regions = [region_of(clean[slice(*span)], span, verdicts) for span, verdicts in gathered]
    return GroundedText(clean, regions, issues)


def _before_box(plain: str) -> tuple[str, str]:
    """Text right before a box without the backslash that keeps a bracket, and the brackets that may go with the box."""
    words = plain.rstrip()
    kept = words.rstrip("\\")
    if kept[-1:] not in ("[", "("):
        return plain, ""
    if kept != words:
        return kept + words[len(kept) + 1 :] + plain[len(words) :], ""
    for _ in range(_MOST_AROUND):
        if kept[-1:] in ("[", "("):
            kept = kept[:-1].rstrip()
    return plain, plain[len(kept) :]


def _around(text: str, position: int, opening: str) -> tuple[int, int] | None:
    """Where the list that `opening` starts ends, behind the box that ends at `position`; `None` where it does not."""
    start = end = _end_of(_MORE_BOXES, text, position)
    for _ in range(opening.count("[") + opening.count("(")):
        end = _end_of(_CLOSING, text, end)
    return (start, end) if end > start or _AT_END.match(text, end) else None


def _end_of(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return position if found is None else found.end()


def _escape_end(words: str) -> str:
    """Words before a box: a bracket at their end gets a backslash, lest it go with the box."""
    stripped = words.rstrip()
    kept = stripped.rstrip("\\")
    return f"{kept}\\{words[len(kept) :]}" if kept[-1:] in ("[", "(") else words


def _escape(plain: str, form: Behind) -> str:
    def escaped(match: re.Match[str]) -> str:
        return match[0][0] + "\\" + match[0][1:] if form.is_box(match) else match[0]

    return _BRACKET.sub(escaped, plain)
