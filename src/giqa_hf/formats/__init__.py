"""Forms of text with boxes: each module only writes a `GroundedText` and reads it back.

To add a form, write its module with `write` and `read`, its dataclass here, and its rows in
the tables of tests/formats. Its numbers are of the picture that the processor shows, unless it says otherwise, and
`placed` makes it ready for one image. A format is a small frozen value that knows its own parameters, so that a
processor can carry it, save it and load it. The text without boxes needs no format: it is `grounded.text`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Protocol, get_args, runtime_checkable

from ..frames import Frame
from ..grid import Grid, Policy
from ..grounded_text import GroundedText
from . import giqa, normalized
from ._saved import Carries, ModelFormat, refuse_unknown
from .deepseek_vl2 import DeepSeekVL2Format
from .ferret import FerretFormat
from .florence2 import Florence2Format
from .groundinggpt import GroundingGptFormat
from .internvl import InternVLFormat
from .kosmos2 import Kosmos2Format
from .llava import LlavaFormat
from .paligemma import PaliGemmaFormat
from .qwen2_vl import Qwen2VLFormat
from .qwen_json import Qwen3VLFormat, Qwen25VLFormat
from .shikra import ShikraFormat

__all__ = [
    "FORMATS",
    "BoxFormat",
    "Carries",
    "DeepSeekVL2Format",
    "FerretFormat",
    "Florence2Format",
    "GiqaFormat",
    "GroundingGptFormat",
    "InternVLFormat",
    "Kosmos2Format",
    "LlavaFormat",
    "ModelFormat",
    "NormalizedFormat",
    "PaliGemmaFormat",
    "Placed",
    "Qwen2VLFormat",
    "Qwen3VLFormat",
    "Qwen25VLFormat",
    "ShikraFormat",
    "format_from_dict",
    "placed",
]


@runtime_checkable
class BoxFormat(Protocol):
    """What every form of box text can do."""

    def write(self, grounded: GroundedText) -> str:
        """The text with its boxes written in; `ValueError` on boxes that are none."""

    def read(self, text: str) -> GroundedText:
        """What stands in any text; never raises."""

    def to_dict(self) -> dict[str, Any]:
        """The format as plain JSON-ready data, for `format_from_dict`."""


@dataclass(frozen=True)
class GiqaFormat:
    """The paper's `[tower](<35,319>)`: cells of a grid, see `formats.giqa`.

    Args:
        grid (`Grid`, *optional*, defaults to `Grid()`): 20 x 20 as in the paper.
        policy (`str`, *optional*, defaults to `"expand"`): how cells become boxes, see `Grid.decode`.
        space (`bool`, *optional*, defaults to `False`): write a space behind each comma.
    """

    name: ClassVar[str] = "giqa"
    notation: ClassVar[str] = "[name](<first cell,last cell>)"
    """How the form looks, in words for a prompt."""
    grid: Grid = field(default_factory=Grid)
    policy: Policy = "expand"
    space: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.grid, Grid):
            raise ValueError(f"GiqaFormat: expected grid to be a Grid, got {self.grid!r}")
        if self.policy not in get_args(Policy):
            raise ValueError(
                f"GiqaFormat: expected policy to be one of {', '.join(get_args(Policy))}, got {self.policy!r}"
            )

    def write(self, grounded: GroundedText) -> str:
        """See `formats.giqa.write`."""
        return giqa.write(grounded, self.grid, space=self.space)

    def read(self, text: str) -> GroundedText:
        """See `formats.giqa.read`."""
        return giqa.read(text, self.grid, policy=self.policy)

    def to_dict(self) -> dict[str, Any]:
        """The format as plain JSON-ready data."""
        return {
            "name": self.name,
            "cols": self.grid.cols,
            "rows": self.grid.rows,
            "policy": self.policy,
            "space": self.space,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> GiqaFormat:
        """What `to_dict` described; what is missing has its default."""
        refuse_unknown(data, cls.name, {"cols", "rows", "policy", "space"})
        default = cls()
        return cls(
            Grid(data.get("cols", default.grid.cols), data.get("rows", default.grid.rows)),
            data.get("policy", default.policy),
            bool(data.get("space", default.space)),
        )


@dataclass(frozen=True)
class NormalizedFormat:
    """Norm-Coord of the paper's Tab. 2b, `[tower](<0.75,0.05,1.00,0.80>)`, see `formats.normalized`.

    Args:
        decimals (`int`, *optional*, defaults to `2`): digits behind the point, 1 to 6.
    """

    name: ClassVar[str] = "normalized"
    notation: ClassVar[str] = "[name](<x1,y1,x2,y2>)"
    """How the form looks, in words for a prompt."""
    decimals: int = 2

    def __post_init__(self) -> None:
        normalized.check_decimals(self.decimals)

    def write(self, grounded: GroundedText) -> str:
        """See `formats.normalized.write`."""
        return normalized.write(grounded, decimals=self.decimals)

    def read(self, text: str) -> GroundedText:
        """See `formats.normalized.read`."""
        return normalized.read(text)

    def to_dict(self) -> dict[str, Any]:
        """The format as plain JSON-ready data."""
        return {"name": self.name, "decimals": self.decimals}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NormalizedFormat:
        """What `to_dict` described; what is missing has its default."""
        refuse_unknown(data, cls.name, {f.name for f in fields(cls)})
        return cls(data.get("decimals", cls().decimals))


FORMATS: dict[str, Any] = {
    form.name: form
    for form in (
        GiqaFormat,
        NormalizedFormat,
        DeepSeekVL2Format,
        FerretFormat,
        Florence2Format,
        GroundingGptFormat,
        InternVLFormat,
        Kosmos2Format,
        LlavaFormat,
        PaliGemmaFormat,
        Qwen2VLFormat,
        Qwen25VLFormat,
        Qwen3VLFormat,
        ShikraFormat,
    )
}
"""The formats by the names that `to_dict` and the command line have for them."""


def format_from_dict(data: Mapping[str, Any]) -> BoxFormat:
    """The format that `to_dict` described.

    Raises:
        `ValueError`: on a name or a parameter that there is not; it names those that there are.
    """
    name = data.get("name")
    if name not in FORMATS:
        raise ValueError(f"box format: expected name to be one of {', '.join(sorted(FORMATS))}, got {name!r}")
    found: BoxFormat = FORMATS[name].from_dict(data)
    return found


class Placed(NamedTuple):
    """A format, and the map from the original image to the picture that its numbers are of."""

    box_format: BoxFormat
    frame: Frame


def placed(box_format: BoxFormat, frame: Frame) -> Placed:
    """A format made ready for one image.

    Args:
        box_format (`BoxFormat`): any.
        frame (`Frame`): from the original image to what the model sees of it, from its processor.

    Returns:
        `Placed`: a format in pixels knows its picture's size; a format of the original image (DeepSeek-VL2's) has
        no frame but the identity. All others come back as they are.

    Example:

    ```python
    >>> ready, frame = placed(Qwen25VLFormat(), Frame.smart_resize((640, 480), 28, 3136, 12845056))
    >>> ready.picture_wh
    (644, 476)
    ```
    """
    if not isinstance(box_format, ModelFormat):
        return Placed(box_format, frame)
    if box_format.picture == "original":
        frame = Frame.identity(frame.image_wh)
    ready: Any = box_format.in_picture(frame.model_wh)
    return Placed(ready, frame)
