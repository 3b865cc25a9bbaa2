"""What `giqa bench` adds to bare `model.generate` on its own batches: giqa-tiny on rows of giqa-synth, in one run.

The runner's CPU time is split where it is spent: in `model.generate`; in what anybody who calls it has to do as well
(open the photo, call the processor, decode the ids); and in the rest, which is the runner's own: rows, prompts, order,
record, answers on disk batch by batch. One and the same call is measured, so a busy machine slows all parts alike. The
first part grows with the model, the others do not; giqa-tiny, the smallest there is, is the worst case for the ratio.

    python benchmarks/bench_runner.py            # exits with 1 when the runner's own part is more than 5 %
    python benchmarks/bench_runner.py --rows 32 --rounds 3 --model FOLDER
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from giqa_hf.benchmark.data import BenchData, load_bench_data
from giqa_hf.benchmark.reading import reading_of
from giqa_hf.benchmark.run import RunSettings, answer_rows, make_backend
from giqa_hf.models.giqa_tiny import TUNED

MOST = 0.05
generate = import_module("giqa_hf.benchmark.generate")  # the package's name for it is the function


class Clock:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its CPU time added to a part."""

        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.spent[part] += time.process_time() - start

        return call


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=TUNED)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = RunSettings(
        args.model, "giqa-synth", limit=args.rows, batch_size=args.batch_size, max_new_tokens=320
    )
    data = load_bench_data(settings.data, None, settings.limit)
    backend: Any = make_backend(settings)
    model, processor = backend._model, backend.processor
    reading = reading_of(processor, None, None)
    own, all_of_it = [], []
    for number in range(args.rounds + 1):
        clock = Clock()
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(model, "generate", clock.timed("generate", model.generate)),
            mock.patch.object(processor, "batch_decode", clock.timed("decode", processor.batch_decode)),
            mock.patch.object(generate, "model_inputs", clock.timed("processor", generate.model_inputs)),
            mock.patch.object(BenchData, "photo", clock.timed("photos", BenchData.photo)),
        ):
            run = clock.timed("all", answer_rows)
            run(data, backend, reading, Path(folder) / "run", settings, say=lambda line: None)
        if not number:
            continue  # once for caches
        bare = clock.spent["generate"]
        parts = {name: clock.spent[name] / bare for name in ("photos", "processor", "decode")}
        all_of_it.append(clock.spent["all"] / bare - 1)
        own.append(all_of_it[-1] - sum(parts.values()))
        print(
            f"round {number}: model.generate {bare:.2f} CPU s; of that, "
            + ", ".join(f"{name} {share:.2%}" for name, share in parts.items())
            + f", the runner's own {own[-1]:.2%}",
            flush=True,
        )
    found = statistics.median(own)
    good = found <= MOST
    print(
        f"the runner's own part: {found:.2%} of model.generate (at most {MOST:.0%}): {'good' if good else 'MISSED'}"
    )
    print(
        f"with photos, processor and decoding, which every caller has to pay: {statistics.median(all_of_it):.2%}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
