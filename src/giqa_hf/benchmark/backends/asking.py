"""What a back end is asked, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from PIL import Image

from ...frames import Frame
from ..data import BenchData


class Reply(NamedTuple):
    """What came back for a row."""

    place: int
    """Of the row."""
    text: str | None
    problem: str | None = None
    """Why there is no text, in few words."""
    cut_off: bool = False
    """Whether the limit on new tokens ended the text."""


@dataclass(frozen=True)
class Asked:
    """The questions of a run.

    Args:
        data (`BenchData`): the rows and their pictures.
        prompts (sequence of `str`): the user's words by place.
        frames (sequence of `Frame`): in which the model sees each picture.
        places (sequence of `int`): which of them are still to be asked.
        special_tokens (`bool`, *optional*, defaults to `False`): whether boxes are marked by special tokens of the
            model's tokenizer, which its text must keep then.
    """

    data: BenchData
    prompts: Sequence[str]
    frames: Sequence[Frame]
    places: Sequence[int]
    special_tokens: bool = False

    def photo(self, place: int) -> Image.Image:
        """The upright picture of a row."""
        return self.data.photo(place)

    def alike_together(self) -> list[int]:
        """The places in an order in which neighbours take alike many tokens.

        Descriptions are long and answers short, and a batch runs until its last answer ends; then by the size of the
        picture that the model sees, then by the length of the prompt.
        """

        def key(place: int) -> tuple[str, int, int]:
            width, height = self.frames[place].model_wh
            return self.data.rows[place]["task"], width * height, len(self.prompts[place])

        return sorted(self.places, key=key)


class Backend(Protocol):
    """A model that can be asked."""

    @property
    def processor(self) -> Any:
        """The model's processor with `GroundingProcessorMixin`; `None` where only the server has it."""

    def settings(self) -> dict[str, Any]:
        """What the answers depend on: `model` and `backend`, as JSON values without addresses and keys."""

    def execution(self) -> dict[str, Any]:
        """What changes answers by rounding at most: batch size, device, concurrency."""

    def replies(self, asked: Asked) -> Iterator[list[Reply]]:
        """The replies to `asked.places`, in any order, each as soon as it is there.

        Raises:
            `GiqaError`: for what concerns all of them: a server that is gone, too little memory for one.
        """


FrameOf = Callable[[int, int], Frame]
"""From an image's width and height to the frame in which a model sees it."""
