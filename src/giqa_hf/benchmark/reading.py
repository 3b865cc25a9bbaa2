"""In which frame, and in which form, a model's boxes are: declared by its processor or by the user, never guessed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import DataError
from ..formats import BoxFormat, GiqaFormat, format_from_dict, placed
from ..frames import Frame
from ..grounded_text import GroundedText
from ..processing import GroundingProcessorMixin

FRAMES = ("whole", "square")
"""What a user can declare without a processor: boxes name places in the whole picture, or in the picture padded to a
square."""


class Reading(NamedTuple):
    """How a run's boxes are to be read."""

    box_format: BoxFormat
    declared: str | None
    """One of `FRAMES`, or `None` where the processor says it."""
    processor: Any

    def frame(self, width: int, height: int) -> Frame:
        """The frame of a picture.

        Raises:
            `DataError`: when the processor does not know it.
        """
        if self.declared == "whole":
            return Frame.identity((width, height))
        if self.declared == "square":
            return Frame.square_pad((width, height), max(width, height))
        try:
            frame: Frame = self.processor.frame(width, height)
        except ValueError as error:
            raise DataError(
                f"a picture of {width} x {height}: {error}; or declare it with --frame"
            ) from error
        return frame

    def settings(self) -> dict[str, Any]:
        """For the record of a run."""
        return {"format": self.box_format.to_dict(), "frame": self.declared or "of the processor"}


def reading_of(processor: Any, frame: str | None, box_format: str | None) -> Reading:
    """How boxes are to be read.

    Args:
        processor (`ProcessorMixin`, *optional*): the model's, with `GroundingProcessorMixin`.
        frame (`str`, *optional*): one of `FRAMES`; goes before the processor.
        box_format (`str`, *optional*): the name of a format, or its JSON (`{"name": "giqa", "cols": 40, "rows": 40}`);
            without one, the processor's own, and the paper's where it has none.

    Raises:
        `DataError`: when nothing says in which frame the boxes are.
    """
    if frame is not None and frame not in FRAMES:
        raise DataError(f"frame: expected {' or '.join(FRAMES)}, got {frame!r}")
    if frame is None and processor is None:
        raise DataError(
            "frame: expected to be told in which picture the model names places, found neither a processor nor a "
            "frame; give --processor MODEL, --frame whole (it sees the whole picture) or --frame square (padded)"
        )
    if box_format is not None:
        chosen = _format_of(box_format)
    else:
        chosen = GiqaFormat() if processor is None else processor.box_format
    return Reading(chosen, frame, processor)


def load_processor(name_or_path: str) -> Any:
    """A model's processor without the model, with `GroundingProcessorMixin`; no code of the checkpoint runs.

    Args:
        name_or_path (`str`): a folder or the id of a Hub repository.

    Raises:
        `GiqaError`: when there is none that can be loaded.
    """
    from ..backbones.checkpoint import explained_loading
    from ..processing import load_grounding_processor

    with explained_loading(name_or_path):
        return load_grounding_processor(name_or_path, trust_remote_code=False)


def _format_of(text: str) -> BoxFormat:
    try:
        data = json.loads(text) if text.lstrip().startswith("{") else {"name": text}
        return format_from_dict(data)
    except (ValueError, TypeError) as error:
        raise DataError(f"format: {error}") from error


def read_grounded(box_format: BoxFormat, texts: Sequence[str], frames: Sequence[Frame]) -> list[GroundedText]:
    """Raw answers with their boxes brought into the original pictures.

    Args:
        box_format (`BoxFormat`): how boxes stand in them.
        texts (sequence of `str`): what the model wrote.
        frames (sequence of `Frame`): in which it saw each picture.
    """
    read: list[GroundedText] = []
    for text, frame in zip(texts, frames, strict=True):
        processor = _Stored(*placed(box_format, frame))
        read += processor.post_process_grounded_generation([text], [frame.image_wh])
    return read


class _Stored(GroundingProcessorMixin):
    """The reading half of a processor that is not there any more: its format and one of its frames."""

    def __init__(self, box_format: BoxFormat, frame: Frame) -> None:
        self.box_format = box_format
        self._frame = frame

    def frame(self, width: int, height: int) -> Frame:
        return self._frame
