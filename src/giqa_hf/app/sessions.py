"""What the app knows of a visitor, and how it asks a model for them; nothing here knows of Gradio."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import GiqaError, ImageError, MissingExtraError
from ..inference import Answer, GroundingPipeline, grounding_pipeline
from ..models import giqa_tiny

MAX_UPLOAD_BYTES = 30_000_000
LONGEST_QUESTION = 500
Model: TypeAlias = str | os.PathLike[str] | GroundingPipeline


@dataclass(frozen=True)
class Session:
    """One visitor's photo and mark.

    Args:
        upload (`str`, *optional*): path of the photo that the visitor uploaded.
        example (`str`, *optional*): name of the example that was chosen instead.
        box_norm (`tuple` of four `float`, *optional*): the rectangle drawn, normalised.
    """

    upload: str | None = None
    example: str | None = None
    box_norm: tuple[float, float, float, float] | None = None

    def picture(self) -> Any:
        """The photo as `read_image` takes it: without the path, which would name the server's folders in a message.

        Raises:
            `ImageError`: when there is none, or it is not kept any more, or too large.
        """
        if self.example is not None:
            from ..builders.synth.photos import load_photo

            return load_photo(self.example)
        if self.upload is None:
            raise ImageError("expected a photo, found none; choose one first")
        path = Path(self.upload)
        try:
            if path.stat().st_size > MAX_UPLOAD_BYTES:
                raise ImageError(
                    f"the photo is larger than {MAX_UPLOAD_BYTES // 10**6} MB; choose a smaller one"
                )
            return path.read_bytes()
        except OSError:
            raise ImageError("the photo is not kept here any more; choose it again") from None


def examples() -> list[str]:
    """Names of the photographs of giqa-synth; none where scikit-image, which brings them, is not installed."""
    from ..builders.synth.photos import PHOTOS, load_photo

    try:
        load_photo(PHOTOS[0].name)
    except MissingExtraError:
        return []
    return [
        photo.name for photo in PHOTOS if not photo.name.endswith("_right.png")
    ]  # a stereo pair looks alike


def box_of(data: Any) -> tuple[float, float, float, float] | None:
    """A rectangle that a browser sent, cut to the photo; `None` for anything that is none."""
    try:
        x1, y1, x2, y2 = (min(max(float(value), 0.0), 1.0) for value in data)
    except (TypeError, ValueError):
        return None
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None  # false for NaN too


class Models:
    """The checkpoints that a visitor may choose from, one of them in memory.

    Args:
        models (`sequence`): as `build` takes them.

    Raises:
        `GiqaError`: when the first one cannot be loaded.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = list(models) or [giqa_tiny.TUNED]
        self._lock = threading.Lock()
        self._loaded: tuple[int, GroundingPipeline] | None = None
        self._pipeline(0)

    @property
    def names(self) -> list[str]:
        """How the checkpoints are called, in their order."""
        return [_name(model) for model in self._models]

    @property
    def with_giqa_tiny(self) -> bool:
        """Whether the small model that comes with the package is among them."""
        return giqa_tiny.TUNED in self._models

    def ask(self, index: int, session: Session, question: str | None) -> Answer:
        """Ask a checkpoint about a visitor's photo.

        Args:
            index (`int`): of the checkpoint.
            session (`Session`): with a photo; its rectangle, if any, is what the question is about.
            question (`str`, *optional*): without one, or a blank one, the photo, or the rectangle, is described.

        Raises:
            `GiqaError`: when there is no photo, or the checkpoint cannot be loaded or asked.
        """
        words = (question or "").strip() or None
        if words and len(words) > LONGEST_QUESTION:
            raise GiqaError(f"the question is longer than {LONGEST_QUESTION} characters; shorten it")
        picture = session.picture()
        with self._lock:  # one model, one question at a time
            answer: Answer = self._pipeline(index)(picture, words, region_norm=session.box_norm)
        return answer

    def _pipeline(self, index: int) -> GroundingPipeline:
        model = self._models[index]
        if isinstance(model, GroundingPipeline):
            return model
        if self._loaded is None or self._loaded[0] != index:
            self._loaded = None  # first, or two of them would be in memory
            self._loaded = (index, grounding_pipeline(model))
        return self._loaded[1]


def _name(model: Model) -> str:
    """The last part of a folder's path, for the rest is the server's business; the id of a Hub repository as it is."""
    name = str(model.model.name_or_path if isinstance(model, GroundingPipeline) else os.fspath(model))
    return Path(name).resolve().name if Path(name).is_dir() else name
