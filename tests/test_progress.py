"""The lines that tell how far long work is."""

from __future__ import annotations

import re

from giqa_hf import progress as module
from giqa_hf.progress import Progress


def test_progress_tells_every_tenth_and_the_time_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    lines = []
    progress = Progress(lines.append, "steps")
    for step in range(1, 41):
        clock[0] += 2.0
        progress(step, 40)
    assert len(lines) == 10 and lines[0].startswith("      4/40 steps") and lines[-1] == "      40/40 steps"
    # After 20 of 40 steps of 2 s another 40 s are left; the first step is not counted as work done.
    seconds = int(re.fullmatch(r" +20/40 steps, about (\d+) s left", lines[4])[1])
    assert 40 <= seconds <= 44
