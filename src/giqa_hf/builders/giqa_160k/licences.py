"""Which rows may be published whole, and which only as image ids and annotations. A guard, no legal advice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...corpora.sources import SOURCES, may_publish_photo
from .statistics import cell, counted

WHOLE, ANNOTATIONS = "whole", "annotations"
"""With its photo, or everything but the photo."""


class Terms(NamedTuple):
    """What a row says of its photo's origin."""

    source: str
    license: str

    @property
    def publish(self) -> str:
        """`"whole"` or `"annotations"`, see `corpora.sources.may_publish_photo`."""
        return WHOLE if may_publish_photo(self.source, self.license) else ANNOTATIONS


def licence_lines(rows: Iterable[tuple[Terms, str]]) -> list[dict[str, Any]]:
    """Rows and photos per source and licence, with what of them may be published, as plain values for JSON.

    Args:
        rows (iterable of `(Terms, str)`): terms and image id of every row.

    Returns:
        `list` of `dict`: sorted by source and licence; `url` and `note` are those of a known source, else empty.
    """
    counts: Counter[Terms] = Counter()
    images: dict[Terms, set[str]] = {}
    for terms, image_id in rows:
        counts[terms] += 1
        images.setdefault(terms, set()).add(image_id)
    known = {source.name: source for source in SOURCES}
    return [
        {
            **terms._asdict(),
            "rows": counts[terms],
            "images": len(images[terms]),
            "publish": terms.publish,
            "url": known[terms.source].url if terms.source in known else "",
            "note": known[terms.source].note if terms.source in known else "",
        }
        for terms in sorted(counts)
    ]


def rows_to_publish(lines: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many rows may be published whole, and how many as annotations only."""
    return {
        kind: sum(line["rows"] for line in lines if line["publish"] == kind) for kind in (WHOLE, ANNOTATIONS)
    }


def is_restricted(license: str) -> bool:
    """Whether terms exclude commercial use or ask for research only, by their words; what is unknown counts as such.

    Example:
        >>> is_restricted("CC BY-NC 4.0"), is_restricted("research and education only"), is_restricted("MIT")
        (True, True, False)
    """
    words = set(re.findall(r"[a-z]+", license.lower()))
    return not words or bool(words & {"nc", "research", "academic", "noncommercial", "commercial"})


def gate_of(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a card says to readers who have to accept terms first, as the Hub's metadata has it; empty if none need to.

    Args:
        lines (sequence of `Mapping`): from `licence_lines`.
    """
    held = [line for line in lines if is_restricted(line["license"]) or line["publish"] == ANNOTATIONS]
    if not held:
        return {}
    named = "; ".join(f"{_plain(line['source'])}: {_plain(line['license'])}" for line in held)
    return {
        "extra_gated_heading": "Accept the terms of the sources to read this dataset",
        "extra_gated_prompt": f"Parts of it come from sources whose terms restrict their use. {named}.",
        "extra_gated_fields": {
            "I use each row only as the terms in its column license and those of its source allow": "checkbox"
        },
        "extra_gated_button_content": "Accept",
    }


def licence_text(lines: Sequence[Mapping[str, Any]], name: str) -> str:
    """A LICENSE.md: each source with its terms. Everything that came from data is escaped.

    Args:
        lines (sequence of `Mapping`): from `licence_lines`.
        name (`str`): of the dataset.
    """
    parts = [
        f"# Terms of {cell(name)}\n\nEach row has its terms in its column `license`; there is no licence for "
        "the whole. "
        "This is a list, no legal advice: the pages of the sources count.\n"
    ]
    for line in lines:
        photos = (
            "with their photos"
            if line["publish"] == WHOLE
            else "as ids, hashes and annotations, without photos"
        )
        parts.append(
            f"## {cell(line['source'])}\n\n{cell(line['license'])}. {counted(line['rows'], 'row')} on "
            f"{counted(line['images'], 'photo')}, {photos}."
            + (f" {cell(line['note'])}" if line["note"] else "")
            + (f"\n\n<{line['url']}>" if line["url"] else "")
            + "\n"
        )
    return "\n".join(parts)


def _plain(text: str) -> str:
    """For the Hub's form, which may take Markdown: one line, and nothing that opens a tag, a link or a picture."""
    return " ".join("".join(c if c.isprintable() and c not in "<>[]`" else " " for c in text).split())
