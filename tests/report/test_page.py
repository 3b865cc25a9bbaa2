"""The whole page: well-formed, self-contained, escaped, and written whole or not at all."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from giqa_hf.errors import GiqaError
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.report import ReportSample, report_html, write_report

VOID = {"meta", "link", "img", "br", "hr", "input"}
EVIL = "</title></style><script>alert('x')</script>"


class Page(HTMLParser):
    """Checks that tags nest, and collects them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute stands twice in {tag}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def grounded(text: str, phrase: str = "", box: tuple[float, ...] = (0.1, 0.2, 0.5, 0.6)) -> GroundedText:
    start = text.index(phrase)
    regions = [Region(phrase, (start, start + len(phrase)), np.array([box]))] if phrase else []
    return GroundedText(text, regions)


def sample(said: str = "The tower is sharp.", phrase: str = "tower") -> ReportSample:
    return ReportSample(
        image=Image.new("RGB", (60, 40), "gray"),
        question=grounded("Describe the image. See https://example.org"),
        truth=grounded(said, phrase),
        predictions={"before": grounded("A tower."), "after": grounded(said, phrase)},
        source="own photo",
    )


def full(**changes: object) -> str:
    fields: dict[str, object] = {
        "title": "A title",
        "summary": "What was done.\nWhat came out.",
        "metrics": {"before": {"DES mIoU": None}, "after": {"DES mIoU": 0.5}},
        "loss_curve": [(1, 4.0), (2, float("nan")), (3, 1.0)],
        "samples": [sample(), sample()],
        "facts": {"Model": "giqa-tiny"},
        "notes": ["A note."],
    }
    return report_html(**{**fields, **changes})  # type: ignore[arg-type]


PAGES = [
    # what is different from a full page
    {},
    {"samples": []},
    {"loss_curve": []},
    {"loss_curve": [(1, 2.0)]},
    {"loss_curve": [(1, float("nan"))]},
    {"metrics": {}, "facts": {}, "notes": [], "samples": [], "loss_curve": []},
    {"facts": None},
    {"samples": [sample("Nothing to point at.", "")]},  # no boxes at all
    {"title": EVIL, "summary": EVIL, "facts": {EVIL: EVIL}, "notes": [EVIL], "samples": [sample(EVIL, EVIL)]},
    {"title": "\ud83d\x00", "notes": ["\udc80"]},  # what UTF-8 and HTML cannot hold
]


@pytest.mark.parametrize("changes", PAGES)
def test_every_page_is_well_formed_and_self_contained(changes: dict[str, object]) -> None:
    html = full(**changes)
    page = Page(html)
    html.encode("utf-8")
    assert html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert page.count("h1") == page.count("title") == page.count("style") == page.count("main") == 1
    for name in ("script", "link", "img", "iframe", "object", "base", "form"):
        assert page.count(name) == 0
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href", "srcset", "data", "xlink:href", "action"):
            assert (attrs.get(name) or "#").startswith(("#", "data:image/")), f"{tag} loads {attrs[name]}"
    style = re.search(r"<style>(.*?)</style>", html, flags=re.S)
    assert style and "url(" not in style[1] and "@import" not in style[1]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"] for tag, attrs in page.tags if tag == "use"} <= {f"#{name}" for name in ids}
    for tag, attrs in page.tags:
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true" or (
                attrs.get("role") == "img" and attrs.get("aria-label")
            )


def test_the_page_shows_all_that_it_was_given() -> None:
    page = Page(full())
    for words in ("A title", "What was done.\nWhat came out.", "DES mIoU", "not available", "0.500",
                  "own photo",
                  "See https://example.org", "The tower", " is sharp.", "Model", "giqa-tiny", "A note.",
                  "1 value that is not finite left out", "predicted box", "true box"):  # fmt: skip
        assert words in page.text
    boxes = [attrs for tag, attrs in page.tags if tag == "rect" and attrs["class"] == "box"]
    assert len(boxes) == 2 * (
        1 + 1 + 2
    )  # two samples: truth; before with truth; after with truth and prediction
    assert page.count("article") == 2 and page.count("image") == 2


def test_sections_without_content_are_left_out() -> None:
    page = Page(full(samples=[], facts=None, notes=[], loss_curve=[]))
    assert page.count("h2") == 1 and page.count("article") == page.count("svg") == 0


def test_data_stays_data() -> None:
    html = full(title=EVIL, summary=EVIL, facts={EVIL: EVIL}, notes=[EVIL], samples=[sample(EVIL, EVIL)],
                metrics={EVIL: {EVIL: 1.0}})  # fmt: skip
    assert "<script" not in html and Page(html).text.count(EVIL) >= 10  # the reader sees it as it was written


def test_the_browser_is_told_to_load_and_run_nothing() -> None:
    page = Page(full())
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_phones_and_dark_screens_and_paper_are_provided_for() -> None:
    html = full()
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert (
        "prefers-color-scheme: dark" in html
        and "@media print" in html
        and "@media (max-width: 40rem)" in html
    )
    assert '<meta charset="utf-8">' in html[:200]


def test_the_report_is_written_whole(tmp_path: Path) -> None:
    place = tmp_path / "out" / "report.html"
    write_report(place, title="T", summary="S", metrics={}, samples=[sample("Die Brücke 🙂.", "Brücke")])
    assert place.read_text("utf-8") == report_html(
        title="T", summary="S", metrics={}, samples=[sample("Die Brücke 🙂.", "Brücke")]
    )


def test_a_place_that_cannot_be_written_keeps_the_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "report.html"
    place.write_text("old")
    (tmp_path / "file").write_text("x")
    with pytest.raises(GiqaError, match="a part of its path is a file"):
        write_report(tmp_path / "file" / "report.html", title="T", summary="S", metrics={})

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("giqa_hf.files.os.fsync", full_disk)
    with pytest.raises(GiqaError, match="the disk is full"):
        write_report(place, title="T", summary="S", metrics={})
    assert place.read_text() == "old" and sorted(p.name for p in tmp_path.iterdir()) == [
        "file",
        "report.html",
    ]
