"""A corpus cut into shards, and what a first reading of it tells."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from ..corpora.corpus import MissingPhotos
from ..corpora.rows import ChoosingCorpus
from ..errors import DataError, GiqaError

if TYPE_CHECKING:
    from ..corpora.corpus import Corpus, CorpusRow


class NumberedRows(NamedTuple):
    """The corpus rows of one shard."""

    number: int
    rows: list[CorpusRow]


class Survey(NamedTuple):
    """What a first reading of a corpus tells; small, however long the corpus is."""

    rows: int
    problems: Counter[str]
    """Why rows cannot be used, with how many."""
    missing: MissingPhotos
    """Photos that are not there."""
    ids: list[bytes]
    """A digest of the record ids of each shard, in order."""
    sha256: str
    """Of everything that the rows say."""
    details: dict[str, str]
    """By problem: what is special to the first row that has it."""
    left_out: Counter[str]
    """What its reader does not take for rows at all, with how many, by reason."""
    earlier_sha256: str | None
    """As `sha256`, of only so many rows as an earlier run has taken; `None` where there are fewer."""


@dataclass(frozen=True)
class ShardedCorpus:
    """A corpus in shards of so many consecutive rows; of rows with the same record id the first one counts.

    Args:
        corpus (`Corpus`): gives the same rows in the same order whenever it is read.
        shard_size (`int`): rows in a shard; the last one may have fewer.
        limit (`int`, *optional*): take only so many rows.
    """

    corpus: Corpus
    shard_size: int
    limit: int | None = None

    def __iter__(self) -> Iterator[NumberedRows]:
        rows = _unique(itertools.islice(iter(self.corpus), self.limit))
        for number in itertools.count():
            if not (taken := list(itertools.islice(rows, self.shard_size))):
                return
            yield NumberedRows(number, taken)

    def survey(self, earlier: int = 0, tick: Callable[[int], None] = lambda rows: None) -> Survey:
        """Read it once.

        Args:
            earlier (`int`, *optional*): how many rows an earlier run has taken.
            tick (`callable`, *optional*): takes how many rows were read, again and again.

        Raises:
            `GiqaError`: when it has no row.
        """
        count = 0
        problems: Counter[str] = Counter()
        missing = MissingPhotos()
        details: dict[str, str] = {}
        ids: list[bytes] = []
        digest, earlier_sha256 = hashlib.sha256(), None
        for _, rows in self:
            for row in rows:
                count += 1
                if row.problem:
                    problems[row.problem] += 1
                    details.setdefault(row.problem, row.detail or row.record_id)
                missing.see(row)
                digest.update(_row_bytes(row))
                if count == earlier:
                    earlier_sha256 = digest.hexdigest()
            ids.append(ids_digest(row.record_id for row in rows))
            tick(count)
        left_out = self.corpus.left_out if isinstance(self.corpus, ChoosingCorpus) else {}
        if not count:
            chosen = (
                f" (of {sum(left_out.values()):,} all are left out: {', '.join(left_out)})"
                if left_out
                else ""
            )
            raise GiqaError(
                f"corpus {self.corpus.name}: expected at least one row, found none{chosen}; check its path and options"
            )
        return Survey(
            count, problems, missing, ids, digest.hexdigest(), details, Counter(left_out), earlier_sha256
        )

    def again(self, survey: Survey, wanted: Iterable[int]) -> Iterator[NumberedRows]:
        """The wanted shards, in order.

        Raises:
            `DataError`: when the rows are no longer those of the survey.
        """
        left = set(wanted)
        for number, rows in self:
            if number in left:
                if (
                    number >= len(survey.ids)
                    or ids_digest(row.record_id for row in rows) != survey.ids[number]
                ):
                    break
                left.remove(number)
                yield NumberedRows(number, rows)
            if not left:
                return
        raise DataError(
            f"corpus {self.corpus.name}: expected the same rows at both readings, found others in shard {min(left)}; "
            "do not change the corpus while it is annotated, then run again"
        )


def ids_digest(ids: Iterable[str]) -> bytes:
    """A digest of record ids in their order."""
    return hashlib.sha256(json.dumps(list(ids)).encode()).digest()


def _unique(rows: Iterator[CorpusRow]) -> Iterator[CorpusRow]:
    seen: set[bytes] = set()  # digests: ids may be long, and there may be millions
    for row in rows:
        key = hashlib.blake2b(row.record_id.encode("utf-8", "backslashreplace"), digest_size=16).digest()
        yield row if key not in seen else replace(row, problem="duplicate id", detail=None)
        seen.add(key)


def _row_bytes(row: CorpusRow) -> bytes:
    image = hashlib.sha256(row.image).hexdigest() if isinstance(row.image, bytes) else row.image
    said = [
        row.record_id,
        row.image_id,
        image,
        row.description,
        row.source,
        row.license,
        row.problem,
        row.detail,
    ]
    return json.dumps(said).encode()
