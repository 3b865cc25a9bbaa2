"""`giqa convert`: rows into the forms of other tools, and back."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import DataError
from . import dataset_export

GIQA = "giqa"
FORMS = (
    GIQA, "coco", "supervision", "coco-panoptic", "label-studio", "cvat", "fiftyone", "kosmos2", "qwen", "qwen2.5"
)  # fmt: skip
"""As `giqa_hf.interchange.CARRIES`, which is not imported to print a help text; a test compares."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "convert", help="write rows in the form of another tool, or read them back"
    )
    parser.add_argument(
        "source", metavar="IN", help="a dataset folder with GIQA rows, giqa-synth, a dataset of the Hub, or a file"
    )  # fmt: skip
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="new folder; or new .json or .xml file, without pictures"
    )
    parser.add_argument("--to", required=True, choices=(*FORMS, *dataset_export.TARGETS))
    parser.add_argument(
        "--from",
        dest="form",
        choices=(*FORMS, *dataset_export.TARGETS),
        help="form of IN (default: as its folder says, or a dataset)",
    )
    parser.add_argument("--split", help="split of a dataset, read or made (default: train)")
    parser.add_argument("--limit", type=int, help="only the first rows")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder of the pictures that a file names (default: its own)",
    )
    dataset_export.add_words(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run `giqa convert`."""
    from ..interchange import convert, open_rows

    named, args.split = args.split, args.split or "train"
    if args.to in dataset_export.TARGETS:
        _refuse_other_source(args)
        dataset_export.run_export(args)
        return
    words = None
    if args.form in dataset_export.TARGETS and dataset_export.asks_for_words(args):
        words = _words(args)
    elif dataset_export.asks_for_words(args):
        raise DataError(
            f"--to {args.to}: expected no --backbone, --processor, --frame or --format, for its boxes are of one kind; "
            f"these are for {' and '.join(dataset_export.TARGETS)}"
        )
    source = open_rows(
        args.source, args.form, split=args.split, images=args.images, limit=args.limit, words=words
    )
    if named is None and source.other_splits:
        left = ", ".join(f"{count:,} rows of {name}" for name, count in source.other_splits.items())
        one = next(iter(source.other_splits))
        way_on = f"it with --split {one}" if len(source.other_splits) == 1 else "one with --split"
        print(f"split {args.split}; {left} are left out, name {way_on}")
    made = convert(source, args.out, args.to, split=args.split, say=lambda line: print(line, file=sys.stderr))
    print(f"{made.written} of {made.rows} rows, {source.form} to {args.to}: {args.out}")
    for reason, count in made.dropped.items():
        print(f"  left out: {count} rows, {reason}")
    for what, count in made.lost.items():
        print(f"  {args.to} has no place for: {what}, {count}")
    for what, count in made.notes.items():
        print(f"  {count} {what}")
    for line in made.kept:
        print(f"  {line}")


def _words(args: argparse.Namespace) -> Any:
    """How boxes stand in the texts of a file for another trainer."""
    from ..interchange.conversations import QWEN, Conversations

    writing = dataset_export.writing_of(args, dataset_export.processor_of(args))
    return Conversations(writing.box_format, writing.frame, QWEN.CARRIES)


def _refuse_other_source(args: argparse.Namespace) -> None:
    if args.form not in (None, GIQA) or args.images is not None or Path(args.source).expanduser().is_file():
        raise DataError(
            f"{args.source}: expected a dataset for --to {args.to}, found a file of another form; convert it with "
            "--to giqa first"
        )
