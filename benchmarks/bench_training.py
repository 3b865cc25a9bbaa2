"""How fast giqa-tiny is tuned by the recipe `tiny`, against plain TRL with its defaults, and whether both learn alike.

The peer is `trl.SFTTrainer` with transformers' own processor and model and `SFTConfig(output_dir)`; only what decides
what is learned is the same: learning rate, schedule, batch, epochs, seed, loss on answers alone, on a CPU, and the rows
in the same order. Its other defaults stay, among them bfloat16 and gradient checkpointing, which a model of five
million weights on a CPU does not need; `--without-defaults` runs it with these two off as well, so that what is left is
seen. giqa-tiny's entry freezes the vision tower, plain TRL trains it: the ratio is taken against the peer that trains
the same weights as we do, and the other one is printed beside it.

Everybody takes turns, and CPU time is compared, from the end of the first step to the end of the last, so that no
start-up counts. The ratio is the median over all steps, each against the peer's step on the same rows. The curves are
means of the loss over fifths of the run. They count as equal where they differ by no more than two runs of the peer do
whose rows come in another order.

    python benchmarks/bench_training.py           # exits with 1 when a target is missed
    python benchmarks/bench_training.py --scenes 40 --rounds 1
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import transformers
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback
from trl import SFTConfig, SFTTrainer

from giqa_hf import load_backbone
from giqa_hf.models.giqa_tiny import BASE
from giqa_hf.training import RECIPES, sft_config, to_conversations, train
from giqa_hf.training.global_batches import GlobalBatches

FASTER = 1.3
RECIPE = RECIPES["tiny"]
FIFTHS = 5


class Run(NamedTuple):
    """What is measured of one."""

    seconds: np.ndarray
    """CPU time of each step after the first."""
    losses: np.ndarray
    """Of each step."""


class Clock(TrainerCallback):
    """CPU time at the end of each step."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """See `TrainerCallback`."""
        self.ends.append(time.process_time())

    def seconds(self) -> np.ndarray:
        """From step to step; what a run begins with is in none of it."""
        return np.diff(self.ends)


def ours(rows: Any, folder: str, seed: int, device_batch: int) -> Run:
    backbone, clock = load_backbone("giqa-tiny"), Clock()
    config = sft_config(
        "tiny",
        folder,
        device_batch=device_batch,
        seed=seed,
        logging_steps=1,
        disable_tqdm=True,
        use_cpu=True,
    )
    result = train(backbone.model, backbone.processor, rows, config, [clock])
    return Run(clock.seconds(), np.array([loss for _, loss in result.loss_curve]))


def plain_trl(rows: Any, folder: str, seed: int, *, frozen: bool, **changes: Any) -> Run:
    model = AutoModelForImageTextToText.from_pretrained(BASE, dtype="float32")
    model.model.vision_tower.requires_grad_(not frozen)
    config = SFTConfig(
        folder,
        learning_rate=RECIPE.learning_rate,
        lr_scheduler_type=RECIPE.lr_scheduler_type,
        warmup_steps=RECIPE.warmup_ratio,
        per_device_train_batch_size=RECIPE.global_batch,
        num_train_epochs=RECIPE.epochs,
        seed=seed,
        completion_only_loss=True,
        use_cpu=True,
        train_sampling_strategy="sequential",  # the rows come in the order that ours has
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
        **changes,
    )
    clock = Clock()
    order = list(GlobalBatches(rows["length"][:], RECIPE.global_batch, seed, lambda: 0))
    trainer = SFTTrainer(
        model,
        args=config,
        train_dataset=rows.select(order),
        processing_class=AutoProcessor.from_pretrained(BASE),
        callbacks=[clock],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Run(clock.seconds(), np.array(losses))


def fifths(run: Run) -> np.ndarray:
    return np.array([part.mean() for part in np.array_split(run.losses, FIFTHS)])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--scenes", type=int, default=160, help="pictures, three rows each; even")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--device-batch",
        type=int,
        default=RECIPE.device_batch,
        help="rows of ours at a time, of a like length",
    )
    parser.add_argument(
        "--without-defaults", action="store_true", help="the peer in float32 without checkpointing too"
    )
    args = parser.parse_args()
    datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    drawn = datasets.load_dataset("giqa-synth", split="train", train_scenes=args.scenes, test_scenes=0)
    rows = to_conversations(drawn, load_backbone("giqa-tiny"))
    kinds: dict[str, Any] = {
        "ours": lambda *a: ours(*a, args.device_batch),
        "plain TRL, tower frozen": lambda *a: plain_trl(*a, frozen=True),
        "plain TRL, tower trained": lambda *a: plain_trl(*a, frozen=False),
    }
    if args.without_defaults:
        kinds["TRL, frozen, float32, no checkpointing"] = lambda *a: plain_trl(
            *a, frozen=True, bf16=False, gradient_checkpointing=False
        )
    runs: dict[str, list[Run]] = {name: [] for name in kinds}

    def tell(name: str, run: Run) -> None:
        rate = RECIPE.global_batch * len(run.seconds) / run.seconds.sum()
        curve = " ".join(f"{loss:.3f}" for loss in fifths(run))
        print(f"{name:<40} {rate:6.2f} rows per CPU second, loss {curve}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.rounds):
            for name, run in kinds.items():
                runs[name].append(run(rows, str(Path(folder, f"{number} {name}")), 0))
                tell(name, runs[name][-1])
        other = plain_trl(rows, str(Path(folder, "other")), 1, frozen=True)
        tell("plain TRL, tower frozen, another order", other)
    mine, same = runs["ours"], runs["plain TRL, tower frozen"]
    ratios = {
        name: statistics.median(
            np.concatenate([b.seconds / a.seconds for a, b in zip(mine, found, strict=True)]).tolist()
        )
        for name, found in runs.items()
        if name != "ours"
    }
    apart = float(np.abs(fifths(mine[0]) - fifths(same[0])).max())
    allowed = float(np.abs(fifths(other) - fifths(same[0])).max())
    for name, ratio in ratios.items():
        print(f"{ratio:.2f} times the rate of {name}")
    print(f"target: {FASTER} times that of plain TRL, tower frozen, which trains the same weights")
    print(f"loss: fifths differ by at most {apart:.4f}; two orders of the peer's rows by {allowed:.4f}")
    return int(ratios["plain TRL, tower frozen"] < FASTER or apart > allowed)


if __name__ == "__main__":
    sys.exit(main())
