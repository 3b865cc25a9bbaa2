"""From any form to any other: rows come one after the other, and what is made appears whole or not at all."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..builders.giqa_160k.writing import staged_folder
from ..errors import DataError, GiqaError
from ..files import write_json
from ..progress import Progress, Say
from . import (
    coco,
    coco_panoptic,
    cvat,
    fiftyone,
    giqa_folder,
    label_studio,
    llama_factory,
    ms_swift,
    ms_swift_objects,
)
from .carries import Carries, Tally
from .conversations import KOSMOS2, QWEN, QWEN25, Conversations
from .exporting import RECORD as EXPORT
from .inlet import Inlet
from .marks import Row
from .outlet import Item, Outlet

GIQA = "giqa"
RECORD = "convert.json"
MADE_BY = "giqa convert"
SINGLE_FILES = (".json", ".xml")
_EVERY = 10_000  # rows between two lines of progress where their number is not known


class Form(Protocol):
    """How a tool holds rows: a module, or an object, that writes and reads one file and pictures beside it."""

    @property
    def FILE(self) -> str:
        """Name of the file in a folder."""

    @property
    def CARRIES(self) -> Carries:
        """What comes back."""

    @property
    def write(self) -> Callable[[Iterable[Item], Outlet], None]:
        """Writes rows."""

    @property
    def read(self) -> Callable[[Inlet], Iterator[dict[str, Any]]]:
        """Reads rows."""


FORMS: Mapping[str, Form] = {
    "coco": coco,
    "supervision": coco,  # its DetectionDataset.from_coco
    "coco-panoptic": coco_panoptic,
    "label-studio": label_studio,
    "cvat": cvat,
    "fiftyone": fiftyone,
    "kosmos2": KOSMOS2,
    "qwen": QWEN,
    "qwen2.5": QWEN25,
}
"""The forms of other tools by their names on the command line."""
CARRIES: Mapping[str, Carries] = {
    GIQA: giqa_folder.CARRIES,
    **{name: form.CARRIES for name, form in FORMS.items()},
}
"""What each form can carry of a row, and how; the table of docs/convert.md."""
TRAINERS_CARRY: Mapping[str, Carries] = {
    "ms-swift": ms_swift.CARRIES,
    "llama-factory": llama_factory.CARRIES,
}
"""The same of the forms that `export_data` writes and `open_rows` reads."""
TRAINERS = tuple(TRAINERS_CARRY)
_WITH_FILES_BESIDE = ("coco-panoptic", "fiftyone")  # not one file without a folder


@dataclass(frozen=True)
class Rows:
    """Rows to convert, once.

    Args:
        name (`str`): where they are from.
        form (`str`): what it is.
        rows (iterator of rows): of the schema.
        total (`int`, *optional*): their number, where it is known before.
        notes (`Counter` of `str`): what was changed or left out while they were read; filled as they are.
        other_splits (mapping of `str` to `int`, *optional*): the splits of the dataset that are not among them, with
            their numbers of rows.
    """

    name: str
    form: str
    rows: Iterator[Row]
    total: int | None
    notes: Counter[str]
    other_splits: Mapping[str, int] = field(default_factory=dict)


class Converted(NamedTuple):
    """What became of the rows."""

    rows: int
    """Rows that there were; `written` and the dropped ones add up to them."""
    written: int
    dropped: dict[str, int]
    """Rows that are not in the new form, by reason."""
    lost: dict[str, int]
    """What the new form has no place for, by part, with how much there was of it."""
    kept: list[str]
    """What took another shape."""
    notes: dict[str, int]
    """What else was changed or left out, when reading or writing."""


def open_rows(
    source: str,
    form: str | None = None,
    *,
    split: str = "train",
    images: Path | None = None,
    limit: int | None = None,
    words: Conversations | None = None,
) -> Rows:
    """Open what is to be converted; its rows are read as they are asked for.

    Args:
        source (`str`): a file of one of the forms, a folder that `convert` has made, the folder of a dataset,
            `"giqa-synth"` or a dataset of the Hub.
        form (`str`, *optional*): a name of `CARRIES`; told from the folder's record, or from `.xml`.
        split (`str`, *optional*, defaults to `"train"`): of a dataset.
        images (`Path`, *optional*): the folder that names of pictures are relative to; the file's own.
        limit (`int`, *optional*): only the first rows.
        words (`Conversations`, *optional*): for `"ms-swift"` and `"llama-factory"`: the notation and the frame of boxes
            that are words; ms-swift's are `objects` without it.

    Raises:
        `DataError`: when it is not there, or nothing tells its form.
    """
    if limit is not None and limit < 1:
        raise DataError(f"limit: expected at least 1, got {limit}")
    path = Path(source).expanduser()
    form = form or _form_of(path)
    if form not in CARRIES and form not in TRAINERS:
        raise DataError(f"from: expected one of {', '.join((*CARRIES, *TRAINERS))}, got {form!r}")
    if form == GIQA:
        rows, total, others = giqa_folder.open_rows(source, split, limit)
        return Rows(source, form, rows, total, Counter(), others)
    if form in TRAINERS:
        return _of_trainer(path, form, images, limit, words)
    file = path / FORMS[form].FILE if path.is_dir() else path
    if not file.is_file():
        raise DataError(f"{file}: expected a file in the form {form}, found none; check the path")
    inlet = Inlet(file, images)
    return Rows(source, form, itertools.islice(FORMS[form].read(inlet), limit), None, inlet.notes)


def _of_trainer(
    path: Path, form: str, images: Path | None, limit: int | None, words: Conversations | None
) -> Rows:
    """Rows of a file for ms-swift or LLaMA-Factory."""
    if not path.is_file():
        _refuse_export(path)
        raise DataError(
            f"{path}: expected the file with the rows, such as NAME.jsonl, found none; check the path"
        )
    if words is None and form != "ms-swift":
        raise DataError(
            f"{path}: expected to be told in which words boxes stand in it; give --format with --frame, or --processor"
        )
    inlet = Inlet(path, images)
    read = ms_swift_objects.read if words is None else words.read
    return Rows(str(path), form, itertools.islice(read(inlet), limit), None, inlet.notes)


def convert(source: Rows, out: Path, to: str, *, split: str = "train", say: Say = print) -> Converted:
    """Write rows in another form.

    Args:
        source (`Rows`): see `open_rows`.
        out (`Path`): a new folder, for the form's file, its pictures and `convert.json`; or a new file ending in
            `.json` or `.xml`, for the form's file alone, without pictures.
        to (`str`): a name of `CARRIES`.
        split (`str`, *optional*, defaults to `"train"`): what the split of a Parquet folder is called.
        say (`callable`, *optional*, defaults to `print`): takes the progress, a line at a time.

    Returns:
        `Converted`: also in `convert.json`.

    Raises:
        `GiqaError`: when the place holds something else, or no row is left.
        `DataError`: for a record that cannot be read; nothing is written then.

    Example:

    ```python
    >>> convert(open_rows("giqa-160k"), Path("boxes"), "coco").lost
    {}
    ```
    """
    if to not in CARRIES:
        raise DataError(f"to: expected one of {', '.join(CARRIES)}, got {to!r}")
    tally = Tally()
    rows = _watched(source, tally, say)
    if to == GIQA:
        with staged_folder(out) as stage:
            dropped: Counter[str] = Counter()
            giqa_folder.write(rows, stage, split, dropped)
            return _result(source, to, tally, dropped)
    if out.suffix.lower() in SINGLE_FILES:
        if to in _WITH_FILES_BESIDE:
            raise GiqaError(f"{out}: expected a folder, for {to} is more than one file; name one")
        if out.exists():
            raise GiqaError(f"{out}: expected no file yet, found one; choose another name")
        outlet = Outlet(out.parent, out.name, pictures=False)
        return _written(source, to, rows, outlet, tally)
    with staged_folder(out) as stage:
        outlet = Outlet(stage, FORMS[to].FILE, pictures=True)
        converted = _written(source, to, rows, outlet, tally)
        record = {"made_by": MADE_BY, "form": to, "from": source.form, **converted._asdict()}
        write_json(stage / RECORD, record)
    return converted


def _written(source: Rows, to: str, rows: Iterator[Row], outlet: Outlet, tally: Tally) -> Converted:
    """Let the form write, and sum up; without a row that is left, the file goes again."""
    FORMS[to].write(outlet.items(rows), outlet)
    try:
        return _result(source, to, tally, outlet.dropped, outlet)
    except GiqaError:
        (outlet.folder / outlet.file).unlink()
        raise


def _result(
    source: Rows, to: str, tally: Tally, dropped: Counter[str], outlet: Outlet | None = None
) -> Converted:
    written = tally.rows - sum(dropped.values())
    if not written:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items()) or "it has none"
        raise GiqaError(f"{source.name}: expected rows to convert, found none that can be ({reasons})")
    lost, notes = tally.lost(CARRIES[to]), source.notes
    if outlet is not None:
        lost |= dict(sorted(outlet.lost_boxes.items()))
        notes = notes + outlet.notes
        tally.boxes -= outlet.lost_boxes.total()
    return Converted(
        tally.rows,
        written,
        dict(sorted(dropped.items())),
        lost,
        [] if to == GIQA else tally.kept(CARRIES[to]),
        dict(sorted((+notes).items())),
    )


def _watched(source: Rows, tally: Tally, say: Say) -> Iterator[Row]:
    """The rows, counted, with the progress told."""
    progress = Progress(say, "rows")
    for number, row in enumerate(source.rows, start=1):
        tally.add(row)
        yield row
        if source.total is not None:
            progress(number, source.total)
        elif number % _EVERY == 0:
            say(f"      {number:,} rows")


def _refuse_export(path: Path) -> None:
    """See that a folder is not what `export_data` made: its rows are in one file, which is given by its own name."""
    try:
        record = json.loads((path / EXPORT).read_text(encoding="utf-8"))
        form, file = record["settings"]["to"], path / record["rows_file"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    raise DataError(
        f"{path}: expected the file with the rows of an export for {form}, found its folder; give {file} with "
        f"--from {form}"
    )


def _form_of(path: Path) -> str:
    """The form of what stands at a path, where the path tells it."""
    _refuse_export(path)
    if path.is_dir() and (path / RECORD).is_file():
        try:
            record = json.loads((path / RECORD).read_text(encoding="utf-8"))
            return str(record["form"])
        except (OSError, ValueError, KeyError, TypeError):
            raise DataError(
                f"{path / RECORD}: expected the record of a conversion, found something else; name the form with --from"
            ) from None
    if path.is_file():
        if path.suffix.lower() == ".xml":
            return "cvat"
        raise DataError(
            f"{path}: expected to be told which form the file has, for its name does not say it; give --from with "
            f"one of {', '.join((*FORMS, *TRAINERS))}"
        )
    return GIQA
