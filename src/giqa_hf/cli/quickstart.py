"""`giqa quickstart`: the whole loop on real photographs, in minutes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "quickstart", help="photographs → dataset → tuning → GIQA-Bench → report, in minutes on two CPU cores"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("quickstart"),
        help="folder for everything it makes (default: %(default)s)",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="start anew instead of going on with an earlier run"
    )
    parser.add_argument("--model", help="folder of another checkpoint to tune (default: giqa-tiny's base)")
    parser.add_argument("--train-scenes", type=int, help="pictures to tune on (default: 2800; even)")
    parser.add_argument("--test-scenes", type=int, help="pictures to measure on (default: 100; even)")
    parser.add_argument("--seed", type=int, help="of pictures, texts and training (default: 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Run it."""
    from ..quickstart import Settings, quickstart

    given = {name: getattr(args, name) for name in ("model", "train_scenes", "test_scenes", "seed")}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    quickstart(args.out, settings, fresh=args.fresh, say=lambda line: print(line, flush=True))
