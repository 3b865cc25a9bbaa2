"""One sample: boxes where they belong, phrases in their colours, flaws in words."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from giqa_hf.grounded_text import GroundedText, Issue, Region
from giqa_hf.report.colours import PALETTE, PhraseColours
from giqa_hf.report.samples import LONGEST_SIDE, ReportSample, data_uri, marked_text, sample_card, status_line


def text(content: str, *regions: tuple[str, list[list[float]]], issues: tuple[str, ...] = ()) -> GroundedText:
    found, start = [], 0
    for phrase, boxes in regions:
        start = content.index(phrase, start)
        found.append(Region(phrase, (start, start + len(phrase)), np.array(boxes, float).reshape(-1, 4)))
        start += len(phrase)
    return GroundedText(content, found, [Issue(status, "<9,999>", (0, 7)) for status in issues])


def sample(**changes: object) -> ReportSample:
    fields: dict[str, object] = {
        "image": Image.new("RGB", (400, 200), "gray"),
        "question": text("Is the sky clear?", ("sky", [[0, 0, 1, 0.5]])),
        "truth": text(
            "The tower and the lake.", ("tower", [[0.25, 0.1, 0.5, 0.9]]), ("lake", [[0.5, 0.5, 1, 1]])
        ),
        "predictions": {
            "before": text("A tower."),
            "after": text(
                "The lake, and a Tower.", ("lake", [[0.5, 0.5, 0.9, 0.9]]), ("Tower", [[0.2, 0, 0.5, 1]])
            ),
        },
        "source": "test",
    }
    return ReportSample(**{**fields, **changes})  # type: ignore[arg-type]


def panels(html: str) -> list[str]:
    return re.findall(r"<section.*?</section>", html, flags=re.S)


def layer(panel: str, css: str) -> list[dict[str, str]]:
    """The attributes of the coloured rectangles of one group of boxes."""
    group = re.search(rf'<g class="{css}">(.*?)</g>', panel)
    assert group, f"no layer {css}"
    return [
        dict(re.findall(r' ([\w-]+)="([^"]*)"', r)) for r in re.findall(r'<rect class="box"[^>]*>', group[1])
    ]


def test_every_box_is_drawn_in_the_right_panel_at_the_right_place() -> None:
    truth, before, after = panels(sample_card(sample(), 1))
    assert [len(layer(truth, css)) for css in ("given", "true")] == [1, 2]
    assert [len(layer(before, css)) for css in ("given", "true faint", "pred")] == [1, 2, 0]
    assert [len(layer(after, css)) for css in ("given", "true faint", "pred")] == [1, 2, 2]
    tower = layer(truth, "true")[0]
    # 400 x 200: x .25 * 400 = 100, y .1 * 200 = 20, (.5 - .25) * 400 = 100 wide, (.9 - .1) * 200 = 160 high
    assert [float(tower[k]) for k in ("x", "y", "width", "height")] == [100, 20, 100, 160]
    assert 'viewBox="0 0 400 200"' in truth and "--ratio:2.0000" in truth


def test_a_phrase_has_one_colour_in_texts_boxes_and_tags_of_all_panels() -> None:
    truth, _, after = panels(sample_card(sample(), 1))
    marks = {}
    for panel in (truth, after):
        for colour, phrase, number in re.findall(
            r'<mark style="--c:(#\w+)"><bdi>(\w+)</bdi><span class="n"[^>]*>(\d+)', panel
        ):
            marks.setdefault(phrase.lower(), set()).add((colour, number))
    assert marks == {"tower": {(PALETTE[0], "1")}, "lake": {(PALETTE[1], "2")}}
    assert [box["stroke"] for box in layer(truth, "true")] == [PALETTE[0], PALETTE[1]]
    assert [box["stroke"] for box in layer(after, "pred")] == [
        PALETTE[1],
        PALETTE[0],
    ]  # its text says lake first
    tags = re.findall(r'class="tag".*?left:([\d.]+)%;top:([\d.]+)%.*?--c:(#\w+).*?>(\d+)<', after)
    assert tags == [
        ("0.00", "0.00", PALETTE[2], "3"),  # sky, given in the question
        ("50.00", "50.00", PALETTE[1], "2"),
        ("20.00", "0.00", PALETTE[0], "1"),
    ]


def test_every_box_has_its_dark_edge_and_light_rim() -> None:
    html = sample_card(sample(), 1)
    counts = [html.count(f'<rect class="{css}"') for css in ("edge", "rim", "box")]
    assert counts == [13 - 2, 13 - 2, 13 - 2]  # 3 + 3 + 5 boxes in the three panels


def test_the_photo_is_embedded_once_and_reused() -> None:
    html = sample_card(sample(), 7)
    assert html.count("data:image/") == 1
    assert html.count('id="photo-7"') == 1 and html.count('<use href="#photo-7"/>') == 2
    data = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])  # type: ignore[index]
    assert Image.open(io.BytesIO(data)).size == (400, 200)


SIZES = [
    # given, embedded, kind: at most LONGEST_SIDE = 1024 on the longer side, PNG up to 65 536 pixels
    ((256, 256), (256, 256), "png"),
    ((257, 256), (257, 256), "jpeg"),
    ((4096, 1024), (1024, 256), "jpeg"),
    ((100, 4096), (25, 1024), "png"),
    ((1, 1), (1, 1), "png"),
]


@pytest.mark.parametrize("size, embedded, kind", SIZES)
def test_photos_of_any_size(size: tuple[int, int], embedded: tuple[int, int], kind: str) -> None:
    assert max(embedded) <= LONGEST_SIDE
    html = sample_card(sample(image=Image.new("RGB", size)), 1)
    assert f"data:image/{kind};base64," in html and f'viewBox="0 0 {embedded[0]} {embedded[1]}"' in html


def test_the_callers_photo_is_not_shrunk() -> None:
    image = Image.new("RGB", (3000, 10))
    sample_card(sample(image=image), 1)
    assert image.size == (3000, 10)


def test_a_photo_of_any_mode_is_embedded() -> None:
    for mode in ("L", "RGBA", "CMYK", "I;16"):
        assert "data:image/" in sample_card(sample(image=Image.new(mode, (300, 300))), 1)


def test_boxes_that_cannot_be_drawn_are_left_out_and_said() -> None:
    boxes = [[float("nan"), 0, 1, 1], [2, 2, 3, 3], [0.5, 0.5, 0.5, 0.5]]
    html = sample_card(sample(predictions={"after": text("x", ("x", boxes))}), 1)
    after = panels(html)[1]
    assert len(layer(after, "pred")) == 1 and float(layer(after, "pred")[0]["width"]) > 0
    assert "2 boxes outside the photo" in after and "nan" not in html.lower().split("base64")[0]


def test_no_boxes_and_no_text() -> None:
    empty = sample_card(sample(question=text(""), truth=text(""), predictions={"m": text("")}), 1)
    assert "<rect" not in empty and empty.count("no text") == 2 and "no boxes" not in empty
    assert (
        '<p class="status">no boxes</p>' in panels(sample_card(sample(), 1))[1]
    )  # "before", while truth has some


def test_without_predictions_there_is_only_the_truth() -> None:
    assert len(panels(sample_card(sample(predictions={}), 1))) == 1


def test_photos_that_show_nothing_new_are_marked_for_phones() -> None:
    html = sample_card(sample(truth=text("Yes.")), 1)
    assert [p.split('"')[1] for p in panels(html)] == [
        "panel",
        "panel bare",
        "panel",
    ]  # truth holds the pixels


def test_alternative_texts_name_what_is_shown() -> None:
    truth, before, after = panels(sample_card(sample(), 1))
    assert 'aria-label="Photo with 2 boxes: tower, lake"' in truth
    assert 'aria-label="Photo with 0 boxes"' in before
    assert 'aria-label="Photo with 2 boxes: lake, Tower"' in after


EVIL = '<script>alert("x")</script>'


def test_everything_from_data_is_escaped() -> None:
    evil = text(f"a {EVIL} b", (EVIL, [[0, 0, 1, 1]]), issues=(EVIL,))
    evil.regions[0].quality = EVIL
    html = sample_card(sample(question=evil, truth=evil, predictions={EVIL: evil}, source=EVIL), 1)
    assert "<script" not in html and 'alert("' not in html
    assert (
        html.count("&lt;script&gt;") == 2 + 3 * 2 + 2 * 2
    )  # source, heading; marks and titles; labels, statuses


def test_marked_text_keeps_every_character() -> None:
    grounded = text("ab <cd> ef", ("ab", [[0, 0, 1, 1]]), ("ef", []))
    grounded.regions[0].quality, grounded.regions[0].effect = "sharp", "positive"
    html = marked_text(grounded, PhraseColours([grounded]))
    assert re.sub(r'<span class="n".*?</span>|</?(mark|bdi)[^>]*>', "", html) == "ab &lt;cd&gt; ef"
    assert 'title="quality: sharp; effect: positive"' in html
    assert re.findall(r'<mark( class="unplaced")?', html) == ["", ' class="unplaced"']  # "ef" has no box


def with_statuses(*statuses: str, issues: tuple[str, ...] = ()) -> GroundedText:
    region = Region("x", (0, 1), np.tile([[0.1, 0.1, 0.2, 0.2]], (len(statuses), 1)), statuses)
    return GroundedText("x", [region], [Issue(status, "", (0, 0)) for status in issues])


STATUSES = [
    # grounded text, what is said
    (with_statuses("ok", "ok"), ""),
    (with_statuses("ok", issues=("out_of_range", "out_of_range")), "2 boxes unreadable: out_of_range"),
    (
        with_statuses(issues=("out_of_range", "truncated", "out_of_range")),
        "3 boxes unreadable: 2 out_of_range, 1 truncated",
    ),
    (with_statuses("clipped"), "1 box with a flaw: clipped"),
    (
        with_statuses("swapped", "ok", "duplicate", issues=("bad_arity",)),
        "1 box unreadable: bad_arity; 2 boxes with a flaw: 1 swapped, 1 duplicate",
    ),
]


@pytest.mark.parametrize("grounded, words", STATUSES)
def test_what_became_of_the_boxes_is_said(grounded: GroundedText, words: str) -> None:
    assert status_line(grounded) == (f'<p class="status bad">{words}</p>' if words else "")


def test_lacking_boxes_are_said_only_where_they_were_expected() -> None:
    assert status_line(text("x")) == "" and "no boxes" in status_line(text("x"), is_lacking=True)
    unreadable = with_statuses(issues=("truncated",))
    assert "no boxes" not in status_line(unreadable, is_lacking=True)  # malformed is not absent


def test_boxes_that_share_a_corner_get_their_numbers_side_by_side() -> None:
    truth = text("a b", ("a", [[0.2, 0.2, 0.5, 0.5]]), ("b", [[0.2, 0.2, 0.9, 0.9]]))
    html = sample_card(sample(question=text("q"), truth=truth, predictions={}), 1)
    assert re.findall(r"translate\(calc\((.*?)\)", html) == ["0.0rem", "1.5rem"]


def test_a_photo_of_nothing_but_noise_is_shown():
    """Pillow's buffer for optimised JPEGs is too small for one."""
    noise = np.random.default_rng(0).integers(0, 256, (600, 800, 3), dtype=np.uint8)
    kind, _, data = data_uri(Image.fromarray(noise)).partition(";base64,")
    assert kind == "data:image/jpeg"
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))), dtype=np.int16)
    assert (
        shown.shape == noise.shape and np.abs(shown - noise).mean() < 10
    )  # of 256 levels; its neighbours differ by 85
