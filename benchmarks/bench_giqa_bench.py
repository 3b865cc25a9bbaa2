"""GIQA-Bench on 100,000 predictions: time on one core, and memory beyond the inputs.

Half of the samples are descriptions of about 46 words, half are questions; each prediction and each truth
has two boxes. Nothing is judged. Inputs come from generators, so what grows with their number would be the
metric's own.

    python benchmarks/bench_giqa_bench.py            # exits with 1 when a limit is missed
    python benchmarks/bench_giqa_bench.py --count 20000
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from giqa_hf.grid import Grid
from giqa_hf.metrics.giqa_bench.compute import giqa_bench

SECONDS_PER_100K = 20.0
GROWTH_MIB = 8.0  # between a fifth of the samples and all: caches that are bounded may still fill up
_NAMES = ("dog", "old man", "tower", "water surface", "candles", "window", "coffee cup", "background")
_FAULTS = ("is blurred", "lacks detail", "is overexposed", "has visible noise", "is sharp and clear")
_LINK = (
    "in the middle of the picture, while the light around it is rather weak and some of the texture is lost"
)


def samples(count: int, seed: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Predictions with their reference rows."""
    draw = random.Random(seed)
    grid = Grid()
    # A pool of boxes and of near misses: making them is not what is measured.
    pool = []
    for _ in range(2000):
        x, y, w, h = (
            draw.random() * 0.6,
            draw.random() * 0.6,
            0.1 + draw.random() * 0.3,
            0.1 + draw.random() * 0.3,
        )
        box = [x, y, x + w, y + h]
        ((left, right),) = grid.encode([box]).tolist()
        pool.append((box, f"<{left},{right}>"))
    for number in range(count):
        one, two = draw.sample(_NAMES, 2)
        (box_one, said_one), (box_two, said_two) = draw.sample(pool, 2)
        if draw.random() < 0.3:
            said_two = draw.choice(pool)[1]
        fault, other = draw.sample(_FAULTS, 2)
        row: dict[str, Any] = {"task": "des", "question_type": None, "question": "Describe the quality."}
        if number % 2:
            row = {"task": "vqa", "question_type": "what", "question": "What is blurred?"}
            text, answer = (
                f"The [{one}]({said_one}) and the [{two}]({said_two}).",
                f"The {one} and the {two}.",
            )
        else:
            rest = f"The {two} {other}, so the overall quality is rather low {number % 97}."
            answer = f"The {one} {_LINK}, and it {fault}. {rest}"
            text = (
                f"The [{one}]({said_one}) {_LINK}. The [{two}]({said_two}) {fault}, so the quality is poor."
            )
        row["answer"] = answer
        row["answer_regions"] = [
            {"phrase": one, "boxes_norm": [box_one]},
            {"phrase": two, "boxes_norm": [box_two]},
        ]
        yield text, row


def measure(count: int) -> tuple[float, float, dict[str, Any]]:
    """CPU seconds of the metric alone, peak memory in MiB, and the result."""
    if count <= 0:
        raise ValueError(f"count: expected at least 1, got {count}")
    spent_making = 0.0

    def stream(part: int) -> Iterator[Any]:
        nonlocal spent_making
        source = samples(count)
        while True:
            before = time.process_time()
            item = next(source, None)
            spent_making += time.process_time() - before
            if item is None:
                return
            yield item[part]

    before = time.process_time()
    result = giqa_bench(stream(0), stream(1), judge=False)
    seconds = time.process_time() - before - spent_making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 * 1024 if sys.platform == "darwin" else 1024
    )
    return seconds, peak, result


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--count", type=int, default=100_000, help="number of predictions (default: %(default)s)"
    )
    parser.add_argument("--only-measure", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_measure:
        seconds, peak, result = measure(options.count)
        assert result["counts"]["des"]["samples"] + result["counts"]["vqa"]["samples"] == options.count
        print(seconds, peak)
        return 0
    # A process for each size: a peak never goes down again.
    small, large = (_in_own_process(count) for count in (options.count // 5, options.count))
    limit = SECONDS_PER_100K * options.count / 100_000
    growth = large[1] - small[1]
    rows = [
        (f"{options.count:,} predictions, CPU s", f"{large[0]:.1f}", f"< {limit:.1f}", large[0] < limit),
        ("per prediction, µs", f"{1e6 * large[0] / options.count:.0f}", "", True),
        (
            f"peak memory, {options.count // 5:,} to {options.count:,}, MiB",
            f"{growth:+.1f}",
            f"< {GROWTH_MIB}",
            growth < GROWTH_MIB,
        ),
    ]
    for what, found, wanted, holds in rows:
        print(
            f"{what:48} {found:>8}  {wanted:10} {'PASS' if holds else 'FAIL'}"
            if wanted
            else f"{what:48} {found:>8}"
        )
    return 0 if all(row[3] for row in rows) else 1


def _in_own_process(count: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--only-measure", "--count", str(count)]
    seconds, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds), float(peak)


if __name__ == "__main__":
    sys.exit(main())
