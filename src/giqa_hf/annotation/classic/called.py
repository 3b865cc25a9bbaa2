"""How a thing of a description is called in a question: with an article or without, one or several."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..phrases import DETERMINERS, words_of
from ..record import Tag
from .detector import is_plural

_SENTENCE_END = re.compile(r"(?:^|[.!?:]|\n)[\s\"'(\u201c\u2018]*\Z")
_SAME_IN_PLURAL = frozenset(("sheep", "fish", "deer", "aircraft", "series", "species", "means"))
_SEVERAL = frozenset(("are", "were", "have", "look", "appear", "seem", "show", "lack", "suffer", "aren't"))
_VERB = re.compile(
    r"\b(are|is|were|was|have|has|looks?|appears?|seems?|shows?|lacks?|suffers?|aren't|isn't)\b",
    re.IGNORECASE,
)


class Called(NamedTuple):
    """A thing's name as a subject."""

    words: str
    """With its article, e.g. "the trees", or "John's hat"."""
    plural: bool


def called(tag: Tag, description: str) -> Called:
    """How the thing of a tag is called.

    A capital that only begins a sentence is taken away. Where a capital is left and the description has no article
    ("Mount Fuji", "John's hat"), the question has none either. Of words that are the same in singular and plural, the
    verb behind them tells which one it is.

    Args:
        tag (`Tag`): with its `span`, if it has one.
        description (`str`): the text.

    Example:
        >>> called(Tag("Trees", "Trees", "blurry", "negative", (0, 5)), "Trees are blurry, John's hat is not.")
        Called(words='the trees', plural=True)
    """
    start, end = tag.span or (0, 0)
    name = tag.name
    if tag.span and _SENTENCE_END.search(description[:start]) and _is_plain(name, description):
        name = name[:1].lower() + name[1:]
    before = words_of(description[:start])[-1:] if tag.span else []
    proper = name[:1].isupper() and tag.span is not None and not any(w.folded in DETERMINERS for w in before)
    head = words_of(name)[-1:]
    plural = is_plural(name)
    if head and head[0].folded in _SAME_IN_PLURAL:
        verb = _VERB.search(description, end)
        plural = verb is not None and verb.group().lower() in _SEVERAL
    return Called(name if proper else f"the {name}", plural)


def _is_plain(name: str, description: str) -> bool:
    """Whether the capital of a name that begins a sentence may be there for the sentence alone."""
    words = [name[slice(*word.span)] for word in words_of(name)]
    first = words[0] if words else ""
    inner = first[1:]
    follows = any(word[:1].isupper() for word in words[1:])
    elsewhere = re.search(rf"[^.!?:\s]\s+{re.escape(first)}\b", description) is not None
    owner = re.match(r"\w+['\u2019]s\b", name) is not None
    return inner == inner.lower() and not follows and not elsewhere and not owner
