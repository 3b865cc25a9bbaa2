"""In which form and in which picture's coordinates the boxes of a file of predictions most likely are.

A diagnosis for the human who has a file and no word about it; what runs and scores never guesses (`reading`). Every
known form is looked for by its marks, and read as every frame that it is known in. What speaks for a hypothesis is
counted: answers in the form, boxes that are places in the image, the range of the numbers and, where true boxes are
given, mIoU. Small numbers fit several scales, and a square photograph is the same padded or not: then it says that it
cannot tell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..boxes import Boxes, clip, iou
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
    placed,
)
from ..frames import Frame, WidthHeight
from ..metrics.grounding_miou.compute import MiouSums
from ..schema import grounded_of

CLOSE = 0.01
"""Of mIoU, or of the share of readable boxes: two hypotheses that differ by less are not told apart."""
POOR = 0.1
"""mIoU below which no hypothesis is believed."""
_QWEN_PIXELS = (28, 3136, 12845056)
"""Patch and areas of Qwen2.5-VL's published processor."""

_n = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_four = rf"{_n}(?:\s*,\s*{_n}){{3}}"
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
        return f"--format {self.box_format.to_dict()['name']} {self.place.options}"

    @property
    def needs_size(self) -> bool:
        """Whether the numbers say nothing without the image's size."""
        return self.unit == "pixels"


class Finding(NamedTuple):
    """What speaks for a hypothesis."""

    hypothesis: Hypothesis
    answers: int
    """Answers in this form."""
    readable: int
    """Boxes that are places in the image."""
    out_of_range: int
    malformed: int
    """Boxes with too few or too many numbers, or cut off."""
    low: float
    high: float
    """Least and greatest number."""
    miou: float | None
    """Where true boxes were given."""
    scores: tuple[float, ...] = ()
    """Of each image with a true box."""

    @property
    def share(self) -> float:
        """Readable boxes among those that were tried, 0..1."""
        tried = self.readable + self.out_of_range
        return self.readable / tried if tried else 0.0

    @property
    def reason(self) -> str:
        """In words."""
        said = f"{self.answers} answers, {self.readable} boxes read, {self.out_of_range} out of range"
        if self.malformed:
            said += f", {self.malformed} malformed"
        if not math.isnan(self.low):
            said += f"; numbers {self.low:g} to {self.high:g}"
        return said if self.miou is None else f"{said}; mIoU {self.miou:.3f}"


class Diagnosis(NamedTuple):
    """All findings, the best first, and what follows from them."""

    answers: int
    findings: list[Finding]
    best: list[Finding]
    """The hypotheses that cannot be told apart; one where the case is clear, none where nothing fits."""
    verdict: str


MARKS: dict[str, re.Pattern[str]] = {
    "[name](<first,last>)": re.compile(r"\]\s*\(\s*<\s*([0-9]+\s*,\s*[0-9]+)\s*>"),
    "[name](<x1,y1,x2,y2>)": re.compile(rf"\]\s*\(\s*<\s*({_four})\s*>"),
    "name [fractions]": re.compile(rf"{_FRACTIONS_BEFORE}(?=[^\[\]()]*\.[0-9])({_four})(?=\s*[;\])])"),
    "name [whole numbers]": re.compile(rf"{_FRACTIONS_BEFORE}(?![^\[\]()]*\.[0-9])({_four})(?=\s*\])"),
    "JSON": re.compile(rf"[\w\"']\s*:\s*\[(?:\s*\[)?\s*({_four})\s*\]"),
    "<box>": re.compile(r"<box>\s*([-+0-9.,()\[\]\s]+)"),
    "(x1,y1),(x2,y2)": re.compile(rf"(?<!<box>)(\(\s*{_n}\s*,\s*{_n}\s*\)\s*,?\s*\(\s*{_n}\s*,\s*{_n}\s*\))"),
    "<|det|>": re.compile(r"<\|det\|>\s*([-+0-9.,()\[\]\s]+)"),
    "<loc0000>": re.compile(r"<loc([0-9]+)>"),
    "<loc_0>": re.compile(r"<loc_([0-9]+)>"),
    "<patch_index_0000>": re.compile(r"<patch_index_([0-9]+)>"),
}
"""What each form looks like; the group holds the numbers."""


HYPOTHESES = (
    Hypothesis("[name](<first,last>)", "cells of a 20 x 20 grid", WHOLE, GiqaFormat()),
    Hypothesis("[name](<first,last>)", "cells of a 20 x 20 grid", SQUARE, GiqaFormat()),
    Hypothesis("[name](<x1,y1,x2,y2>)", "fractions", WHOLE, NormalizedFormat()),
    Hypothesis("[name](<x1,y1,x2,y2>)", "fractions", SQUARE, NormalizedFormat()),
    Hypothesis("name [fractions]", "fractions", WHOLE, LlavaFormat()),
    Hypothesis("name [fractions]", "fractions", SQUARE, LlavaFormat(), "LLaVA, Shikra, GroundingGPT"),
    Hypothesis("name [whole numbers]", "thousandths", WHOLE, FerretFormat(), "Ferret"),
    Hypothesis("name [whole numbers]", "pixels", WHOLE, Qwen25VLFormat()),
    Hypothesis("JSON", "thousandths", WHOLE, Qwen3VLFormat(), "Qwen3-VL"),
    Hypothesis("JSON", "pixels", RESIZED, Qwen25VLFormat(), "Qwen2.5-VL"),
    Hypothesis("JSON", "pixels", WHOLE, Qwen25VLFormat()),
    Hypothesis("<box>", "thousandths", WHOLE, InternVLFormat(), "InternVL"),
    Hypothesis("<box>", "thousandths", SQUARE, InternVLFormat()),
    Hypothesis("(x1,y1),(x2,y2)", "thousandths", WHOLE, Qwen2VLFormat(), "Qwen2-VL"),
    Hypothesis("<|det|>", "parts of 999", WHOLE, DeepSeekVL2Format(), "DeepSeek-VL2"),
    Hypothesis("<loc0000>", "tokens of 1024, y first,", WHOLE, PaliGemmaFormat(), "PaliGemma"),
    Hypothesis("<loc_0>", "bins of 1000", WHOLE, Florence2Format(), "Florence-2"),
    Hypothesis("<patch_index_0000>", "patches of 32 x 32", WHOLE, Kosmos2Format(), "Kosmos-2"),
)


def diagnose(answers: Sequence[str], rows: Sequence[Mapping[str, Any]] | None = None) -> Diagnosis:
    """Say in which form and frame the boxes of answers most likely are.

    Args:
        answers (sequence of `str`): what a model wrote.
        rows (sequence of `Mapping`, *optional*): the schema's row of each answer, with the size and the true boxes.
            Without them neither pixels nor padding can be judged.

    Returns:
        `Diagnosis`: hypotheses with what speaks for them, the best first.
    """
    findings = []
    in_form = {
        form: [i for i, text in enumerate(answers) if mark.search(text)] for form, mark in MARKS.items()
    }
    for hypothesis in HYPOTHESES:
        places = in_form[hypothesis.form]
        if places and (rows is not None or not hypothesis.needs_size):
            findings.append(_finding(hypothesis, answers, rows, places))
    findings.sort(key=lambda found: (found.miou or 0.0, round(found.share * found.answers, 6)), reverse=True)
    untold = _untold(findings)
    return Diagnosis(len(answers), findings, untold, _verdict(findings, untold, answers, rows is not None))


def _finding(
    hypothesis: Hypothesis,
    answers: Sequence[str],
    rows: Sequence[Mapping[str, Any]] | None,
    places: Sequence[int],
) -> Finding:
    sums = MiouSums()
    scores: list[float] = []
    readable = out_of_range = malformed = 0
    for place in places:
        wh = (1000, 1000) if rows is None else (rows[place]["width"], rows[place]["height"])
        ready, frame = placed(hypothesis.box_format, hypothesis.place.frame(wh))
        read = ready.read(answers[place])
        readable += len(read.boxes_norm)
        lost = sum(issue.status == "out_of_range" for issue in read.issues)
        out_of_range += lost
        malformed += len(read.issues) - lost
        if rows is None:
            continue
        truth = grounded_of(rows[place], "answer").boxes_norm
        if len(truth):
            scores.append(sums.add(iou(_in_image(frame, read.boxes_norm), truth)))
    numbers = [
        float(number)
        for place in places
        for found in MARKS[hypothesis.form].findall(answers[place])
        for number in re.findall(_n, found)
    ]
    miou = sum(scores) / len(scores) if scores else None
    low, high = (min(numbers), max(numbers)) if numbers else (math.nan, math.nan)
    return Finding(hypothesis, len(places), readable, out_of_range, malformed, low, high, miou, tuple(scores))


def _in_image(frame: Frame, boxes_model_norm: Boxes) -> Boxes:
    return clip(frame.to_image_norm(boxes_model_norm))


def _untold(findings: Sequence[Finding]) -> list[Finding]:
    """The best hypothesis and those that cannot be told from it."""
    if not findings or (findings[0].miou is not None and findings[0].miou < POOR) or not findings[0].readable:
        return []
    best = findings[0]
    return [best, *(other for other in findings[1:] if _is_as_good(other, best))]


def _is_as_good(other: Finding, best: Finding) -> bool:
    if best.miou is None:  # only what can be read speaks; another form has other answers
        return other.answers >= best.answers and best.share - other.share < CLOSE
    if other.hypothesis.form != best.hypothesis.form:
        return False
    differences = np.subtract(best.scores, other.scores)
    error = float(differences.std()) / math.sqrt(len(differences))
    return float(differences.mean()) < max(CLOSE, 2 * error)


def _verdict(
    findings: Sequence[Finding], untold: Sequence[Finding], answers: Sequence[str], with_truth: bool
) -> str:
    if not findings:
        return (
            f"none of the {len(answers)} answers has a box in a form that is known here; look at a few of them, and "
            "check that special tokens were not dropped when they were decoded"
        )
    if not untold:
        best = findings[0]
        if not best.readable:
            return f"there are boxes in the form {best.hypothesis.form}, and none of them is a place in the image"
        return (
            f"no hypothesis puts the boxes where the true ones are (the best has mIoU {best.miou:.3f}): they are "
            "wrong, or of a picture that was not tried"
        )
    best = untold[0]
    form, meaning = best.hypothesis.form, best.hypothesis.meaning
    if len(untold) == 1:
        note = ""
        if not with_truth:
            note = "; as far as the numbers alone say it: without true boxes neither pixels nor padding were tried"
        return f"{form}: {meaning}; read it with {best.hypothesis.options}{note}"
    told = "; or ".join(found.hypothesis.meaning for found in untold)
    how = (
        "the boxes lie equally well under each, so ask who made the file for the model and its processor"
        if with_truth
        else "the numbers fit each of them; give true boxes with --references DATA"
    )
    if not with_truth and any(h.needs_size and h.form == form for h in HYPOTHESES):
        told += "; or pixels"
    return f"cannot tell: {form} is {told}; {how}"


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """A short table, the likeliest first, and the verdict."""
    lines = []
    for number, found in enumerate(diagnosis.findings, start=1):
        lines.append(f"{number}. {found.hypothesis.form}: {found.hypothesis.meaning}")
        lines.append(f"   {found.reason}")
    with_box = max((found.answers for found in diagnosis.findings), default=0)
    lines.append(f"{diagnosis.answers} answers, at most {with_box} of them with boxes in one form")
    return "\n".join([*lines, diagnosis.verdict])
