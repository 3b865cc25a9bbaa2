"""Render the cards of the checkpoints that the package ships, as `giqa publish model` sends them.

    python model_cards/render.py

Of other backbones there is no card here: theirs are filled from a training's record, and none was trained in this
repository. `giqa publish model RUN --dry-run` shows the card of yours.
"""

from __future__ import annotations

from pathlib import Path

from giqa_hf.files import write_text
from giqa_hf.hub.model_plan import model_plan
from giqa_hf.models.giqa_tiny import BASE, TUNED

HERE = Path(__file__).parent


def rendered() -> dict[str, str]:
    """Each card by its file's name."""
    folders = [Path(folder) for folder in (TUNED, BASE)]
    return {f"{folder.name}.md": model_plan(folder, f"ME/{folder.name}").card for folder in folders}


def main() -> None:
    """Write them beside this file."""
    for name, text in rendered().items():
        write_text(HERE / name, text)


if __name__ == "__main__":
    main()
