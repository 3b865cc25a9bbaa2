"""The machinery of `giqa annotate` without models: corpus, shards, six stages, files, audit, in one run.

    python benchmarks/bench_pipeline.py   # exit code 1 if a target is missed

Targets: at most 2 ms per record, all told; 100,000 records under 1.5 GB of peak memory, and memory that is flat: ten
times the records may take at most 100 MB more, most of it the digests of the ids by which duplicates are found. The
stages do as little as such a stage can: two tags, four boxes (one dropped, one merged) and a question per record, and
one of them opens the photo, of 32 x 32 pixels. Each length runs in a process of its own, so that its peak is its own.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from giqa_hf.annotation.pipeline import annotate
from giqa_hf.annotation.profiles import ClassicProfile
from giqa_hf.annotation.record import Box, Fate, Mention, Pair, Tag, drop
from giqa_hf.annotation.stage import Stage
from giqa_hf.corpora.rows import CorpusRow

MILLISECONDS_AT_MOST = 2.0
GIGABYTES_AT_MOST = 1.5
GROWTH_AT_MOST_MB = 100.0


class _Corpus:
    """Rows that are made when they are read; all show the same photo."""

    name = "generated"

    def __init__(self, root: Path, count: int) -> None:
        self.root, self.count = root, count

    def __iter__(self) -> Iterator[CorpusRow]:
        for number in range(self.count):
            text = f"Photo {number}: the tower on the left is blurry, the sky above it noisy, the rest well exposed."
            yield CorpusRow(
                f"record-{number}", f"image-{number // 3}", "photo.png", text, "generated", "CC0-1.0"
            )

    def settings(self) -> dict[str, Any]:
        return {"name": self.name}


class _Tags(Stage):
    name = "tags"

    def process(self, records, pictures):
        for record in records:
            for word in ("tower", "sky"):
                start = record.description.index(word)
                record.tags.append(Tag(word, word, "blurry", "negative", (start, start + len(word))))


class _Boxes(Stage):
    name = "boxes"
    reads = ("photo",)

    def process(self, records, pictures):
        for record in records:
            pictures.get(record)
            for tag in record.live_tags:
                tag.boxes += [Box((0.1, 0.1, 0.4, 0.4), 0.7), Box((0.2, 0.2, 0.6, 0.6), 0.5)]


class _Filter(Stage):
    name = "filter"

    def process(self, records, pictures):
        for record in records:
            drop(record.tags[0].boxes[1], self.name, "judge says No", score=0.2)


class _Merge(Stage):
    name = "merge"

    def process(self, records, pictures):
        for record in records:
            first, second = record.tags[1].boxes
            first.box_norm, second.fate = (
                (0.1, 0.1, 0.6, 0.6),
                Fate("merged", self.name, "touching", "into box 0"),
            )


class _Fusion(Stage):
    name = "fusion"

    def process(self, records, pictures):
        for record in records:
            record.question = "How good is it?"


class _Pairs(Stage):
    name = "pairs"

    def process(self, records, pictures):
        for record in records:
            record.pairs.append(
                Pair("Is the sky noisy?", "Yes.", "yes_no", [Mention("question", (7, 10), 1)])
            )


class _Profile(ClassicProfile):
    """The stages above."""

    def stages(self, build=None):
        return [functools.partial(stage) for stage in (_Tags, _Boxes, _Filter, _Merge, _Fusion, _Pairs)]


def run(count: int) -> dict[str, float]:
    """Seconds and peak memory (MB) of a build of so many records, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        Image.new("RGB", (32, 32), "grey").save(Path(folder) / "photo.png")
        corpus = _Corpus(Path(folder), count)
        start = time.perf_counter()
        audit = annotate(corpus, _Profile("plain"), Path(folder) / "build", say=lambda line: None)
        seconds = time.perf_counter() - start
    assert audit.kept("record") == count and audit.candidates["box"] == 4 * count
    # ru_maxrss is in kilobytes on Linux, in bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {"seconds": seconds, "peak_mb": peak}


def run_apart(count: int) -> dict[str, float]:
    """The same in a process of its own."""
    told = subprocess.run(
        [sys.executable, __file__, "--only", str(count)], check=True, stdout=subprocess.PIPE
    )
    return json.loads(told.stdout)


def main() -> int:
    summary, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(run(args.only)))
        return 0

    tenth, whole = run_apart(args.records // 10), run_apart(args.records)
    milliseconds = 1000 * whole["seconds"] / args.records
    growth = whole["peak_mb"] - tenth["peak_mb"]
    results = [
        (
            milliseconds <= MILLISECONDS_AT_MOST,
            f"{args.records:,} records: {milliseconds:.3f} ms each (target: at most {MILLISECONDS_AT_MOST})",
        ),
        (
            whole["peak_mb"] <= 1024 * GIGABYTES_AT_MOST,
            f"{args.records:,} records: {whole['peak_mb']:.0f} MB at most (target: under {GIGABYTES_AT_MOST} GB)",
        ),
        (
            growth <= GROWTH_AT_MOST_MB,
            f"ten times the records: {growth:.0f} MB more (target: at most {GROWTH_AT_MOST_MB:.0f})",
        ),
    ]
    for passed, told in results:
        print("PASS" if passed else "FAIL", told)
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
