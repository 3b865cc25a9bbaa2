"""A training that is killed in the middle, by the signal that no process can catch.

    python tests/training/killed_run.py CHECKPOINT DATA OUT STEP

It is killed at the end of step STEP; without STEP (0) it runs to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from giqa_hf.training import progress
from giqa_hf.training.run import TrainOutcome, TrainSettings, run_training


def train_here(checkpoint: str, data: str, out: Path) -> TrainOutcome:
    """Ten steps of four rows out of twelve, so that an epoch has three; a checkpoint after every second."""
    settings = TrainSettings(
        "giqa-tiny",
        data,
        recipe="tiny",
        checkpoint=checkpoint,
        changes={"global_batch": 4, "device_batch": 2},
        max_steps=10,
        saves=5,
        eval_rows=0,
    )
    return run_training(settings, out, say=lambda _: None)


def main() -> None:
    checkpoint, data, out, step = sys.argv[1:]
    told = progress.ProgressCallback.on_step_end

    def killing(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        told(self, args, state, control, **kwargs)
        if state.global_step == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

    progress.ProgressCallback.on_step_end = killing  # type: ignore[method-assign]
    train_here(checkpoint, data, Path(out))


if __name__ == "__main__":
    main()
