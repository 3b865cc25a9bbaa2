"""Qwen-VL's processors for pictures alone.

transformers' own need torchvision for their video half, even where no video ever comes (as of 5.23), and none is to be
had beside a CPU-only torch from PyPI. These have only the two parts that are needed, an image processor and a
tokenizer. They have the names of transformers' classes, and a folder that they save is loaded by `AutoProcessor` as
those: what the checkpoint says about videos is passed on unread.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import transformers

from ..processing import GroundingProcessorMixin

_VIDEO = "video_processor"
_VIDEO_FILES = ("video_preprocessor_config.json", "preprocessor_config.json")  # the first that there is


class _PicturesOnly:
    """A processor whose constructor names no video processor, which is what makes transformers want none."""

    _videos: dict[str, Any] | None = None

    def __init__(
        self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None, **kwargs: Any
    ) -> None:
        plain: Any = super()
        plain.__init__(image_processor, tokenizer, None, chat_template=chat_template)

    def to_dict(self) -> dict[str, Any]:
        """See `ProcessorMixin.to_dict`."""
        plain: Any = super()
        config: dict[str, Any] = plain.to_dict()
        if self._videos is not None:
            config[_VIDEO] = self._videos
        return config

    @classmethod
    def from_pretrained(cls, folder: str, **kwargs: Any) -> Any:
        """See `ProcessorMixin.from_pretrained`; of a folder only."""
        plain: Any = super()
        processor = plain.from_pretrained(folder, **kwargs)
        processor._videos = _videos_of(Path(folder), cls._video_type)
        return processor

    _video_type = ""


class Qwen2_5_VLProcessor(GroundingProcessorMixin, _PicturesOnly, transformers.Qwen2_5_VLProcessor):  # type: ignore[misc]  # its base has no types
    """Qwen2.5-VL's processor with grounding, for pictures."""

    _video_type = "Qwen2VLVideoProcessor"


class Qwen3VLProcessor(GroundingProcessorMixin, _PicturesOnly, transformers.Qwen3VLProcessor):  # type: ignore[misc]  # its base has no types
    """Qwen3-VL's processor with grounding, for pictures."""

    _video_type = "Qwen3VLVideoProcessor"


def _videos_of(folder: Path, video_type: str) -> dict[str, Any]:
    """What a checkpoint says about videos, in the form in which processor_config.json holds it."""
    whole = folder / "processor_config.json"
    if whole.is_file():
        saved: dict[str, Any] | None = json.loads(whole.read_text(encoding="utf-8")).get(_VIDEO)
        if saved is not None:
            return saved
    for name in _VIDEO_FILES:
        if (folder / name).is_file():
            config: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
            config.pop("image_processor_type", None)
            return {**config, "video_processor_type": config.get("video_processor_type", video_type)}
    return {"video_processor_type": video_type}
