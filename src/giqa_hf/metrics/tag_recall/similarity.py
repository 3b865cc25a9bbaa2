"""How alike two object names are, in words alone: the default of Tag-Recall, which needs no download.

The paper does not say which similarity it uses (spec A6). An embedding model can be passed instead; this one
is a deterministic stand-in whose threshold of 0.5 means "the same head noun, not buried under other words".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from ...words import DETERMINERS, PREPOSITIONS, singular, words

Similarity: TypeAlias = Callable[[list[str], list[str]], npt.NDArray[Any]]
"""From N predicted and M true names to an array of shape (N, M): 1 for the same, 0 for unrelated."""


@runtime_checkable
class BatchSimilarity(Protocol):
    """A `Similarity` that is faster when it hears of many names before it is asked for a few."""

    def __call__(self, pred_names: list[str], true_names: list[str]) -> npt.NDArray[Any]:
        """See `Similarity`."""
        ...

    def prepare(self, names: Iterable[str]) -> None:
        """Get ready for these names; the answers must not depend on it."""
        ...


def similarity_name(similarity: Similarity) -> str:
    """What a similarity calls itself: its `name`, else that of the function or the class."""
    name = getattr(similarity, "name", None) or getattr(similarity, "__name__", None)
    return name if isinstance(name, str) else type(similarity).__name__


_HEAD_WEIGHT = 2.0
_SPACES = re.compile(r"\s+")


def lexical_similarity(pred_names: Sequence[str], true_names: Sequence[str]) -> npt.NDArray[np.float64]:
    """Head-weighted word overlap (Dice) of names.

    Names are case-folded, articles and other determiners go, plurals become singular. The head noun, the last
    word before the first preposition, weighs 2, every other word 1; a shared word counts with the smaller of
    its two weights. So the similarity of two names is `2 * shared / (total + total)`, in 0..1:

    - "the cup" and "cups": 2 * 2 / (2 + 2) = 1;
    - "coffee cup" and "cup": 2 * 2 / (3 + 2) = 0.8; plain F1 on word sets would put "white coffee cup" and
      "cup" at exactly 0.5, which is not above the threshold, hence the weight;
    - "dog house" and "dog": 2 * 1 / (3 + 2) = 0.4, because a dog house is no dog;
    - "cup" and "cat": 0.

    Args:
        pred_names (`list` of `str`): N names.
        true_names (`list` of `str`): M names.

    Returns:
        `float64 array` of shape (N, M).
    """
    found = [
        [1.0 if pred == true else _name_similarity(pred, true) for true in true_names] for pred in pred_names
    ]
    return np.array(found, dtype=np.float64).reshape(len(pred_names), len(true_names))


@lru_cache(maxsize=65_536)  # names come back; bounded, so memory does not grow with the number of samples
def _name_similarity(pred: str, true: str) -> float:
    a, b = _word_weights(pred), _word_weights(true)
    if not a or not b:  # no words at all (an emoji, a sign): only the very same text is the same
        return float(_SPACES.sub(" ", pred).strip().casefold() == _SPACES.sub(" ", true).strip().casefold())
    shared = sum(min(weight, b[word]) for word, weight in a.items() if word in b)
    return 2.0 * shared / (sum(a.values()) + sum(b.values()))


@lru_cache(maxsize=16_384)
def _word_weights(name: str) -> dict[str, float]:
    kept = [word for word in words(name) if word not in DETERMINERS] or words(name)
    if not kept:
        return {}
    head = next((i for i, word in enumerate(kept) if word in PREPOSITIONS and i > 0), len(kept)) - 1
    weights = {singular(word): 1.0 for word in kept if word not in PREPOSITIONS}
    weights[singular(kept[head])] = _HEAD_WEIGHT
    return weights
