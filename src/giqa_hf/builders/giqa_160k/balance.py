"""As many Yes as No, and as many Yes/No as What/Why/How (paper Sec. 3.3: "randomly filter")."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ...errors import DataError

_FIRST_WORD = re.compile(r"[^\W\d_]+")


class Answered(NamedTuple):
    """What balancing needs to know of a GIQA-VQA row."""

    key: str
    """Unique in the dataset: all chance hangs on it, none on the order in which rows come."""
    question_type: str
    """`"yes_no"`, `"what"`, `"why"` or `"how"`."""
    answer: str


@dataclass(frozen=True)
class Balance:
    """Which rows stay.

    Args:
        kept (`frozenset` of `str`): keys of the rows that stay.
        removed (mapping of `str` to `int`): how many went, by reason.
    """

    kept: frozenset[str]
    removed: Mapping[str, int]


def yes_or_no(answer: str) -> Literal["yes", "no"] | None:
    """What a Yes/No answer says by its first word; `None` when that is neither.

    Example:
        >>> yes_or_no("No, it is sharp."), yes_or_no("Nothing is.")
        ('no', None)
    """
    first = _FIRST_WORD.search(answer)
    word = first.group().casefold() if first else ""
    return "yes" if word == "yes" else "no" if word == "no" else None


def balance(rows: Iterable[Answered], seed: int = 0) -> Balance:
    """Choose at random as many Yes as No, and as many Yes/No as What/Why/How; all that can stay, stays.

    With y Yes, n No and w What/Why/How among the rows, k = min(y, n, w // 2) of each answer stay, and 2 k What/Why/How.
    A row stays when its hash is among the smallest of its kind: the choice depends on the seed and on which rows there
    are, not on their order, and rows that are added later mostly leave it as it is.

    Args:
        rows (iterable of `Answered`): the GIQA-VQA rows, in any order.
        seed (`int`, *optional*, defaults to `0`): another seed, another choice.

    Raises:
        `DataError`: when two rows have one key.
    """
    kinds: dict[str, list[str]] = {"Yes": [], "No": [], "What/Why/How": [], "": []}
    for key, question_type, answer in rows:
        said = {"yes": "Yes", "no": "No", None: ""}[yes_or_no(answer)]
        kinds[said if question_type == "yes_no" else "What/Why/How"].append(key)
    _check_unique(kinds)
    unclear = kinds.pop("")
    each = min(len(kinds["Yes"]), len(kinds["No"]), len(kinds["What/Why/How"]) // 2)
    quota = {"Yes": each, "No": each, "What/Why/How": 2 * each}
    kept: list[str] = []
    removed: Counter[str] = Counter()
    for kind, keys in kinds.items():
        kept += sorted(keys, key=lambda key: (_rank(key, seed), key))[: quota[kind]]
        removed[f"surplus {kind}"] = len(keys) - quota[kind]
    removed["Yes/No answer that begins with neither"] = len(unclear)
    return Balance(frozenset(kept), {reason: count for reason, count in removed.items() if count})


def _rank(key: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0balance\0{key}".encode("utf-8", "surrogatepass")).digest()


def _check_unique(kinds: Mapping[str, list[str]]) -> None:
    counts = Counter(key for keys in kinds.values() for key in keys)
    twice = next((key for key, count in counts.items() if count > 1), None)
    if twice is not None:
        raise DataError(f"balance: expected every row's key once, found {twice!r} {counts[twice]} times")
