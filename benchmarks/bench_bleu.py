"""BLEU@4: our corpus counter against pycocoevalcap's own scorer, in one run, on the same tokens.

Captions of 46 words, as the descriptions of GIQA-160K have on average. The values must agree to 1e-6, and ours must
take at most half of the time. Ours with its own tokenizer stands beside it; pycocoevalcap's calls Java, and is not
timed.

    pip install --no-deps pycocoevalcap
    python benchmarks/bench_bleu.py   # exits with 1 when a target is missed
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable

from pycocoevalcap.bleu.bleu_scorer import BleuScorer

from giqa_hf.metrics.bleu4.compute import BleuSums

AT_LEAST = 2.0
AGREE = 1e-6
WORDS = 46
REPEATS = 7


def captions(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs of texts whose words are spread as words are, a third of them exchanged."""
    draw = random.Random(seed)
    vocabulary = [f"w{number}" for number in range(2000)]
    weights = [1 / (number + 1) for number in range(2000)]
    pairs = []
    for _ in range(count):
        true = draw.choices(vocabulary, weights, k=WORDS)
        said = [draw.choices(vocabulary, weights)[0] if draw.random() < 0.3 else word for word in true]
        pairs.append((" ".join(said), " ".join(true)))
    return pairs


def theirs(pairs: list[tuple[str, str]]) -> float:
    """Pycocoevalcap's corpus BLEU@4, x 100."""
    scorer = BleuScorer(n=4)
    for said, true in pairs:
        scorer += (said, [true])
    return 100 * float(scorer.compute_score(option="closest")[0][3])


def ours(pairs: list[tuple[str, str]]) -> float:
    """Ours on the same tokens."""
    sums = BleuSums()
    for said, true in pairs:
        sums.add_tokens(said.split(), [true.split()])
    return sums.result().value or 0.0


def with_tokenizer(pairs: list[tuple[str, str]]) -> float:
    """Ours from texts."""
    sums = BleuSums()
    for said, true in pairs:
        sums.add(said, [true])
    return sums.result().value or 0.0


def seconds(score: Callable[[list[tuple[str, str]]], float], pairs: list[tuple[str, str]]) -> float:
    """CPU seconds of one pass."""
    start = time.process_time()
    score(pairs)
    return time.process_time() - start


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2000, help="pairs of captions (default: %(default)s)")
    pairs = captions(parser.parse_args().count)
    gap = abs(theirs(pairs) - ours(pairs))
    # They take turns, so that a slow spell slows all.
    taken: dict[str, list[float]] = {"theirs": [], "ours": [], "ours, own tokenizer": []}
    for _ in range(REPEATS):
        for name, score in zip(taken, (theirs, ours, with_tokenizer), strict=True):
            taken[name].append(seconds(score, pairs))
    ratio = statistics.median(a / b for a, b in zip(taken["theirs"], taken["ours"], strict=True))
    print(f"{len(pairs):,} pairs of {WORDS} words, BLEU@4 {ours(pairs):.6f}")
    for name, values in taken.items():
        print(f"{name:24} {1e6 * statistics.median(values) / len(pairs):7.1f} µs a pair")
    print(f"{'values apart by':24} {gap:7.1e}    <= {AGREE}  {'PASS' if gap <= AGREE else 'FAIL'}")
    print(f"{'theirs / ours':24} {ratio:7.2f}    >= {AT_LEAST}    {'PASS' if ratio >= AT_LEAST else 'FAIL'}")
    return 0 if gap <= AGREE and ratio >= AT_LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
