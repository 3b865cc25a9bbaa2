"""giqa-tiny: where its shipped checkpoints lie."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "checkpoints"

BASE = str(_FOLDER / "giqa-tiny-base")
"""The base: fluent captions and positions in words, no boxes. A valid Hub model repo."""
TUNED = str(_FOLDER / "giqa-tiny")
"""The base after fine-tuning on giqa-synth: what `giqa describe` uses unless told otherwise."""
