"""`giqa bench scores`: a model's quality scores of photos beside mean opinion scores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import DataError

PROTOCOLS = ("q-instruct", "q-bench", "three-words", "five-levels", "five-levels-unit")
"""As in `benchmark.score_runs.PROTOCOLS`, which takes a while to import."""


def add_action(actions: Any) -> None:
    """Add the action."""
    parser = actions.add_parser(
        "scores",
        help="a model's scores of photos beside mean opinion scores: SRCC, PLCC, KRCC, RMSE",
        description="Read a quality score of every photo from the first token of a model's answer, and compare with "
        "mean opinion scores, list by list.",
    )
    parser.add_argument("model", metavar="MODEL", help="folder or Hub id")
    parser.add_argument("--labels", type=Path, action="append", required=True, metavar="LIST",
                        help='photos with opinions: JSON or JSON Lines of {"img_path", "gt_score"}, or CSV; may be '
                        "given several times")  # fmt: skip
    parser.add_argument("--photos", type=Path, action="append", metavar="FOLDER",
                        help="below which the photos lie: one for all lists, or one for each, in their order "
                        "(default: the list's own)")  # fmt: skip
    parser.add_argument(
        "--image-key", default="img_path", help="field with a photo's path (default: %(default)s)"
    )
    parser.add_argument("--score-key", default="gt_score", help="field with its score (default: %(default)s)")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="q-instruct",
                        help="words, weights and temperature (default: %(default)s: good and poor at T = 1; q-bench: "
                        "at T = 100)")  # fmt: skip
    parser.add_argument("--limit", type=int, help="only the first photos of each list")
    parser.add_argument(
        "--out", type=Path, help="folder of the run (default: runs/ and the model's name, -scores)"
    )
    parser.add_argument("--batch-size", type=int, default=16, help="photos per batch (default: %(default)s)")
    parser.add_argument("--device", help="such as cuda:1 (default: a GPU if there is any)")
    parser.add_argument("--dtype", help="such as bfloat16 (default: as saved; float32 on a CPU)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Scores, then the table."""
    from ..benchmark.score_runs import PROTOCOLS as BY_NAME
    from ..benchmark.score_runs import ScoreSet, score_sets, scores_text
    from ..builders.giqa_160k.statistics import counted
    from ..metrics.score_correlation.labels import read_score_labels
    from ..quickstart import quiet

    if args.limit is not None and args.limit < 1:
        raise DataError(f"--limit: expected at least 1, got {args.limit}")
    folders = args.photos or [path.parent for path in args.labels]
    if len(folders) == 1:
        folders = folders * len(args.labels)
    if len(folders) != len(args.labels):
        raise DataError(
            f"--photos: expected one folder for all lists, or one for each of {len(args.labels)}, got {len(folders)}"
        )
    sets = [
        ScoreSet(
            path.stem,
            read_score_labels(path, image_key=args.image_key, score_key=args.score_key)[: args.limit],
            folder,
        )
        for path, folder in zip(args.labels, folders, strict=True)
    ]
    out = args.out or Path("runs") / f"{Path(args.model).name}-scores"
    quiet()
    result = score_sets(
        args.model,
        sets,
        out,
        BY_NAME[args.protocol],
        batch_size=args.batch_size,
        device=args.device,
        dtype=args.dtype,
        say=lambda line: print(line, flush=True),
    )
    print(scores_text(result))
    for name, one in result["sets"].items():
        if one["unreadable"]:
            image, why = next(iter(one["unreadable"].items()))
            photos = counted(len(one["unreadable"]), "photo")
            print(f"{name}: {photos} without a score (the first: {image}, {why})")
    print(f"scores: {out / 'scores.json'}")
