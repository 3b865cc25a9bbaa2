"""The signature of a figure: one line with all that it depended on, to stand beside the figure wherever it goes.

`key:value|key:value`, as readers of BLEU scores know it. Two figures with different signatures are figures of
different things, and `signature_differences` says in what.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from ..errors import DataError

_KEY = re.compile(r"[a-z][a-z0-9_]*")


def signature(metric: str, version: int, parts: Mapping[str, str | None]) -> str:
    """One line with all that a figure depended on.

    Args:
        metric (`str`): the metric's name.
        version (`int`): of the metric; a change of code that changes a number raises it.
        parts (`Mapping` of `str` to `str`): what else there was, by name: matching, similarity with model and
            revision, judge with model and prompt, fingerprint of the data. None, for what had no part in the figure,
            is left out.

    Returns:
        `str`: without a line break; `parse_signature` is its inverse.

    Raises:
        `ValueError`: on a name of a part that is not one word of small letters, digits and `_`.

    Example:

    ```python
    >>> signature("giqa_bench", 1, {"matching": "hungarian", "judge": None, "data": "3f2a"})
    'metric:giqa_bench|version:1|matching:hungarian|data:3f2a'
    ```
    """
    values = {"metric": metric, "version": str(version), **parts}
    for key in values:
        if not _KEY.fullmatch(key):
            raise ValueError(f"signature: expected names of small letters, digits and _, got {key!r:.80}")
    return "|".join(f"{key}:{_escaped(value)}" for key, value in values.items() if value is not None)


def parse_signature(text: str) -> dict[str, str]:
    """The parts of a signature by name, `metric` and `version` among them.

    Raises:
        `DataError`: when `text` is no signature.

    Example:

    ```python
    >>> parse_signature("metric:bleu4|version:1|bleu:captioning")
    {'metric': 'bleu4', 'version': '1', 'bleu': 'captioning'}
    ```
    """
    parts: dict[str, str] = {}
    for part in text.split("|"):
        key, colon, value = part.partition(":")
        if not colon or not _KEY.fullmatch(key) or key in parts:
            raise DataError(
                f"signature: expected parts key:value with | between them, each key once, found {part!r:.80} "
                f"in {text!r:.120}"
            )
        parts[key] = unquote(value, errors="surrogatepass")
    if not {"metric", "version"} <= set(parts):
        raise DataError(f"signature: expected a metric and its version, found {text!r:.120}")
    return parts


def signature_differences(first: str, second: str) -> dict[str, tuple[str | None, str | None]]:
    """In what two signatures differ: the two values by name, None for a part that one of them lacks.

    Raises:
        `DataError`: when one of them is no signature.

    Example:

    ```python
    >>> signature_differences("metric:bleu4|version:1", "metric:bleu4|version:2")
    {'version': ('1', '2')}
    ```
    """
    one, other = parse_signature(first), parse_signature(second)
    return {
        key: (one.get(key), other.get(key))
        for key in {**one, **other}  # in the order in which they stand
        if one.get(key) != other.get(key)
    }


def _escaped(value: str) -> str:
    """`value` without `|`, line breaks and whatever else cannot be seen; most values stay as they are."""
    return "".join(
        sign if sign.isprintable() and sign not in "%|" else quote(sign, safe="", errors="surrogatepass")
        for sign in value
    )
