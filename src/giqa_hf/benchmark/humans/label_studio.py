"""Rows as Label Studio tasks, and its exports back as grounded texts.

A row is one task: the photo with rectangles, question and answer with marked spans, and relations that tie a span to
its rectangles. What the row already holds goes along as a prediction, so that people correct instead of starting from
nothing. Rectangles are percentages of the upright photo there, spans are offsets into the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import DataError
from ...grounded_text import GroundedText, Region
from ...schema import TEXT_FIELDS, grounded_of

CONFIG = """\
<View>
  <Header value="Mark every object that matters for the quality of the photo: its name in the text, its box, and a relation from name to box."/>
  <Image name="image" value="$image" zoom="true" zoomControl="true"/>
  <RectangleLabels name="box" toName="image"><Label value="Object" background="#d55e00"/></RectangleLabels>
  <Text name="question" value="$question"/>
  <Labels name="question_name" toName="question"><Label value="Name" background="#0072b2"/></Labels>
  <Text name="answer" value="$answer"/>
  <Labels name="answer_name" toName="answer"><Label value="Name" background="#009e73"/></Labels>
  <Relations><Relation value="is at"/></Relations>
  <Header value="Is question or answer wrong? Write it as it should be."/>
  <TextArea name="new_question" toName="question" maxSubmissions="1" rows="2" editable="true"/>
  <TextArea name="new_answer" toName="answer" maxSubmissions="1" rows="4" editable="true"/>
  <Choices name="verdict" toName="image" choice="single"><Choice value="good"/><Choice value="unusable"/></Choices>
</View>
"""  # noqa: E501 - XML
"""The labelling interface that `giqa bench export` writes: a project's configuration in Label Studio."""
VERSION = "giqa_hf"
UNUSABLE = "unusable"


@dataclass(frozen=True)
class Judgement:
    """What one annotator made of one row.

    Args:
        row_id (`str`): as in the task.
        annotator (`str`): who.
        question, answer (`GroundedText`): texts with their regions; boxes normalised by the photo.
        usable (`bool`, *optional*, defaults to `True`): `False` where the annotator says that the row is no good.
        problems (`tuple` of `str`, *optional*): what could not be read, e.g. a name without a box.
    """

    row_id: str
    annotator: str
    question: GroundedText
    answer: GroundedText
    usable: bool = True
    problems: tuple[str, ...] = ()


def row_id(row: Mapping[str, Any], number: int) -> str:
    """How a row is called in tasks: its place in the table and its photo."""
    return f"{number:06d}:{row['image_id']}"


def tasks_of(rows: Iterable[Mapping[str, Any]], image_url: Callable[[str], str]) -> list[dict[str, Any]]:
    """Rows as Label Studio's tasks with predictions, for `CONFIG`.

    Args:
        rows (iterable of rows): as `schema.features()` describes them; images are not touched.
        image_url (`callable`): from an image id to where Label Studio finds the photo.

    Returns:
        `list` of tasks, to be written as JSON and imported there.
    """
    return [_task(row, number, image_url) for number, row in enumerate(rows)]


def _task(row: Mapping[str, Any], number: int, image_url: Callable[[str], str]) -> dict[str, Any]:
    result: list[dict[str, Any]] = []
    for field in TEXT_FIELDS:
        for index, region in enumerate(grounded_of(row, field).regions):
            span_id = f"{field}-{index}"
            result.append(_span_item(span_id, field, region))
            for box_index, box in enumerate(region.boxes_norm):
                box_id = f"{span_id}-box-{box_index}"
                result.append(_box_item(box_id, box, row["width"], row["height"]))
                result.append(
                    {
                        "type": "relation",
                        "from_id": span_id,
                        "to_id": box_id,
                        "direction": "right",
                        "labels": ["is at"],
                    }
                )
    data = {
        "image": image_url(row["image_id"]),
        "row_id": row_id(row, number),
        "task": row["task"],
        "question_type": row["question_type"] or "",
        "question": row["question"],
        "answer": row["answer"],
        "source": row["source"],
    }
    return {"data": data, "predictions": [{"model_version": VERSION, "result": result}]}


def _span_item(item_id: str, field: str, region: Region) -> dict[str, Any]:
    value = {"start": region.span[0], "end": region.span[1], "text": region.phrase, "labels": ["Name"]}
    return {"id": item_id, "type": "labels", "from_name": f"{field}_name", "to_name": field, "value": value}


def _box_item(item_id: str, box: Sequence[float], width: int, height: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (100 * float(value) for value in box)
    value = {
        "x": x1,
        "y": y1,
        "width": x2 - x1,
        "height": y2 - y1,
        "rotation": 0,
        "rectanglelabels": ["Object"],
    }
    return {
        "id": item_id, "type": "rectanglelabels", "from_name": "box", "to_name": "image", "value": value,
        "original_width": width, "original_height": height, "image_rotation": 0,
    }  # fmt: skip


def read_exports(paths: Sequence[Path]) -> list[Judgement]:
    """Read Label Studio's JSON exports: one file with several annotators, or a file of each, or both.

    Args:
        paths (`list` of `Path`): the files.

    Returns:
        `list` of `Judgement`, one per task and annotator; of several by the same annotator the last one made.

    Raises:
        `DataError`: for a file that is no such export, and for an annotation whose spans are not in its text.
    """
    found: dict[tuple[str, str], tuple[str, Judgement]] = {}
    for path in paths:
        try:
            tasks = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(
                f"{path}: expected a JSON export of Label Studio, found no such file; check the path"
            ) from None
        except OSError as error:
            raise DataError(
                f"{path}: expected a JSON export of Label Studio, found nothing that can be read ({error.strerror}); "
                "check the path and its access rights"
            ) from None
        except ValueError as error:
            raise DataError(
                f"{path}: expected a JSON export of Label Studio, found no JSON ({error}); export it again as JSON"
            ) from None
        if not isinstance(tasks, list):
            raise DataError(
                f"{path}: expected a list of tasks (export as JSON, not JSON-MIN), found {type(tasks).__name__}"
            )
        for number, task in enumerate(tasks):
            for made, judgement in _judgements(task, f"{path}, task {number}", path.stem):
                key = (judgement.row_id, judgement.annotator)
                if key not in found or made >= found[key][0]:
                    found[key] = (made, judgement)
    return [judgement for _, judgement in found.values()]


def _judgements(task: Any, where: str, fallback: str) -> Iterable[tuple[str, Judgement]]:
    data = task.get("data") if isinstance(task, Mapping) else None
    if not isinstance(data, Mapping) or not all(
        isinstance(data.get(k), str) for k in ("row_id", *TEXT_FIELDS)
    ):
        raise DataError(
            f"{where}: expected a task made by `giqa bench export` (data.row_id, question, answer)"
        )
    annotations = task.get("annotations")
    if not isinstance(annotations, list):
        raise DataError(f"{where}: expected a list of annotations, found {annotations!r:.80}; export as JSON")
    for annotation in annotations:
        if not annotation.get("was_cancelled"):  # skipped by its annotator
            yield str(annotation.get("updated_at") or ""), _judgement(annotation, data, where, fallback)


class Items(NamedTuple):
    """The items of an annotation by their kind."""

    spans: list[dict[str, Any]]
    boxes: dict[str, list[float]]
    relations: list[tuple[str, str]]
    texts: dict[str, str]
    verdict: str | None


def _judgement(
    annotation: Mapping[str, Any], data: Mapping[str, Any], where: str, fallback: str
) -> Judgement:
    who = _annotator(annotation, fallback)
    items = items_of(annotation.get("result") or [], f"{where}, annotator {who}")
    problems: list[str] = []
    texts = {}
    used: set[str] = set()
    for field in TEXT_FIELDS:
        regions = []
        for span in (span for span in items.spans if span["to_name"] == field):
            start, end = span_of(data[field], span["value"], f"{where}, annotator {who}, {field}")
            tied = [b if a == span["id"] else a for a, b in items.relations if span["id"] in (a, b)]
            boxes = [items.boxes[box] for box in tied if box in items.boxes]
            used.update(tied)
            if not boxes:
                problems.append(f"{field}: {data[field][start:end]!r} is tied to no box")
            regions.append(Region(data[field][start:end], (start, end), np.array(boxes).reshape(-1, 4)))
        texts[field] = _grounded(data[field], regions, problems, field)
    problems += [f"a box is tied to no name ({box})" for box in items.boxes if box not in used]
    for field, new in items.texts.items():
        if new.strip() and new.strip() != data[field].strip():
            problems.append(f"{field} should read: {new.strip()}")
    usable = items.verdict != UNUSABLE
    return Judgement(data["row_id"], who, texts["question"], texts["answer"], usable, tuple(problems))


def _annotator(annotation: Mapping[str, Any], fallback: str) -> str:
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        by = by.get("email") or by.get("id")
    return fallback if by is None else str(by)


def items_of(result: Sequence[Mapping[str, Any]], where: str) -> Items:
    """Sort the items of an annotation or a prediction.

    Raises:
        `DataError`: for a rectangle that is turned or lacks a side.
    """
    items = Items([], {}, [], {}, None)
    for item in result:
        kind, value = item.get("type"), item.get("value") or {}
        if kind == "relation":
            items.relations.append((item["from_id"], item["to_id"]))
        elif kind == "rectanglelabels":
            items.boxes[item["id"]] = _box(value, where)
        elif kind == "labels":
            items.spans.append(dict(item))
        elif kind == "textarea":
            text = value.get("text") or []
            items.texts[item["from_name"].removeprefix("new_")] = (
                text if isinstance(text, str) else " ".join(text)
            )
        elif kind == "choices":
            items = items._replace(verdict=(value.get("choices") or [None])[0])
    return items


def _box(value: Mapping[str, Any], where: str) -> list[float]:
    """A rectangle's corners, 0 to 1; people draw a little over the rim."""
    if value.get("rotation"):
        raise DataError(
            f"{where}: expected upright rectangles, found one turned by {value['rotation']} degrees; redraw it"
        )
    try:
        x, y, width, height = (float(value[name]) / 100 for name in ("x", "y", "width", "height"))
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"{where}: expected a rectangle with x, y, width, height, found {dict(value)!r:.120}"
        ) from None
    return [min(max(value, 0.0), 1.0) for value in (x, y, x + width, y + height)]


def span_of(text: str, value: Mapping[str, Any], where: str) -> tuple[int, int]:
    """Start and end in Python's characters; a browser counts an emoji as two (UTF-16)."""
    start, end, said = int(value["start"]), int(value["end"]), value.get("text")
    if said is None or text[start:end] == said:
        return start, end
    units = text.encode("utf-16-le")
    before, inside = units[: 2 * start], units[2 * start : 2 * end]
    if inside.decode("utf-16-le", "replace") == said:
        first = len(before.decode("utf-16-le", "replace"))
        return first, first + len(said)
    raise DataError(
        f"{where}: expected the span {start} to {end} to read {said!r:.60}, found {text[start:end]!r:.60}; "
        "the export belongs to other texts"
    )


def _grounded(text: str, regions: list[Region], problems: list[str], field: str) -> GroundedText:
    """Regions in the text's order; of two that overlap the first stays, and it is said."""
    kept: list[Region] = []
    for region in sorted(regions, key=lambda region: region.span):
        start, end = region.span
        if start == end or (kept and start < kept[-1].span[1]):
            problems.append(f"{field}: the mark {region.phrase!r} is empty or overlaps another")
        else:
            kept.append(region)
    return GroundedText(text, kept)
