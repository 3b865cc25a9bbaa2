"""How a row's question is put to a model: a benchmark of models that were asked differently compares the asking.

Three styles, named in every record:

- `giqa`: the question as the row has it, its boxes written in the model's own format and frame, and that format's
  notation spelled out where the question asks for it. For models tuned on GIQA-160K; this is how they were trained.
- `plain`: clean words, no boxes and no request for any; descriptions are asked for by the question of the paper's
  Fig. 7. For general models, which get N/A for what they were never taught.
- `grounding`: clean words, then a request for places with an example in the model's own format. For models that write
  boxes and have never seen a GIQA question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from ..builders.questions import spell_out
from ..errors import DataError
from ..formats import BoxFormat, placed
from ..frames import Frame
from ..grounded_text import GroundedText, Region
from ..processing import render
from ..schema import grounded_of

PromptStyle = Literal["giqa", "plain", "grounding"]
STYLES: tuple[str, ...] = get_args(PromptStyle)
VERSION = "1"
"""Of the wording below; it stands in the record of a run."""

DESCRIBE = "Describe and evaluate the quality of the image."
"""Paper, Fig. 7."""
_REQUEST = "Mark every object that you name with its place in the image, in this form: "
_EXAMPLE = GroundedText("The kite is sharp.", [Region("kite", (4, 8), [[0.2, 0.1, 0.6, 0.5]])])  # type: ignore[arg-type]  # Region makes the array


def prompt_of(row: Mapping[str, Any], style: str, box_format: BoxFormat, frame: Frame) -> str:
    """The user's words for a row.

    Args:
        row (`Mapping`): of the schema.
        style (`str`): one of `STYLES`.
        box_format (`BoxFormat`): how the model writes and reads boxes.
        frame (`Frame`): from the row's picture to what the model sees of it. A box of which the model does not see
            half is left out of the question, as in training.

    Raises:
        `DataError`: on another style.
    """
    box_format, frame = placed(box_format, frame)
    if style == "giqa":
        asked = render(grounded_of(row, "question"), box_format, frame, hidden="drop")
        notation = getattr(box_format, "notation", None)  # as in training: a row holds no notation
        return asked if notation is None else spell_out(asked, notation)
    if style not in STYLES:
        raise DataError(f"prompt style: expected one of {', '.join(STYLES)}, got {style!r}")
    words: str = DESCRIBE if row["task"] == "des" else row["question"]
    return words if style == "plain" else f"{words} {_REQUEST}{render(_EXAMPLE, box_format)}"
