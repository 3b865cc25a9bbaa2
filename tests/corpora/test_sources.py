"""Where corpora come from, and what of them may be published."""

from __future__ import annotations

import pytest

from giqa_hf.corpora.sources import (
    AGIQA_3K,
    KONIQ,
    Q_PATHWAY,
    SOURCES,
    Source,
    how_to_get,
    may_publish_photo,
    row_license,
)


def test_all_are_told_apart_and_complete() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    for source in SOURCES:
        assert source.url.startswith("https://") and source.license and source.note and source.title


PUBLISHED = {
    # source, licence of a row -> whether its photo may be published
    "a known source decides": ("spaq", "text: S-Lab-1.0; photo: x", False),
    "also against the licence that the row claims": ("koniq", "cc0-1.0", False),
    "a known open one": ("agiqa-3k", "whatever", True),
    "a mixture that cannot be told apart": ("koniq or spaq", "", False),
    "GPT-4V's texts": ("kadis-700k, text by GPT-4V", "Apache-2.0", False),
    "open": ("mine", "cc0-1.0", True),
    "open, as people write it": ("mine", "CC BY-SA 4.0", True),
    "open, not for commerce": ("mine", "cc-by-nc-4.0", True),
    "no derivatives": ("mine", "cc-by-nd-4.0", False),
    "unknown": ("mine", "unknown", False),
    "none": ("mine", "", False),
    "something else that holds an open name": ("mine", "not mit", False),
}


@pytest.mark.parametrize("source, license, may", PUBLISHED.values(), ids=PUBLISHED)
def test_may_publish_photo(source: str, license: str, may: bool) -> None:
    assert may_publish_photo(source, license) is may


def test_sentences() -> None:
    assert row_license(Q_PATHWAY, AGIQA_3K) == "text: S-Lab-1.0 (non-commercial); photo: MIT"
    source = Source("x", "X-1", "https://x.org", "MIT", True, "")
    assert how_to_get(source) == "get X-1 from https://x.org (licence: MIT)"
    assert not KONIQ.redistributable
