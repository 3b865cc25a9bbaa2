"""Stage 1 of the profile `classic`: tags by a quality lexicon and sentence patterns.

What it understands, each with the noun phrase (NP) that the quality goes to:

* "NP is blurry and dark", "NP looks out of focus", "NP isn't clear", "NP and NP are overexposed";
* "the texture of NP is clear", "the lighting on NP is insufficient", "the details of NP are lost";
* "a blurry NP", "blurry NP", "with NP blurred", "making NP unclear";
* "severe noise on NP", "blur affects NP", "NP suffers from blur", "on NP there is noise", "no noise on NP";
* "NP has rich texture", "NP lacks detail", "loss of detail in NP", "the focus is on NP".

The paper's stage 1 asks Llama3 (Sec. 3.2); this is the twin that needs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..record import Record
from ..stage import Pictures, Stage
from ..tags import admit_tags
from .chunks import sentences
from .reader import FoundTag, Reader

VERSION = "2"
"""Of the lexicon and the patterns together; it stands in the manifest."""


def find_tags(description: str) -> list[FoundTag]:
    """All qualities of things that a description speaks of, in reading order; each place and quality once.

    Args:
        description (`str`): English text; what is not understood is passed over. Linear in its length.
    """
    found = [tag for chunks in sentences(description) for tag in Reader(description, chunks).read()]
    seen: dict[tuple[int, str], FoundTag] = {}
    for tag in found:
        seen.setdefault((tag.name_start, tag.sense.adjective), tag)
    order = {start: number for number, (start, _) in reversed(list(enumerate(seen)))}
    # Of two qualities of one thing the first is kept: that is the one that says what it is.
    return sorted(seen.values(), key=lambda tag: (order[tag.name_start], tag.sense.adjective == "distorted"))


class LexiconTags(Stage):
    """Tags from the description alone; `annotation.tags.admit_tags` then drops what is no object of the photo.

    A tag's quality is the description's own word where it is an adjective ("out of focus"), and the lexicon's adjective
    where the description names a defect ("noise" becomes "noisy").
    """

    name: ClassVar[str] = "tags"
    reads: ClassVar[tuple[str, ...]] = ("description",)
    adds: ClassVar[tuple[str, ...]] = ("tags",)

    def process(self, records: Sequence[Record], pictures: Pictures) -> None:
        """Find and admit the tags of each record."""
        for record in records:
            text = record.description
            found: list[dict[str, Any]] = [
                {
                    "name": text[tag.name_start : tag.name_end],
                    "phrase": text[tag.phrase_start : tag.phrase_end],
                    "quality": tag.quality,
                    "effect": tag.sense.effect,
                }
                for tag in find_tags(text)
            ]
            admit_tags(record, found, self.name)

    def settings(self) -> dict[str, Any]:
        """The method and the version of its words."""
        return {"profile": "classic", "method": "lexicon and sentence patterns", "version": VERSION}
