r"""CVAT for images 1.1: a `<box>` for each box, its phrase in attributes, and a `<tag>` for each text.

CVAT has no field for the text of a picture, but tags with attributes. So a row is a tag `row` whose attributes are the
texts, people can correct them there, and boxes name their row by its number. Labels with all these attributes must be
there when the task is made: paste `labels.json`, which lies beside, under Raw. Names of pictures are relative to
`images`, as in CVAT's own exports.

XML has no place for control characters: they are written as `\u0007`, and a backslash as two.

Written and read picture by picture: when writing, rows wait in a temporary file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

from ..errors import DataError
from ..files import write_json
from . import checks
from .carries import NO, Carries
from .inlet import Inlet
from .marks import Mark, attributes_of, base_of, mark_from, marks_of, row_of, to_norm, to_px
from .outlet import Item, Outlet, by_picture
from .pictures import FOLDER
from .xml_elements import elements

FILE = "annotations.xml"
LABELS = "labels.json"
CARRIES = Carries(
    boxes="pixels, floats (CVAT itself keeps two decimals)",
    question_boxes="as any, field in attributes",
    several_boxes="a box each",
    unboxed="in the tag of the row",
    spans="in attributes",
    quality="in attributes",
    effect="in attributes",
    origin="in the tag of the row",
    pictures="files",
    order=NO,
)
BOX, TAG = "phrase", "row"
_BOX_ATTRIBUTES = ("row", "field", "start", "end", "phrase", "quality", "effect", "region")
_TAG_ATTRIBUTES = (
    "row", "image_id", "source", "license", "task", "question_type", "question", "answer", "unboxed"
)  # fmt: skip
_WHOLE = ("row", "start", "end", "region")
_UNWRITABLE = re.compile("[\\\\\x00-\x08\x0b\x0c\x0d\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ESCAPED = re.compile(r"\\(\\|u[0-9a-f]{4})")


def write(items: Iterable[Item], outlet: Outlet) -> None:
    """Write rows; see the module.

    Args:
        items (iterable of `Item`): the rows.
        outlet (`Outlet`): where they go.
    """
    with outlet.open() as file:
        file.write(b'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n')
        file.write("\n".join([*_meta_lines(), ""]).encode())
        for number, group in enumerate(by_picture(items)):
            row, name = group[0].row, quoteattr(group[0].picture.removeprefix(f"{FOLDER}/"))
            lines = [f'  <image id="{number}" name={name} width="{row["width"]}" height="{row["height"]}">']
            for item in group:
                lines += _lines(item)
            file.write("\n".join([*lines, "  </image>\n"]).encode())
        file.write(b"</annotations>\n")
    if outlet.pictures:
        write_json(outlet.folder / LABELS, labels())


def read(inlet: Inlet) -> Iterator[dict[str, Any]]:
    """Read rows; see the module.

    Raises:
        `DataError`: naming the record that is not as it should be.
    """
    there = False
    for image in elements(inlet.path, "image"):
        there = True
        at = f"{inlet.path}, image {image.get('name')!r:.120}"
        size = {side: _number(image.get(side), side, at) for side in ("width", "height")}
        cell = inlet.picture(image.get("name") or "", at, FOLDER)
        bases = _bases(image, size, at)
        marks: dict[int, list[Mark]] = {number: [] for number in bases}
        for box in image.iter("box"):
            attributes = _attributes(box, at)
            if box.get("label") != BOX or "row" not in attributes:
                inlet.notes[f"boxes without the label {BOX} and a row"] += 1
                continue
            number = checks.whole(attributes, "row", at)
            if number not in bases:
                raise DataError(
                    f"{at}: expected a tag {TAG!r} with the texts of row {number}, found none; its boxes have no texts"
                )
            corners = [_number(box.get(name), name, at) for name in ("xtl", "ytl", "xbr", "ybr")]
            if _number(box.get("rotation", "0"), "rotation", at):
                raise DataError(f"{at}: expected upright boxes, found one that is turned; draw it again")
            place = to_norm(corners, int(size["width"]), int(size["height"]), at)
            marks[number].append(mark_from(_with_span(attributes, bases[number], at), place, at))
        for number, base in bases.items():
            yield row_of(base, [*marks[number], *_unboxed(base, at)], cell, f"{at}, row {number}")
    if not there:
        raise DataError(f"{inlet.path}: expected an export as CVAT for images 1.1, found no image in it")


def _bases(image: Element, size: dict[str, float], where: str) -> dict[int, dict[str, Any]]:
    """The texts of a picture, by the numbers of their rows."""
    bases: dict[int, dict[str, Any]] = {}
    for tag in image.iter("tag"):
        if tag.get("label") == TAG:
            base = _attributes(tag, where) | {name: int(value) for name, value in size.items()}
            number = checks.whole(base, "row", where)
            if number in bases:
                raise DataError(f"{where}: expected one tag {TAG!r} for row {number}, found two")
            bases[number] = base
    return bases


def _with_span(attributes: dict[str, Any], base: dict[str, Any], where: str) -> dict[str, Any]:
    """The attributes of a box; where somebody has drawn it and typed the phrase only, with the phrase's place."""
    if "start" in attributes or "end" in attributes:
        return attributes
    field, phrase = (checks.text(attributes, name, where) for name in ("field", "phrase"))
    text = base.get(field)
    count = text.count(phrase) if isinstance(text, str) and phrase else 0
    if not isinstance(text, str) or count != 1:
        raise DataError(
            f"{where}: expected start and end, or a phrase that stands once in the {field}, found {phrase!r:.60}, "
            f"which stands there {count} times"
        )
    start = text.index(phrase)
    return {**attributes, "start": start, "end": start + len(phrase)}


def labels() -> list[dict[str, Any]]:
    """The labels of a CVAT task, as its constructor takes them under Raw."""
    return [
        {
            "name": label,
            "type": kind,
            "attributes": [
                {
                    "name": name,
                    "mutable": False,
                    "input_type": "text",
                    "default_value": "",
                    "values": [""],
                }
                for name in names
            ],
        }
        for label, kind, names in ((BOX, "rectangle", _BOX_ATTRIBUTES), (TAG, "tag", _TAG_ATTRIBUTES))
    ]


def _meta_lines() -> Iterator[str]:
    """The head that says which labels and attributes there are; Datumaro refuses a file without."""
    yield "  <meta><task><name>giqa</name><mode>annotation</mode><labels>"
    for label in labels():
        yield f"    <label><name>{label['name']}</name><type>{label['type']}</type><attributes>"
        for attribute in label["attributes"]:
            yield (
                f"      <attribute><name>{attribute['name']}</name><mutable>False</mutable>"
                "<input_type>text</input_type><default_value></default_value><values></values></attribute>"
            )
        yield "    </attributes></label>"
    yield "  </labels></task></meta>"


def _lines(item: Item) -> Iterator[str]:
    number, row, _ = item
    marks = marks_of(row)
    base = {name: value for name, value in base_of(row).items() if name not in ("width", "height")}
    unboxed = [attributes_of(mark) for mark in marks if mark.box_norm is None]
    base |= {"row": number, "unboxed": json.dumps(unboxed, ensure_ascii=False) if unboxed else None}
    yield f'    <tag label="{TAG}" source="manual">'
    yield from _attribute_lines(base)
    yield "    </tag>"
    for mark in marks:
        if mark.box_norm is None:
            continue
        x1, y1, x2, y2 = to_px(mark.box_norm, row["width"], row["height"])
        yield (
            f'    <box label="{BOX}" source="manual" occluded="0" xtl="{x1!r}" ytl="{y1!r}" xbr="{x2!r}" ybr="{y2!r}" '
            'z_order="0">'
        )
        yield from _attribute_lines({"row": number, **attributes_of(mark)})
        yield "    </box>"


def _attribute_lines(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if value is not None:
            written = _UNWRITABLE.sub(_escape, str(value))
            yield f'      <attribute name="{name}">{escape(written)}</attribute>'


def _escape(found: re.Match[str]) -> str:
    return "\\\\" if found[0] == "\\" else f"\\u{ord(found[0]):04x}"


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\\" if found[1] == "\\" else chr(int(found[1][1:], 16)), text)


def _attributes(element: Element, where: str) -> dict[str, Any]:
    """The attributes of a box or a tag; an empty one, as CVAT writes what nobody has filled in, is none."""
    found: dict[str, Any] = {}
    for attribute in element.iter("attribute"):
        name, value = attribute.get("name") or "", _unescape(attribute.text or "")
        if name in _WHOLE and value:
            found[name] = int(_number(value, name, where))
        elif value or name in ("phrase", "source", "license"):
            found[name] = value
    return found


def _unboxed(base: dict[str, Any], where: str) -> list[Mark]:
    try:
        entries = json.loads(base.get("unboxed", "[]"))
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list):
        raise DataError(
            f"{where}: expected JSON in the attribute unboxed, found {base['unboxed']!r:.80}"
        ) from None
    return [mark_from(checks.record(entry, where), None, where) for entry in entries]


def _number(text: str | None, name: str, where: str) -> float:
    try:
        return checks.numbers([float(text or "")], 1, name, where)[0]
    except ValueError:
        raise DataError(f"{where}: expected a number {name}, found {text!r:.60}") from None
