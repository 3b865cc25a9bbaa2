"""For the site's reference: docstrings in the form of Hugging Face, read for mkdocstrings.

griffe's parser of Google's form, which is the nearest, takes the type of an argument as one Python expression and
shows the backticks of ``name (`int`, *optional*, defaults to `20`): ...`` as they stand; a line of `Raises` that
goes on at the same indentation it takes for another error. So the sections are read here.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any, NamedTuple

import griffe

SECTION = re.compile(r"(Args|Returns|Yields|Raises|Attributes):")
# Brackets of a type hold others, "(`array` of shape (N, 4))", and code anything, "(..., defaults to `{'a': 1}`)".
NAMED = re.compile(
    r"(?P<names>[*\w]+(?:, [*\w]+)*)(?: \((?P<type>(?:`[^`]*`|\([^()]*\)|[^`()])*)\))?:(?P<text>.*)"
)
TYPED = re.compile(r"(?P<names>)(?=`)(?P<type>(?:`[^`]*`|\([^()]*\)|[^`():])*):(?P<text>.*)")
RAISED = re.compile(r"(?P<names>)(?P<type>`?\w+`?(?:(?:, | or )`\w+`)*):(?P<text>.*)")
OPTIONAL = re.compile(r",? ?\*optional\*(?:, defaults to (?:`(?P<code>[^`]*)`|(?P<words>.*)))?$")
CONSOLE = re.compile(r"(?m)^```python\n(?=>>> )")
BARE_CONSOLE = re.compile(r"(?m)^ {4}>>> (?:.*\n?)(?: {4}.*(?:\n|$))*")


class Docstrings(griffe.Extension):
    """Gives every object of the package a docstring that knows these sections."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called by griffe for each object that it has found in a file."""
        if obj.docstring:
            old = obj.docstring
            obj.docstring = Docstring(old.value, lineno=old.lineno, endlineno=old.endlineno, parent=obj)


class Docstring(griffe.Docstring):
    """A docstring that is read by the functions below, whatever parser is asked for."""

    def parse(self, *args: Any, **options: Any) -> list[griffe.DocstringSection]:
        """The sections in their order; what belongs to none is text."""
        sections: list[griffe.DocstringSection] = []
        text: list[str] = []
        lines = self.lines
        while lines:
            line, *lines = lines
            found = SECTION.fullmatch(line)
            if not found:
                text.append(line)
                continue
            size = next(
                (n for n, x in enumerate(lines) if x.strip() and not x.startswith("    ")), len(lines)
            )
            sections += _text(text)
            sections.append(_section(found[1], textwrap.dedent("\n".join(lines[:size])).strip("\n"), self))
            text, lines = [], lines[size:]
        return sections + _text(text)


class Item(NamedTuple):
    """One line of a section, with those that go on with it."""

    name: str
    type: str | None
    text: str


def _text(lines: list[str]) -> list[griffe.DocstringSection]:
    """The lines as one section, or none where there is nothing; examples are marked as a console's."""
    value = CONSOLE.sub("```pycon\n", "\n".join(lines).strip("\n"))
    value = BARE_CONSOLE.sub(lambda found: f"\n```pycon\n{textwrap.dedent(found[0]).strip()}\n```\n", value)
    return [griffe.DocstringSectionText(value)] if value.strip() else []


def _section(kind: str, body: str, docstring: griffe.Docstring) -> griffe.DocstringSection:
    if kind == "Args":
        return griffe.DocstringSectionParameters([_parameter(x, docstring) for x in _items(body, NAMED)])
    if kind == "Attributes":
        listed = [(x.name, _type(x.type, docstring), x.text) for x in _items(body, NAMED)]
        return griffe.DocstringSectionAttributes(
            [griffe.DocstringAttribute(name, annotation=of, description=text) for name, of, text in listed]
        )
    if kind == "Raises":
        raised = [(_type(x.type, docstring) or "", x.text) for x in _items(body, RAISED)]
        return griffe.DocstringSectionRaises(
            [griffe.DocstringRaise(annotation=of, description=text) for of, text in raised]
        )
    # One value is returned: only its first line may begin with a type.
    first, _, rest = body.partition("\n")
    found = TYPED.fullmatch(first)
    text = f"{found['text'].strip()}\n{textwrap.dedent(rest)}" if found else body
    annotation = _type(found["type"], docstring) if found else getattr(docstring.parent, "returns", None)
    if kind == "Yields":
        return griffe.DocstringSectionYields(
            [griffe.DocstringYield("", annotation=annotation, description=text)]
        )
    return griffe.DocstringSectionReturns(
        [griffe.DocstringReturn("", annotation=annotation, description=text)]
    )


def _items(body: str, form: re.Pattern[str]) -> list[Item]:
    """The items; several names before one colon are an item each, and what begins none goes on with the last."""
    blocks: list[tuple[re.Match[str], list[str]]] = []
    for line in body.split("\n"):
        found = form.fullmatch(line)
        if found:
            blocks.append((found, []))
        elif blocks:
            blocks[-1][1].append(line)
    return [
        Item(name, found["type"], f"{found['text'].strip()}\n{textwrap.dedent(chr(10).join(more))}".strip())
        for found, more in blocks
        for name in found["names"].split(", ")
    ]


def _parameter(item: Item, docstring: griffe.Docstring) -> griffe.DocstringParameter:
    """An argument with its default: as the docstring says it, else as the signature does."""
    arguments = {x.name: x for x in getattr(docstring.parent, "parameters", ())}
    signed = arguments.get(item.name.lstrip("*"))
    if signed is None and isinstance(docstring.parent, griffe.Function):
        griffe.docstring_warning(docstring, 0, f"no argument has the name {item.name!r}")
    said = OPTIONAL.search(item.type or "")
    default = (said and (said["code"] or said["words"])) or (signed and signed.default) or (said and "None")
    annotation = _type(OPTIONAL.sub("", item.type or ""), docstring) or (signed and signed.annotation)
    return griffe.DocstringParameter(item.name, annotation=annotation, value=default, description=item.text)


def _type(said: str | None, docstring: griffe.Docstring) -> str | griffe.Expr | None:
    """One name in backticks becomes an expression, which is a link where the name has an entry; all else is words."""
    if said and re.fullmatch(r"`[^`]*`", said):
        return griffe.parse_docstring_annotation(said.strip("`"), docstring)
    return said.replace("`", "") if said else None
