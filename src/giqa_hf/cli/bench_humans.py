"""`giqa bench export` and `giqa bench import`: a benchmark by people, by way of Label Studio."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from ..errors import DataError, GiqaError


def add_actions(actions: Any) -> None:
    """Add both actions."""
    export = actions.add_parser("export", help="write rows as Label Studio tasks")
    export.add_argument("data", help="a dataset folder with GIQA rows, or giqa-synth")
    export.add_argument("--out", type=Path, required=True, help="new folder for tasks.json and config.xml")
    export.add_argument("--split", default="train", help="split of the data (default: train)")
    export.add_argument("--limit", type=int, help="only the first rows")
    export.add_argument(
        "--photo-url",
        help="where Label Studio will find the photos of OUT/images, e.g. /data/local-files/?d=images/ "
        "(default: the photos go into tasks.json itself)",
    )
    export.set_defaults(run=run_export)
    back = actions.add_parser("import", help="make a benchmark of several annotators' exports")
    back.add_argument("exports", type=Path, nargs="+", help="JSON exports of Label Studio")
    back.add_argument("--data", required=True, help="the data that was exported")
    back.add_argument("--split", default="train", help="its split (default: train)")
    back.add_argument("--limit", type=int, help="as for the export")
    back.add_argument("--out", type=Path, required=True, help="folder of the benchmark")
    back.add_argument("--min-annotators", type=int, default=3, help="per row (default: 3, as in the paper)")
    back.add_argument("--overwrite", action="store_true", help="replace an earlier benchmark in --out")
    back.set_defaults(run=run_import)


def run_export(args: argparse.Namespace) -> None:
    """Write tasks, configuration and, unless they are embedded, photos."""
    from ..benchmark.humans import CONFIG, tasks_of
    from ..files import write_bytes, write_json, write_text

    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise GiqaError(
            f"{args.out}: expected a new or empty folder, found other files; choose another --out"
        )
    rows = load_rows(args.data, args.split, args.limit)
    photos = {row["image_id"]: row["image"] for row in rows}
    names = {
        image_id: f"{number:06d}.{_kind(photo)}" for number, (image_id, photo) in enumerate(photos.items())
    }
    if args.photo_url is not None:
        for image_id, photo in photos.items():
            write_bytes(args.out / "images" / names[image_id], photo["bytes"])
        tasks = tasks_of(rows, lambda image_id: args.photo_url + names[image_id])
    else:
        tasks = tasks_of(rows, lambda image_id: _data_uri(photos[image_id]))
    write_text(args.out / "config.xml", CONFIG)
    write_json(args.out / "tasks.json", tasks, indent=None)
    photos_named = "1 photo" if len(photos) == 1 else f"{len(photos)} photos"
    print(f"{len(tasks)} tasks on {photos_named}: {args.out / 'tasks.json'}")
    print(
        f"in Label Studio: paste {args.out / 'config.xml'} under Settings > Labeling Interface > Code, "
        "then import the tasks"
    )


def run_import(args: argparse.Namespace) -> None:
    """Read the exports, print the agreement, write the benchmark and what is left to settle."""
    from ..benchmark.humans import agreement, consensus, read_exports
    from ..benchmark.humans.bench import write_bench
    from ..files import write_json

    judgements = read_exports(args.exports)
    rows = load_rows(args.data, args.split, args.limit)
    known = {f"{number:06d}:{row['image_id']}" for number, row in enumerate(rows)}
    if strangers := sorted({judgement.row_id for judgement in judgements} - known):
        raise DataError(
            f"{args.exports[0]}: expected the rows of {args.data}, split {args.split}, found {len(strangers)} others "
            f"({', '.join(strangers[:3])}…); give the --data, --split and --limit of the export"
        )
    found_agreement = agreement(judgements)
    for name, value in found_agreement._asdict().items():
        shown = "n/a" if value is None else f"{value:.3f}" if isinstance(value, float) else value
        print(f"{name:<12} {shown}")
    found = consensus(rows, judgements, min_annotators=args.min_annotators)
    print(f"agreed {len(found.rows)}, unusable {len(found.unusable)}, waiting for annotators {len(found.waiting)}, "
          f"conflicts in {len({c.row_id for c in found.conflicts})} rows")  # fmt: skip
    open_points = {
        "conflicts": [conflict._asdict() for conflict in found.conflicts],
        "unusable": found.unusable,
        "waiting": found.waiting,
    }
    path = args.out.with_name(f"{args.out.name}-open.json")
    write_json(path, open_points)
    print(f"what is left to settle: {path}")
    if not found.rows:
        raise GiqaError(f"{args.out}: nothing was written, for no row is agreed on; see {path}")
    write_bench(
        found.rows, args.out, found_agreement, min_annotators=args.min_annotators, overwrite=args.overwrite
    )
    print(
        f"benchmark: {args.out}\n"
        "its card says whether it may be published; before training: giqa dataset build BUILD --out TRAIN --against "
        f"{shlex.quote(str(args.out))} --leave-out-overlap"
    )


def load_rows(data: str, split: str, limit: int | None) -> list[dict[str, Any]]:
    """Rows with their photos as encoded bytes."""
    from datasets import Image, load_dataset

    folder = Path(data)
    found = load_dataset(str(folder), split=split) if folder.is_dir() else load_dataset(data, split=split)
    found = found.cast_column("image", Image(decode=False))
    return list(found.select(range(min(limit, len(found)))) if limit is not None else found)


def _kind(photo: dict[str, Any]) -> str:
    return "jpg" if photo["bytes"][:2] == b"\xff\xd8" else "png"


def _data_uri(photo: dict[str, Any]) -> str:
    import base64

    kind = {"jpg": "jpeg"}.get(_kind(photo), "png")
    return f"data:image/{kind};base64,{base64.b64encode(photo['bytes']).decode()}"
