"""A model through lists of opinion scores: its score of every photo in a folder, then correlations with intervals.

The scores are on disk batch by batch, so an interrupted run goes on; the figures are computed from the file at the end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..errors import DataError
from ..files import write_json
from ..first_token import WordTokens, word_tokens
from ..metrics.fingerprint import RowsFingerprint
from ..metrics.score_correlation.compute import VERSION, score_correlation
from ..metrics.score_correlation.intervals import FIGURES, score_intervals
from ..metrics.score_correlation.labels import ScoreLabel
from ..metrics.signature import signature
from ..progress import Progress, Say
from .journal import appending_lines, read_lines
from .record import SCORES, claim, session, software
from .score_reading import FIVE_LEVELS, FIVE_LEVELS_UNIT, Q_BENCH, Q_INSTRUCT, THREE_WORDS, ScoreProtocol

MADE_BY = "giqa bench scores"
PHOTO_SCORES = "photo_scores.jsonl"
PROTOCOLS: Mapping[str, ScoreProtocol] = MappingProxyType(
    {
        "q-instruct": Q_INSTRUCT,
        "q-bench": Q_BENCH,
        "three-words": THREE_WORDS,
        "five-levels": FIVE_LEVELS,
        "five-levels-unit": FIVE_LEVELS_UNIT,
    }
)
_BATCHES_AT_ONCE = 8  # between two writes; photos of one size come together within it


@dataclass(frozen=True)
class ScoreSet:
    """A list of photos with opinions.

    Args:
        name (`str`): what its line of the table is called.
        labels (sequence of `ScoreLabel`): from `read_score_labels`.
        root (`Path`): the folder below which the photos lie.
    """

    name: str
    labels: Sequence[ScoreLabel]
    root: Path

    @property
    def data(self) -> str:
        """The fingerprint of paths and opinions."""
        found = RowsFingerprint()
        for label in self.labels:
            found.add(label.image, [label.score])
        return found.result()


class PhotoScore(NamedTuple):
    """What a model gave for a photo."""

    set_name: str
    image: str
    score: float | None
    problem: str | None
    """Why there is none."""


def score_sets(
    model: str,
    sets: Sequence[ScoreSet],
    out: Path,
    protocol: ScoreProtocol = Q_INSTRUCT,
    *,
    batch_size: int = 16,
    device: str | None = None,
    dtype: str | None = None,
    say: Say = print,
) -> dict[str, Any]:
    """Let a model score the photos of lists, and write correlations with 95 % intervals into `scores.json`.

    Args:
        model (`str`): a folder or the id of a Hub repository.
        sets (sequence of `ScoreSet`): the lists, with names that differ.
        out (`Path`): the run's folder, new or of the same run; photos that have a score are not asked again.
        protocol (`ScoreProtocol`, *optional*, defaults to `Q_INSTRUCT`): what is asked and how it is read.
        batch_size (`int`, *optional*, defaults to `16`): photos per forward pass.
        device (`str`, *optional*): such as `"cuda:1"`.
        dtype (`str`, *optional*): of the weights.
        say (`callable`, *optional*, defaults to `print`): takes the progress.

    Returns:
        `dict`: what stands in `scores.json`: `model`, `protocol`, and by the name of a set `figures`, `intervals`,
        `photos`, `pairs`, `unreadable` (why, by path) and `signature`.

    Raises:
        `GiqaError`: when model or lists cannot be used, or the folder holds another run.
    """
    names = [one.name for one in sets]
    if not sets or len(set(names)) != len(names):
        raise DataError(
            f"lists: expected at least one, and names that differ, got {', '.join(names) or 'none'}"
        )
    if batch_size < 1:
        raise DataError(f"batch size: expected at least 1, got {batch_size}")
    from .backends.local import LocalBackend

    backend = LocalBackend(
        model, batch_size=batch_size, max_new_tokens=1, device=device, dtype=dtype, with_frame=False
    )
    of_sets = [{"name": one.name, "photos": len(one.labels), "data": one.data} for one in sets]
    tokens = word_tokens(backend.processor.tokenizer, protocol.words, protocol.token_ids)
    protocol = replace(protocol, token_ids=tokens.ids)
    of_protocol = {**protocol.settings(), "tokens": tokens.to_dict()["tokens"]}
    depends_on = {**backend.settings(), "protocol": of_protocol, "sets": of_sets}
    claim(out, depends_on, session(backend.execution()), MADE_BY)
    with appending_lines(out / PHOTO_SCORES) as journal:
        known = read_photo_scores(out / PHOTO_SCORES)
        progress = Progress(say, "photos")
        done, of_all = 0, sum(len(one.labels) for one in sets)
        for one in sets:
            open_ones = [label for label in one.labels if known.get((one.name, label.image)) is None]
            done += len(one.labels) - len(open_ones)
            progress(done, of_all)
            for start in range(0, len(open_ones), _BATCHES_AT_ONCE * batch_size):
                labels = open_ones[start : start + _BATCHES_AT_ONCE * batch_size]
                found = backend.photo_scores(labels, one.root, protocol)
                journal.append(
                    [
                        _line(one.name, *pair, found.unreadable)
                        for pair in zip(labels, found.scores, strict=True)
                    ]
                )
                done += len(labels)
                progress(done, of_all)
    return figures_of_sets(out, sets, depends_on, protocol, tokens)


def figures_of_sets(
    out: Path,
    sets: Sequence[ScoreSet],
    depends_on: Mapping[str, Any],
    protocol: ScoreProtocol,
    tokens: WordTokens,
) -> dict[str, Any]:
    """The figures of all sets from the scores in a run's folder, written there too; see `score_sets`."""
    latest = {(one.set_name, one.image): one for one in _photo_scores(out / PHOTO_SCORES)}
    told: dict[str, Any] = {}
    for one in sets:
        rows = [latest[one.name, label.image] for label in one.labels]
        scores, opinions = [row.score for row in rows], [label.score for label in one.labels]
        found = score_correlation(scores, opinions)
        intervals = score_intervals(scores, opinions)
        told[one.name] = {
            "figures": {name: getattr(found, name) for name in FIGURES},
            "intervals": {name: None if ends is None else list(ends) for name, ends in intervals.items()},
            "logistic": None if found.logistic is None else found.logistic._asdict(),
            "photos": len(rows),
            "pairs": found.pairs,
            "unreadable": {row.image: row.problem for row in rows if row.score is None},
            "signature": signature(
                "score_correlation",
                VERSION,
                {
                    "krcc": "tau-b",
                    "logistic": None if found.logistic is None else "4 parameters",
                    "protocol": f"{protocol.name} ({_digest(protocol)})",
                    "tokens": tokens.digest,
                    "data": one.data,
                },
            ),
        }
    result = {
        "model": depends_on["model"],
        "protocol": depends_on["protocol"],
        "sets": told,
        "software": software(),
    }
    write_json(out / SCORES, result)
    return result


def scores_text(result: Mapping[str, Any]) -> str:
    """A table for a terminal, 95 % intervals below the figures."""
    titles = ("SRCC", "PLCC", "PLCC logistic", "KRCC", "RMSE", "RMSE logistic")
    lines = [["", "photos", *titles]]
    for name, one in result["sets"].items():
        figures, ends = one["figures"], one["intervals"]
        photos = f"{one['pairs']}" if one["pairs"] == one["photos"] else f"{one['pairs']} of {one['photos']}"
        lines.append([name, photos, *(_shown(figures[key]) for key in FIGURES)])
        between = ["" if ends[key] is None else f"{ends[key][0]:.3f}, {ends[key][1]:.3f}" for key in FIGURES]
        lines.append(["  95 %", "", *between])
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    table = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    table.insert(1, "-" * max(map(len, table)))
    return "\n".join([*table, f"protocol: {result['protocol']['name']}"])


def read_photo_scores(path: Path) -> dict[tuple[str, str], float | None]:
    """The scores of a file by set and photo; None for a photo that came to nothing."""
    return {(one.set_name, one.image): one.score for one in _photo_scores(path)}


def _photo_scores(path: Path) -> list[PhotoScore]:
    return list(read_lines(path, _of_line, "a photo's score"))


def _line(
    set_name: str, label: ScoreLabel, score: float | None, unreadable: Mapping[str, str]
) -> dict[str, Any]:
    line: dict[str, Any] = {"set": set_name, "image": label.image, "score": score}
    if score is None:
        line["problem"] = unreadable.get(label.image, "the model computed no number")
    return line


def _of_line(line: Any) -> PhotoScore:
    score = line["score"]
    return PhotoScore(
        str(line["set"]), str(line["image"]), None if score is None else float(score), line.get("problem")
    )


def _digest(protocol: ScoreProtocol) -> str:
    """Of the protocol without its tokens, which another model has otherwise."""
    settings = replace(protocol, token_ids=None).settings()
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]


def _shown(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.4f}"
