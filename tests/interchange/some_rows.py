"""Rows for the tests of conversions: made by hand, and by hypothesis."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import strategies as st
from PIL import Image

from giqa_hf.schema import EFFECTS, QUESTION_TYPES

WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda text: text.strip())
SHARE = st.floats(0, 1)


@st.composite
def boxes(draw: Any) -> list[float]:
    """A box inside the picture; it may have no area."""
    (x1, x2), (y1, y2) = (sorted((draw(SHARE), draw(SHARE))) for _ in "xy")
    return [x1, y1, x2, y2]


@st.composite
def texts(draw: Any) -> tuple[str, list[dict[str, Any]]]:
    """A text with regions, in any writing, some of them without boxes, quality or effect."""
    text, regions = draw(WORDS) + "x", []
    for _ in range(draw(st.integers(0, 3))):
        phrase = draw(NAMES)
        regions.append(
            {
                "phrase": phrase,
                "span": [len(text), len(text) + len(phrase)],
                "quality": draw(st.none() | NAMES),
                "effect": draw(st.none() | st.sampled_from(EFFECTS)),
                "boxes_norm": draw(st.lists(boxes(), max_size=3)),
            }
        )
        text += phrase + draw(WORDS)
    return text, regions


@st.composite
def rows(draw: Any) -> list[dict[str, Any]]:
    """Rows on up to three pictures without files, those of a picture together."""
    made = []
    for picture in range(draw(st.integers(1, 3))):
        sides = {"width": draw(st.integers(1, 60)), "height": draw(st.integers(1, 60))}
        for _ in range(draw(st.integers(1, 3))):
            (question, asked), (answer, answered) = draw(texts()), draw(texts())
            kind = draw(st.none() | st.sampled_from(QUESTION_TYPES))
            made.append(
                {
                    "image": None,
                    "image_id": f"../{picture}/ü",
                    **sides,
                    "source": draw(WORDS),
                    "license": draw(WORDS),
                    "task": "des" if kind is None else "vqa",
                    "question_type": kind,
                    "question": question,
                    "question_regions": asked,
                    "answer": answer,
                    "answer_regions": answered,
                }
            )
    return made


def png(width: int, height: int) -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def candles() -> list[dict[str, Any]]:
    """Two rows on one picture of 64 x 48: several boxes of a phrase, a phrase without box, a box in the question."""
    shared = {
        "image": {"bytes": png(64, 48), "path": None},
        "image_id": "candles",
        "width": 64,
        "height": 48,
        "source": "test",
        "license": "cc0-1.0",
    }
    answer = "The candles \U0001f56f are blurry, the tower is dark, the sky is fine."
    tower = {"quality": None, "effect": None, "boxes_norm": [[0.75, 0.05, 1.0, 0.8]]}
    return [
        {
            **shared,
            "task": "des",
            "question_type": None,
            "question": "How good is it?",
            "question_regions": [],
            "answer": answer,
            "answer_regions": [
                {
                    "phrase": "candles",
                    "span": [4, 11],
                    "quality": "blurry",
                    "effect": "negative",
                    "boxes_norm": [[0.65, 0.05, 0.75, 0.9], [0.1, 0.05, 0.25, 1 / 3]],
                },
                {"phrase": "tower", "span": [30, 35], **tower},
                {"phrase": "sky", "span": [49, 52], **{**tower, "boxes_norm": []}},
            ],
        },
        {
            **shared,
            "task": "vqa",
            "question_type": "yes_no",
            "question": "Is the tower dark?",
            "question_regions": [{"phrase": "tower", "span": [7, 12], **tower}],
            "answer": "Yes.",
            "answer_regions": [],
        },
    ]
