"""`giqa dataset`: make giqa-160k from a build, see that two sets share no photo, write rows for other trainers."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from ..errors import GiqaError
from . import dataset_export, dataset_join
from .dataset_join import load_line


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "dataset", help="make a dataset from a build of `giqa annotate`, check one, or export one"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    build = commands.add_parser(
        "build", help="balance, splits, statistics, contamination guard and card for load_dataset"
    )
    build.add_argument("build", type=Path, help="folder that `giqa annotate` made")
    build.add_argument("--out", type=Path, required=True, help="the dataset's folder, e.g. giqa-160k")
    build.add_argument("--root", type=Path, help="folder of the photos (default: as in `giqa annotate`)")
    build.add_argument("--seed", type=int, default=0, help="of balance and splits")
    build.add_argument(
        "--validation", type=float, default=0.0, help="share of photos for validation, e.g. 0.02"
    )
    build.add_argument("--test", type=float, default=0.0, help="share of photos for test")
    build.add_argument("--no-balance", action="store_true", help="keep all questions")
    build.add_argument(
        "--against", type=Path, action="append", default=[], metavar="FOLDER",
        help="a set that must not share a photo with it, such as the folder of giqa-bench; may be given several times",
    )  # fmt: skip
    shared = build.add_mutually_exclusive_group()
    shared.add_argument(
        "--leave-out-overlap", action="store_true",
        help="leave photos that are in a set of --against out of all splits, with all that look like them",
    )  # fmt: skip
    shared.add_argument(
        "--allow-overlap", action="store_true", help="with shared photos, go on and say so in the card"
    )
    build.add_argument(
        "--publishable", action="store_true", help="leave out photos that may not be passed on"
    )
    build.add_argument("--overwrite", action="store_true", help="replace an earlier dataset in --out")
    build.set_defaults(run=run_build)

    check = commands.add_parser("check", help="find the photos of a set that are in another one as well")
    check.add_argument("folder", type=Path, help="a dataset, or a folder of photos")
    check.add_argument("--against", type=Path, required=True, metavar="FOLDER", help="the other one")
    check.add_argument("--json", type=Path, metavar="FILE", help="write all pairs there")
    check.set_defaults(run=run_check)
    dataset_export.add_action(commands)
    dataset_join.add_action(commands)


def run_build(args: argparse.Namespace) -> None:
    """Run `giqa dataset build`."""
    from ..annotation.export import ExportSettings, build_dataset
    from ..builders.giqa_160k.statistics import statistics_text

    settings = ExportSettings(
        seed=args.seed,
        validation=args.validation,
        test=args.test,
        balance=not args.no_balance,
        publishable=args.publishable,
    )
    dataset = build_dataset(
        args.build,
        args.out,
        settings,
        against=args.against,
        allow_overlap=args.allow_overlap,
        leave_out_overlap=args.leave_out_overlap,
        root=args.root,
        overwrite=args.overwrite,
        say=lambda line: print(line, flush=True),
    )
    print(statistics_text(dataset["statistics"], args.out.resolve().name))
    print(f"made {args.out}; in Python, from any folder:\n{load_line(args.out)}")


def run_check(args: argparse.Namespace) -> None:
    """Run `giqa dataset check`; photos in both sets are an error."""
    from ..builders.giqa_160k.contamination import (
        COARSE_BITS,
        KINDS,
        find_overlaps,
        name_overlaps,
        overlap_report,
    )
    from ..builders.giqa_160k.photo_sets import read_photo_set
    from ..files import write_json

    threads = os.cpu_count() or 1
    photos, others = (read_photo_set(folder, threads=threads) for folder in (args.folder, args.against))
    overlaps = find_overlaps(photos, others)
    report = overlap_report(overlaps, photos, others, COARSE_BITS)
    if args.json:
        write_json(args.json, report)
    print(f"{args.folder}: {len(photos):,} photos; {args.against}: {len(others):,}")
    for kind in KINDS:
        print(f"  same {kind}: {report['by_surest_kind'][kind]:,}")
    if overlaps:
        where = f"; all of them are in {args.json}" if args.json else "; --json FILE lists them all"
        raise GiqaError(
            f"{args.folder}: expected no photo of {args.against}, found {len(overlaps):,}: "
            f"{name_overlaps(overlaps)}{where}"
        )
    print("no photo is in both")
