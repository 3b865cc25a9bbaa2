"""Reading grounded text: `formats.giqa.read` against transformers' Kosmos-2 reader, in one run.

    python benchmarks/bench_grounded_text.py   # exit code 1 if a target is missed

Targets: a short answer (one region, and two) in at most 4 times the time of Kosmos-2's
`clean_text_and_extract_entities_with_bboxes`, although every box gets a status and every span is checked; a
text of 300 regions at least 20 times faster, since its time grows with the square of the length and ours with
the length; a megabyte of brackets in under a second, and of broken tags (each a region with an issue) in a
time that grows like the text. Both read the same words with as many boxes, each in its own form.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable

from transformers.models.kosmos2 import processing_kosmos2

from giqa_hf.formats import giqa

SHORT_AT_MOST = 4.0
LONG_AT_LEAST = 20.0
MEGABYTE = 1_000_000
MEGABYTE_SECONDS = 1.0
GROWTH_AT_MOST = (
    8.0  # for 4 times the text: 4 is linear (plus the garbage collector's share), 16 is quadratic
)
NOUNS = ("tower", "water surface", "window", "numeric-shaped candle", "dog")


def answers(regions: int, variants: int) -> list[tuple[str, str]]:
    """`variants` different answers of so many regions, in our form and in Kosmos-2's."""
    pairs = []
    for variant in range(variants):
        ours, theirs = [], []
        for region in range(regions):
            noun = NOUNS[(variant + region) % len(NOUNS)]
            # A corner in the upper left quarter, the other nine rows and columns on; 20 columns, and 32.
            row, column = (3 * variant + region) % 10, (7 * variant + region) % 10
            ours.append(f"The [{noun}](<{row * 20 + column},{(row + 9) * 20 + column + 9}>) is blurred.")
            first, last = row * 32 + column, (row + 9) * 32 + column + 9
            tokens = f"<patch_index_{first:04d}><patch_index_{last:04d}>"
            theirs.append(f"The<phrase> {noun}</phrase><object>{tokens}</object> is blurred.")
        pairs.append((" ".join(ours), "<grounding> " + " ".join(theirs)))
    return pairs


def microseconds(read: Callable[[str], object], texts: list[str]) -> float:
    start = time.perf_counter()
    for text in texts:
        read(text)
    return (time.perf_counter() - start) / len(texts) * 1e6


def compare(regions: int, variants: int, repeats: int) -> tuple[float, float]:
    """Median microseconds per text, ours and theirs; they take turns, so that a slow spell slows both."""
    read_theirs = processing_kosmos2.clean_text_and_extract_entities_with_bboxes
    ours, theirs = (list(texts) for texts in zip(*answers(regions, variants), strict=True))
    for mine, other in zip(ours, theirs, strict=True):  # both must find the same before time is taken
        grounded = giqa.read(mine)
        if grounded.issues or grounded.phrases != [phrase for phrase, _, _ in read_theirs(other)[1]]:
            sys.exit(f"FAIL: the two readers do not find the same phrases in {mine!r:.200}")
    rounds = [(microseconds(giqa.read, ours), microseconds(read_theirs, theirs)) for _ in range(repeats)]
    return statistics.median(r[0] for r in rounds), statistics.median(r[1] for r in rounds)


def main() -> int:
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()

    results: list[tuple[bool, str]] = []
    for regions in (1, 2):
        ours, theirs = compare(regions, 2000, args.repeats)
        told = f"{regions} region(s): giqa {ours:.1f} us, Kosmos-2 {theirs:.1f} us"
        told += f", {ours / theirs:.2f} times its time (target: at most {SHORT_AT_MOST})"
        results.append((ours <= SHORT_AT_MOST * theirs, told))
    ours, theirs = compare(300, 1, args.repeats)
    told = f"300 regions: giqa {ours:.0f} us, Kosmos-2 {theirs:.0f} us"
    told += f", {theirs / ours:.1f} times faster (target: at least {LONG_AT_LEAST})"
    results.append((theirs >= LONG_AT_LEAST * ours, told))

    for unit in ("[[[(((<<<", "\\", "[\\[", "](  "):
        taken = microseconds(giqa.read, [unit * (MEGABYTE // len(unit))]) / 1e6
        told = f"1 MB of {unit!r}: {taken:.3f} s (target: under {MEGABYTE_SECONDS} s)"
        results.append((taken < MEGABYTE_SECONDS, told))
    gc.disable()  # it walks through all of transformers' objects again and again, and this is about ours
    for unit in ("[a](<1,", "[a](<1 1", "\\[a](<1,2>)"):
        quarter, whole = (
            statistics.median(microseconds(giqa.read, [unit * (size // len(unit))]) for _ in range(5)) / 1e6
            for size in (MEGABYTE // 4, MEGABYTE)
        )
        told = f"1 MB of {unit!r}: {whole:.2f} s, {whole / quarter:.1f} times a quarter of it"
        results.append((whole <= GROWTH_AT_MOST * quarter, f"{told} (target: at most {GROWTH_AT_MOST})"))

    for passed, told in results:
        print("PASS" if passed else "FAIL", told)
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
