"""`giqa bench ablation`: one of the paper's, on a model and rows of one's own, or on giqa-tiny and giqa-synth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import DataError

NAMES = ("boxes", "coordinates", "tasks", "grid", "data")
"""As in `training.ablations.ABLATIONS`, which takes a while to import."""


def add_action(actions: Any) -> None:
    """Add the action."""
    parser = actions.add_parser("ablation", help="tune a model in several ways, measure each, and compare")
    parser.add_argument(
        "name",
        choices=NAMES,
        help="boxes: raw or refined (Tab. 2a; needs --arm); coordinates: corners or cells (Tab. 2b); tasks: "
        "descriptions, questions or both (Tab. 3); grid: 10 to 100 cells a side; data: an eighth of the pictures up "
        "to all",
    )
    parser.add_argument("--out", type=Path, help="folder for everything it makes (default: ablations/NAME)")
    parser.add_argument(
        "--model", help="folder or Hub id of the checkpoint to tune (default: giqa-tiny's base)"
    )
    parser.add_argument("--train", help="dataset folder with a split train (default: giqa-synth)")
    parser.add_argument("--bench", help="giqa-bench, a folder of rows, or giqa-synth (default)")
    parser.add_argument("--train-scenes", type=int, help="pictures of giqa-synth to tune on (default: 2800)")
    parser.add_argument("--recipe", help="tiny (default), or paper: its learning rate, batch and epochs")
    parser.add_argument("--seed", type=int, help="of giqa-synth and of the training (default: 0)")
    parser.add_argument("--limit", type=int, help="only the first rows of the benchmark")
    parser.add_argument("--arm", action="append", metavar="NAME=FOLDER", default=[],
                        help="tune on these rows, under this name; may be given several times")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Tune, measure, print the table, write the page."""
    from ..benchmark.compare_page import compare_html
    from ..benchmark.compare_text import compare_text
    from ..benchmark.comparing import compare_runs
    from ..benchmark.differing import differences_from_first
    from ..benchmark.published import published_text
    from ..files import write_text
    from ..quickstart import quiet
    from ..training.ablations import ABLATIONS, AblationSettings, run_ablation

    given = {"model": args.model, "rows": args.train, "bench": args.bench, "train_scenes": args.train_scenes,
             "recipe": args.recipe, "seed": args.seed, "limit": args.limit,
             "own_arms": tuple(_arm(text) for text in args.arm) or None}  # fmt: skip
    settings = AblationSettings(
        args.name, **{key: value for key, value in given.items() if value is not None}
    )
    out = args.out or Path("ablations") / args.name
    quiet()
    runs = run_ablation(settings, out, say=lambda line: print(line, flush=True))
    comparison = compare_runs(runs)
    differences = differences_from_first(comparison, runs)
    print(f"\n{ABLATIONS[args.name].says}\n")
    print(compare_text(comparison, differences))
    if (table := ABLATIONS[args.name].published) is not None:
        print(f"\n{published_text(table)}")
    page = out / "compare.html"
    write_text(page, compare_html(comparison, differences))
    print(f"page: {page}")


def _arm(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise DataError(f"--arm: expected NAME=FOLDER, got {text!r}")
    return name, folder
