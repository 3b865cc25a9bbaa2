"""What every image adds to the figures of GIQA-Bench: the ground of intervals and of comparing two runs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ..bleu4.compute import MAX_ORDER, BleuCounts, corpus_bleu
from ..llm_score.judge import MAX_MARK
from ..matching import Matrix
from ..uncertainty import PairedDifference, paired_bootstrap

_GROUNDING = ("miou", "scored", "tags", "found", "predicted", "true")
COLUMNS = (
    *(f"des {name}" for name in _GROUNDING),
    *(f"vqa {name}" for name in _GROUNDING),
    "descriptions",
    *(f"{order}-gram matches" for order in range(1, MAX_ORDER + 1)),
    *(f"{order}-gram guesses" for order in range(1, MAX_ORDER + 1)),
    "predicted tokens",
    "true tokens",
    "description marks",
    "descriptions judged",
    "yes/no questions",
    "yes/no correct",
    "what/why/how questions",
    "answer marks",
    "answers judged",
)
"""What stands in a row of `ImageSums.sums`, in this order."""
_AT = {name: position for position, name in enumerate(COLUMNS)}


_JUDGED_IN = {
    "DES LLM-Score": "descriptions judged",
    "VQA Acc (W)": "answers judged",
    "VQA Acc (Total)": "answers judged",
}


class GroundingPart(NamedTuple):
    """What the boxes of one sample add."""

    miou: float
    """Its mIoU, 0 where it has no true box."""
    scored: int
    """1 when it has a true box."""
    tags: float
    """Its recall of tags."""
    found: int
    """Pairs of boxes with IoU > 0.5."""
    predicted: int
    """Predicted boxes."""
    true: int
    """True boxes."""


class ImageSums:
    """Sums per image, filled by `giqa_bench(..., images=ImageSums())`.

    About 250 bytes an image; `to_dict` is plain data, so a run can keep them beside its figures and be compared later
    without its predictions.

    Attributes:
        data (`str`): fingerprint of the reference rows, `""` until it is filled.
        figures (`dict` of `str` to `float` or None): the figures of the whole run, without the judge's name.
    """

    def __init__(self) -> None:
        self.data = ""
        self.figures: dict[str, float | None] = {}
        self._row_of: dict[str, int] = {}
        self._values = array("d")

    @property
    def image_ids(self) -> list[str]:
        """The images, sorted: the order of predictions changes no draw."""
        return sorted(self._row_of)

    @property
    def sums(self) -> Matrix:
        """Shape (images, `COLUMNS`), in the order of `image_ids`."""
        rows = np.frombuffer(self._values).reshape(-1, len(COLUMNS)) if self._values else _NOTHING
        return np.array(rows[[self._row_of[image] for image in self.image_ids]])

    def add_boxes(self, image: str, task: str, part: GroundingPart) -> None:
        """Add the boxes of a sample."""
        self._add(image, f"{task} miou", part)

    def add_bleu(self, image: str, counts: BleuCounts) -> None:
        """Add a description's n-grams."""
        lengths = (counts.pred_length, counts.true_length)
        self._add(image, "descriptions", (1, *counts.matches, *counts.guesses, *lengths))

    def add_description_mark(self, image: str, mark: float | None) -> None:
        """Add a judge's mark of a description, None for a failure."""
        self._add(image, "description marks", (mark or 0, mark is not None))

    def add_yes_no(self, image: str, correct: bool) -> None:
        """Add a Yes/No question."""
        self._add(image, "yes/no questions", (1, correct))

    def add_answer_mark(self, image: str, mark: float | None) -> None:
        """Add a judge's mark of a What/Why/How answer, None for a failure."""
        self._add(image, "what/why/how questions", (1, mark or 0, mark is not None))

    def to_dict(self) -> dict[str, Any]:
        """The sums as plain data."""
        return {
            "data": self.data,
            "figures": self.figures,
            "columns": list(COLUMNS),
            "images": dict(zip(self.image_ids, self.sums.tolist(), strict=True)),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ImageSums:
        """What `to_dict` described.

        Raises:
            `DataError`: on data of another shape, e.g. of another version.
        """
        try:
            columns, images = list(data["columns"]), dict(data["images"])
            values = np.array(list(images.values()), dtype=np.float64).reshape(len(images), len(COLUMNS))
            found = cls()
            found.data, found.figures = str(data["data"]), dict(data["figures"])
        except (KeyError, TypeError, ValueError):
            columns = []
        if columns != list(COLUMNS):
            raise DataError(
                f"image sums: expected data, figures, images and the {len(COLUMNS)} columns of this version, found "
                "others; score the run again"
            )
        found._row_of = {image: row for row, image in enumerate(images)}
        found._values = array("d", values.ravel())
        return found

    def _add(self, image: str, first: str, values: Sequence[float]) -> None:
        row = self._row_of.setdefault(image, len(self._row_of))
        start = row * len(COLUMNS)
        if start == len(self._values):
            self._values.extend(_EMPTY)
        start += _AT[first]
        for offset, value in enumerate(values):
            self._values[start + offset] += value


def figures_of_sums(sums: Matrix) -> dict[str, npt.NDArray[Any]]:
    """The figures of GIQA-Bench from sums over images, without the judge's name in the keys.

    Args:
        sums (`array` of shape (R, `COLUMNS`)): R sums.

    Returns:
        `dict` of `str` to `array` of shape (R,): NaN where nothing was there to score.
    """
    column = {name: sums[:, position] for name, position in _AT.items()}

    def ratio(over: npt.NDArray[Any], under: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(np.divide(over, under, out=np.full(len(sums), np.nan), where=under > 0))

    found: dict[str, npt.NDArray[Any]] = {}
    for task in ("des", "vqa"):
        box = {name: column[f"{task} {name}"] for name in _GROUNDING}
        name = task.upper()
        no_truth = box["true"] == 0
        found[f"{name} mIoU"] = ratio(box["miou"], box["scored"])
        found[f"{name} Tag-Recall"] = ratio(box["tags"], box["scored"])
        # Nothing predicted, in a run that does predict boxes: none is right.
        precision = np.where(box["predicted"] > 0, ratio(box["found"], box["predicted"]), 0.0)
        found[f"{name} Box-Precision"] = np.where(no_truth, np.nan, precision)
        found[f"{name} Box-Recall"] = ratio(box["found"], box["true"])
        f1 = ratio(2 * box["found"], box["predicted"] + box["true"])
        found[f"{name} Box-F1"] = np.where(no_truth, np.nan, f1)
    first = _AT["1-gram matches"]
    bleu = corpus_bleu(
        sums[:, first : first + MAX_ORDER],
        sums[:, first + MAX_ORDER : first + 2 * MAX_ORDER],
        column["predicted tokens"],
        column["true tokens"],
    )
    found["DES BLEU@4"] = np.where(column["descriptions"] > 0, bleu, np.nan)
    found["DES LLM-Score"] = 100 * ratio(
        column["description marks"], MAX_MARK * column["descriptions judged"]
    )
    yes_no, others = column["yes/no questions"], column["what/why/how questions"]
    acc_y = ratio(column["yes/no correct"], yes_no)
    acc_w = ratio(column["answer marks"], MAX_MARK * column["answers judged"])
    found["VQA Acc (Y)"], found["VQA Acc (W)"] = acc_y, acc_w
    weighed = np.where(yes_no > 0, yes_no * acc_y, 0.0) + np.where(others > 0, others * acc_w, 0.0)
    found["VQA Acc (Total)"] = ratio(weighed, yes_no + others)
    return found


def compare_images(
    first: ImageSums, second: ImageSums, *, seed: int = 0, resamples: int = 1000
) -> dict[str, PairedDifference | None]:
    """How a second run differs from a first one on the same images, figure by figure.

    Args:
        first (`ImageSums`): of the first run.
        second (`ImageSums`): of the second run, on the same reference rows.
        seed (`int`, *optional*, defaults to `0`): of the draws.
        resamples (`int`, *optional*, defaults to `1000`): at least 100.

    Returns:
        `dict` of `str` to `PairedDifference`: second minus first by figure, without the judge's name; None where one
        of the runs has no such figure, where a judge has marked more texts of an image in one run than in the other
        (it fails on bad texts first, so the means would be of texts of another kind), or nothing can be told.

    Raises:
        `DataError`: when the two were scored on different rows.
        `ValueError`: on fewer than 100 resamples.
    """
    if first.data != second.data or first.image_ids != second.image_ids:
        raise DataError(
            f"expected two runs on the same rows, found data {first.data or 'none'} with {len(first.image_ids)} images "
            f"and {second.data or 'none'} with {len(second.image_ids)}; score both on one version of the benchmark"
        )
    found = paired_bootstrap(first.sums, second.sums, figures_of_sums, seed=seed, resamples=resamples)
    marked_alike = {
        name: np.array_equal(first.sums[:, _AT[column]], second.sums[:, _AT[column]])
        for name, column in _JUDGED_IN.items()
    }
    return {
        name: difference
        if first.figures.get(name) is not None
        and second.figures.get(name) is not None
        and marked_alike.get(name, True)
        else None
        for name, difference in found.items()
    }


_EMPTY = array("d", bytes(8 * len(COLUMNS)))
_NOTHING = np.zeros((0, len(COLUMNS)))
