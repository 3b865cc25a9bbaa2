"""Progress of a training as plain calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback


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
