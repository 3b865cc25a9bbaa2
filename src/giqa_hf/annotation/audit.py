"""What became of everything: candidates = kept + dropped + merged, counted by stage and reason, and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ..files import write_json
from .record import KINDS, Kind, Outcome, Record, count_outcomes

_STATUSES = ("kept", "merged", "dropped")
_PLURAL = {"record": "records", "tag": "tags", "box": "boxes", "pair": "pairs"}


class Line(NamedTuple):
    """A line of the audit table."""

    outcome: Outcome
    number: int


@dataclass(frozen=True)
class Audit:
    """The balance of a build.

    Args:
        candidates (`Counter` by kind): how many records, tags, boxes and pairs there ever were, counted on their own.
        outcomes (`Counter` of `Outcome`): how many of them met which fate.
        stages (sequence of `str`, *optional*): the order of the stages, for the table.
        left_out (mapping of `str` to `int`, *optional*): what the reader of the corpus does not take for rows, by
            reason; it is no candidate.
    """

    candidates: Counter[Kind]
    outcomes: Counter[Outcome]
    stages: Sequence[str] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def kept(self, kind: Kind) -> int:
        """How many of a kind are in the build."""
        return self.outcomes[Outcome(kind, "kept", "", "")]

    def commonest(self, kind: Kind) -> Line | None:
        """Why most items of a kind are not in the build, on their own account; `None` where none is out."""
        out = [
            line
            for line in self.lines()
            if line.outcome.kind == kind
            and line.outcome.status == "dropped"
            and not line.outcome.reason.startswith("with ")  # with what it belongs to
        ]
        return max(out, key=lambda line: line.number, default=None)

    def lines(self) -> list[Line]:
        """By kind: what is kept, then every reason, in the order of the stages, the frequent ones first."""
        order = {stage: number for number, stage in enumerate(("", "corpus", "images", *self.stages))}

        def place(line: Line) -> tuple[Any, ...]:
            kind, status, stage, reason = line.outcome
            at = order.get(stage, len(order))
            return (
                KINDS.index(kind),
                status != "kept",
                at,
                stage,
                -line.number,
                _STATUSES.index(status),
                reason,
            )

        return sorted((Line(*item) for item in self.outcomes.items()), key=place)

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            "candidates": {kind: self.candidates[kind] for kind in KINDS},
            "kept": {kind: self.kept(kind) for kind in KINDS},
            "outcomes": [{**line.outcome._asdict(), "count": line.number} for line in self.lines()],
            "left_out": dict(self.left_out),
        }

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        write_json(path, self.to_dict())

    def table(self) -> str:
        """As text for a terminal."""
        rows: list[tuple[str, str]] = []
        if self.left_out:
            rows.append(
                ("left out by the corpus' reader, before any record", f"{sum(self.left_out.values()):,}")
            )
            frequent = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))
            rows.extend((f"  {reason}", f"{number:,}") for reason, number in frequent)
        for kind in KINDS:
            lines = [line for line in self.lines() if line.outcome.kind == kind]
            rows.append((f"{_PLURAL[kind]}: candidates", f"{self.candidates[kind]:,}"))
            if not any(line.outcome.status == "kept" for line in lines):
                rows.append(("  = kept", "0"))
            for outcome, number in lines:
                kept = outcome.status == "kept"
                what = "= kept" if kept else f"+ {outcome.status} at {outcome.stage}: {outcome.reason}"
                rows.append((f"  {what}", f"{number:,}"))
        left, right = (max(len(row[column]) for row in rows) for column in (0, 1))
        return "\n".join(f"{what:<{left}}  {count:>{right}}" for what, count in rows)


def count(
    records: Iterable[Record], stages: Sequence[str] = (), left_out: Mapping[str, int] | None = None
) -> Audit:
    """Count the fates of all items of some records, and check that the books balance.

    Args:
        records (iterable of `Record`): read one at a time.
        stages (sequence of `str`, *optional*): the order of the stages, for the table.
        left_out (mapping of `str` to `int`, *optional*): see `Audit`.

    Raises:
        `DataError`: when something is kept inside what was dropped, or a sum does not come out: a stage is at fault.
    """
    candidates: Counter[Kind] = Counter()

    def watched() -> Iterable[Record]:
        for record in records:
            _check_nesting(record)
            # On its own account, not through Record.items(), which the outcomes are counted with.
            candidates["record"] += 1
            candidates["tag"] += len(record.tags)
            candidates["box"] += sum(len(tag.boxes) for tag in record.tags)
            candidates["pair"] += len(record.pairs)
            yield record

    audit = Audit(candidates, count_outcomes(watched()), tuple(stages), dict(left_out or {}))
    for kind in KINDS:
        total = sum(number for outcome, number in audit.outcomes.items() if outcome.kind == kind)
        if total != candidates[kind]:
            raise DataError(
                f"audit: expected {candidates[kind]} {_PLURAL[kind]} to be kept, dropped or merged, found {total}; "
                "this is a fault of giqa_hf, please report it"
            )
    return audit


def _check_nesting(record: Record) -> None:
    for tag in record.tags:
        lost = record.fate or tag.fate
        stray = (
            [tag] if record.fate and tag.fate is None else [b for b in tag.boxes if lost and b.fate is None]
        )
        if stray:
            raise DataError(
                f"audit, record {record.record_id!r}: tag {tag.name!r} or a box of it is kept inside what was dropped "
                "(its stage did not settle); this is a fault of that stage, please report it"
            )
    for number, pair in enumerate(record.pairs):
        if pair.fate is None and (record.fate or any(record.tags[m.tag].fate for m in pair.mentions)):
            raise DataError(
                f"audit, record {record.record_id!r}: pair {number} is kept but what it speaks of was dropped "
                "(its stage did not settle); this is a fault of that stage, please report it"
            )
