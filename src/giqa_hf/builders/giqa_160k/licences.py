"""Which rows may be published whole, and which only as image ids and annotations. A guard, no legal advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ...corpora.sources import SOURCES, may_publish_photo

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
