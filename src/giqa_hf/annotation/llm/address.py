"""Where a language model's server is, and the key for it: as given, checked before either is used or shown."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ...errors import DataError, GiqaError


def checked_url(url: str) -> str:
    """The address without a final slash; one that carries a secret is refused, since it is shown in messages.

    Raises:
        `DataError`: when it is none of http or https, or has a user, a password or a question mark.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise DataError(
            f"the language model's address: expected one such as http://localhost:8000/v1, got {url!r}"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise DataError(
            "the language model's address: expected one without a user, password or question mark, "
            "got one with them; put the key into the environment variable that api_key_variable names"
        )
    return url.rstrip("/")


def key_in(variable: str) -> str | None:
    """The key in an environment variable, if there is one; its value is never shown.

    Raises:
        `GiqaError`: when it cannot be a key.
    """
    key = os.environ.get(variable, "").strip()
    if not (key.isascii() and key.isprintable()):
        raise GiqaError(
            f"the environment variable {variable}: expected a key of printable ASCII characters, found others; set it "
            "again"
        )
    return key or None
