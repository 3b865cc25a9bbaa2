"""Draw giqa-synth with several processes that Ctrl-C ends at once and without a word.

The pool of `load_dataset(num_proc=...)` is no good for that: Ctrl-C reaches its workers too, each prints a traceback,
and the pool may wait for ever for a lock that one of them took along.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_SCRIPT = """
import json, sys
import datasets, giqa_hf
datasets.disable_progress_bars()
datasets.load_dataset("giqa-synth", **json.loads(sys.argv[1]))
"""


def draw_ahead(cache_dir: Path, processes: int, **options: Any) -> None:
    """Put giqa-synth into a cache folder, from where `load_dataset` with the same options then takes it.

    Nothing is said when it fails: `load_dataset` will then draw, and meet what went wrong, itself.

    Args:
        cache_dir (`Path`): the `cache_dir` of that `load_dataset`.
        processes (`int`): how many draw.
        options: what `SynthConfig` takes, as JSON knows it.
    """
    arguments = json.dumps({**options, "cache_dir": str(cache_dir), "num_proc": processes})
    # A session of its own: the terminal's Ctrl-C does not reach it, and one call ends all of it.
    process = subprocess.Popen(
        [sys.executable, "-c", _SCRIPT, arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait()
    except BaseException:
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        for half in cache_dir.rglob("*.incomplete"):
            shutil.rmtree(half, ignore_errors=True)
        raise
