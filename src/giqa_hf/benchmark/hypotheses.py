"""The ways in which a file's boxes can be meant: a form's marks, the unit of its numbers, the picture they are of."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from ..formats import (
    BoxFormat,
    DeepSeekVL2Format,
    FerretFormat,
    Florence2Format,
    GiqaFormat,
    InternVLFormat,
    Kosmos2Format,
    LlavaFormat,
    NormalizedFormat,
    PaliGemmaFormat,
    Qwen2VLFormat,
    Qwen3VLFormat,
    Qwen25VLFormat,
)
from ..frames import Frame, WidthHeight
from ..grid import Grid

_QWEN_PIXELS = (28, 3136, 12845056)
"""Patch and areas of Qwen2.5-VL's published processor."""

NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_four = rf"{NUMBER}(?:\s*,\s*{NUMBER}){{3}}"
_FRACTIONS_BEFORE = (
    r"(?:^|[\w\"'.)\]])\s*[\[(]\s*"  # behind a word: in JSON it is behind a colon, a comma, a bracket
)


class Place(NamedTuple):
    """A picture that numbers can be of."""

    words: str
    frame: Callable[[WidthHeight], Frame]
    options: str
    """The options of `giqa bench score` that say so."""


WHOLE = Place("of the whole image", Frame.identity, "--frame whole")
SQUARE = Place("of the image padded to a square", lambda wh: Frame.square_pad(wh, max(wh)), "--frame square")
RESIZED = Place("of the resized image", lambda wh: Frame.smart_resize(wh, *_QWEN_PIXELS), "--processor MODEL")


class Hypothesis(NamedTuple):
    """One way to read the boxes."""

    form: str
    """The form's marks, a key of `MARKS`."""
    unit: str
    """What the numbers would be."""
    place: Place
    """Of which picture."""
    box_format: BoxFormat
    who: str = ""
    """Whose boxes are so."""

    @property
    def meaning(self) -> str:
        """In words."""
        return f"{self.unit} {self.place.words}" + (f", as of {self.who}" if self.who else "")

    @property
    def options(self) -> str:
        """The options of `giqa bench score` that read them so."""
        told = self.box_format.to_dict()
        usual = type(self.box_format)().to_dict() == told
        form = str(told["name"]) if usual else shlex.quote(json.dumps(told))
        return f"--format {form} {self.place.options}"

    @property
    def needs_size(self) -> bool:
        """Whether the numbers say nothing without the image's size."""
        return self.unit == "pixels"


MARKS: dict[str, re.Pattern[str]] = {
    "[name](<first,last>)": re.compile(r"\]\s*\(\s*<\s*([0-9]+\s*,\s*[0-9]+)\s*>"),
    "[name](<x1,y1,x2,y2>)": re.compile(rf"\]\s*\(\s*<\s*({_four})\s*>"),
    "name [fractions]": re.compile(rf"{_FRACTIONS_BEFORE}(?=[^\[\]()]*\.[0-9])({_four})(?=\s*[;\])])"),
    "name [whole numbers]": re.compile(rf"{_FRACTIONS_BEFORE}(?![^\[\]()]*\.[0-9])({_four})(?=\s*\])"),
    "JSON": re.compile(rf"[\w\"']\s*:\s*\[(?:\s*\[)?\s*({_four})\s*\]"),
    "<box>": re.compile(r"<box>\s*([-+0-9.,()\[\]\s]+)"),
    "(x1,y1),(x2,y2)": re.compile(
        rf"(?<!<box>)(\(\s*{NUMBER}\s*,\s*{NUMBER}\s*\)\s*,?\s*\(\s*{NUMBER}\s*,\s*{NUMBER}\s*\))"
    ),
    "<|det|>": re.compile(r"<\|det\|>\s*([-+0-9.,()\[\]\s]+)"),
    "<loc0000>": re.compile(r"<loc([0-9]+)>"),
    "<loc_0>": re.compile(r"<loc_([0-9]+)>"),
    "<patch_index_0000>": re.compile(r"<patch_index_([0-9]+)>"),
}
"""What each form looks like; the group holds the numbers."""


CELLS = "[name](<first,last>)"
GRID_SIDES = tuple(range(10, 101, 10))
"""Cells a side of the square grids that are tried; 20 always (`HYPOTHESES`), the others where the cells fit."""


def cells_of(side: int, place: Place) -> Hypothesis:
    """Cells of a square grid."""
    box_format = GiqaFormat() if side == 20 else GiqaFormat(Grid(side, side))
    return Hypothesis(CELLS, f"cells of a {side} x {side} grid", place, box_format)


HYPOTHESES = (
    *(cells_of(20, place) for place in (WHOLE, SQUARE)),
    Hypothesis("[name](<x1,y1,x2,y2>)", "fractions", WHOLE, NormalizedFormat()),
    Hypothesis("[name](<x1,y1,x2,y2>)", "fractions", SQUARE, NormalizedFormat()),
    Hypothesis("name [fractions]", "fractions", WHOLE, LlavaFormat()),
    Hypothesis("name [fractions]", "fractions", SQUARE, LlavaFormat(), "LLaVA, Shikra, GroundingGPT"),
    Hypothesis("name [whole numbers]", "thousandths", WHOLE, FerretFormat(), "Ferret"),
    Hypothesis("name [whole numbers]", "thousandths", SQUARE, FerretFormat()),
    Hypothesis("name [whole numbers]", "pixels", WHOLE, Qwen25VLFormat()),
    Hypothesis("name [whole numbers]", "pixels", SQUARE, Qwen25VLFormat()),
    Hypothesis("JSON", "thousandths", WHOLE, Qwen3VLFormat(), "Qwen3-VL"),
    Hypothesis("JSON", "thousandths", SQUARE, Qwen3VLFormat()),
    Hypothesis("JSON", "pixels", RESIZED, Qwen25VLFormat(), "Qwen2.5-VL"),
    Hypothesis("JSON", "pixels", WHOLE, Qwen25VLFormat()),
    Hypothesis("JSON", "pixels", SQUARE, Qwen25VLFormat()),
    Hypothesis("<box>", "thousandths", WHOLE, InternVLFormat(), "InternVL"),
    Hypothesis("<box>", "thousandths", SQUARE, InternVLFormat()),
    Hypothesis("(x1,y1),(x2,y2)", "thousandths", WHOLE, Qwen2VLFormat(), "Qwen2-VL"),
    Hypothesis("(x1,y1),(x2,y2)", "thousandths", SQUARE, Qwen2VLFormat()),
    Hypothesis("<|det|>", "parts of 999", WHOLE, DeepSeekVL2Format(), "DeepSeek-VL2"),
    Hypothesis("<loc0000>", "tokens of 1024, y first,", WHOLE, PaliGemmaFormat(), "PaliGemma"),
    Hypothesis("<loc0000>", "tokens of 1024, y first,", SQUARE, PaliGemmaFormat()),
    Hypothesis("<loc_0>", "bins of 1000", WHOLE, Florence2Format(), "Florence-2"),
    Hypothesis("<loc_0>", "bins of 1000", SQUARE, Florence2Format()),
    Hypothesis("<patch_index_0000>", "patches of 32 x 32", WHOLE, Kosmos2Format(), "Kosmos-2"),
    Hypothesis("<patch_index_0000>", "patches of 32 x 32", SQUARE, Kosmos2Format()),
)


ANY_SIZES: tuple[WidthHeight, ...] = ((1000, 600), (600, 1000))
"""A wide and a high picture, by which two places are told apart where no sizes are known."""
_ALIKE = 1e-3
"""Of a side: two pictures whose coordinates differ by less are the same place."""


def with_processor(
    processor: Any,
    name: str,
    sizes: Sequence[WidthHeight] = ANY_SIZES,
    hypotheses: Sequence[Hypothesis] = HYPOTHESES,
) -> tuple[Hypothesis, ...]:
    """The hypotheses, with the picture that a processor makes among the places.

    A named place that is the processor's own for all sizes is left out: it would be the same hypothesis twice.

    Args:
        processor (`ProcessorMixin`): with `GroundingProcessorMixin`.
        name (`str`): its folder or Hub id, for words and options.
        sizes (sequence of pairs, *optional*): widths and heights of the pictures.
        hypotheses (sequence of `Hypothesis`, *optional*): those without it.

    Raises:
        `DataError`: when the processor's frame is not known.
    """
    place = Place(
        "of the picture that the processor makes of it",
        lambda width_height: processor.frame(*width_height),
        f"--processor {shlex.quote(name)}",
    )
    try:
        for width_height in sizes:
            place.frame(width_height)
    except ValueError as error:
        raise DataError(f"{name}: {error}; leave --processor out") from error
    known: dict[tuple[str, str], Hypothesis] = {}
    for hypothesis in hypotheses:
        if getattr(hypothesis.box_format, "picture", None) != "original":  # those have no other picture
            known.setdefault((hypothesis.form, hypothesis.unit), hypothesis)
    own: list[Hypothesis] = []
    saved = processor.box_format
    tried = {hypothesis.form for hypothesis in known.values() if hypothesis.box_format == saved}
    for hypothesis in known.values():
        own.append(hypothesis._replace(place=place, who=""))
        if type(hypothesis.box_format) is type(saved) and hypothesis.form not in tried:
            tried.add(hypothesis.form)
            own.append(hypothesis._replace(unit="numbers", place=place, who="", box_format=saved))
    named = [
        hypothesis
        for hypothesis in hypotheses
        if (hypothesis.form, hypothesis.unit) not in known
        or not all(_alike(hypothesis, hypothesis.place.frame(wh), place.frame(wh)) for wh in sizes)
    ]
    return (*own, *named)


def _alike(hypothesis: Hypothesis, first: Frame, second: Frame) -> bool:
    """Whether the same numbers are the same place in both."""
    corners = [[0.0, 0.0, 1.0, 1.0]]
    if hypothesis.needs_size and first.model_wh != second.model_wh:
        return False
    return bool(np.allclose(first.to_model_norm(corners), second.to_model_norm(corners), rtol=0, atol=_ALIKE))
