"""COCO-panoptic: boxes as rectangular segments of a PNG beside every picture, its colours their numbers.

A pixel has one segment. So boxes of exactly one place share a segment (`uses` lists their phrases), larger boxes are
painted first, and a box that others cover to the last pixel is left out and counted; its phrase stays, in `rows` if it
has no other box. `bbox` of a segment is the box itself, in pixels, as floats, and from it a box is read back; the PNG
is for tools that want masks. Texts stand in `rows`, as in `coco`.

Written picture by picture (rows wait in a temporary file); reading holds the whole document.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import DataError
from ..files import write_bytes
from ..images import MAX_PIXELS
from . import checks, coco
from .carries import NO, Carries
from .inlet import Inlet
from .marks import Mark, attributes_of, mark_from, marks_of, to_norm, to_px
from .outlet import Item, Outlet, Spool, by_picture, write_document

FILE = "panoptic.json"
MASKS = "panoptic"
CARRIES = Carries(
    boxes="pixels, floats; masks in whole pixels, a covered box is left out",
    question_boxes="as any, field in uses",
    several_boxes="a segment each",
    unboxed="in rows",
    spans="in uses",
    quality="in uses",
    effect="in uses",
    origin="in rows, licence in licenses",
    pictures="files",
    order=NO,
)

NO_PIXEL = "boxes without a pixel of their own (covered by others, or no area)"
Region = tuple[int, str, tuple[int, int], int | None]
"""Row, field, span and number of a region."""


def write(items: Iterable[Item], outlet: Outlet) -> None:
    """Write rows; see the module.

    Raises:
        `DataError`: for a picture with too many pixels for a mask.
    """
    lists = {name: Spool() for name in ("images", "annotations", "rows")}
    categories: dict[str, int] = {}
    licenses: dict[str, int] = {}
    with outlet.open() as file:
        for image, group in enumerate(by_picture(items), start=1):
            first = group[0].row
            license = licenses.setdefault(first["license"], len(licenses) + 1)
            lists["images"].add(coco.image_entry(image, group[0].picture, first, license))
            mask, segments, bare = _segments(group, categories, outlet)
            for number, row, _ in group:
                entry = coco.row_entry(row)
                entry["unboxed"] += [attributes_of(mark) for mark in bare.get(number, ())]
                lists["rows"].add({"id": number, "image_id": image, **entry})
            name = f"{image:06d}.png"
            buffer = io.BytesIO()
            Image.fromarray(mask).save(buffer, "PNG")
            write_bytes(outlet.folder / MASKS / name, buffer.getvalue())
            lists["annotations"].add({"image_id": image, "file_name": name, "segments_info": segments})
        write_document(
            file,
            {
                "info": {"description": "giqa_hf convert", "version": "1"},
                "licenses": [{"id": n, "name": name, "url": ""} for name, n in licenses.items()],
                **lists,
                "categories": [
                    {"id": n, "name": name, "supercategory": "phrase", "isthing": 1}
                    for name, n in categories.items()
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
    images = coco.images_of(document, inlet)
    marks: dict[int, list[tuple[int, Mark]]] = {}
    for annotation in checks.records(document, "annotations", where):
        number = checks.whole(annotation, "image_id", where)
        at = f"{where}, annotation of image {number}"
        if number not in images:
            raise DataError(f"{at}: expected an image of the list images, found none")
        size = tuple(checks.whole(images[number], side, at) for side in ("width", "height"))
        for segment in checks.records(annotation, "segments_info", at):
            if "uses" not in segment:
                inlet.notes["segments that belong to no row"] += 1
                continue
            x, y, width, height = checks.numbers(segment.get("bbox"), 4, "bbox", at)
            box = to_norm([x, y, x + width, y + height], size[0], size[1], at)
            for use in checks.records(segment, "uses", at):
                mark = mark_from(use, box, at)
                marks.setdefault(checks.whole(use, "row", at), []).append(
                    (checks.whole(use, "box", at), mark)
                )
    ordered = {
        row: [mark for _, mark in sorted(found, key=lambda pair: pair[0])] for row, found in marks.items()
    }
    yield from coco.rows_of(document, images, ordered, inlet)


def _segments(
    group: list[Item], categories: dict[str, int], outlet: Outlet
) -> tuple[npt.NDArray[np.uint8], list[dict[str, Any]], dict[int, list[Mark]]]:
    """The mask of a picture, as RGB, its segments, and the phrases of each row whose boxes are all left out."""
    width, height = group[0].row["width"], group[0].row["height"]
    if width * height > MAX_PIXELS:
        raise DataError(
            f"image_id {group[0].row['image_id']!r}: expected at most {MAX_PIXELS:,} pixels for a mask, found "
            f"{width} x {height}; use --to coco"
        )
    uses: dict[tuple[float, ...], list[tuple[Mark, dict[str, Any]]]] = {}
    for number, row, _ in group:
        for place, mark in enumerate(marks_of(row)):
            if mark.box_norm is not None:
                use = {"row": number, "box": place, **attributes_of(mark)}
                uses.setdefault(tuple(mark.box_norm), []).append((mark, use))
    ids = np.zeros((height, width), np.uint32)
    largest_first = sorted(uses, key=lambda box: (box[0] - box[2]) * (box[3] - box[1]))
    for segment, box in enumerate(largest_first, start=1):
        x1, y1, x2, y2 = to_px(list(box), width, height)
        ids[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = segment
    areas = np.bincount(ids.ravel(), minlength=len(uses) + 1)
    segments = []
    kept: set[Region] = set()
    left_out: dict[Region, Mark] = {}
    for segment, box in enumerate(largest_first, start=1):
        if not areas[segment]:
            outlet.lost_boxes[NO_PIXEL] += len(uses[box])
            left_out |= {_region(mark, use): mark for mark, use in uses[box]}
            continue
        kept |= {_region(mark, use) for mark, use in uses[box]}
        x1, y1, x2, y2 = to_px(list(box), width, height)
        phrase = uses[box][0][0].phrase or coco.NAMELESS
        segments.append(
            {
                "id": segment,
                "category_id": categories.setdefault(phrase, len(categories) + 1),
                "area": int(areas[segment]),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": 0,
                "uses": [use for _, use in uses[box]],
            }
        )
    mask = np.stack([(ids >> shift) & 255 for shift in (0, 8, 16)], axis=-1).astype(np.uint8)
    bare: dict[int, list[Mark]] = {}
    for region, mark in left_out.items():
        if region not in kept:
            bare.setdefault(region[0], []).append(mark)
    return mask, segments, bare


def _region(mark: Mark, use: dict[str, Any]) -> Region:
    """What the boxes of one phrase have in common."""
    return use["row"], mark.field, mark.span, mark.region
