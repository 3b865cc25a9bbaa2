"""The question pool of GIQA-DES: fifteen stems and how they ask for positions.

The paper draws one of fifteen similar questions per sample; its own list is in a supplement that is not available.
These are worded anew after the pattern that its figures show (spec A3): look at the quality, then judge it, then a
request for positions, short or with the notation spelled out. The notation is the model's, not the row's: it is added
when a prompt is written.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

PositionRequest = Literal["short", "syntax", "none"]

STEMS = (
    "Describe how good this picture is and say what shapes your verdict.",
    "Look closely at the picture and report on its quality.",
    "Which parts help or harm the quality of this photo? Give an assessment.",
    "Assess the visual quality of the image and explain your judgement.",
    "Go over the image part by part and rate how well it holds up.",
    "Give a careful account of the quality of this photograph.",
    "What do you make of the technical quality of this image?",
    "Study the image and summarize its strengths and flaws in quality.",
    "Write a short quality review of this picture.",
    "Inspect the photo for quality problems and conclude with a verdict.",
    "Tell me how clean or degraded this image is, and where.",
    "Judge the quality of the picture from what you can see in it.",
    "Report the low-level appearance of the image and its overall quality.",
    "Examine the photo and comment on the quality of its main parts.",
    "How would you describe the quality of this image? Justify your view.",
)

SHORT_REQUESTS = ("Mention positions.", "Include positions.", "Give the positions too.")
SYNTAX_REQUESTS = ("Write positions.", "Mark each part with its position.")
"""Those to which `spell_out` adds the notation of the model that is asked; a row holds none."""


def spell_out(question: str, notation: str) -> str:
    """Add to a question how positions are to be written, where it asks for that.

    Args:
        question (`str`): as it stands in a row, e.g. "Assess the image. Write positions."
        notation (`str`): of the box format, e.g. `"[name](<first cell,last cell>)"`.

    Example:
        >>> spell_out("Assess the image. Write positions.", "[name](<first cell,last cell>)")
        'Assess the image. Write positions as [name](<first cell,last cell>).'
    """
    return f"{question[:-1]} as {notation}." if question.endswith(SYNTAX_REQUESTS) else question


def draw_question(rng: np.random.Generator, request: PositionRequest | None = None) -> str:
    """One question for a GIQA-DES row.

    Args:
        rng (`np.random.Generator`): the only source of chance.
        request (`str`, *optional*): how positions are asked for; `None` draws short (60 %) or syntax (40 %).
    """
    if request is None:
        request = "short" if rng.random() < 0.6 else "syntax"
    stem = STEMS[int(rng.integers(len(STEMS)))]
    if request == "none":
        return stem
    pool = SHORT_REQUESTS if request == "short" else SYNTAX_REQUESTS
    return f"{stem} {pool[int(rng.integers(len(pool)))]}"
