"""Readers of photos with descriptions: public corpora and tables of one's own.

`open_corpus` opens any of them; iterating gives one `CorpusRow` after the other, checked: its path stays inside the
root, the photo is there, the description is a text, its id is unique, or it says which of these fails. Nothing is
left out in silence, and nothing is held in memory as a whole.
"""

from .corpus import MissingPhotos, missing_report, open_corpus
from .rows import PROBLEMS, Corpus, CorpusRow
from .sources import SOURCES, Source, may_publish_photo

__all__ = [
    "PROBLEMS",
    "SOURCES",
    "Corpus",
    "CorpusRow",
    "MissingPhotos",
    "Source",
    "may_publish_photo",
    "missing_report",
    "open_corpus",
]
