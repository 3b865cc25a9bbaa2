"""`giqa dataset join`: the user's own copies of photos back into a dataset that was published without them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any


def add_action(actions: Any) -> None:
    """Add the action."""
    join = actions.add_parser(
        "join",
        help="put your own copies of photos back into a dataset that was published without them",
        description="Photos are known by their content, whatever their files are called, and checked by hash.",
    )
    join.add_argument("folder", type=Path, help="the dataset as it was downloaded")
    join.add_argument(
        "--images", type=Path, required=True, metavar="FOLDER", help="your copies of the photos"
    )
    join.add_argument("--out", type=Path, required=True, help="the new dataset's folder")
    join.add_argument("--partial", action="store_true", help="go on without the photos that are not found")
    join.add_argument("--overwrite", action="store_true", help="replace an earlier dataset in --out")
    join.set_defaults(run=run_join)


def run_join(args: argparse.Namespace) -> None:
    """Run `giqa dataset join`."""
    from ..hub.join import join_photos

    joined = join_photos(
        args.folder,
        args.images,
        args.out,
        partial=args.partial,
        overwrite=args.overwrite,
        say=lambda line: print(line, flush=True),
    )
    print(f"{len(joined.joined):,} photos put back, {len(joined.missing):,} missing")
    for image_id in joined.missing:
        print(f"  {'another content' if image_id in joined.wrong else 'missing'}: {image_id}")
    print(f"made {args.out}; in Python, from any folder:\n{load_line(args.out)}")


def load_line(folder: Path) -> str:
    """The line of Python that opens a dataset, for pasting: it needs no other line, and no certain folder.

    Args:
        folder (`Path`): the dataset.
    """
    path = os.path.abspath(folder)
    return (
        "import giqa_hf; from datasets import load_dataset; "
        f'rows = load_dataset("giqa-160k", data_dir={path!r})'
    )
