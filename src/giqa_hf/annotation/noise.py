"""How noisy a build is: what the grid costs, what refinement did to the boxes, why things left, and a sheet to check.

Raw boxes are those that came into refinement: what the detector gave, without what is no box in the photo. Refined
ones are those that are in at the end.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..boxes import area, as_boxes
from ..files import write_json, write_text
from ..grid import Grid
from .audit import Audit
from .record import Box, Kind, Outcome, Record, count_outcomes
from .shards import read_build, read_manifest

AREA_BINS = 20
"""Of the area distribution (paper Fig. 6): a bin is 5 % of the photo."""
NOISE_HTML, NOISE_JSON = "noise.html", "noise.json"
SHEET = 50
_BEFORE_REFINEMENT = frozenset({"corpus", "images", "tags", "boxes"})  # stages whose drops are no raw boxes


class NoiseTally:
    """Counts records as they pass; `to_dict` gives the numbers over all that have passed."""

    def __init__(self) -> None:
        self._outcomes: Counter[Outcome] = Counter()
        self._raw = _BoxTally()
        self._refined = _BoxTally()
        self._judged: list[float] = []
        self._accepted = 0

    def add(self, record: Record) -> None:
        """Count one record, dropped or not."""
        self._outcomes.update(count_outcomes([record]))
        for tag in record.tags:
            raw = [box for box in tag.boxes if _reached_refinement(box)]
            self._raw.add([box.found_norm for box in raw])
            self._refined.add([box.now_norm for box in tag.live_boxes])
            for box in raw:
                if box.judged is not None:
                    self._judged.append(box.judged)
                    self._accepted += box.fate is None or box.fate.stage != "filter"

    def to_dict(self) -> dict[str, Any]:
        """All numbers as plain values for JSON; what there is nothing to compute from is `None`."""
        judged = np.array(self._judged)
        some = len(judged) > 0
        candidates: Counter[Kind] = Counter()
        for outcome, count in self._outcomes.items():
            candidates[outcome.kind] += count
        return {
            "raw": self._raw.to_dict(),
            "refined": self._refined.to_dict(),
            "filter": {
                "judged": len(judged),
                "accepted_share": self._accepted / len(judged) if some else None,
                "mean_probability": float(judged.mean()) if some else None,
                "yes_share": float((judged >= 0.5).mean()) if some else None,
            },
            "audit": Audit(candidates, self._outcomes).to_dict(),
        }


class _BoxTally:
    """Boxes by tag."""

    def __init__(self) -> None:
        self._boxes: list[tuple[float, float, float, float]] = []
        self._per_tag: Counter[int] = Counter()

    def add(self, boxes_norm: list[tuple[float, float, float, float]]) -> None:
        """Add the boxes of one tag; a tag without any does not count."""
        if boxes_norm:
            self._boxes += boxes_norm
            self._per_tag[len(boxes_norm)] += 1

    def to_dict(self) -> dict[str, Any]:
        boxes = as_boxes(self._boxes)
        areas = area(boxes)
        some = len(boxes) > 0
        ceiling, literal = Grid().ceiling(boxes), Grid().ceiling(boxes, "paper")
        histogram, _ = np.histogram(areas, bins=AREA_BINS, range=(0.0, 1.0))
        return {
            "boxes": len(boxes),
            "tags": self._per_tag.total(),
            "boxes_per_tag_mean": len(boxes) / self._per_tag.total() if some else None,
            "boxes_per_tag": {str(boxes): self._per_tag[boxes] for boxes in sorted(self._per_tag)},
            "area_median": float(np.median(areas)) if some else None,
            "area_histogram": histogram.tolist(),
            "zero_area_share": float((areas <= 0).mean()) if some else None,
            "grid_mean_iou": ceiling.mean_iou if some else None,
            "grid_below_half_share": ceiling.below_half_share if some else None,
            "grid_zero_area_share": literal.zero_area_share if some else None,
        }


class NoiseReport(NamedTuple):
    """What was written."""

    numbers: dict[str, Any]
    """As in `noise.json`."""
    photos: tuple[str, ...]
    """Image ids of the photos that the sheet shows, sorted."""


def noise_report(
    build: Path,
    out: Path,
    *,
    root: Path | None = None,
    seed: int = 0,
    sheet: int = SHEET,
    shown: Container[str] | None = None,
) -> NoiseReport:
    """Write `noise.html` and `noise.json` of a finished build.

    Args:
        build (`Path`): the folder that `giqa annotate` made.
        out (`Path`): folder for the two files.
        root (`Path`, *optional*): of the photos; the manifest's, if not given.
        seed (`int`, *optional*, defaults to `0`): of the sheet: another seed, other records.
        sheet (`int`, *optional*, defaults to `50`): so many records to check by eye.
        shown (container of `str`, *optional*): ids of the records that may be drawn; all that are in the build, if not
            given. The numbers are over the whole build all the same.

    Returns:
        `NoiseReport`

    Raises:
        `GiqaError`: when there is no finished build.
    """
    from .noise_page import noise_html

    manifest = read_manifest(build)
    tally = NoiseTally()

    def drawn() -> Iterator[Record]:
        for record in read_build(build):
            tally.add(record)
            if record.fate is None and (shown is None or record.record_id in shown):
                yield record

    records = draw_sheet(drawn(), sheet, seed)
    numbers = tally.to_dict()
    photos = Path(manifest["root"]) if root is None else root
    write_json(out / NOISE_JSON, numbers)
    write_text(out / NOISE_HTML, noise_html(numbers, records, photos, build, seed))
    return NoiseReport(numbers, tuple(sorted({record.image_id for record in records})))


def draw_sheet(records: Iterable[Record], count: int, seed: int = 0) -> list[Record]:
    """Draw records at random: the same ones in whatever order they come, and held are only so many.

    Args:
        records (iterable of `Record`): to draw from.
        count (`int`): how many; all, where there are fewer.
        seed (`int`, *optional*, defaults to `0`): another seed, other records.
    """

    def rank(record: Record) -> bytes:
        return hashlib.sha256(f"{seed}\0sheet\0{record.record_id}".encode("utf-8", "surrogatepass")).digest()

    return heapq.nsmallest(count, records, key=rank)


def _reached_refinement(box: Box) -> bool:
    return box.fate is None or box.fate.stage not in _BEFORE_REFINEMENT
