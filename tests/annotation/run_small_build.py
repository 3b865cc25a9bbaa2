"""`python -m tests.annotation.run_small_build '{...}'`: a small build in a process of its own, to be killed.

Keys: `root`, `out`, `rows`, `shard_size`, `workers`, `pause` (seconds per shard), and `die_before_file`: the process
kills itself, as kill -9 does, just before the so many-th file takes its final name.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from pathlib import Path

from giqa_hf import files
from giqa_hf.annotation.pipeline import annotate
from tests.annotation.small_stages import Pause, SmallProfile, embedded_corpus


def main(rows, root, out, shard_size=3, workers=1, pause=0.0, die_before_file=None):
    left = die_before_file

    def replace_or_die(source, target, _replace=os.replace):
        nonlocal left
        if left is not None:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        _replace(source, target)

    files.os.replace = replace_or_die
    profile = SmallProfile(trap=functools.partial(Pause, pause))
    corpus = embedded_corpus(Path(root), rows)
    annotate(corpus, profile, Path(out), shard_size=shard_size, workers=workers)


if __name__ == "__main__":
    try:
        main(**json.loads(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
