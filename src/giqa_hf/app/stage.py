"""What the page shows of a photo and an answer, as pieces of HTML; all that a person or a model wrote is escaped."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from PIL import Image

from ..grounded_text import GroundedText
from ..images import read_image
from ..inference import FailedAnswer, GroundedAnswer
from ..report.colours import PhraseColours, drawable, ink_on
from ..report.markup import safe
from ..report.samples import data_uri, marked_text, status_line
from .sessions import Session

LONGEST_SIDE = 1024
"""The browser gets the photo with at most this many pixels on its longer side."""
_MIN_SIDE = 16

NOTHING = "<p>Choose a photo, or one of the examples.</p>"
WAITING = "<p>Ask for a description, ask a question of your own, or mark a part of the photo and ask about that.</p>"


def script() -> str:
    """The code of the page's stage, which brings its style along."""
    folder = files(__package__)
    css = folder.joinpath("stage.css").read_text(encoding="utf-8")
    return f"const css = {json.dumps(css)};\n" + folder.joinpath("stage.js").read_text(encoding="utf-8")


def show(
    session: Session,
    answer: GroundedAnswer | FailedAnswer | None = None,
    error: str = "",
    model: str = "",
) -> dict[str, Any]:
    """What the stage shows.

    Args:
        session (`Session`): the photo and the mark.
        answer (`GroundedAnswer` or `FailedAnswer`, *optional*): to what was asked last.
        error (`str`, *optional*, defaults to `""`): what to say instead.
        model (`str`, *optional*, defaults to `""`): name of the checkpoint that answered.

    Raises:
        `ImageError`: when the photo cannot be read.
    """
    photo = read_image(session.picture(), min_side=_MIN_SIDE)
    photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    shown: dict[str, Any] = {"photo": data_uri(photo), "mark": session.box_norm}
    if isinstance(answer, FailedAnswer):
        error = answer.error
    if error:
        return {**shown, "note": complaint(error)}
    if answer is None or isinstance(answer, FailedAnswer):
        return {**shown, "note": WAITING}
    colours = PhraseColours([answer.grounded])
    said = marked_text(answer.grounded, colours) or "The model wrote nothing."
    cut = "<p>The answer reached its longest length and was cut off.</p>" if answer.cut_off else ""
    by = f", <bdi>{safe(model)}</bdi>" if model else ""
    return {
        **shown,
        "asked": safe(answer.prompt),
        "said": said,
        "boxes": _boxes(answer.grounded, colours),
        "table": _table(answer, colours),
        "note": f"{status_line(answer.grounded)}{cut}<p>{answer.seconds:.1f} s{by}</p>",
    }


def complaint(error: str) -> str:
    """One sentence about what went wrong."""
    return f'<p class="status bad" role="alert">{safe(error)}</p>'


def _boxes(grounded: GroundedText, colours: PhraseColours) -> str:
    """Each box as an element over the photo, in percent, the large ones first, so that small ones lie on top."""
    found = [
        (box, region.phrase) for region in grounded.regions for box in drawable(region.boxes_norm).tolist()
    ]
    found.sort(key=lambda item: (item[0][0] - item[0][2]) * (item[0][3] - item[0][1]))
    parts = []
    for (x1, y1, x2, y2), phrase in found:
        colour, number = colours.colour(phrase), colours.number(phrase)
        place = f"left:{100 * x1:.2f}%;top:{100 * y1:.2f}%;width:{100 * (x2 - x1):.2f}%;height:{100 * (y2 - y1):.2f}%"
        parts.append(
            f'<div class="box{" low" if y1 < 0.08 else ""}" data-n="{number}" style="{place};--c:{colour}" '
            f'title="{safe(phrase)}"><span class="tag" style="color:{ink_on(colour)}">{number}</span></div>'
        )
    return "".join(parts)


def _table(answer: GroundedAnswer, colours: PhraseColours) -> str:
    """A row per box: number and phrase, corners in pixels of the photo, score."""
    rows = []
    for phrase, box, score in zip(answer.phrases, answer.boxes_px.tolist(), answer.scores, strict=True):
        colour, number = colours.colour(phrase), colours.number(phrase)
        cells = "".join(f"<td>{value:.0f}</td>" for value in box)
        badge = f'<span class="n" style="--c:{colour};color:{ink_on(colour)}">{number}</span>'
        rows.append(
            f'<tr data-n="{number}"><th scope="row">{badge} <bdi>{safe(phrase)}</bdi></th>{cells}'
            f"<td>{'n/a' if score is None else f'{score:.2f}'}</td></tr>"
        )
    if not rows:
        return ""
    width, height = answer.image_wh
    head = "".join(f'<th scope="col">{name}</th>' for name in ("phrase", "x1", "y1", "x2", "y2", "score"))
    caption = (
        f"Boxes in pixels of the photo, {width} by {height}. The score is the model's own probability of the numbers; "
        "it is not calibrated."
    )
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
