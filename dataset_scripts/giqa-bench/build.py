"""Build giqa-bench from what people marked in Label Studio, or render the eval.yaml that lies beside this file.

    python dataset_scripts/giqa-bench/build.py EXPORT.json EXPORT.json EXPORT.json --data ROWS --out OUT
    python dataset_scripts/giqa-bench/build.py --render

The first is the real thing; `giqa bench export` made the tasks. There is no card here: it is filled from annotations of
people, of which this repository has none. `giqa publish dataset OUT --dry-run` shows the card of yours.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from giqa_hf.cli.main import main as giqa
from giqa_hf.files import write_text
from giqa_hf.hub.eval_files import EVAL, eval_yaml

HERE = Path(__file__).parent


def rendered() -> str:
    """The eval.yaml that `giqa publish dataset` sends with a benchmark of this name."""
    return eval_yaml("giqa-bench", "default", "test")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("exports", nargs="*", help="JSON exports of Label Studio")
    parser.add_argument("--render", action="store_true", help="write eval.yaml")
    parser.add_argument("--data", help="the rows that were given to the annotators")
    parser.add_argument("--out", default="giqa-bench")
    args = parser.parse_args()
    if args.render:
        write_text(HERE / EVAL, rendered())
        return
    if not args.exports or args.data is None:
        parser.error("give exports and --data, or --render")
    sys.exit(giqa(["bench", "import", *args.exports, "--data", args.data, "--out", args.out]))


if __name__ == "__main__":
    main()
