"""The one way from data into HTML: everything that a person or a model wrote goes through `safe`."""

from __future__ import annotations

from html import escape

_KEPT = "\t\n\r"


def safe(text: str) -> str:
    """The text as HTML, in an element or in a quoted attribute.

    What HTML cannot hold (lone surrogates, control characters) becomes "�".

    Example:
        >>> safe('<b>"A & B"</b>')
        '&lt;b&gt;&quot;A &amp; B&quot;&lt;/b&gt;'
    """
    return escape("".join(c if _is_allowed(c) else "\ufffd" for c in text))


def _is_allowed(character: str) -> bool:
    code = ord(character)
    is_control = (code < 32 and character not in _KEPT) or 0x7F <= code < 0xA0
    return not is_control and not 0xD800 <= code < 0xE000
