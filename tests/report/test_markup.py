"""Whatever a person or a model wrote comes out as text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.report.markup import safe

TEXTS = [
    ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ('" onload="x', "&quot; onload=&quot;x"),  # out of an attribute
    ("' &amp;", "&#x27; &amp;amp;"),
    ("a\nb\tc", "a\nb\tc"),
    ("\x00\x1b\x7f\x85", "\ufffd" * 4),  # control characters
    ("\ud83d", "\ufffd"),  # a lone surrogate, which UTF-8 cannot hold
    ("🙂 مرحبا", "🙂 مرحبا"),
]


@pytest.mark.parametrize("text, html", TEXTS)
def test_known_texts(text: str, html: str) -> None:
    assert safe(text) == html


class _Collector(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.title: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "p" and len(attrs) == 1, "data became a tag"
        self.title = attrs[0][1]

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"))))
def test_a_browser_reads_back_what_was_written(text: str) -> None:
    reader = _Collector()
    reader.feed(f'<p title="{safe(text)}">{safe(text)}</p>')
    reader.close()
    assert reader.text == text == reader.title
