"""One sample of a report: its photo with boxes over it, and its texts with phrases in the boxes' colours."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

from ..grounded_text import READABLE_STATUSES, GroundedText, Region
from ..images import read_image
from .colours import PhraseColours, drawable, ink_on
from .markup import safe

LONGEST_SIDE = 1024
"""Photos are embedded with at most this many pixels on their longer side."""
_LOSSLESS_PIXELS = (
    65_536  # small pictures as PNG: their JPEG blocks would show, and be taken for a distortion
)


@dataclass(frozen=True, eq=False)
class ReportSample:
    """A question about a photo, the true answer, and what each model said.

    Args:
        image (`PIL.Image.Image`): the upright photo that all boxes belong to.
        question (`GroundedText`): with the boxes that the question names, if any.
        truth (`GroundedText`): the true answer or description.
        predictions (mapping of `str` to `GroundedText`): what each model said, by name, in reading order,
            e.g. `{"before": ..., "after": ...}`.
        source (`str`, *optional*): where the photo comes from, shown above the question.
    """

    image: Image.Image
    question: GroundedText
    truth: GroundedText
    predictions: Mapping[str, GroundedText] = field(default_factory=dict)
    source: str = ""


def sample_card(sample: ReportSample, index: int) -> str:
    """The sample as an HTML article: truth and predictions side by side where there is room.

    The photo is embedded once, in the first panel; the others point to it. Boxes are SVG in the photo's own
    pixels, so they stay crisp at any size; each box's number is HTML, so it stays readable at any size.

    Args:
        sample (`ReportSample`): what to show.
        index (`int`): its number on the page, from 1; names the embedded photo.

    Returns:
        `str`: HTML, with everything from the sample escaped.
    """
    colours = PhraseColours([sample.truth, sample.question, *sample.predictions.values()])
    photo = read_image(sample.image)
    photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    name = f"photo-{index}"
    width, height = photo.size
    embedded = f'<image id="{name}" width="{width}" height="{height}" href="{data_uri(photo)}"/>'
    reused = f'<use href="#{name}"/>'

    given = _Layer("given", sample.question)
    truth = _Layer("true", sample.truth)
    panels = [_panel("Truth", sample.truth, [given, truth], embedded, (width, height), colours)]
    for model, said in sample.predictions.items():
        layers = [given, _Layer("true faint", sample.truth), _Layer("pred", said)]
        panels.append(
            _panel(
                model,
                said,
                layers,
                reused,
                (width, height),
                colours,
                is_lacking=bool(len(sample.truth.boxes_norm)),
            )
        )
    source = f" · {safe(sample.source)}" if sample.source else ""
    return (
        f'<article class="card sample"><p class="source">Sample {index}{source}</p>'
        f'<p class="question" dir="auto">{marked_text(sample.question, colours)}</p>'
        f'<div class="panels">{"".join(panels)}</div></article>'
    )


def marked_text(grounded: GroundedText, colours: PhraseColours) -> str:
    """The text as HTML, each phrase in a `mark` with its colour and number; one without boxes is dotted."""
    parts = []
    end_before = 0
    for region in grounded.regions:
        start, end = region.span
        parts.append(safe(grounded.text[end_before:start]))
        parts.append(_mark(region, colours))
        end_before = end
    parts.append(safe(grounded.text[end_before:]))
    return "".join(parts)


def status_line(grounded: GroundedText, *, is_lacking: bool = False) -> str:
    """What became of the boxes of a text, in words; empty when there is nothing to say.

    Unreadable boxes are counted by their status, and so are those that could be read only after mending.

    Args:
        grounded (`GroundedText`): a text as it was read.
        is_lacking (`bool`, *optional*, defaults to `False`): whether to say so when the text has no box.
    """
    unreadable = Counter(issue.status for issue in grounded.issues)
    unreadable.update(s for r in grounded.regions for s in r.box_statuses if s not in READABLE_STATUSES)
    mended = Counter(
        s for r in grounded.regions for s in r.box_statuses if s in READABLE_STATUSES and s != "ok"
    )
    hidden = len(grounded.boxes_norm) - len(drawable(grounded.boxes_norm))
    said = []
    if unreadable:
        said.append(f"{_boxes(unreadable.total())} unreadable: {_listing(unreadable)}")
    if mended:
        said.append(f"{_boxes(mended.total())} with a flaw: {_listing(mended)}")
    if hidden:
        said.append(f"{_boxes(hidden)} outside the photo")
    if said:
        return f'<p class="status bad">{safe("; ".join(said))}</p>'
    if is_lacking and not len(grounded.boxes_norm):
        return '<p class="status">no boxes</p>'
    return ""


@dataclass(frozen=True, eq=False)
class _Layer:
    """Boxes of one kind: "true" (dashed), "given" in the question (dotted) or "pred" (solid)."""

    css: str
    text: GroundedText


def _panel(
    title: str,
    text: GroundedText,
    layers: list[_Layer],
    photo: str,
    image_wh: tuple[int, int],
    colours: PhraseColours,
    *,
    is_lacking: bool = False,
) -> str:
    width, height = image_wh
    groups = "".join(
        f'<g class="{layer.css}">{_rects(layer.text, image_wh, colours)}</g>' for layer in layers
    )
    tags = _tags([layer.text for layer in layers if "faint" not in layer.css], colours)
    said = marked_text(text, colours) if text.text else '<span class="empty">no text</span>'
    names = ", ".join(dict.fromkeys(text.phrases))
    alt = f"Photo with {_boxes(len(drawable(text.boxes_norm)))}" + (f": {names}" if names else "")
    svg = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{safe(alt)}">{photo}{groups}</svg>'
    # On a phone, a photo that shows nothing new is hidden; never the first one, which holds the pixels.
    css = "panel" if len(text.boxes_norm) or layers[-1].css == "true" else "panel bare"
    return (
        f'<section class="{css}"><h3>{safe(title)}</h3>'
        f'<div class="photo" style="--ratio:{width / height:.4f}">{svg}{tags}</div>'
        f'<p class="said" dir="auto">{said}</p>{status_line(text, is_lacking=is_lacking)}</section>'
    )


def _rects(text: GroundedText, image_wh: tuple[int, int], colours: PhraseColours) -> str:
    """Each box as three rectangles: a dark edge, a light rim, and the colour on top."""
    width, height = image_wh
    parts = []
    for region in text.regions:
        for x1, y1, x2, y2 in drawable(region.boxes_norm).tolist():
            place = (
                f'x="{x1 * width:.2f}" y="{y1 * height:.2f}" '
                # A box without area would not be drawn at all.
                f'width="{max((x2 - x1) * width, 0.5):.2f}" height="{max((y2 - y1) * height, 0.5):.2f}"'
            )
            parts.append(f'<rect class="edge" {place}/><rect class="rim" {place}/>')
            parts.append(f'<rect class="box" {place} stroke="{colours.colour(region.phrase)}"/>')
    return "".join(parts)


def _tags(texts: list[GroundedText], colours: PhraseColours) -> str:
    """The number of each box at its upper left corner, in percent; above the box where there is room."""
    parts = []
    taken: Counter[tuple[int, int]] = Counter()
    for text in texts:
        for region in text.regions:
            colour = colours.colour(region.phrase)
            for x1, y1, _, _ in drawable(region.boxes_norm).tolist():
                corner = (round(x1 * 16), round(y1 * 16))
                beside = 1.5 * taken[corner]  # rem: boxes that share a corner get their numbers side by side
                taken[corner] += 1
                shift_x = f"-100% - {beside}rem" if x1 > 0.9 else f"{beside}rem"
                shift_y = "-100%" if y1 > 0.08 else "0%"
                parts.append(
                    f'<span class="tag" aria-hidden="true" style="left:{100 * x1:.2f}%;top:{100 * y1:.2f}%;'
                    f'transform:translate(calc({shift_x}),{shift_y});--c:{colour};color:{ink_on(colour)}">'
                    f"{colours.number(region.phrase)}</span>"
                )
    return "".join(parts)


def _mark(region: Region, colours: PhraseColours) -> str:
    colour = colours.colour(region.phrase)
    hints = [
        f"{name}: {value}"
        for name, value in (("quality", region.quality), ("effect", region.effect))
        if value
    ]
    hint = "; ".join(hints)
    title = f' title="{safe(hint)}"' if hint else ""
    css = "" if len(region.boxes_norm) else ' class="unplaced"'
    badge = f'<span class="n" style="color:{ink_on(colour)}">{colours.number(region.phrase)}</span>'
    return f'<mark{css} style="--c:{colour}"{title}><bdi>{safe(region.phrase)}</bdi>{badge}</mark>'


def _boxes(count: int) -> str:
    return f"{count} box" if count == 1 else f"{count} boxes"


def _listing(counts: Counter[str]) -> str:
    """`out_of_range`, or `2 out_of_range, 1 truncated`."""
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def data_uri(photo: Image.Image) -> str:
    """A picture as the address of an `<img>`: small ones as PNG, larger ones as JPEG."""
    kind = "png" if photo.width * photo.height <= _LOSSLESS_PIXELS else "jpeg"
    data = io.BytesIO()
    if kind == "png":
        photo.save(data, "PNG", optimize=True)
    else:
        # Not `optimize`: Pillow gives it a buffer that a noisy photo does not fit into.
        photo.save(data, "JPEG", quality=90, subsampling=0)
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode('ascii')}"
