"""In which form and in which picture's coordinates the boxes of a file of predictions most likely are.

A diagnosis for the human who has a file and no word about it; what runs and scores never guesses (`reading`). Every
known form is looked for by its marks, and read as every frame that it is known in. What speaks for a hypothesis is
counted: answers in the form, boxes that are places in the image, the range of the numbers and, where true boxes are
given, mIoU. Small numbers fit several scales, and a square photograph is the same padded or not: then it says that it
cannot tell.

Cells can be of a grid of any size. The paper's 20 x 20 is always tried, and beside it the one of `GRID_SIDES` that the
cells fit and that brings a sample of the boxes nearest to the true ones; without true boxes the smallest that the cells
fit, where they do not fit 20 x 20.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..boxes import Boxes, clip, iou
from ..formats import GiqaFormat, placed
from ..frames import Frame
from ..grounded_text import GroundedText
from ..metrics.grounding_miou.compute import MiouSums
from ..schema import grounded_of
from ..thoughts import spoken
from .hypotheses import (
    ANY_SIZES,
    CELLS,
    GRID_SIDES,
    HYPOTHESES,
    MARKS,
    NUMBER,
    SQUARE,
    WHOLE,
    Hypothesis,
    cells_of,
    with_processor,
)

CLOSE = 0.01
"""Of mIoU, or of the share of readable boxes: two hypotheses that differ by less are not told apart."""
POOR = 0.1
"""mIoU below which no hypothesis is believed."""
FAR = 0.5
"""mIoU below which the best hypothesis is only the best of those that were tried."""
_STRAY = 0.01
"""Share of cells that may lie outside of a grid that is tried: a model errs now and then."""
_SAMPLE = 100
"""Answers by which the grid is chosen."""


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


def diagnose(
    answers: Sequence[str],
    rows: Sequence[Mapping[str, Any]] | None = None,
    *,
    processor: Any = None,
    processor_name: str = "MODEL",
) -> Diagnosis:
    """Say in which form and frame the boxes of answers most likely are.

    Args:
        answers (sequence of `str`): what a model wrote.
        rows (sequence of `Mapping`, *optional*): the schema's row of each answer, with the size and the true boxes.
            Without them neither pixels nor padding can be judged.
        processor (`ProcessorMixin`, *optional*): with `GroundingProcessorMixin`; the picture that it makes, and the
            form that was saved with it, are tried beside the known ones.
        processor_name (`str`, *optional*, defaults to `"MODEL"`): its folder or Hub id, for the words.

    Returns:
        `Diagnosis`: hypotheses with what speaks for them, the best first.

    Raises:
        `DataError`: when the processor's frame is not known.
    """
    answers = [spoken(text).text for text in answers]  # as the metrics read them
    findings = []
    in_form = {
        form: [i for i, text in enumerate(answers) if mark.search(text)] for form, mark in MARKS.items()
    }

    def seen(hypotheses: Sequence[Hypothesis]) -> Sequence[Hypothesis]:
        if processor is None:
            return hypotheses
        sizes = sorted({(row["width"], row["height"]) for row in rows or ()}) or ANY_SIZES
        return with_processor(processor, processor_name, sizes, hypotheses)

    side = _grid_side(answers, rows, in_form[CELLS], seen)
    grids = [] if side in (None, 20) else [cells_of(side, place) for place in (WHOLE, SQUARE)]
    hypotheses = seen([*HYPOTHESES, *grids])
    for hypothesis in hypotheses:
        places = in_form[hypothesis.form]
        if places and (rows is not None or not hypothesis.needs_size):
            findings.append(_finding(hypothesis, answers, rows, places))
    findings.sort(key=lambda found: (found.miou or 0.0, round(found.share * found.answers, 6)), reverse=True)
    untold = _untold(findings)
    return Diagnosis(len(answers), findings, untold, _verdict(findings, untold, answers, rows is not None))


def beside_reading(
    diagnosis: Diagnosis,
    answers: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    read: Sequence[GroundedText],
) -> str:
    """What the diagnosis says of how a run's answers were read; empty where nothing can be said.

    Args:
        diagnosis (`Diagnosis`): of these answers and rows.
        answers (sequence of `str`): what a model wrote.
        rows (sequence of `Mapping`): the schema's row of each.
        read (sequence of `GroundedText`): what the run read in each; boxes normalised by the photo.
    """
    best = diagnosis.findings[0] if diagnosis.findings else None
    if best is None or best.miou is None:
        return ""
    sums = MiouSums()
    scores = [
        sums.add(iou(clip(grounded.boxes_norm), truth))
        for text, row, grounded in zip(answers, rows, read, strict=True)
        if MARKS[best.hypothesis.form].search(text) and len(truth := grounded_of(row, "answer").boxes_norm)
    ]
    own = sum(scores) / len(scores)
    if own >= best.miou - CLOSE:
        return f"as the run read them their mIoU is {own:.3f}; nothing here speaks against that reading"
    return (
        f"as the run read them their mIoU is {own:.3f}, and {best.miou:.3f} as {best.hypothesis.form}: "
        f"{best.hypothesis.meaning}; the run has likely read them wrongly"
    )


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
        for number in re.findall(NUMBER, found)
    ]
    miou = sum(scores) / len(scores) if scores else None
    low, high = (min(numbers), max(numbers)) if numbers else (math.nan, math.nan)
    return Finding(hypothesis, len(places), readable, out_of_range, malformed, low, high, miou, tuple(scores))


def _grid_side(
    answers: Sequence[str],
    rows: Sequence[Mapping[str, Any]] | None,
    places: Sequence[int],
    seen: Callable[[Sequence[Hypothesis]], Sequence[Hypothesis]],
) -> int | None:
    """Cells a side of the square grid that is likeliest; `None` where there are no cells, or too great ones."""
    cells = np.array([cell for place in places for cell in _cells(answers[place])])
    fitting = [side for side in GRID_SIDES if len(cells) and np.mean(cells >= side * side) <= _STRAY]
    if rows is None:
        return 20 if 20 in fitting else next(iter(fitting), None)
    with_truth = [place for place in places if len(grounded_of(rows[place], "answer").boxes_norm)]
    sample = with_truth[:: max(1, math.ceil(len(with_truth) / _SAMPLE))]
    if not sample:
        return None
    sides = dict.fromkeys([20, *fitting])  # the paper's wins where two are as good
    mious = {
        side: max(
            _finding(hypothesis, answers, rows, sample).miou or 0.0
            for hypothesis in seen([cells_of(side, place) for place in (WHOLE, SQUARE)])
            if hypothesis.box_format == cells_of(side, WHOLE).box_format
        )
        for side in sides
    }
    return max(mious, key=lambda side: mious[side])


def _cells(text: str) -> list[float]:
    return [float(cell) for found in MARKS[CELLS].findall(text) for cell in found.split(",")]


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
    far = ""
    if (miou := untold[0].miou) is not None and miou < FAR:
        far = (
            f"; that is the best of those tried and still far from right (mIoU {miou:.3f}): the boxes are poor, or of "
            "a picture or unit that was not tried"
        )
    best = untold[0]
    if best.hypothesis.form == CELLS and not with_truth and all(_is_finer_grid(found) for found in untold):
        return (
            f"cannot tell: {CELLS} is cells of a grid, not of 20 x 20, for they go up to {best.high:.0f}: a square one "
            f"has at least {math.isqrt(int(best.high)) + 1} a side; give true boxes with --references DATA"
        )
    form, meaning = best.hypothesis.form, best.hypothesis.meaning
    if len(untold) == 1:
        if not with_truth:
            return (
                f"not certain: the form is {form}, and the numbers alone fit {meaning} ({best.hypothesis.options}); "
                "neither pixels nor padding can be tried without true boxes, so give them with --references DATA"
            )
        return f"{form}: {meaning}; read it with {best.hypothesis.options}{far}"
    told = "; or ".join(found.hypothesis.meaning for found in untold)
    how = (
        "the boxes lie equally well under each, so ask who made the file for the model and its processor"
        if with_truth
        else "the numbers fit each of them; give true boxes with --references DATA"
    )
    if not with_truth and any(h.needs_size and h.form == form for h in HYPOTHESES):
        told += "; or pixels"
    if not with_truth and form == CELLS:
        told += "; or cells of a grid of another size"
    return f"cannot tell: {form} is {told}; {how}{far}"


def _is_finer_grid(found: Finding) -> bool:
    return found.hypothesis.place in (WHOLE, SQUARE) and found.hypothesis.box_format != GiqaFormat()


def diagnosis_text(diagnosis: Diagnosis) -> str:
    """A short table, the likeliest first, and the verdict."""
    lines = []
    for number, found in enumerate(diagnosis.findings, start=1):
        lines.append(f"{number}. {found.hypothesis.form}: {found.hypothesis.meaning}")
        lines.append(f"   {found.reason}")
    with_box = max((found.answers for found in diagnosis.findings), default=0)
    lines.append(f"{diagnosis.answers} answers, at most {with_box} of them with boxes in one form")
    return "\n".join([*lines, diagnosis.verdict])
