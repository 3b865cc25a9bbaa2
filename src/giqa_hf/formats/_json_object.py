"""An object of JSON while it is read: which of its values are boxes, which should have been some (`_json_boxes`)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from ._scale import NUMBER, Found

_NUMBER = re.compile(NUMBER)
_OWN_NUMBER = re.compile(rf"(?<![\w.]){NUMBER}")  # not that of `x1`
BOX_KEY = re.compile(r"bb|box|coord|rect|bound|region|area|corner|locat|position|xyxy|\bloc\b|\bdet\b", re.I)
_SAYS_BOX = re.compile(
    r"(?<![a-z])b?box(?:es)?(?![a-z])|(?<![a-z])bbs?(?![a-z])|(?<![a-z])rect(?:angle)?s?(?![a-z])|bounding|coord|xyxy",
    re.I,
)
"""Of those keys the ones that speak of nothing else; an `area` may be a word."""
_BOX_KEYS = ("box", "bbox", "bbox_2d")
"""Under these even a single number was to be a box; `"boxes": 2` is a count."""
_ANSWER_KEYS = ("answer", "response")
_NO_BOX = ("", "null", "none", "nil", "n/a")
_LABEL_KEYS = (
    *(
        "label",
        "name",
        "category",
        "class",
        "object",
        "phrase",
        "text",
        "ref",
        "caption",
        "description",
        "title",
        "tag",
    ),
    *("object_name", "category_name", "class_name", "text_content"),
)
_CORNERS = {
    alias: corner
    for corner, aliases in enumerate(
        ("x1 xmin x_min left x0", "y1 ymin y_min top y0", "x2 xmax x_max right", "y2 ymax y_max bottom")
    )
    for alias in aliases.split()
}
_PAIRS = {"topleft": (0, 1), "bottomright": (2, 3), "topright": (2, 1), "bottomleft": (0, 3)}
_SIDES = ("x", "y", "w", "h", "width", "height", "cx", "cy")
"""With the corners: the keys of an object that was to be a box."""
LIST_MARKS = " \t\r\n[,"
"""What stands between the values of a list, and before the first."""
Entries = list[tuple[str, list[Found]]]
"""Labels with their boxes."""


@dataclass(slots=True)
class Said:
    """Words beside the boxes, of an object with all objects within it."""

    answers: list[str] = field(default_factory=list)
    """Under keys that name an answer."""
    has_more: bool = False
    """Whether there are others, which are no labels."""


@dataclass(slots=True)
class OpenObject:
    """An object that is being read."""

    start: int
    said: Said
    key: str = ""
    in_list: bool = False
    """Whether the value of the key is a list of lists or of objects."""
    label: str | None = None
    label_rank: int = len(_LABEL_KEYS)
    brackets: list[tuple[str, tuple[str, ...], Found]] | None = None
    """Key, numbers, and the box or the fault that they are."""
    corners: dict[int, str] | None = None
    has_null: bool = False
    has_key: bool = False
    names_corner: bool = False
    """Whether a key names a corner or a side."""
    gave: bool = False
    """Whether an object within it had boxes, or what should have been some."""
    value_start: int = -1
    """Where the value of a key that says "box" starts; -1 under all other keys."""
    says: bool = False
    """Whether that value holds something that is no number."""
    bare_numbers: int = 0
    """Numbers of that value outside of brackets."""
    count: int = 1
    """How many of them may be a count."""
    is_none: bool = False
    """Whether it is said that there is no box."""
    unread: list[Found] | None = None
    """Such values, which were read to their end and held no box."""

    def add(self, numbers: tuple[str, ...], box: Found) -> None:
        """A bracket of numbers, under the present key; two brackets of two numbers in a row are one box."""
        self.brackets = self.brackets or []
        if len(numbers) == 2 and self.brackets:
            key, first, start = self.brackets[-1]
            if len(first) == 2 and key == self.key:
                self.brackets[-1] = (
                    key,
                    first + numbers,
                    Found(first + numbers, "", (start.span[0], box.span[1])),
                )
                return
        self.brackets.append((self.key, numbers, box))

    def end_value(self, text: str, end: int, *, is_cut: bool = False) -> None:
        """The value of the present key ends here."""
        start, self.value_start = self.value_start, -1
        if start >= 0 and (self.says or self.bare_numbers > (0 if is_cut else self.count)):
            value = text[start:end].rstrip(LIST_MARKS)
            end = start + len(value)
            start = end - len(value.lstrip())
            self.unread = self.unread or []
            self.unread.append(Found(None, "truncated" if is_cut else "bad_arity", (start, end)))

    def faults(self, end: int, *, is_cut: bool) -> list[Found]:
        """Values that should have been boxes, where nothing in the object is one."""
        if self.gave or self.is_none:
            return []
        axes = {corner % 2 for corner in self.corners or {}}
        if len(axes) == 2 and not self.unread:  # at least one x and one y, and not all four
            return [Found(None, "truncated" if is_cut else "bad_arity", (self.start, end))]
        return self.unread or []

    def take_in(self, inner: OpenObject, *, gave: bool) -> None:
        """An object within this one has ended."""
        if gave or inner.gave:
            self.gave = True
        elif inner.is_none:
            self.is_none = True
        elif inner.names_corner or inner.brackets:
            self.says = True
        elif self.value_start >= 0 and not inner.has_key:
            self.has_null = self.is_none = True

    def value_was_read(self) -> None:
        """What follows belongs to the next key, unless this one holds a list."""
        if not self.in_list:
            self.key = ""


def take_value(kind: str, match: re.Match[str], inner: OpenObject) -> None:
    """A key or a value within an object."""
    if kind == "key":
        inner.end_value(match.string, match.start())
        inner.key = match["key"][:-1].strip().strip("\"'")
        inner.in_list, inner.has_key = False, True
        inner.value_start = match.end() if _SAYS_BOX.search(inner.key) else -1
        inner.says, inner.bare_numbers = False, 0
        key = inner.key.casefold()
        inner.count = 0 if key in _BOX_KEYS else 1
        if key in _CORNERS or key in _SIDES or _pair(key):
            inner.names_corner = True
        return
    key = inner.key.casefold()
    if kind == "array":
        _array_value(match, key, inner)
    elif kind == "tuple":
        if inner.key:
            numbers = tuple(_NUMBER.findall(match["tuple"]))
            inner.add(numbers, Found(numbers, "", match.span()))
    elif kind == "string":
        _string_value(match, key, inner)
    elif kind == "number" and key in _CORNERS:
        inner.corners = (inner.corners or {}) | {_CORNERS[key]: match["number"]}
    elif kind == "number":
        inner.bare_numbers += 1
    elif kind == "other" and match[0].casefold() in _NO_BOX:
        is_box = bool(BOX_KEY.search(key))
        inner.has_null = inner.has_null or is_box
        inner.is_none = inner.is_none or is_box or key in _CORNERS
    elif kind == "other" and inner.in_list and match[0][0] != "\\":
        inner.says = True
    inner.value_was_read()


def _array_value(match: re.Match[str], key: str, inner: OpenObject) -> None:
    array = match["array"]
    numbers = tuple(_NUMBER.findall(array))
    is_closed = array.endswith("]")
    in_quotes = "'" in array or '"' in array
    if in_quotes and not (_SAYS_BOX.search(key) or (BOX_KEY.search(key) and len(numbers) == 4)):
        inner.in_list = inner.in_list or not is_closed  # a list of words
    elif not numbers:
        inner.in_list = inner.in_list or not is_closed
        inner.has_null = inner.has_null or bool(BOX_KEY.search(key))
        inner.is_none = inner.is_none or (is_closed and bool(BOX_KEY.search(key)))
    elif len(numbers) == 2 and is_closed and (pair := _pair(key)):
        inner.corners = (inner.corners or {}) | dict(zip(pair, numbers, strict=True))
    else:
        inner.add(numbers, bracket(match, numbers))


def _pair(key: str) -> tuple[int, int] | None:
    return _PAIRS.get(re.sub("[^a-z]", "", key))


def _string_value(match: re.Match[str], key: str, inner: OpenObject) -> None:
    if key in _LABEL_KEYS:
        rank = _LABEL_KEYS.index(key)
        if rank < inner.label_rank and not inner.in_list:
            inner.label, inner.label_rank = _decoded(match["string"]), rank
        return
    said = match["string"][1:-1].strip()
    numbers = tuple(_OWN_NUMBER.findall(said))
    if key in _CORNERS and _NUMBER.fullmatch(said):
        inner.corners = (inner.corners or {}) | {_CORNERS[key]: said}
    elif BOX_KEY.search(key) and len(numbers) == 4:
        inner.add(numbers, Found(numbers, "", match.span()))
    elif _SAYS_BOX.search(key) and said.casefold() in _NO_BOX:
        inner.has_null = inner.is_none = True
    elif not _SAYS_BOX.search(key):
        if key not in _ANSWER_KEYS or inner.in_list:
            inner.said.has_more = True
        else:
            inner.said.answers.append(_decoded(match["string"]).strip())
    elif inner.in_list or re.search("[0-9]", said):
        inner.says = True
    else:  # words: no box is given
        inner.has_null = True


def finished(inner: OpenObject, outer: OpenObject | None, end: int, *, is_cut: bool) -> Entries:
    """The entries of an object that has ended; boxes without a label go to the object around it."""
    if inner.corners and len(inner.corners) == 4:
        numbers = tuple(inner.corners[corner] for corner in range(4))
        inner.key = ""
        inner.add(numbers, Found(numbers, "", (inner.start, end)))
    brackets = inner.brackets or []
    proper = [box for key, _, box in brackets if not key or BOX_KEY.search(key)]
    others = [(key, box) for key, _, box in brackets if key and not BOX_KEY.search(key) and box.numbers]
    if not proper and not others:
        proper = inner.faults(end, is_cut=is_cut)
    if inner.label is not None:
        if proper or inner.has_null:
            return [(inner.label, proper)]
        return [(inner.label, [box for _, box in others])] if others else []
    entries: Entries = [(key, [box]) for key, box in others]
    if not proper:
        return entries
    if outer is None or not outer.key:
        return [("", proper), *entries]
    if not BOX_KEY.search(outer.key):
        return [("" if outer.in_list else outer.key, proper), *entries]
    for box in proper:
        outer.add(box.numbers or (), box)
    return entries


def bracket(match: re.Match[str], numbers: tuple[str, ...]) -> Found:
    """What a bracket of numbers is; it may lack its end, if it is not the text's end that cut it."""
    is_cut = match.end() == len(match.string) and not match["array"].endswith("]")
    if len(numbers) == 4 and not is_cut:
        return Found(numbers, "", match.span())
    return Found(None, "truncated" if is_cut else "bad_arity", match.span())


def _decoded(string: str) -> str:
    """What a string in quotes says."""
    inside = string[1:-1]
    if "\\" not in inside:
        return inside
    try:
        return str(json.loads(string, strict=False))
    except ValueError:  # single quotes, or an escape that JSON has not
        return re.sub(r"\\(.)", r"\1", inside, flags=re.DOTALL)
