"""A small dataset of real photographs, of which one may not be passed on."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from giqa_hf.annotation.export import ExportSettings, build_dataset
from tests.annotation.handmade_build import make_record, write_build

ANSWERS = {"astronaut": "ynwh", "camera": "ynrw", "chelsea": "yyn", "coffee": "wwh", "rocket": "n"}
HELD = "camera.jpg"  # of the source spaq: research and education only


@functools.cache
def corpus() -> Path:
    """The folder with the photos, in `photos/`."""
    root = Path(tempfile.mkdtemp(prefix="giqa-publish-"))
    for number, (photo, answers) in enumerate(ANSWERS.items()):
        make_record(root, f"r{number}", photo, answers=answers)
    return root


def small_dataset(out: Path, *, open_only: bool = False, shard_bytes: int = 500_000_000, **settings) -> Path:
    """Build it: 17 rows on 5 photos, see tests/annotation/test_export.py; with `open_only` all may be passed on."""
    records = [
        make_record(corpus(), f"r{i}", photo, answers=answers)
        for i, (photo, answers) in enumerate(ANSWERS.items())
    ]
    if not open_only:
        records[1].source, records[1].license = "spaq", "research and education only"
    build = write_build(out.parent / f"{out.name}-build", corpus(), records)
    build_dataset(build, out, ExportSettings(**settings), shard_bytes=shard_bytes, say=lambda line: None)
    return out
