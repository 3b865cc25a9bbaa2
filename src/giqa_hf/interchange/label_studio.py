"""Label Studio tasks: rectangles in percent, marked spans of question and answer, relations that tie them.

Written with `giqa_hf.benchmark.humans`: the tasks of `giqa bench export`, with what else a row has in `data`, and what
a region says of quality and effect in `meta` of its span. The labels go as a prediction, for people to correct.
Read are annotations where a task has some (the last one made), else its predictions. To merge several annotators into
a benchmark is the work of `giqa bench import`.

Streams both ways, a task at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from ..benchmark.humans.label_studio import CONFIG, Items, items_of, row_id, span_of, tasks_of
from ..corpora.json_stream import stream_json_list
from ..errors import DataError
from ..files import write_text
from ..schema import EFFECTS, TEXT_FIELDS
from . import checks
from .carries import Carries
from .inlet import Inlet
from .marks import BASE, Mark, base_of, row_of
from .outlet import Item, Outlet, write_list

FILE = "tasks.json"
VIEW = "config.xml"
LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio names a file below its document root."""
CARRIES = Carries(
    boxes="percent, floats",
    question_boxes="tied to spans of the question",
    several_boxes="a rectangle and a relation each",
    unboxed="a span without relation",
    spans="marked spans",
    quality="in meta of the span",
    effect="in meta of the span",
    origin="in data",
    pictures="files",
)


def write(items: Iterable[Item], outlet: Outlet) -> None:
    """Write rows; see the module.

    Args:
        items (iterable of `Item`): the rows.
        outlet (`Outlet`): where they go.
    """
    with outlet.open() as file:
        write_list((_task(item) for item in items), file)
    if outlet.pictures:
        write_text(outlet.folder / VIEW, CONFIG)


def read(inlet: Inlet) -> Iterator[dict[str, Any]]:
    """Read rows; see the module.

    Raises:
        `DataError`: naming the task that is not as it should be.
    """
    for number, value in enumerate(stream_json_list(inlet.path)):
        where = f"{inlet.path}, task {number}"
        task = checks.record(value, where)
        yield _row(task, inlet, where)


def _task(item: Item) -> dict[str, Any]:
    number, row, picture = item
    (task,) = tasks_of([row], lambda image_id: f"{LOCAL_FILES}{picture}")
    task["data"] |= {
        **base_of(row),
        "row_id": row_id(row, number),
        "question_type": row["question_type"] or "",
    }
    for entry in task["predictions"][0]["result"]:
        if entry["type"] == "labels":
            field, region = entry["id"].split("-")
            said = row[f"{field}_regions"][int(region)]
            entry["meta"] = {
                name: [said[name]] for name in ("quality", "effect") if said.get(name) is not None
            }
    return task


def _row(task: Mapping[str, Any], inlet: Inlet, where: str) -> dict[str, Any]:
    data = checks.record(task.get("data"), f"{where}, data")
    base = {name: data[name] for name in BASE if name in data}
    base["question_type"] = data.get("question_type") or None
    for name in TEXT_FIELDS:
        base[name] = checks.text(data, name, f"{where}, data")
    picture = checks.text(data, "image", f"{where}, data")
    base.setdefault("image_id", PurePosixPath(picture.partition("?d=")[2] or picture).name[:200])
    try:
        result = checks.records(_labels(task, inlet, where), "result", where)
        for entry in result:
            if "width" not in base and entry.get("original_width"):
                base |= {"width": entry["original_width"], "height": entry["original_height"]}
        marks = _marks(items_of(result, where), result, base, inlet, where)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{where}: expected items as Label Studio exports them, found one without {error}; export as JSON"
        ) from None
    return row_of(base, marks, _cell(picture, inlet, where), where)


def _cell(picture: str, inlet: Inlet, where: str) -> dict[str, Any] | None:
    """The picture of a task; one that was uploaded lies on the server."""
    if picture.startswith(LOCAL_FILES):
        return inlet.picture(unquote(picture.removeprefix(LOCAL_FILES)), where)
    if picture.startswith("/data/"):
        inlet.notes["pictures on the Label Studio server, not fetched"] += 1
        return None
    return inlet.picture(picture, where)


def _labels(task: Mapping[str, Any], inlet: Inlet, where: str) -> Mapping[str, Any]:
    """The annotation that was made last, else the first prediction."""
    made = [
        annotation
        for annotation in (checks.records(task, "annotations", where) if task.get("annotations") else [])
        if not annotation.get("was_cancelled")
    ]
    if len(made) > 1:
        inlet.notes["tasks with several annotations, the last one taken"] += 1
    if made:
        return max(made, key=lambda annotation: str(annotation.get("updated_at") or ""))
    predicted = checks.records(task, "predictions", where) if task.get("predictions") else []
    return predicted[0] if predicted else {"result": []}


def _marks(
    items: Items, result: list[dict[str, Any]], base: Mapping[str, Any], inlet: Inlet, where: str
) -> list[Mark]:
    said = {entry["id"]: entry.get("meta") or {} for entry in result if entry.get("type") == "labels"}
    marks: list[Mark] = []
    tied_boxes: set[str] = set()
    for number, item in enumerate(items.spans):
        field = item["to_name"]
        if field not in TEXT_FIELDS:
            raise DataError(f"{where}: expected spans of question or answer, found one of {field!r:.60}")
        span = span_of(base[field], item["value"], f"{where}, {field}")
        tied = [b if a == item["id"] else a for a, b in items.relations if item["id"] in (a, b)]
        boxes: list[list[float] | None] = [items.boxes[box] for box in tied if box in items.boxes]
        tied_boxes.update(tied)
        quality, effect = (_said(said[item["id"]].get(name)) for name in ("quality", "effect"))
        if effect is not None and effect not in EFFECTS:
            inlet.notes["effects of regions that are none of ours, left out"] += 1
            effect = None
        phrase = base[field][span[0] : span[1]]
        marks += [Mark(field, span, phrase, box, quality, effect, number) for box in boxes or [None]]
    inlet.notes["rectangles tied to no phrase, left out"] += len(set(items.boxes) - tied_boxes)
    return marks


def _said(value: Any) -> str | None:
    """A text of `meta`, where Label Studio keeps lists of them."""
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, str) and first else None
