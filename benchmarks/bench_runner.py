"""What `giqa bench` adds to a plain loop of transformers: giqa-tiny on rows of giqa-synth, in one process by turns.

The peer is what somebody writes without a runner: for every batch open the photos with PIL, write the prompts with the
chat template, call the processor, `model.generate`, `batch_decode`. It gets the runner's own batches, since sorting
rows is free and a loop in the order of the file would be slower. What the runner does besides: upright photos checked
against their rows, prompts and frames, the record with digests of rows and photos, an answer on disk before the next
batch begins. Runner and peer take turns, so a busy machine slows both; CPU time is compared. Both spend nearly all of
it in `model.generate` on the same batches, whose time varies by more than 5 % on a busy machine; so the two are
compared in what they do beside it, and the difference is given as a part of the whole loop.

`model.generate` grows with the model and the rest does not; giqa-tiny, the smallest there is, is the worst case.

    python benchmarks/bench_runner.py            # exits with 1 when the runner takes over 5 % more than the loop
    python benchmarks/bench_runner.py --rows 32 --rounds 3 --model FOLDER
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from PIL import Image

from giqa_hf.benchmark.answers import read_answers
from giqa_hf.benchmark.backends import Asked
from giqa_hf.benchmark.data import BenchData, load_bench_data
from giqa_hf.benchmark.prompts import prompt_of
from giqa_hf.benchmark.reading import reading_of
from giqa_hf.benchmark.record import ANSWERS
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


def plain_loop(
    model: Any,
    processor: Any,
    data: BenchData,
    prompts: Sequence[str],
    batches: Sequence[Sequence[int]],
    limit: int,
) -> dict[int, str]:
    """The peer: answers by place."""
    answers: dict[int, str] = {}
    model.eval()
    for places in batches:
        images = [Image.open(io.BytesIO(data.photo_bytes(place))).convert("RGB") for place in places]
        turns = [
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompts[place]}]}]
            for place in places
        ]
        texts = [processor.apply_chat_template(turn, add_generation_prompt=True) for turn in turns]
        inputs = processor(
            images=[[image] for image in images],
            text=texts,
            padding=True,
            padding_side="left",
            return_tensors="pt",
        ).to(model.device, model.dtype)
        with torch.inference_mode():
            produced = model.generate(**inputs, max_new_tokens=limit, do_sample=False)
        new_ids = produced[:, inputs["input_ids"].shape[1] :]
        said = processor.batch_decode(new_ids, skip_special_tokens=True)
        answers |= dict(zip(places, (text.strip() for text in said), strict=True))
    return answers


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
    frames = [reading.frame(row["width"], row["height"]) for row in data.rows]
    prompts = [
        prompt_of(row, settings.prompt_style, reading.box_format, frame)
        for row, frame in zip(data.rows, frames, strict=True)
    ]
    order = Asked(data, prompts, frames, range(len(prompts))).alike_together()
    batches = [order[start : start + args.batch_size] for start in range(0, len(order), args.batch_size)]
    over = []
    for number in range(args.rounds + 1):
        peer, clock = Clock(), Clock()
        loop = peer.timed("all", plain_loop)
        with mock.patch.object(model, "generate", peer.timed("generate", model.generate)):
            answers = loop(model, processor, data, prompts, batches, settings.max_new_tokens)
        with (
            tempfile.TemporaryDirectory() as folder,
            mock.patch.object(model, "generate", clock.timed("generate", model.generate)),
            mock.patch.object(processor, "batch_decode", clock.timed("decode", processor.batch_decode)),
            mock.patch.object(generate, "model_inputs", clock.timed("processor", generate.model_inputs)),
            mock.patch.object(BenchData, "photo", clock.timed("photos", BenchData.photo)),
        ):
            run = clock.timed("all", answer_rows)
            run(data, backend, reading, Path(folder) / "run", settings, say=lambda line: None)
            kept = [answer.text for answer in read_answers(Path(folder) / "run" / ANSWERS).values()]
        if sorted(map(str, kept)) != sorted(answers.values()):
            print("the two gave other answers: nothing can be compared")
            return 1
        if not number:
            continue  # once for caches
        bare = clock.spent["generate"]
        parts = {name: clock.spent[name] / bare for name in ("photos", "processor", "decode")}
        own = clock.spent["all"] / bare - 1 - sum(parts.values())
        beside = {"loop": peer.spent["all"] - peer.spent["generate"], "runner": clock.spent["all"] - bare}
        over.append((beside["runner"] - beside["loop"]) / peer.spent["all"])
        print(
            f"round {number}: loop {peer.spent['all']:.2f} CPU s, {beside['loop']:.2f} of it beside model.generate; "
            f"runner {clock.spent['all']:.2f}, {beside['runner']:.2f} of it ({over[-1]:+.1%}): in parts of generate "
            + ", ".join(f"{name} {share:.2%}" for name, share in parts.items())
            + f", the rest {own:.2%}",
            flush=True,
        )
    found = statistics.median(over)
    good = found <= MOST
    print(f"runner over plain loop: {found:+.2%} (at most {MOST:+.0%}): {'good' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
