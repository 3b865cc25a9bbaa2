"""The rows of GIQA-DES and GIQA-VQA (paper Sec. 3.1 and 3.2).

Boxes are stored once, as normalised `x1, y1, x2, y2` of the original upright image, beside the clean text and the
spans. Grid cells and every other notation are views, written when a prompt is made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .boxes import as_boxes
from .errors import DataError
from .grounded_text import GroundedText, Region

if TYPE_CHECKING:
    import datasets

TASKS = ("des", "vqa")
QUESTION_TYPES = ("yes_no", "what", "why", "how")
EFFECTS = ("positive", "negative", "no impact")
TEXT_FIELDS = ("question", "answer")
_STRINGS = ("image_id", "source", "license", "question", "answer")


def features() -> datasets.Features:
    """The `datasets.Features` of a row."""
    from datasets import Features, Image, List, Value

    regions = List(
        {
            "phrase": Value("string"),
            "span": List(Value("int32"), length=2),
            "quality": Value("string"),
            "effect": Value("string"),
            "boxes_norm": List(List(Value("float64"), length=4)),
        }
    )
    return Features(
        {
            "image": Image(),
            "image_id": Value("string"),
            "width": Value("int32"),
            "height": Value("int32"),
            "source": Value("string"),
            "license": Value("string"),
            "task": Value("string"),
            "question_type": Value("string"),
            "question": Value("string"),
            "question_regions": regions,
            "answer": Value("string"),
            "answer_regions": regions,
        }
    )


def regions_of(grounded: GroundedText) -> list[dict[str, Any]]:
    """The regions of a grounded text as a row holds them."""
    return [
        {
            "phrase": r.phrase,
            "span": list(r.span),
            "quality": r.quality,
            "effect": r.effect,
            "boxes_norm": r.boxes_norm.tolist(),
        }
        for r in grounded.regions
    ]


def grounded_of(row: Mapping[str, Any], field: str) -> GroundedText:
    """The grounded text of a row.

    Args:
        row (`Mapping`): a row as `features()` describes it.
        field (`str`): `"question"` or `"answer"`.
    """
    if field not in TEXT_FIELDS:
        raise ValueError(f"field: expected one of {', '.join(TEXT_FIELDS)}, got {field!r}")
    regions = [
        Region(
            region["phrase"],
            (region["span"][0], region["span"][1]),
            as_boxes(region["boxes_norm"]),
            quality=region.get("quality"),
            effect=region.get("effect"),
        )
        for region in row[f"{field}_regions"] or []
    ]
    return GroundedText(row[field], regions)


def validate_row(row: Mapping[str, Any], where: str = "row") -> None:
    """Check a row against the schema.

    Args:
        row (`Mapping`): the row; its image may be absent, not of another type than a picture or its bytes.
        where (`str`, *optional*, defaults to `"row"`): what the message calls the row, e.g. `"row 17 of des.jsonl"`.

    Raises:
        `DataError`: one sentence with the row, the field, what was expected and what was found.
    """
    _expect(isinstance(row, Mapping), where, "(all)", "a row, a mapping of fields", row)
    image = row.get("image")
    is_picture = isinstance(image, (bytes, Mapping)) or hasattr(
        image, "getbbox"
    )  # Pillow's, without importing it
    _expect(image is None or is_picture, where, "image", "a PIL image, its bytes, or {bytes, path}", image)
    for name in _STRINGS:
        _expect(isinstance(row.get(name), str), where, name, "a string", row.get(name))
    for name in ("image_id", "question", "answer"):
        _expect(row[name].strip() != "", where, name, "a text that is not empty", row[name])
    for name in ("width", "height"):
        value = row.get(name)
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        _expect(whole and int(value or 0) > 0, where, name, "a whole number of pixels above 0", value)
    task, kind = row.get("task"), row.get("question_type")
    _expect(task in TASKS, where, "task", f"one of {', '.join(TASKS)}", task)
    if task == "des":
        _expect(kind is None, where, "question_type", "None for a description", kind)
    else:
        _expect(kind in QUESTION_TYPES, where, "question_type", f"one of {', '.join(QUESTION_TYPES)}", kind)
    for field in TEXT_FIELDS:
        _validate_regions(row, field, where)


def _validate_regions(row: Mapping[str, Any], field: str, where: str) -> None:
    name = f"{field}_regions"
    regions = row.get(name)
    _expect(isinstance(regions, list), where, name, "a list of regions", regions)
    for number, region in enumerate(regions or []):
        at = f"{name}[{number}]"
        _expect(isinstance(region, Mapping), where, at, "a region (phrase, span, boxes_norm, …)", region)
        span, effect = region.get("span"), region.get("effect")
        _expect(
            isinstance(region.get("phrase"), str), where, f"{at}.phrase", "a string", region.get("phrase")
        )
        _expect(
            isinstance(span, (list, tuple)) and len(span) == 2 and all(isinstance(i, (int, np.integer)) for i in span),
            where, f"{at}.span", "two whole numbers, start and end", span,
        )  # fmt: skip
        _expect(
            effect is None or effect in EFFECTS,
            where,
            f"{at}.effect",
            f"None or one of {', '.join(EFFECTS)}",
            effect,
        )
        quality = region.get("quality")
        _expect(
            quality is None or isinstance(quality, str), where, f"{at}.quality", "None or a string", quality
        )
        boxes = region.get("boxes_norm")
        _expect(isinstance(boxes, (list, np.ndarray)), where, f"{at}.boxes_norm", "a list of boxes", boxes)
        for box_number, box in enumerate([] if boxes is None else boxes):
            _expect(
                _is_box(box), where, f"{at}.boxes_norm[{box_number}]",
                "finite 0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1", box,
            )  # fmt: skip
    try:
        grounded_of(row, field)
    except ValueError as error:
        raise DataError(f"{where}, field {name}: {error}") from None


def _is_box(box: Any) -> bool:
    try:
        x1, y1, x2, y2 = (math.nan if isinstance(value, (str, bool)) else float(value) for value in box)
    except (TypeError, ValueError):
        return False
    finite = all(math.isfinite(value) for value in (x1, y1, x2, y2))
    return finite and 0 <= x1 <= x2 <= 1 and 0 <= y1 <= y2 <= 1


def _expect(holds: bool, where: str, field: str, expected: str, found: object) -> None:
    if not holds:
        raise DataError(f"{where}, field {field}: expected {expected}, found {found!r:.200}")
