"""Progress of a training as plain calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback

from ..progress import Say

_BESIDE = ("DES mIoU", "VQA mIoU", "VQA Acc (Total)")
"""Told beside the figure that decides."""


class ProgressCallback(TrainerCallback):
    """Calls `tell(step, all steps)` after every optimizer step.

    Args:
        tell (`callable`): takes the number of steps done and of all steps.
    """

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.tell = tell

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """See `TrainerCallback`."""
        self.tell(state.global_step, state.max_steps)


class EvaluationCallback(TrainerCallback):
    """Says the figure that the best checkpoint is chosen by, and the main ones beside it, at every evaluation.

    Args:
        say (`callable`): takes a line.
        metric (`str`, *optional*): the figure; without one nothing is said.
    """

    def __init__(self, say: Say, metric: str | None) -> None:
        self.say = say
        self.metric = metric

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """See `TrainerCallback`."""
        if self.metric is None:
            return
        figures: Mapping[str, float] = kwargs.get("metrics") or {}
        value = figures.get(f"eval_{self.metric}")
        told = "not available (no box was written)" if value is None else f"{value:.4f}"
        others = [
            f"{name} {figures[key]:.4f}"
            for name in _BESIDE
            if (key := _key_of(name, figures)) and key != f"eval_{self.metric}"
        ]
        self.say(
            f"      step {state.global_step}, held-out rows: {', '.join([f'{self.metric} {told}', *others])}"
        )


def _key_of(name: str, figures: Mapping[str, float]) -> str | None:
    """The key of a figure, whose name may have a judge's behind it."""
    return next((key for key in figures if key.removeprefix("eval_").partition("[")[0] == name), None)
