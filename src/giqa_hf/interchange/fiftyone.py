"""FiftyOne: a folder that `fo.Dataset.from_dir(..., dataset_type=fo.types.FiftyOneDataset)` opens.

A sample a picture, its detections with `[x, y, width, height]` as shares of the picture, labelled with their phrases.
Each detection names its row, field and span, so phrases are linked to detections both ways; `rows` of the sample, a
list of dictionaries, holds the texts. It is FiftyOne's plain JSON form, which needs no database to be written.

Written picture by picture (rows wait in a temporary file); reading holds `samples.json` whole, which is one object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import DataError
from ..files import write_json
from . import checks
from .carries import NO, Carries
from .inlet import Inlet
from .marks import Mark, attributes_of, base_of, mark_from, marks_of, row_of, to_norm
from .outlet import Item, Outlet, Spool, by_picture, write_document

FILE = "samples.json"
METADATA = "metadata.json"
FIELD = "phrases"
CARRIES = Carries(
    boxes="shares of the picture, floats",
    question_boxes="as any, named by field",
    several_boxes="a detection each",
    unboxed="in rows of the sample",
    spans="in the detection",
    quality="in the detection",
    effect="in the detection",
    origin="in rows of the sample",
    pictures="files",
    order=NO,
)


def write(items: Iterable[Item], outlet: Outlet) -> None:
    """Write rows; see the module.

    Args:
        items (iterable of `Item`): the rows.
        outlet (`Outlet`): where they go.
    """
    samples = Spool()
    with outlet.open() as file:
        for group in by_picture(items):
            samples.add(_sample(group))
        write_document(file, {"samples": samples})
    write_json(outlet.folder / METADATA, {"name": "giqa", "media_type": "image", "info": {"form": "giqa_hf"}})


def read(inlet: Inlet) -> Iterator[dict[str, Any]]:
    """Read rows; see the module.

    Raises:
        `DataError`: naming the sample that is not as it should be.
    """
    document = checks.load_document(inlet.path)
    for number, sample in enumerate(checks.records(document, "samples", str(inlet.path))):
        at = f"{inlet.path}, sample {number}"
        cell = inlet.picture(checks.text(sample, "filepath", at), at)
        if not isinstance(sample.get("rows"), list):
            raise DataError(
                f"{at}: expected the texts of the picture in a list rows, found {sample.get('rows')!r:.60}; convert a "
                "folder that `giqa convert` or FiftyOne has exported with this field"
            )
        marks: dict[int, list[Mark]] = {}
        found = checks.record(sample.get(FIELD) or {"detections": []}, f"{at}, {FIELD}")
        for detection in checks.records(found, "detections", at):
            if detection.get("row") is None:
                inlet.notes["detections that belong to no row"] += 1
                continue
            x, y, width, height = checks.numbers(detection.get("bounding_box"), 4, "bounding_box", at)
            box = to_norm([x * 1000, y * 1000, (x + width) * 1000, (y + height) * 1000], 1000, 1000, at)
            row = checks.whole(detection, "row", at)
            marks.setdefault(row, []).append(mark_from(detection, box, at))
        for entry in checks.records(sample, "rows", at):
            row = checks.whole(entry, "row", at)
            unboxed = checks.records(entry, "unboxed", at) if entry.get("unboxed") else []
            own = [*marks.pop(row, []), *(mark_from(attributes, None, at) for attributes in unboxed)]
            yield row_of(entry, own, cell, f"{at}, row {row}")
        if marks:
            raise DataError(f"{at}: expected detections of its rows, found some of row {min(marks)}")


def _sample(group: list[Item]) -> dict[str, Any]:
    detections, rows = [], []
    for number, row, _ in group:
        unboxed = []
        for mark in marks_of(row):
            attributes = attributes_of(mark)
            if mark.box_norm is None:
                unboxed.append(attributes)
                continue
            x1, y1, x2, y2 = mark.box_norm
            detections.append(
                {
                    "_cls": "Detection",
                    "label": mark.phrase,
                    "bounding_box": [x1, y1, x2 - x1, y2 - y1],
                    "tags": [],
                    "row": number,
                    **attributes,
                }
            )
        rows.append({"row": number, **base_of(row), "unboxed": unboxed})
    size = {"width": group[0].row["width"], "height": group[0].row["height"]}
    return {
        "filepath": group[0].picture,
        "tags": [],
        "metadata": {"_cls": "ImageMetadata", **size},
        FIELD: {"_cls": "Detections", "detections": detections},
        "rows": rows,
    }
