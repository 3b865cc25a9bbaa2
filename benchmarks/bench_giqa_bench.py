"""GIQA-Bench on 100,000 predictions: time on one core, what matching costs beside parsing, and memory.

Every prediction has two to four boxes and 46 words; half of them are descriptions, half answers to Why questions.
Nothing is judged. Inputs come from generators, so what grows with their number would be the metric's own.

Where pycocoevalcap is installed (`pip install --no-deps pycocoevalcap`), its BLEU scorer is timed right before and
right after as a yardstick, and the limit holds for a machine on which it takes 180 µs for a pair of 46 words; without
it the seconds are taken as they are.

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
from collections.abc import Iterable, Iterator
from typing import Any

from giqa_hf.formats import GiqaFormat
from giqa_hf.grid import Grid
from giqa_hf.metrics.giqa_bench.compute import giqa_bench
from giqa_hf.metrics.grounding_miou.box_f1 import BoxSums
from giqa_hf.metrics.grounding_miou.compute import MiouSums
from giqa_hf.metrics.overlaps import iter_overlaps
from giqa_hf.metrics.tag_recall.compute import TagRecallSums

SECONDS_PER_100K = 20.0
YARDSTICK = 180.0  # µs of pycocoevalcap's scorer for a pair, where the limit was set
GROWTH_MIB = 8.0  # between a fifth of the samples and all: caches that are bounded may still fill up
_NAMES = ("dog", "old man", "tower", "water surface", "candles", "window", "coffee cup", "background")
_FAULTS = ("is blurred", "lacks detail", "is overexposed", "has visible noise", "is sharp and clear")
_FILLING = (
    "in the middle of the picture while the light around it is rather weak and some of the texture is lost so that "
    "details on its surface can hardly be seen and the colors near its edges look pale and a little washed out"
)
WORDS = 46


def samples(count: int, seed: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """Predictions with their reference rows."""
    draw = random.Random(seed)
    grid = Grid()
    # A pool of boxes and of near misses: making them is not what is measured.
    pool = []
    for _ in range(2000):
        x, y = draw.random() * 0.6, draw.random() * 0.6
        box = [x, y, x + 0.1 + draw.random() * 0.3, y + 0.1 + draw.random() * 0.3]
        ((left, right),) = grid.encode([box]).tolist()
        pool.append((box, f"<{left},{right}>"))
    for number in range(count):
        names = draw.sample(_NAMES, draw.randint(2, 4))
        true = draw.sample(pool, len(names))
        # Three of ten boxes are wrong, and one of ten names.
        said = [box if draw.random() < 0.7 else draw.choice(pool) for box in true]
        called = [name if draw.random() < 0.9 else draw.choice(_NAMES) for name in names]
        faults = [draw.choice(_FAULTS) for _ in names]
        others = [fault if draw.random() < 0.6 else draw.choice(_FAULTS) for fault in faults]
        question = {"task": "des", "question_type": None, "question": "Describe the quality."}
        if number % 2:
            question = {"task": "vqa", "question_type": "why", "question": "Why is the quality low?"}
        row = {
            **question,
            "answer": _sentence(zip(names, faults, strict=True), draw),
            "answer_regions": [
                {"phrase": name, "boxes_norm": [box]} for name, (box, _) in zip(names, true, strict=True)
            ],
        }
        marked = [f"[{name}]({text})" for name, (_, text) in zip(called, said, strict=True)]
        yield _sentence(zip(marked, others, strict=True), draw), row


def _sentence(things: Iterable[tuple[str, str]], draw: random.Random) -> str:
    parts = [f"the {thing} {fault}" for thing, fault in things]
    words = " and ".join(parts).split()
    start = draw.randrange(8)
    filling = _FILLING.split()[start : start + max(0, WORDS - len(words))]
    return " ".join([*words, *filling]).capitalize() + "."


def yardstick(count: int = 2000) -> float | None:
    """CPU µs of pycocoevalcap's scorer for a pair; None where it is not installed."""
    try:
        from bench_bleu import captions, theirs
    except ImportError:
        return None
    pairs = captions(count)
    before = time.process_time()
    theirs(pairs)
    return 1e6 * (time.process_time() - before) / count


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


def parts(count: int) -> tuple[float, float]:
    """CPU seconds of reading the predictions, and of all matching: IoU, mIoU, Tag-Recall, precision."""
    pairs = list(samples(count))
    before = time.process_time()
    read = [GiqaFormat().read(text) for text, _ in pairs]
    parsing = time.process_time() - before
    truths = [
        (
            [box for region in row["answer_regions"] for box in region["boxes_norm"]],
            [region["phrase"] for region in row["answer_regions"]],
        )
        for _, row in pairs
    ]
    said = [(grounded.boxes_norm, grounded.phrases) for grounded in read]
    miou, tags, boxes = MiouSums(), TagRecallSums(), BoxSums()
    before = time.process_time()
    all_ious = iter_overlaps([own for own, _ in said], [own for own, _ in truths])
    for ious, (_, names), (_, true_names) in zip(all_ious, said, truths, strict=True):
        miou.add(ious)
        tags.add(ious, names, true_names)
        boxes.add(ious)
    return parsing, time.process_time() - before


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
        print(seconds, peak, yardstick() or 0.0)  # in this order: the yardstick needs memory too
        return 0
    # A process for each size: a peak never goes down again.
    small, large = (_in_own_process(count) for count in (options.count // 5, options.count))
    limit = SECONDS_PER_100K * options.count / 100_000
    growth = large[1] - small[1]
    parsing, matching = parts(options.count // 5)
    scaled, speed = large[0], ""
    theirs = (small[2] + large[2]) / 2  # right before the large one, and right after it
    if theirs:
        scaled *= YARDSTICK / theirs
        speed = f", where the yardstick takes {YARDSTICK:.0f} µs"
        print(f"{'yardstick now, µs a pair':64} {theirs:8.0f}")
    rows = [
        (f"{options.count:,} predictions, CPU s now", f"{large[0]:.1f}", "", True),
        (f"{options.count:,} predictions, CPU s{speed}", f"{scaled:.1f}", f"< {limit:.1f}", scaled < limit),
        ("per prediction, µs", f"{1e6 * large[0] / options.count:.0f}", "", True),
        (
            "matching, of the time of parsing",
            f"{matching / parsing:.2f}",
            "< 1",
            matching < parsing,
        ),
        (
            f"peak memory, {options.count // 5:,} to {options.count:,}, MiB",
            f"{growth:+.1f}",
            f"< {GROWTH_MIB}",
            growth < GROWTH_MIB,
        ),
    ]
    for what, found, wanted, holds in rows:
        print(
            f"{what:64} {found:>8}  {wanted:10} {'PASS' if holds else 'FAIL'}"
            if wanted
            else f"{what:64} {found:>8}"
        )
    return 0 if all(row[3] for row in rows) else 1


def _in_own_process(count: int) -> tuple[float, float, float]:
    command = [sys.executable, __file__, "--only-measure", "--count", str(count)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak, theirs = map(float, said.split())
    return seconds, peak, theirs


if __name__ == "__main__":
    sys.exit(main())
