"""`giqa train BACKBONE --data DATA --recipe RECIPE`: fine-tune, on one device or under `accelerate launch`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import DataError

_CONFIGS = ("fsdp2", "zero3", "zero3-offload")
"""As in `training.configs.NAMES`, which takes a while to import."""
_RECIPES = ("paper", "lora", "qlora", "tiny", "grpo", "grpo-tiny")
"""As in `training.RECIPES` and `training.grpo.GRPO_RECIPES`."""


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "train",
        help="fine-tune a backbone on grounded rows",
        description="Fine-tune a backbone by a recipe. The global batch is the recipe's on any number of devices.",
        epilog="To go on with a training that was interrupted, run the same command again. On several devices: "
        "giqa train --print-config fsdp2 > fsdp2.yaml; accelerate launch --config_file fsdp2.yaml -m giqa_hf.cli.main "
        "train ...",
    )
    parser.add_argument("backbone", nargs="?", metavar="BACKBONE", help="such as llava-1.5-7b or giqa-tiny")
    parser.add_argument("--data", help="giqa-160k, giqa-synth, or the folder or Hub id of a dataset")
    parser.add_argument(
        "--recipe",
        default="paper",
        help="paper (default; all weights), lora, qlora, or tiny; grpo or grpo-tiny: "
        "by the bench's rewards, a step after one of these (with --checkpoint)",
    )
    parser.add_argument("--out", type=Path, help="folder of the training (default: training/BACKBONE-RECIPE)")
    parser.add_argument("--checkpoint", help="folder or Hub id to start from (default: the backbone's own)")
    parser.add_argument(
        "--chat-template", type=Path, metavar="FILE", help="Jinja file, for a checkpoint without one"
    )
    parser.add_argument(
        "--print-config",
        choices=_CONFIGS,
        help="print a configuration for accelerate launch, and nothing else",
    )
    _add_data(parser.add_argument_group("data"))
    _add_evaluation(parser.add_argument_group("evaluation"))
    _add_recipe(parser.add_argument_group("changes to the recipe"))
    parser.set_defaults(run=run)


def _add_data(data: Any) -> None:
    data.add_argument("--split", default="train", help="split of the data (default: train)")
    data.add_argument("--task", choices=("des", "vqa"), help="only descriptions, or only questions")
    data.add_argument("--limit", type=int, help="only the first rows")
    data.add_argument("--hidden", choices=("drop", "keep", "error"), default="drop",
                      help="boxes that the model does not see (default: drop)")  # fmt: skip
    data.add_argument("--max-tokens", type=int, help="longest sample (default: the model's context)")
    data.add_argument(
        "--drop-too-long", action="store_true", help="leave longer samples out instead of stopping"
    )


def _add_evaluation(group: Any) -> None:
    how_many = group.add_mutually_exclusive_group()
    how_many.add_argument("--eval-rows", type=int,
                          help="hold out about so many rows, by pictures; 0 for none (default: 200, and at most a "
                          "tenth of the pictures)")  # fmt: skip
    how_many.add_argument("--eval-share", type=float, help="hold out this share of the pictures")
    group.add_argument("--metric", help="figure of GIQA-Bench on the held-out rows by which the best checkpoint is "
                       'chosen, such as "DES mIoU" (default: VQA Acc (Total))')  # fmt: skip
    group.add_argument("--saves", type=int, default=10, help="checkpoints and evaluations (default: 10)")


def _add_recipe(group: Any) -> None:
    group.add_argument("--epochs", type=float)
    group.add_argument("--learning-rate", type=float)
    group.add_argument("--global-batch", type=int, help="rows per step over all devices")
    group.add_argument("--device-batch", type=int, help="most rows per device and forward pass")
    group.add_argument("--lora-rank", type=int)
    group.add_argument("--max-steps", type=int, help="end after so many steps")
    group.add_argument("--seed", type=int, default=0, help="default: 0")
    group.add_argument("--merge", action="store_true", help="with LoRA, write the whole tuned model too")


def run(args: argparse.Namespace) -> None:
    """Train, or print a configuration."""
    if args.print_config:
        from ..training.configs import config_text

        print(config_text(args.print_config), end="")
        return
    for name in ("backbone", "data"):
        if getattr(args, name) is None:
            told = "BACKBONE" if name == "backbone" else "--data"
            raise DataError(f"train: expected {told}, found none; see giqa train --help")
    if args.recipe not in _RECIPES:
        raise DataError(f"train: expected --recipe out of {', '.join(_RECIPES)}, got {args.recipe!r}")
    if args.recipe.startswith("grpo"):
        _run_grpo(args)
        return
    from ..training.run import TrainSettings, run_training

    changes = {
        name: getattr(args, name)
        for name in ("epochs", "learning_rate", "global_batch", "device_batch", "lora_rank")
        if getattr(args, name) is not None
    }
    settings = TrainSettings(
        backbone=args.backbone,
        data=args.data,
        recipe=args.recipe,
        changes=changes,
        checkpoint=args.checkpoint,
        split=args.split,
        limit=args.limit,
        task=args.task,
        hidden=args.hidden,
        **({} if args.eval_rows is None else {"eval_rows": args.eval_rows}),
        eval_share=args.eval_share,
        metric=args.metric,
        saves=args.saves,
        max_tokens=args.max_tokens,
        drop_too_long=args.drop_too_long,
        max_steps=args.max_steps,
        seed=args.seed,
        merge=args.merge,
        chat_template=args.chat_template,
        arguments=tuple(sys.argv[1:]),
    )
    from ..quickstart import quiet

    quiet()
    out = args.out or Path("training") / f"{args.backbone}-{args.recipe}"
    outcome = run_training(settings, out, say=_say)
    if outcome.is_first:
        from ..hub import write_model_card

        _tell(outcome.result.checkpoint, outcome.merged, outcome.result.best_step)
        print(f"card: {write_model_card(out)}")


def _run_grpo(args: argparse.Namespace) -> None:
    """Reinforcement learning; it holds no rows out, and its rows are never cut."""
    from ..quickstart import quiet
    from ..training.run_grpo import GrpoSettings, run_grpo

    if args.checkpoint is None:
        raise DataError(
            f"train: expected --checkpoint with --recipe {args.recipe}, the folder or Hub id of a model that has "
            "learned to answer; tune one first, with the recipe paper or lora"
        )
    unused = {
        "--eval-rows": args.eval_rows, "--eval-share": args.eval_share, "--metric": args.metric,
        "--max-tokens": args.max_tokens, "--drop-too-long": args.drop_too_long or None,
        "--global-batch": args.global_batch, "--merge": args.merge or None,
    }  # fmt: skip
    if given := [name for name, value in unused.items() if value is not None]:
        raise DataError(
            f"train: expected no {', '.join(given)} with --recipe {args.recipe}, which has no use for it; leave it out"
        )
    changes = {
        name: getattr(args, name)
        for name in ("epochs", "learning_rate", "device_batch")
        if getattr(args, name) is not None
    }
    settings = GrpoSettings(
        backbone=args.backbone,
        data=args.data,
        checkpoint=args.checkpoint,
        recipe=args.recipe,
        changes=changes,
        lora_rank=args.lora_rank,
        split=args.split,
        limit=args.limit,
        task=args.task,
        hidden=args.hidden,
        saves=args.saves,
        max_steps=args.max_steps,
        seed=args.seed,
        chat_template=args.chat_template,
        arguments=tuple(sys.argv[1:]),
    )
    quiet()
    out = args.out or Path("training") / f"{args.backbone}-{args.recipe}"
    outcome = run_grpo(settings, out, say=_say)
    if outcome.is_first:
        from ..hub import write_model_card

        _tell(outcome.result.checkpoint, None, None)
        print(f"rewards: {outcome.result.checkpoint / 'reward_log.json'}")
        print(f"card: {write_model_card(out)}")


def _tell(checkpoint: Path, merged: Path | None, best_step: int | None) -> None:
    chosen = "" if best_step is None else f" (step {best_step}, the best on the held-out rows)"
    print(f"result: {checkpoint}{chosen}")
    if merged is not None:
        print(f"whole model: {merged}")


def _say(line: str) -> None:
    print(line, flush=True)
