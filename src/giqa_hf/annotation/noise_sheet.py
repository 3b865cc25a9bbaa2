"""The sheet of the noise report: records drawn at random, to be checked by eye."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image

from ..errors import ImageError
from ..images import read_image
from ..report import draw_regions
from ..report.colours import PhraseColours
from ..report.markup import safe
from ..report.samples import marked_text
from ..schema import grounded_of
from .fusion import rows_of
from .record import Record
from .stage import Pictures

_PHOTO_PX = 720  # the longest side
_TYPES = {"yes_no": "Yes/No", "what": "What", "why": "Why", "how": "How"}
CSS = """
.sheet { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.sheet img { width: 100%; border-radius: 4px; } .sheet { align-items: start; margin-top: .5rem; }
.check { margin-top: 1rem; } .lead + .sample { margin-top: 1rem; }
.check th, .check td { text-align: left; white-space: normal; }
.check label { white-space: nowrap; margin-right: 1rem; } .check input { width: 1.1em; height: 1.1em; }
@media (max-width: 40rem) {
  .check thead { display: none; } .check tr { display: block; padding: .5rem 0; }
  .check td { display: block; padding: .1rem 0; min-width: 0; } .check td:first-child { font-weight: 600; }
  .check tbody tr + tr > * { border-top: 0; } .check tbody tr + tr { border-top: 1px solid var(--line); }
  .check tbody tr:last-child > * { border-bottom: 0; }
}
"""


def sheet_html(records: Sequence[Record], pictures: Pictures, seed: int) -> str:
    """The section of the page.

    Args:
        records (sequence of `Record`): to check, see `noise.draw_sheet`.
        pictures (`Pictures`): where their photos lie.
        seed (`int`): that they were drawn with.

    Returns:
        `str`: HTML, with everything from records escaped.
    """
    cards = "".join(_card(record, pictures) for record in records)
    count = f"{len(records)} record{'' if len(records) == 1 else 's'}"
    said = (
        f"{count}, drawn at random (seed {seed}). Tick what is right: of a tag, that the phrase speaks of this "
        "thing, that the description says this of it, and that each box holds it and none is missing; of a question, "
        "that it can be asked of this photo, that the answer follows from the description, and that the "
        "marked names have the right boxes. The share of ticks tells how precise the build is. The page "
        "keeps nothing: print it, or count, before you close it."
    )
    return f'<section><h2>To check by eye</h2><p class="lead">{safe(said)}</p>{cards}</section>'


def _card(record: Record, pictures: Pictures) -> str:
    head = (
        f'<article class="card sample"><p class="source">{safe(record.record_id)} · {safe(record.source)}</p>'
    )
    try:
        image = read_image(pictures.path(record))
    except ImageError as error:
        return f'{head}<p class="status bad">{safe(str(error))}</p></article>'
    image.thumbnail((_PHOTO_PX, _PHOTO_PX), Image.Resampling.LANCZOS)
    described, *pairs = rows_of(record)
    answer = grounded_of(described, "answer")
    texts = [(grounded_of(row, "question"), grounded_of(row, "answer")) for row in pairs]
    colours = PhraseColours([answer, *(text for pair in texts for text in pair)])  # numbers as in the photo
    tags = "".join(
        f"<tr><td>{safe(tag.name)}</td><td>“{safe(tag.phrase)}”</td><td>{safe(tag.quality)}, {safe(tag.effect)}</td>"
        f"<td>{_ticks('phrase', 'quality', 'boxes')}</td></tr>"
        for tag in record.live_tags
    )
    asked = "".join(
        f'<tr><td>{_TYPES[row["question_type"]]}</td><td dir="auto">{marked_text(question, colours)}</td>'
        f'<td dir="auto">{marked_text(said, colours)}</td><td>{_ticks("question", "answer", "boxes")}</td></tr>'
        for row, (question, said) in zip(pairs, texts, strict=True)
    )
    return (
        f'{head}<div class="sheet"><img alt="The photo with its boxes" src="{_jpeg(draw_regions(image, answer))}">'
        f'<div><p class="said" dir="auto">{marked_text(answer, colours)}</p>'
        + _table(("Tag", "Phrase", "Quality and effect", "Right?"), tags)
        + (_table(("Type", "Question", "Answer", "Right?"), asked) if pairs else "")
        + "</div></div></article>"
    )


def _table(heads: Sequence[str], body: str) -> str:
    columns = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return f'<div class="scroll check"><table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>'


def _jpeg(image: Image.Image) -> str:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=88, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode('ascii')}"


def _ticks(*names: str) -> str:
    return "".join(f'<label><input type="checkbox"> {name}</label>' for name in names)
