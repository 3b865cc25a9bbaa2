"""What is in a dataset, in the shape of the paper's Tab. 1, and a few distributions beside it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ...schema import QUESTION_TYPES, TEXT_FIELDS
from .balance import yes_or_no

COLUMNS = ("images", "total", "des", "vqa_yes_no", "vqa_wh")
"""Tab. 1: Image, Total, DES, VQA (Y), VQA (W)."""
_HEADS = ("Images", "Total", "DES", "VQA (Y)", "VQA (W)")


class Spread(NamedTuple):
    """How a whole number is distributed. All but the count are `None` when there is nothing."""

    values: int
    mean: float | None
    min: int | None
    p10: int | None
    median: int | None
    p90: int | None
    max: int | None


def spread(counts: Mapping[int, int]) -> Spread:
    """The spread of a number, from how often each value comes.

    A quantile is the smallest value that at least so many percent of all do not exceed.

    Example:
        >>> spread({1: 3, 7: 1})
        Spread(values=4, mean=2.5, min=1, p10=1, median=1, p90=7, max=7)
    """
    values = sorted(value for value, times in counts.items() if times)
    total = sum(counts.values())
    if not total:
        return Spread(0, None, None, None, None, None, None)

    def quantile(percent: int) -> int:
        needed, seen = -(-total * percent // 100), 0
        for value in values:
            seen += counts[value]
            if seen >= needed:
                return value
        return values[-1]

    mean = sum(value * times for value, times in counts.items()) / total
    return Spread(total, mean, values[0], quantile(10), quantile(50), quantile(90), values[-1])


class Tally:
    """Counts rows as they pass; `to_dict` gives the statistics of all that have passed."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._images: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._types: Counter[str] = Counter()
        self._said: Counter[str] = Counter()
        self._words: Counter[int] = Counter()
        self._boxes: Counter[int] = Counter()
        self._tags: Counter[int] = Counter()
        self._places: Counter[str] = Counter()

    def add(self, row: Mapping[str, Any], split: str) -> None:
        """Count one row.

        Args:
            row (`Mapping`): as `schema.features()` describes it, with or without the image.
            split (`str`): where it goes.
        """
        kind = row["question_type"]
        column = "des" if row["task"] == "des" else "vqa_yes_no" if kind == "yes_no" else "vqa_wh"
        self._rows[split, row["source"]][column] += 1
        self._images[split, row["source"]].add(row["image_id"])
        if row["task"] == "des":
            self._words[len(row["answer"].split())] += 1
            self._tags[len(row["answer_regions"])] += 1
        else:
            self._types[kind] += 1
            self._places["question" if row["question_regions"] else "no question"] += 1
            self._places["answer" if row["answer_regions"] else "no answer"] += 1
            if kind == "yes_no":
                self._said[yes_or_no(row["answer"]) or "neither"] += 1
        for field in TEXT_FIELDS:
            for region in row[f"{field}_regions"]:
                self._boxes[len(region["boxes_norm"])] += 1

    def to_dict(self) -> dict[str, Any]:
        """All statistics as plain values for JSON."""
        table = [
            {"split": split, "source": source, **self._line([(split, source)])}
            for split, source in sorted(self._rows)
        ]
        splits = {
            name: self._line(key for key in self._rows if key[0] == name)
            for name in dict.fromkeys(split for split, _ in sorted(self._rows))
        }
        return {
            "total": self._line(self._rows),
            "by_split": splits,
            "by_split_and_source": table,
            "question_types": {kind: self._types[kind] for kind in QUESTION_TYPES},
            "yes_no_answers": {said: self._said[said] for said in ("yes", "no", "neither")},
            "vqa_referring": self._places["question"],
            "vqa_grounding": self._places["answer"],
            "words_per_description": spread(self._words)._asdict(),
            "tags_per_description": spread(self._tags)._asdict(),
            "boxes_per_tag": {
                **spread(self._boxes)._asdict(),
                "histogram": {str(boxes): self._boxes[boxes] for boxes in sorted(self._boxes)},
            },
        }

    def _line(self, keys: Iterable[tuple[str, str]]) -> dict[str, int]:
        keys = list(keys)
        counts = sum((self._rows[key] for key in keys), Counter[str]())
        images = len(set().union(*(self._images[key] for key in keys)))
        return {"images": images, "total": counts.total(), **{name: counts[name] for name in COLUMNS[2:]}}


def statistics_markdown(statistics: Mapping[str, Any], name: str = "giqa-160k") -> str:
    """The statistics as Markdown: Tab. 1 for the whole, per split and per source, then the distributions.

    Args:
        statistics (`Mapping`): from `Tally.to_dict`.
        name (`str`, *optional*, defaults to `"giqa-160k"`): of the dataset.
    """
    lines = [(f"**{cell(name)}**", statistics["total"])]
    lines += [(f"{cell(split)}, all", line) for split, line in statistics["by_split"].items()]
    lines += [
        (f"{cell(line['split'])}, {cell(line['source'])}", line) for line in statistics["by_split_and_source"]
    ]
    text = f"| Dataset | {' | '.join(_HEADS)} |\n|---|{'---:|' * len(_HEADS)}\n"
    text += "".join(
        f"| {label} | {' | '.join(f'{line[column]:,}' for column in COLUMNS)} |\n" for label, line in lines
    )
    types, said = statistics["question_types"], statistics["yes_no_answers"]
    text += "\n| Questions | " + " | ".join(("Yes", "No", "What", "Why", "How", "referring", "grounding"))
    text += f" |\n|---|{'---:|' * 7}\n| rows | "
    numbers = [said["yes"], said["no"], *(types[kind] for kind in QUESTION_TYPES[1:])]
    numbers += [statistics["vqa_referring"], statistics["vqa_grounding"]]
    text += " | ".join(f"{number:,}" for number in numbers) + " |\n"
    text += f"\n| Per | mean | {' | '.join(('min', '10 %', 'median', '90 %', 'max'))} |\n|---|{'---:|' * 6}\n"
    for label, key in (
        ("description: words", "words_per_description"),
        ("description: tags", "tags_per_description"),
        ("tag: boxes", "boxes_per_tag"),
    ):
        values = statistics[key]
        if values["values"]:
            quantiles = " | ".join(str(values[q]) for q in ("min", "p10", "median", "p90", "max"))
            text += f"| {label} | {values['mean']:.2f} | {quantiles} |\n"
    return text


def statistics_text(statistics: Mapping[str, Any], name: str = "giqa-160k") -> str:
    """Tab. 1 for a terminal: the whole, then each split and source."""
    lines = [(name, statistics["total"])]
    lines += [(f"{line['split']}, {line['source']}", line) for line in statistics["by_split_and_source"]]
    cells = [("", *_HEADS), *((label, *(f"{line[column]:,}" for column in COLUMNS)) for label, line in lines)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    )


def cell(text: str) -> str:
    """A text of unknown origin as one cell of a Markdown table: no markup, no HTML, one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    escaped = "".join(f"\\{c}" if c in "\\`*_{}[]()#+!|~$<>&-" else c for c in line)
    return escaped or "(none)"


def counted(count: int, noun: str) -> str:
    """A number with its noun, in the plural where there is not one: "1 photo", "1,200 photos"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
