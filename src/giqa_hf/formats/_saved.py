"""What the formats of model families share: what they can carry, of which picture they are, how they are saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal, NamedTuple, Self

from ..frames import WidthHeight


class Carries(NamedTuple):
    """What of a `GroundedText` survives writing and reading back, beside boxes."""

    words: bool = True
    """The words outside the phrases; else a text with boxes is written as its phrases and boxes alone."""
    spans: bool = True
    """Which words each phrase is; else they are looked for when the text is read, see the format."""
    unboxed: bool = True
    """Phrases that have no box; else they stay as plain words."""


@dataclass(frozen=True)
class ModelFormat:
    """A format of a family of models; its fields are what `to_dict` saves."""

    name: ClassVar[str]
    notation: ClassVar[str]
    """How the form looks, in words for a prompt."""
    unit: ClassVar[str]
    """What the numbers are, in words: `0 to 1000 of the width and height`."""
    picture: ClassVar[Literal["shown", "original"]] = "shown"
    """Of which picture: of the one that the processor shows to the model (its `Frame`), or of the original image
    whatever the processor shows."""
    special_tokens: ClassVar[bool] = False
    """Whether the marks are special tokens of the tokenizer: then decode with `skip_special_tokens=False`, or
    phrases are found by the words before their boxes only."""

    @property
    def carries(self) -> Carries:
        """What survives writing and reading back."""
        return Carries()

    def in_picture(self, model_wh: WidthHeight) -> Self:
        """The format for a picture of that size; the same one unless its numbers are pixels."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """The format as plain JSON-ready data."""
        return {"name": self.name, **asdict(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """What `to_dict` described; what is missing has its default."""
        refuse_unknown(data, cls.name, {f.name for f in fields(cls)})
        return cls(**{key: value for key, value in data.items() if key != "name"})


def refuse_unknown(data: Mapping[str, Any], name: str, known: set[str]) -> None:
    """`ValueError` when `data` has a parameter that the format `name` has not."""
    unknown = sorted(set(data) - known - {"name"})
    if unknown:
        raise ValueError(
            f"box format {name!r}: expected parameters out of {', '.join(sorted(known)) or '(none)'}, "
            f"got {', '.join(unknown)}"
        )


def check_flag(name: str, value: object) -> None:
    """`ValueError` when a field that is yes or no is something else."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}: expected True or False, got {value!r}")
