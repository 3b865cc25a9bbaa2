"""Detection: batches sorted by size against one call per phrase, in one run.

    python benchmarks/bench_detection.py       # exit code 1 if a target is missed

A tiny random Grounding DINO of the real class looks for the tags of 16 photos in four sizes, 3 phrases each, which come
in no order. Target: at least 1.5 times the throughput of one call per photo and phrase, with the same boxes. The single
calls are what a plain script does: each prepares its photo and asks for one phrase. Both start from decoded photos.

Two more rows tell where it comes from: batches alone (each photo prepared for each phrase), and photos prepared once
(batches of one). With a tiny network it is the first, since most of a call's time goes into starting its many small
operations; this says nothing about a large network, whose arithmetic takes longer.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))
from giqa_hf.annotation.detection.detector import Detections
from giqa_hf.annotation.detection.grounding_dino import GroundingDinoDetector
from tests.make_tiny_detector import make_tiny_detector

FASTER_THAN_SINGLE = 1.5
SIZES_WH = ((640, 480), (480, 640), (500, 375), (512, 512))
"""The first and the third have one size once they are processed."""
PHRASES = ("the sky", "the red window of the tower", "dog", "water in the background", "a blurry tower")
PHRASES_EACH = 3


def pairs(photos: int) -> tuple[list[Image.Image], list[str]]:
    """Smooth random photos with their phrases; those of one photo stand together, as a stage gives them."""
    rng = np.random.default_rng(0)
    images, phrases = [], []
    for number in range(photos):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(SIZES_WH[number % len(SIZES_WH)], Image.Resampling.BICUBIC)
        for place in range(PHRASES_EACH):
            images.append(image)
            phrases.append(PHRASES[(number + place) % len(PHRASES)])
    return images, phrases


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def worst(ours: list[Detections], theirs: list[Detections]) -> float:
    """The largest difference of a coordinate, infinite where the boxes are not as many."""
    if any(one.boxes_norm.shape != other.boxes_norm.shape for one, other in zip(ours, theirs, strict=True)):
        return float("inf")
    return max(
        float(np.abs(one.boxes_norm - other.boxes_norm).max(initial=0.0))
        for one, other in zip(ours, theirs, strict=True)
    )


def main() -> int:
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    images, phrases = pairs(args.photos)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = str(make_tiny_detector("grounding_dino", Path(folder) / "detector"))
        options = {"box_threshold": 0.6, "device": "cpu"}
        batched = GroundingDinoDetector(checkpoint, batch_size=args.batch_size, **options)
        single = GroundingDinoDetector(checkpoint, batch_size=1, **options)

        def one_by_one() -> list[Detections]:
            return [
                single.detect([image], [phrase])[0] for image, phrase in zip(images, phrases, strict=True)
            ]

        # Copies are different objects, so nothing of them is shared.
        apart = [image.copy() for image in images]
        ways = {
            "one call per phrase": one_by_one,
            "batches of sorted photos": lambda: batched.detect(images, phrases),
            "batches alone": lambda: batched.detect(apart, phrases),
            "photos prepared once": lambda: single.detect(images, phrases),
        }
        answers = [way() for way in ways.values()]  # they warm up on the way
        difference = max(worst(answer, answers[0]) for answer in answers)
        # The ways take turns, so that a slow spell of the machine slows them all.
        rounds = [[seconds(way) for way in ways.values()] for _ in range(args.repeats)]

    medians = [statistics.median(times) for times in zip(*rounds, strict=True)]
    found = sum(len(answer.scores) for answer in answers[0])
    print(
        f"{len(phrases)} phrases for {args.photos} photos, {found} boxes, median of {args.repeats} runs, "
        f"batches of {args.batch_size}:"
    )
    for name, median in zip(ways, medians, strict=True):
        rate, faster = len(phrases) / median, medians[0] / median
        print(f"      {name:25} {rate:7.1f} phrases a second, {faster:.2f} times the first")

    same, faster = difference <= 1e-5, medians[0] / medians[1]
    passed = [same, faster >= FASTER_THAN_SINGLE]
    verdicts = ["PASS" if ok else "FAIL" for ok in passed]
    print(f"{verdicts[0]}  the same boxes to {difference:.1e} (target: 1e-5)")
    print(f"{verdicts[1]}  {faster:.2f} times faster than one by one (target: at least {FASTER_THAN_SINGLE})")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
