"""Open any corpus by its name, file, folder or Hub id, and tell what photos of it are missing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from .columns import Wanted
from .dq_495k import DQ495K
from .hub import HubDataset
from .photos import MISSING
from .q_pathway import QPathway
from .rows import Corpus, CorpusRow
from .sources import DQ_495K, Q_PATHWAY, Source, how_to_get
from .table import SUFFIXES, Table

__all__ = ["PUBLIC", "Corpus", "CorpusRow", "MissingPhotos", "missing_report", "open_corpus"]

PUBLIC: dict[str, tuple[type[QPathway] | type[DQ495K], Source]] = {
    Q_PATHWAY.name: (QPathway, Q_PATHWAY),
    DQ_495K.name: (DQ495K, DQ_495K),
}
"""The public corpora by name: their reader and where they come from."""

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*(:[\w.-]+)?")


def open_corpus(
    what: str,
    root: Path | None = None,
    *,
    image_column: str | None = None,
    text_column: str | None = None,
    id_column: str | None = None,
    split: str | None = None,
    source: str | None = None,
    license: str | None = None,
) -> Corpus:
    """Open a corpus of photos with descriptions.

    Args:
        what (`str`): `"q-pathway"`, `"dq-495k"`; a table (.csv, .tsv, .jsonl, .ndjson, .json, .parquet); a folder
            that `datasets.load_dataset` reads; or a dataset id of the Hub, `"owner/name"` or `"owner/name:config"`.
        root (`Path`, *optional*): folder of the corpus, needed for the public ones; for a table or a dataset, the
            folder that its paths of photos are relative to, by default its own.
        image_column (`str`, *optional*): column of the photo, in a table or a dataset; by default the usual names are
            looked for, see `columns`.
        text_column (`str`, *optional*): column of the description, likewise.
        id_column (`str`, *optional*): column of the id, likewise; without any, ids are made of photo and text.
        split (`str`, *optional*): of a dataset; needed where there are several.
        source (`str`, *optional*): of all rows of a table or a dataset; by default its column `source`, or its name.
        license (`str`, *optional*): of all rows likewise; by default its column `license`, or `"unknown"`.

    Returns:
        `Corpus`: nothing but the beginning is read yet.

    Raises:
        `DataError`: one sentence: no such corpus (it lists what there is), where to get a public one that is not at
            its place, an option that has no meaning for it, or columns that are not found.
    """
    wanted = Wanted(image_column, text_column, id_column, source, license)
    options = {**vars(wanted), "split": split}
    if what in PUBLIC:
        reader, origin = PUBLIC[what]
        _refuse_options(what, options)
        if root is None:
            raise DataError(f"{what}: name the folder that it lies in with --root; {how_to_get(origin)}")
        return reader(Path(root))
    if root is not None and not Path(root).is_dir():
        found = "a file" if Path(root).is_file() else "no such folder"
        raise DataError(
            f"{root}: expected the folder of the photos (--root), found {found}; check the path, or leave --root out "
            "where the photos' paths start from the folder of the table or dataset"
        )
    path = Path(what)
    if path.suffix.lower() in SUFFIXES and not path.is_dir():
        _refuse_options(what, {"split": split})
        if not path.is_file():
            raise DataError(
                f"{what} is not there, expected a table of photos with descriptions; check the path"
            )
        return Table(path, None if root is None else Path(root), wanted)
    if (what and path.is_dir()) or _HUB_ID.fullmatch(what):
        return HubDataset(what, None if root is None else Path(root), split, wanted)
    near = difflib.get_close_matches(what.lower(), PUBLIC, n=1)
    raise DataError(
        f"there is no corpus {what!r}{f' (did you mean {near[0]}?)' if near else ''}; there are: {', '.join(PUBLIC)}, "
        f"a table ({', '.join(SUFFIXES)}), a folder that datasets.load_dataset reads, and datasets of the Hub "
        "(owner/name)"
    )


def _refuse_options(what: str, options: dict[str, str | None]) -> None:
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise DataError(f"{what} takes no {', '.join(given)}; leave it out")


@dataclass
class MissingPhotos:
    """Counts the rows whose photo is missing, and keeps the first of them.

    Args:
        most (`int`, *optional*, defaults to `20`): how many to keep.
        count (`int`): how many there were.
        first (`list` of `str`): the paths of the first ones.
    """

    most: int = 20
    count: int = 0
    first: list[str] = field(default_factory=list)

    def see(self, row: CorpusRow) -> None:
        """Take note of a row."""
        if row.problem == MISSING:
            self.count += 1
            if len(self.first) < self.most:
                self.first.append(str(row.image))

    def __str__(self) -> str:
        if not self.count:
            return "no photo is missing"
        rest = self.count - len(self.first)
        lines = "".join(f"\n  {path}" for path in self.first) + (f"\n  and {rest:,} more" if rest else "")
        return f"{self.count:,} row{'s' if self.count > 1 else ''} whose photo is missing:{lines}"


def missing_report(rows: Iterable[CorpusRow], most: int = 20) -> MissingPhotos:
    """Go through rows, and tell how many photos are missing and which are the first.

    Args:
        rows (iterable of `CorpusRow`): e.g. a corpus.
        most (`int`, *optional*, defaults to `20`): how many paths to keep.
    """
    missing = MissingPhotos(most)
    for row in rows:
        missing.see(row)
    return missing
