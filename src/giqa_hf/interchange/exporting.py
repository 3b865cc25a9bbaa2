"""An export: a folder with pictures, a file with a line per row, and what the tool needs to find them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from ..benchmark.data import BenchData, row_ids, rows_fingerprint
from ..errors import DataError, GiqaError, ImageError
from ..files import atomic_write, write_json
from ..progress import Progress, Say
from ..schema import TEXT_FIELDS
from .outlet import UNREADABLE, Unusable
from .pictures import FOLDER, Picture, Pictures
from .target import Target, origin_of

MADE_BY = "giqa dataset export"
RECORD = "export.json"


class Exported(NamedTuple):
    """What became of the rows."""

    rows: int
    """Rows that there were; `written` and the dropped ones add up to them."""
    written: int
    dropped: dict[str, int]
    """Rows that are not in the export, by reason."""
    pictures: int
    """Files that the lines name."""
    largest_pixels: int
    """Width times height of the largest picture."""
    not_carried: dict[str, int]
    """What the form has no place for, by kind; see the module of the target."""


def export_data(data: BenchData, out: Path, target: Target, *, say: Say = print) -> Exported:
    """Write rows as another tool takes them.

    Started again after an interruption, it writes only the pictures that are not there yet; the same rows give the same
    files.

    Args:
        data (`BenchData`): the rows, see `load_bench_data`.
        out (`Path`): a new folder, or that of the same export.
        target (`Target`): `MsSwift()` or `LlamaFactory(writing)`.
        say (`callable`, *optional*, defaults to `print`): takes the progress, a line at a time.

    Returns:
        `Exported`: also in `export.json`, with the settings and up to ten ids of dropped rows for each reason.

    Raises:
        `GiqaError`: when the folder holds something else or another export, cannot be written, or no row is left.
    """
    settings = {
        "to": target.name,
        "data": data.name,
        "split": data.split,
        "rows_sha256": rows_fingerprint(data.rows),
        **target.settings(),
    }
    settings = json.loads(json.dumps(settings))  # as it will be read back
    _claim(out, settings)
    pictures = Pictures(out)
    progress = Progress(say, "rows")
    dropped: dict[str, list[str]] = {}
    not_carried: Counter[str] = Counter()
    largest = written = 0
    named: set[str] = set()
    dataset = dataset_name(data.name, data.split)
    rows_file = f"{dataset}.jsonl"
    with atomic_write(out / rows_file) as file:
        for place, (row_id, row) in enumerate(zip(row_ids(data.rows), data.rows, strict=True)):
            try:
                picture = _picture(data, place, row, target, pictures)
                line = target.line(row, picture.name)
            except Unusable as reason:
                dropped.setdefault(str(reason), []).append(row_id)
            except DataError as error:
                raise DataError(f"row {row_id} of {data.name}: {error}") from error
            else:
                value = {**line.value, **origin_of(row, row_id)}
                text = json.dumps(value, ensure_ascii=False)
                file.write(text.encode("utf-8", "backslashreplace") + b"\n")
                not_carried.update(line.not_carried)
                named.add(picture.name)
                largest = max(largest, picture.width * picture.height)
                written += 1
            progress(place + 1, len(data.rows))
        if not written:
            reasons = ", ".join(f"{reason}: {len(ids)}" for reason, ids in dropped.items())
            raise GiqaError(f"{data.name}: expected rows to export, found none that can be ({reasons})")
    for name, content in target.beside(dataset, rows_file).items():
        write_json(out / name, content)
    exported = Exported(
        len(data.rows),
        written,
        {reason: len(ids) for reason, ids in sorted(dropped.items())},
        len(named),
        largest,
        dict(sorted(not_carried.items())),
    )
    examples = {reason: ids[:10] for reason, ids in sorted(dropped.items())}
    record = {
        "made_by": MADE_BY,
        "settings": settings,
        "rows_file": rows_file,
        **exported._asdict(),
        "dropped_rows": examples,
    }
    write_json(out / RECORD, record)
    return exported


def dataset_name(data: str, split: str) -> str:
    """What the rows are called in the export: a name that is safe as a file, in a command and in JSON.

    ```python
    >>> dataset_name("/data/../My set (2)", "train")
    'My_set_2_train'
    ```
    """
    last = Path(data).expanduser().name or "giqa"
    name = re.sub(r"[^0-9A-Za-z-]+", "_", f"{last}_{split}").strip("_-")
    return name[:80] or "giqa"


def _picture(data: BenchData, place: int, row: dict[str, Any], target: Target, pictures: Pictures) -> Picture:
    """The row's picture; raises `Unusable` for a row that the tool would get wrong."""
    for field in TEXT_FIELDS:
        if any(mark in row[field] for mark in target.placeholders):
            raise Unusable(f"{field} holds a placeholder of {target.name}")
    try:
        picture = pictures.put(data.photo_bytes(place))
    except (ImageError, OSError, TypeError, KeyError):
        raise Unusable(UNREADABLE) from None
    if (picture.width, picture.height) != (row["width"], row["height"]):
        raise Unusable("picture has another size than the row says")  # the boxes would lie elsewhere
    return picture


def _claim(out: Path, settings: dict[str, Any]) -> None:
    """See that the folder is ours, and write down what is going into it."""
    if out.exists() and not out.is_dir():
        raise GiqaError(f"{out}: expected a folder, found a file; choose another one")
    if out.is_dir() and any(out.iterdir()):
        try:
            record = json.loads((out / RECORD).read_text(encoding="utf-8"))
            found = record["settings"] if record["made_by"] == MADE_BY else None
        except (OSError, ValueError, KeyError, TypeError):
            found = None
        if not isinstance(found, dict):
            raise GiqaError(
                f"{out}: expected a new folder or an earlier export, found other files; choose another one"
            )
        if differing := sorted(
            name for name in {**found, **settings} if found.get(name) != settings.get(name)
        ):
            raise GiqaError(
                f"{out}: expected an export with the same settings, found one with another "
                f"{', '.join(differing)}; choose another folder, or delete this one"
            )
        if "written" in record:
            return
    write_json(out / RECORD, {"made_by": MADE_BY, "settings": settings})
    (out / FOLDER).mkdir(parents=True, exist_ok=True)
