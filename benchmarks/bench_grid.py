"""Boxes to cells and back: `Grid` against Kosmos-2's functions and against bare numpy, in one run.

    python benchmarks/bench_grid.py            # a million boxes; exit code 1 if a target is missed

Targets: at least 8 times faster per box than `coordinate_to_patch_index` and `patch_index_to_coordinate`, and
at most 1.5 times the numpy expressions that do the same arithmetic with no check of their input at all. All
work on the same boxes; Kosmos-2's functions take one box at a time, so they get a tenth and count per box.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from transformers.models.kosmos2 import processing_kosmos2

from giqa_hf.grid import Grid

FASTER_THAN_KOSMOS = 8.0
SLOWER_THAN_NUMPY = 1.5


def random_boxes(count: int) -> npt.NDArray[np.float64]:
    """Boxes inside the image, as Kosmos-2 needs them: with an area."""
    corners = np.random.default_rng(0).random((count, 2, 2))
    corners.sort(axis=1)
    return corners.reshape(count, 4)


def bare_numpy(boxes_norm: npt.NDArray[np.float64], cols: int, rows: int) -> npt.NDArray[np.float64]:
    """Eq. 1 and the "expand" decoding written down without a check: what a careful script would do inline."""
    sides = np.array([cols, rows, cols, rows])
    scaled = boxes_norm * sides
    snap = 1e-9 * np.array([cols, rows])
    first = np.minimum(np.floor(scaled[:, :2] + snap).astype(np.int64), [cols - 1, rows - 1])
    last = np.maximum(np.ceil(scaled[:, 2:] - snap).astype(np.int64) - 1, first)
    cells = np.stack([first[:, 1] * cols + first[:, 0], last[:, 1] * cols + last[:, 0]], axis=1)

    row, column = np.divmod(cells, cols)
    first = np.stack([column[:, 0], row[:, 0]], axis=1)
    last = np.stack([column[:, 1], row[:, 1]], axis=1)
    flat = (first == last).any(axis=1, keepdims=True)
    return np.concatenate([2 * first + 1 - flat, 2 * last + 1 + flat], axis=1) / (2.0 * sides)


def kosmos(boxes: list[tuple[float, ...]], side: int) -> None:
    for box in boxes:
        left, right = processing_kosmos2.coordinate_to_patch_index(box, side)
        processing_kosmos2.patch_index_to_coordinate(left, right, side)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> int:
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--boxes", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()

    boxes_norm = random_boxes(args.boxes)
    few = [tuple(box) for box in boxes_norm[: max(1, args.boxes // 10)].tolist()]
    grid = Grid()
    if not np.array_equal(grid.decode(grid.encode(boxes_norm)), bare_numpy(boxes_norm, grid.cols, grid.rows)):
        print("FAIL: Grid and the bare numpy expressions do not compute the same boxes")
        return 1

    # The three take turns, so that a slow spell of the machine slows them all.
    rounds = [
        (
            seconds(lambda: grid.decode(grid.encode(boxes_norm))) / len(boxes_norm),
            seconds(lambda: bare_numpy(boxes_norm, grid.cols, grid.rows)) / len(boxes_norm),
            seconds(lambda: kosmos(few, grid.cols)) / len(few),
        )
        for _ in range(args.repeats)
    ]
    ours, numpy_only, theirs = (statistics.median(times) * 1e9 for times in zip(*rounds, strict=True))
    print(f"encode and decode, ns per box, median of {args.repeats} runs of {args.boxes:,} boxes:")
    print(f"      Grid {ours:.0f}, bare numpy {numpy_only:.0f}, Kosmos-2 {theirs:.0f}")

    faster, slower = theirs / ours, ours / numpy_only
    passed = [faster >= FASTER_THAN_KOSMOS, slower <= SLOWER_THAN_NUMPY]
    verdicts = ["PASS" if ok else "FAIL" for ok in passed]
    print(f"{verdicts[0]}  {faster:.1f} times faster than Kosmos-2 (target: at least {FASTER_THAN_KOSMOS})")
    print(f"{verdicts[1]}  {slower:.2f} times bare numpy (target: at most {SLOWER_THAN_NUMPY})")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
