"""BLEU@4 (paper Sec. 3.4 (1)), x 100: that of image captioning, and sacrebleu's beside it.

Corpus level: clipped n-gram matches and lengths are summed over all samples before anything is divided. The
variant "captioning" has the captioning scorers' constants (1e-15 on matches, 1e-9 on counts), the closest
reference length and the usual brevity penalty. On the same tokens it is pycocoevalcap's number; it differs
from sacrebleu's and from `evaluate`'s own "bleu", so numbers must not be mixed, and a result names its
variant. Give it clean text: coordinates are not part of a description.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from ...errors import MissingExtraError
from .tokens import ptb_tokens

VERSION = 2
"""Raised by every change that changes a number; it stands in the signature.

2: the metric takes boxes and thoughts out of predictions, where 1 counted them as words.
"""
MAX_ORDER = 4
CAPTIONING = "captioning-ptb-lower-corpus-closest"
"""The full name of the captioning variant: tokens, case, level, reference length."""

Variant = Literal["captioning", "sacrebleu"]
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
    variant: str
    """The full name of the variant; values of different variants do not compare."""


class BleuCounts(NamedTuple):
    """What one pair adds to the sums of its corpus."""

    matches: tuple[int, ...]
    """Clipped matches of 1- to 4-grams."""
    guesses: tuple[int, ...]
    """Predicted 1- to 4-grams."""
    pred_length: int
    """Predicted tokens."""
    true_length: int
    """Tokens of the closest reference."""


class BleuSums:
    """Running corpus sums of BLEU: `add` a prediction with its references, then ask for the `result`."""

    def __init__(self) -> None:
        self._samples = self._pred_length = self._true_length = 0
        self._matches = [0] * MAX_ORDER
        self._guesses = [0] * MAX_ORDER

    def add(self, prediction: str, references: Sequence[str]) -> BleuCounts:
        """Add a predicted text and the texts (at least one) that it is compared with; returns what it added."""
        return self.add_tokens(ptb_tokens(prediction), [ptb_tokens(text) for text in references])

    def add_tokens(self, prediction: list[str], references: list[list[str]]) -> BleuCounts:
        """`add` for texts that are tokens already."""
        length = len(prediction)
        lengths = [len(tokens) for tokens in references]
        # The closest length; of two equally close ones the shorter.
        true_length = lengths[0] if len(lengths) == 1 else min((abs(n - length), n) for n in lengths)[1]
        guesses = tuple(max(0, length - order) for order in range(MAX_ORDER))
        matches = [0] * MAX_ORDER
        for order in range(MAX_ORDER):
            matches[order] = _clipped_matches(
                _ngrams(prediction, order + 1), [_ngrams(tokens, order + 1) for tokens in references]
            )
            if matches[order] == 0:  # then no longer n-gram matches either
                break
            self._matches[order] += matches[order]
        self._samples += 1
        self._pred_length += length
        self._true_length += true_length
        for order in range(MAX_ORDER):
            self._guesses[order] += guesses[order]
        return BleuCounts(tuple(matches), guesses, length, true_length)

    def result(self) -> Bleu4:
        """The value so far."""
        value = None
        if self._samples:
            value = float(
                corpus_bleu(self._matches, self._guesses, float(self._pred_length), float(self._true_length))
            )
        return Bleu4(
            value,
            self._samples,
            tuple(self._matches),
            tuple(self._guesses),
            self._pred_length,
            self._true_length,
            CAPTIONING,
        )


def corpus_bleu(
    matches: npt.ArrayLike, guesses: npt.ArrayLike, pred_length: npt.ArrayLike, true_length: npt.ArrayLike
) -> npt.NDArray[Any]:
    """Captioning BLEU@4 of corpora from their sums.

    Args:
        matches (`array` of shape (..., 4)): clipped matches of 1- to 4-grams.
        guesses (`array` of shape (..., 4)): predicted 1- to 4-grams.
        pred_length (`array` of shape (...)): predicted tokens.
        true_length (`array` of shape (...)): tokens of the closest references.

    Returns:
        `array` of shape (...): 0..100.
    """
    precisions = (np.asarray(matches, dtype=np.float64) + _TINY) / (np.asarray(guesses) + _SMALL)
    ratio = (np.asarray(pred_length) + _TINY) / (np.asarray(true_length) + _SMALL)
    penalty = np.minimum(0.0, 1.0 - 1.0 / ratio)
    return np.asarray(100.0 * np.exp(np.log(precisions).mean(axis=-1) + penalty))


def bleu4(
    predictions: Sequence[str],
    references: Sequence[str | Sequence[str]],
    *,
    variant: Variant = "captioning",
) -> Bleu4:
    """BLEU@4 of a corpus.

    Args:
        predictions (`list` of `str`): clean predicted texts.
        references (`list` of `str` or of `list` of `str`): one clean text, or several, per prediction.
        variant (`str`, *optional*, defaults to `"captioning"`): or `"sacrebleu"`, with the defaults of that package
            (tokens 13a, mixed case, exponential smoothing), which must be installed.

    Returns:
        `Bleu4`: the value, 0..100 or None, the corpus sums, and the full name of the variant.

    Raises:
        `ValueError`: on lists of unequal length, a prediction without a reference, or an unknown variant.
        `MissingExtraError`: when sacrebleu is asked for and not installed.

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
    if variant not in get_args(Variant):
        raise ValueError(f"variant: expected one of {', '.join(get_args(Variant))}, got {variant!r:.80}")
    pairs: list[tuple[str, list[str]]] = []
    for number, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        texts = [reference] if isinstance(reference, str) else list(reference)
        if not texts or not isinstance(prediction, str) or not all(isinstance(text, str) for text in texts):
            raise ValueError(
                f"sample {number}: expected a predicted text and at least one reference text, got "
                f"{prediction!r:.60} and {reference!r:.60}"
            )
        pairs.append((prediction, texts))
    if variant == "sacrebleu":
        return _sacrebleu(pairs)
    sums = BleuSums()
    for prediction, texts in pairs:
        sums.add(prediction, texts)
    return sums.result()


def _sacrebleu(pairs: list[tuple[str, list[str]]]) -> Bleu4:
    try:
        import sacrebleu
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise MissingExtraError("BLEU of sacrebleu", "bench") from None
    scorer = BLEU(max_ngram_order=MAX_ORDER)
    name = f"sacrebleu-{sacrebleu.__version__}-13a-mixed-exp-corpus-closest"
    if not pairs:
        zeros = (0,) * MAX_ORDER
        return Bleu4(None, 0, zeros, zeros, 0, 0, name)
    most = max(len(texts) for _, texts in pairs)
    # It wants the first references of all samples, then the second ones, with None where there is none.
    streams: Any = [[texts[n] if n < len(texts) else None for _, texts in pairs] for n in range(most)]
    score = scorer.corpus_score([prediction for prediction, _ in pairs], streams)
    return Bleu4(
        score.score,
        len(pairs),
        tuple(score.counts),
        tuple(score.totals),
        score.sys_len,
        score.ref_len,
        name,
    )


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
    matches = len(shared)
    for ngram in shared:
        if (guesses := counts[ngram]) > 1 and (most := allowed[ngram]) > 1:
            matches += min(guesses, most) - 1
    return matches
