"""BLEU@4 of image captioning (paper Sec. 3.4 (1)), x 100.

Corpus level: clipped n-gram matches and lengths are summed over all samples before anything is divided. This
variant has the captioning scorers' constants (1e-15 on matches, 1e-9 on counts), the closest reference length
and the usual brevity penalty; it differs from sacrebleu's and from `evaluate`'s own "bleu", so numbers must
not be mixed. Give it clean text: coordinates are not part of a description.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .tokens import ptb_tokens

MAX_ORDER = 4
_TINY = 1e-15
_SMALL = 1e-9


class Bleu4(NamedTuple):
    """BLEU@4 with the corpus sums that it follows from."""

    value: float | None
    """0..100, where the constants take some 1e-7 from a perfect short corpus; None without samples."""
    samples: int
    """Pairs of prediction and reference."""
    matches: tuple[int, ...]
    """Clipped matches of 1- to 4-grams."""
    guesses: tuple[int, ...]
    """Predicted 1- to 4-grams."""
    pred_length: int
    """Predicted tokens."""
    true_length: int
    """Tokens of the closest references."""


class BleuSums:
    """Running corpus sums of BLEU: `add` a prediction with its references, then ask for the `result`."""

    def __init__(self) -> None:
        self._samples = self._pred_length = self._true_length = 0
        self._matches = [0] * MAX_ORDER
        self._guesses = [0] * MAX_ORDER

    def add(self, prediction: str, references: Sequence[str]) -> None:
        """Add a predicted text and the texts (at least one) that it is compared with."""
        self.add_tokens(ptb_tokens(prediction), [ptb_tokens(text) for text in references])

    def add_tokens(self, prediction: list[str], references: list[list[str]]) -> None:
        """`add` for texts that are tokens already."""
        length = len(prediction)
        self._samples += 1
        self._pred_length += length
        lengths = [len(tokens) for tokens in references]
        # The closest length; of two equally close ones the shorter.
        self._true_length += (
            lengths[0] if len(lengths) == 1 else min((abs(n - length), n) for n in lengths)[1]
        )
        for order in range(MAX_ORDER):
            self._guesses[order] += max(0, length - order)
        for order in range(MAX_ORDER):
            matches = _clipped_matches(
                _ngrams(prediction, order + 1), [_ngrams(tokens, order + 1) for tokens in references]
            )
            if matches == 0:  # then no longer n-gram matches either
                break
            self._matches[order] += matches

    def result(self) -> Bleu4:
        """The value so far."""
        value = None
        if self._samples:
            logs = [
                math.log((match + _TINY) / (guess + _SMALL))
                for match, guess in zip(self._matches, self._guesses, strict=True)
            ]
            value = 100.0 * math.exp(sum(logs) / MAX_ORDER)
            ratio = (self._pred_length + _TINY) / (self._true_length + _SMALL)
            if ratio < 1.0:
                value *= math.exp(1.0 - 1.0 / ratio)
        return Bleu4(
            value,
            self._samples,
            tuple(self._matches),
            tuple(self._guesses),
            self._pred_length,
            self._true_length,
        )


def bleu4(predictions: Sequence[str], references: Sequence[str | Sequence[str]]) -> Bleu4:
    """Captioning BLEU@4 of a corpus.

    Args:
        predictions (`list` of `str`): clean predicted texts.
        references (`list` of `str` or of `list` of `str`): one clean text, or several, per prediction.

    Returns:
        `Bleu4`: the value, 0..100 or None, and the corpus sums.

    Raises:
        `ValueError`: on lists of unequal length, or a prediction without a reference.

    Example (7 of 7 words, the last too many: 6/7, 5/6, 4/5, 3/4 give (3/7) ** (1/4) = 0.809):

    ```python
    >>> round(bleu4(["the dog in the middle is blurred"], ["the dog in the middle is sharp"]).value, 1)
    80.9
    ```
    """
    if len(predictions) != len(references):
        raise ValueError(
            f"expected one reference per prediction, got {len(predictions)} predictions and "
            f"{len(references)} references"
        )
    sums = BleuSums()
    for number, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        texts = [reference] if isinstance(reference, str) else list(reference)
        if not texts or not isinstance(prediction, str) or not all(isinstance(text, str) for text in texts):
            raise ValueError(
                f"sample {number}: expected a predicted text and at least one reference text, got "
                f"{prediction!r:.60} and {reference!r:.60}"
            )
        sums.add(prediction, texts)
    return sums.result()


def _ngrams(tokens: list[str], order: int) -> list[tuple[str, ...]]:
    return list(zip(*(tokens[start:] for start in range(order)), strict=False))


def _clipped_matches(guessed: list[tuple[str, ...]], references: list[list[tuple[str, ...]]]) -> int:
    guessed_once = set(guessed)
    if len(references) == 1:
        shared = guessed_once.intersection(references[0])
        # Where one side repeats nothing, every shared n-gram counts once: no need to count.
        if not shared or len(guessed_once) == len(guessed) or len(set(references[0])) == len(references[0]):
            return len(shared)
        allowed = Counter(references[0])
    else:
        allowed = Counter()
        for ngrams in references:
            allowed |= Counter(ngrams)
        shared = guessed_once.intersection(allowed)
    counts = Counter(guessed)
    return sum(min(counts[ngram], allowed[ngram]) for ngram in shared)
