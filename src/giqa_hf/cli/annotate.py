"""`giqa annotate CORPUS`: from photos with descriptions to a grounded build, or one record's way through it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import GiqaError


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "annotate",
        help="ground descriptions in photos: tags, boxes, their refinement, questions with answers",
        epilog="To go on with a build that was interrupted, run the same command again.",
    )
    parser.add_argument(
        "corpus",
        nargs="?",
        help="q-pathway, dq-495k, a table (.csv, .tsv, .jsonl, .json, .parquet), or a folder or Hub id of a dataset",
    )
    parser.add_argument("--root", type=Path, help="folder of the corpus, or of a table's photos")
    parser.add_argument(
        "--out", type=Path, default=Path("build"), help="folder of the build (default: build)"
    )
    parser.add_argument(
        "--profile", default="classic", help="classic (no model), paper, or a .yaml file (default: classic)"
    )
    parser.add_argument("--llm", metavar="URL", help="OpenAI-compatible server, such as http://host:8000/v1")
    parser.add_argument(
        "--llm-model", metavar="M", help="its model's name, or without --llm a folder or Hub id"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
        help="change the profile, such as detector.model=./dino; may be given several times",
    )  # fmt: skip
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="where it runs")
    parser.add_argument("--workers", type=int, default=1, help="processes, or actors per stage of Ray")
    parser.add_argument(
        "--limit", type=int, help="take only the first so many rows; a later run with more goes on"
    )
    parser.add_argument(
        "--shard-size",
        type=int,
        default=32,
        help="rows in a file of the build, which appears at once (default: 32)",
    )
    parser.add_argument(
        "--on-missing", choices=("go-on", "stop"), default="go-on", help="when photos are not there"
    )
    for name, what in (("image", "photo"), ("text", "description"), ("id", "id")):
        parser.add_argument(f"--{name}-column", metavar="NAME", help=f"column of the {what}")
    parser.add_argument("--split", help="of a dataset that has several")
    parser.add_argument("--source", help="where the photos come from, for all rows")
    parser.add_argument("--license", help="of photos and descriptions, for all rows")
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        action="store_true",
        help="go on with the build in --out, which happens without it too; with it, there must be one",
    )
    again.add_argument(
        "--fresh", action="store_true", help="remove the build of an earlier run in --out and start anew"
    )
    parser.add_argument(
        "--explain",
        metavar="ID|PHOTO",
        help="show one record of the build in --out, by its id or its photo, and do nothing else",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run it."""
    if args.explain is not None:
        explain(args)
        return
    if args.corpus is None:
        raise GiqaError(
            "giqa annotate: expected the name of a corpus, or --explain ID to look at a build; see giqa annotate --help"
        )
    from ..annotation.pipeline import annotate
    from ..annotation.profiles import load_profile
    from ..annotation.shards import MANIFEST
    from ..corpora.corpus import open_corpus

    if args.resume and not (args.out / MANIFEST).exists():
        raise GiqaError(
            f"--resume: {args.out} holds no build to go on with; leave it out to begin one, or check --out"
        )
    _check_language_model(args)
    profile = load_profile(args.profile, **overrides(args))
    corpus = open_corpus(
        args.corpus, args.root, image_column=args.image_column, text_column=args.text_column,
        id_column=args.id_column, split=args.split, source=args.source, license=args.license,
    )  # fmt: skip
    audit = annotate(
        corpus, profile, args.out, engine=args.engine, shard_size=args.shard_size, workers=args.workers,
        limit=args.limit, on_missing=args.on_missing.replace("-", " "), fresh=args.fresh,
        say=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(f"\n{audit.table()}\n\nbuild: {args.out}")


def _check_language_model(args: argparse.Namespace) -> None:
    """Refuse a language model for a profile that asks none; the profile's own words would name no option."""
    from ..annotation.profiles import load_profile

    given = [
        name for name, value in (("--llm", args.llm), ("--llm-model", args.llm_model)) if value is not None
    ]
    if given and "llm" not in vars(load_profile(args.profile)):
        raise GiqaError(
            f"{given[0]}: the profile {args.profile} asks no language model; add --profile paper, or leave {given[0]} "
            "out"
        )


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line changes in the profile; values are read as YAML: numbers, true, false, null, texts."""
    import yaml  # type: ignore[import-untyped]  # comes with huggingface_hub, without types

    changes: dict[str, Any] = {}
    for setting in args.settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise GiqaError(f"--set: expected KEY=VALUE, such as merge.area_threshold=0.1, found {setting!r}")
        try:
            changes[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            changes[key] = value
    for key, value in (("llm.url", args.llm), ("llm.model", args.llm_model)):
        if value is not None:
            changes[key] = value
    return changes


def explain(args: argparse.Namespace) -> None:
    """Print one record's way, and write it as a page beside the build."""
    from ..annotation.explain import explain_text, find_record, page_path, photo_path
    from ..annotation.explain_page import write_explanation

    record = find_record(args.out, args.explain)
    page = page_path(args.out, record)
    write_explanation(page, record, photo_path(args.out, record, args.root))
    print(f"{explain_text(record)}\n\nwith pictures: {page}")
