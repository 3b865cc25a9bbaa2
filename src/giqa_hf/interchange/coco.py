"""COCO instances: a picture an entry of `images`, a box an annotation, and beside them our texts in `rows`.

A box is `[x, y, width, height]` in pixels, as floats. Its category is its phrase, so that any COCO tool shows which
box is what. What COCO has no field for stands in `attributes` of the annotation, where CVAT, Datumaro and FiftyOne
look: the row, `question` or `answer`, the span, the phrase, quality and effect. `rows` holds the texts, and phrases
without boxes; COCO tools pass over it. A tool that drops it on export has dropped the texts, and such a file is refused
when read.

Reading holds the whole document: images, annotations and texts are tied by numbers only. Pictures stay on the disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import DataError
from . import checks
from .carries import Carries
from .inlet import Inlet
from .marks import Mark, attributes_of, base_of, mark_from, marks_of, row_of, to_norm, to_px
from .outlet import Item, Outlet, Spool, write_document

FILE = "annotations.json"
CARRIES = Carries(
    boxes="pixels, floats",
    question_boxes="as any, field in attributes",
    several_boxes="an annotation each",
    unboxed="in rows",
    spans="in attributes",
    quality="in attributes",
    effect="in attributes",
    origin="in rows, licence in licenses",
    pictures="files",
)
NAMELESS = "object"
"""Category of a box whose phrase is empty."""


def write(items: Iterable[Item], outlet: Outlet) -> None:
    """Write rows; see the module.

    Args:
        items (iterable of `Item`): the rows.
        outlet (`Outlet`): where they go.
    """
    lists = {name: Spool() for name in ("images", "annotations", "rows")}
    images: dict[str, int] = {}
    categories: dict[str, int] = {}
    licenses: dict[str, int] = {}
    boxes = 0
    with outlet.open() as file:
        for number, row, picture in items:
            image, license = row["image_id"], licenses.setdefault(row["license"], len(licenses) + 1)
            if image not in images:
                images[image] = len(images) + 1
                lists["images"].add(image_entry(images[image], picture, row, license))
            entry = {"id": number, "image_id": images[image], **row_entry(row)}
            lists["rows"].add(entry)
            for mark in marks_of(row):
                if mark.box_norm is None:
                    continue
                boxes += 1
                category = categories.setdefault(mark.phrase or NAMELESS, len(categories) + 1)
                lists["annotations"].add(
                    {
                        "id": boxes,
                        "image_id": images[image],
                        "category_id": category,
                        **_geometry(to_px(mark.box_norm, row["width"], row["height"])),
                        "iscrowd": 0,
                        "attributes": {"row": number, **attributes_of(mark)},
                    }
                )
        write_document(
            file,
            {
                "info": {"description": "giqa_hf convert", "version": "1"},
                "licenses": [{"id": n, "name": name, "url": ""} for name, n in licenses.items()],
                **lists,
                "categories": [
                    {"id": n, "name": name, "supercategory": "phrase"} for name, n in categories.items()
                ],
            },
        )


def read(inlet: Inlet) -> Iterator[dict[str, Any]]:
    """Read rows; see the module.

    Raises:
        `DataError`: naming the record that is not as it should be.
    """
    document = checks.load_document(inlet.path)
    where = str(inlet.path)
    images = images_of(document, inlet)
    marks: dict[int, list[Mark]] = {}
    for annotation in checks.records(document, "annotations", where):
        at = f"{where}, annotation {annotation.get('id')!r:.40}"
        image = images.get(checks.whole(annotation, "image_id", at))
        if image is None:
            raise DataError(f"{at}: expected an image_id of the list images, found {annotation['image_id']}")
        attributes = annotation.get("attributes")
        if not isinstance(attributes, dict) or "row" not in attributes:
            inlet.notes["boxes that belong to no row"] += 1
            continue
        x, y, width, height = checks.numbers(annotation.get("bbox"), 4, "bbox", at)
        size = (checks.whole(image, "width", at), checks.whole(image, "height", at))
        box = to_norm([x, y, x + width, y + height], *size, at)
        marks.setdefault(checks.whole(attributes, "row", at), []).append(mark_from(attributes, box, at))
    yield from rows_of(document, images, marks, inlet)


def image_entry(number: int, picture: str, row: Any, license: int) -> dict[str, Any]:
    """An entry of `images`."""
    return {
        "id": number,
        "file_name": picture,
        "width": row["width"],
        "height": row["height"],
        "license": license,
    }


def row_entry(row: Any) -> dict[str, Any]:
    """What an entry of `rows` holds beside its numbers; `image_id` there is COCO's, ours is `picture_id`."""
    base = base_of(row)
    unboxed = [mark for mark in marks_of(row) if mark.box_norm is None]
    return {
        "picture_id": base.pop("image_id"),
        **{name: value for name, value in base.items() if name not in ("width", "height")},
        "unboxed": [attributes_of(mark) for mark in unboxed],
    }


def images_of(document: dict[str, Any], inlet: Inlet) -> dict[int, dict[str, Any]]:
    """The entries of `images` by their numbers, each with its picture's cell as `cell`."""
    images = {}
    for image in checks.records(document, "images", str(inlet.path)):
        at = f"{inlet.path}, image {image.get('id')!r:.40}"
        cell = inlet.picture(checks.text(image, "file_name", at), at)
        images[checks.whole(image, "id", at)] = {**image, "cell": cell}
    return images


def rows_of(
    document: dict[str, Any], images: dict[int, dict[str, Any]], marks: dict[int, list[Mark]], inlet: Inlet
) -> Iterator[dict[str, Any]]:
    """The rows of a document whose boxes have been read."""
    where = str(inlet.path)
    if "rows" not in document:
        raise DataError(
            f"{where}: expected the texts that the boxes belong to in a list rows, found none; plain COCO has no "
            "sentences: convert a file that `giqa convert` wrote, or ground your pictures with `giqa annotate`"
        )
    seen = set()
    for entry in checks.records(document, "rows", where):
        at = f"{where}, row {entry.get('id')!r:.40}"
        number = checks.whole(entry, "id", at)
        image = images.get(checks.whole(entry, "image_id", at))
        if image is None:
            raise DataError(f"{at}: expected an image_id of the list images, found {entry['image_id']}")
        if number in seen:
            raise DataError(f"{at}: expected each id once, found it twice")
        seen.add(number)
        unboxed = checks.records(entry, "unboxed", at) if "unboxed" in entry else []
        size = {name: checks.whole(image, name, at) for name in ("width", "height")}
        base = {**entry, **size, "image_id": checks.text(entry, "picture_id", at)}
        own = [*marks.pop(number, []), *(mark_from(attributes, None, at) for attributes in unboxed)]
        yield row_of(base, own, image["cell"], at)
    if marks:
        raise DataError(
            f"{where}: expected annotations of the rows that there are, found some of row {min(marks)}; export the "
            "whole file again"
        )


def _geometry(box_px: list[float]) -> dict[str, Any]:
    """A rectangle as COCO has it: box, outline, area."""
    x1, y1, x2, y2 = box_px
    return {
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]],
        "area": (x2 - x1) * (y2 - y1),
    }
