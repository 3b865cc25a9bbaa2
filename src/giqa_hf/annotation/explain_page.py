"""One record's way through the stages as a self-contained HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..errors import ImageError
from ..files import write_text
from ..grounded_text import GroundedText, Region
from ..images import read_image
from ..report.colours import PhraseColours, drawable, ink_on
from ..report.markup import safe
from ..report.page import POLICY
from ..report.samples import LONGEST_SIDE, data_uri, marked_text
from ..report.style import CSS
from .explain import told_box, told_fate, told_pair, told_tag
from .fusion import grounded_of_record
from .record import Box, Record, Tag

_MORE_CSS = """
.gone { color: var(--soft); } .gone .n { opacity: .6; }
ol.boxes { margin: .3rem 0 0; font-variant-numeric: tabular-nums; font-size: .9375rem; }
.tagged + .tagged, .paired + .paired { margin-top: 1rem; border-top: 1px solid var(--line); padding-top: 1rem; }
.photo .lost .edge { stroke-opacity: .35; stroke-width: 3.5; } .photo .lost .rim { stroke-width: 2.5; }
.photo .lost .box { stroke-width: 1.75; stroke-dasharray: 6 4; }
.legend .lost { stroke-dasharray: 6 4; }
.legend .n, .boxes .n { margin: 0 .35em 0 0; font-size: .75rem; } ol.boxes { list-style: none; padding-left: 0; }
ol.boxes li + li { margin-top: .2rem; } h2 + .source { margin: -.4rem 0 .9rem; max-width: 62rem; }
"""


_BOXES_EXPLAINED = """<p class="source">Of each tag: its name with its number, the phrase it comes from, the quality \
and its effect. Of each box: left, top, right and bottom edge as shares of the photo's width and height, from 0 to 1; \
“score”, how sure the detector is; “Yes”, the probability that the quality filter gave it where it was asked; and what \
became of it.</p>
"""


class _Drawn(NamedTuple):
    """A box in the photo."""

    label: str
    """On its badge, as in the list below the photo."""
    tag: Tag
    box: Box


def write_explanation(path: Path, record: Record, photo: Path) -> None:
    """Write the page of a record: the photo with all that was found, with what was kept, and every fate in words.

    Args:
        path (`Path`): the HTML file.
        record (`Record`): a record of a build.
        photo (`Path`): its photo; where it cannot be read, the page says so.

    Raises:
        `GiqaError`: when the page cannot be written.
    """
    write_text(path, explanation_html(record, photo))


def explanation_html(record: Record, photo: Path) -> str:
    """The page that `write_explanation` writes, as a string; everything from the record is escaped."""
    names = [_as_text(tag) for tag in record.tags]
    colours = PhraseColours(names)
    labels = _labels(record.tags, colours)
    tags = "".join(
        _tag_item(tag, name, own, colours) for tag, name, own in zip(record.tags, names, labels, strict=True)
    )
    pairs = "".join(
        f'<div class="paired{_gone(pair.fate)}"><p>{safe(told_pair(pair))}</p>'
        f'<p class="status">{safe(told_fate(pair.fate))}</p></div>'
        for pair in record.pairs
    )
    question = f'<p class="question">{safe(record.question)}</p>' if record.question else ""
    lead = f"{told_fate(record.fate)} · {record.source} · {record.license} · {record.image}"
    kept = sum(len(tag.live_boxes) for tag in record.live_tags)
    found = sum(len(tag.boxes) for tag in record.tags)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{safe(record.record_id)}</title>
<style>{CSS}{_MORE_CSS}</style>
</head>
<body>
<main>
<header><h1>{safe(record.record_id)}</h1><p class="lead">{safe(lead)}</p></header>
<section><h2>Photo: {found} boxes found, {kept} kept</h2>
<ul class="legend">
<li><svg width="34" height="10" aria-hidden="true"><path d="M0 5H34"/></svg>kept</li>
<li><svg width="34" height="10" aria-hidden="true"><path class="lost" d="M0 5H34"/></svg>dropped or merged</li>
{_badge_legend(record.tags, labels, colours)}</ul>
<div class="card">{_photo_panels(record, photo, labels, colours)}</div></section>
<section><h2>Description</h2><div class="card">{question}
<p class="said" dir="auto">{_described(record, colours)}</p></div></section>
<section><h2>Tags: {len(record.tags)} found, {len(record.live_tags)} kept</h2>
{_BOXES_EXPLAINED if found else ""}<div class="card">{tags or '<p class="empty">none</p>'}</div></section>
<section><h2>Questions and answers: {len(record.pairs)} made, {len(record.live_pairs)} kept</h2>
<div class="card">{pairs or '<p class="empty">none</p>'}</div></section>
</main>
</body>
</html>
"""


def _as_text(tag: Tag) -> GroundedText:
    return GroundedText(tag.name, [Region(tag.name, (0, len(tag.name)))])


def _gone(fate: object) -> str:
    return "" if fate is None else " gone"


def _described(record: Record, colours: PhraseColours) -> str:
    """The description, its kept names marked; what is there before fusion may not fit together, and stays unmarked."""
    try:
        return marked_text(grounded_of_record(record), colours)
    except ValueError:  # DataError is one
        return safe(record.description)


def _labels(tags: Sequence[Tag], colours: PhraseColours) -> list[list[str]]:
    """What stands on the badge of each box of each tag: number of the name, a letter where tags share it, and place."""
    numbers = [colours.number(tag.name) for tag in tags]
    sharing = Counter(number for number, tag in zip(numbers, tags, strict=True) if tag.boxes)
    met: Counter[int] = Counter()
    labels = []
    for number, tag in zip(numbers, tags, strict=True):
        letter = _letters(met[number]) if tag.boxes and sharing[number] > 1 else ""
        met[number] += bool(tag.boxes)
        labels.append([f"{number}{letter}.{at}" for at in range(len(tag.boxes))])
    return labels


def _letters(place: int) -> str:
    """The letters of a place from 0: a, b, … z, aa, ab and so on."""
    return (_letters(place // 26 - 1) if place >= 26 else "") + chr(ord("a") + place % 26)


def _badge(label: str, tag: Tag, colours: PhraseColours) -> str:
    colour = colours.colour(tag.name)
    return f'<span class="n" style="--c:{colour};color:{ink_on(colour)}">{label}</span>'


def _badge_legend(tags: Sequence[Tag], labels: Sequence[Sequence[str]], colours: PhraseColours) -> str:
    """What a badge says, by the example of the first one."""
    first = next(((tag, own[0]) for tag, own in zip(tags, labels, strict=True) if own), None)
    if first is None:
        return ""
    tag, label = first
    said = f"box {label.rpartition('.')[2]} of tag {label.partition('.')[0]}, as in the list of tags below"
    if any(not own[0].partition(".")[0].isdigit() for own in labels if own):
        said += "; letters tell tags of the same name apart"
    return f"<li>{_badge(label, tag, colours)}{said}</li>\n"


def _tag_item(tag: Tag, name: GroundedText, labels: Sequence[str], colours: PhraseColours) -> str:
    boxes = "".join(
        f'<li class="{_gone(box.fate).strip()}">{_badge(label, tag, colours)} {safe(told_box(box))}</li>'
        for label, box in zip(labels, tag.boxes, strict=True)
    )
    return (
        f'<div class="tagged{_gone(tag.fate)}"><p>{marked_text(name, colours)} {safe(told_tag(tag))}</p>'
        f'<p class="status">{safe(told_fate(tag.fate))}</p>'
        + (f'<ol class="boxes">{boxes}</ol>' if boxes else "")
        + "</div>"
    )


def _photo_panels(
    record: Record, photo: Path, labels: Sequence[Sequence[str]], colours: PhraseColours
) -> str:
    try:
        image = read_image(photo)
    except ImageError as error:
        return f'<p class="status bad">{safe(str(error))}</p>'
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    width, height = image.size
    pixels = f'<image id="photo" width="{width}" height="{height}" href="{data_uri(image)}"/>'
    every = [
        _Drawn(label, tag, box)
        for tag, own in zip(record.tags, labels, strict=True)
        for label, box in zip(own, tag.boxes, strict=True)
    ]
    kept = [one for one in every if one.box.fate is None]
    panels = [_panel("Everything that was found", pixels, every, image.size, colours, found=True)]
    panels.append(
        _panel("Kept, as it is now", '<use href="#photo"/>', kept, image.size, colours, found=False)
    )
    return f'<div class="panels">{"".join(panels)}</div>'


def _panel(
    title: str,
    pixels: str,
    boxes: Sequence[_Drawn],
    image_wh: tuple[int, int],
    colours: PhraseColours,
    *,
    found: bool,
) -> str:
    width, height = image_wh
    drawn, numbers = [], []
    for badge, tag, box in boxes:
        norm = np.array([box.found_norm if found else box.now_norm], dtype=np.float64)
        for x1, y1, x2, y2 in drawable(norm).tolist():
            place = (
                f'x="{x1 * width:.2f}" y="{y1 * height:.2f}" '
                f'width="{max((x2 - x1) * width, 0.5):.2f}" height="{max((y2 - y1) * height, 0.5):.2f}"'
            )
            colour = colours.colour(tag.name)
            told = safe(f"{badge}, {tag.name}: {told_box(box)}")
            drawn.append(
                f'<g class="{"lost" if box.fate else "in"}"><title>{told}</title>'
                f'<rect class="edge" {place}/><rect class="rim" {place}/>'
                f'<rect class="box" {place} stroke="{colour}"/></g>'
            )
            numbers.append(
                f'<span class="tag" aria-hidden="true" style="left:{100 * x1:.2f}%;top:{100 * y1:.2f}%;'
                f'--c:{colour};color:{ink_on(colour)}">{badge}</span>'
            )
    label = safe(f"{title}: {len(boxes)} boxes")
    svg = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{pixels}{"".join(drawn)}</svg>'
    )
    return (
        f'<section class="panel"><h3>{safe(title)}</h3>'
        f'<div class="photo" style="--ratio:{width / height:.4f}">{svg}{"".join(numbers)}</div></section>'
    )
