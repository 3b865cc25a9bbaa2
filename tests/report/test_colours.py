"""Colours can be told apart and read; the same phrase always gets the same one."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.report.colours import PALETTE, PhraseColours, drawable, ink_on, luminance, phrase_key, rgb
from giqa_hf.report.style import CSS


def text_of(*phrases: str) -> GroundedText:
    regions, start = [], 0
    for phrase in phrases:
        regions.append(Region(phrase, (start, start + len(phrase)), [[0, 0, 1, 1]]))
        start += len(phrase) + 1
    return GroundedText(" ".join(phrases), regions)


def contrast(one: str, other: str) -> float:
    """WCAG 2.2: (lighter + .05) / (darker + .05)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def linear(colour: str) -> np.ndarray:
    channels = np.array(rgb(colour)) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(linear_rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB, white point D65 (IEC 61966-2-1)."""
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                       [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
    ratio = (to_xyz @ np.clip(linear_rgb, 0, 1)) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB; with the smallest distance that we promise.
SIGHT = {
    "normal": (np.eye(3), 35),
    "protanopia": ([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                    [-0.003882, -0.048116, 1.051998]], 21),
    "deuteranopia": ([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                      [-0.011820, 0.042940, 0.968881]], 21),
    "tritanopia": ([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                    [0.004733, 0.691367, 0.303900]], 11),
}  # fmt: skip


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_stay_apart_for_every_kind_of_sight(sight: str) -> None:
    matrix, least = SIGHT[sight]
    seen = [lab(np.asarray(matrix) @ linear(colour)) for colour in PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > least


@pytest.mark.parametrize("colour", PALETTE)
def test_colours_show_on_both_pages_and_carry_readable_numbers(colour: str) -> None:
    light, dark = re.findall(r"--card: (#\w{6})", CSS)[:2]
    assert (
        contrast(colour, light) >= 3 and contrast(colour, dark) >= 3
    )  # WCAG 1.4.11, things that are not text
    assert contrast(colour, ink_on(colour)) >= 4.5  # WCAG 1.4.3, text


def test_page_colours_are_readable() -> None:
    themes = [dict(re.findall(r"--([\w-]+): (#\w{6})\b", block)) for block in CSS.split("@media")[:2]]
    for theme in themes:
        for ink in ("ink", "soft", "good", "warn"):
            assert contrast(theme[ink], theme["card"]) >= 4.5 and contrast(theme[ink], theme["page"]) >= 4.5
        assert contrast(theme["warn"], theme["warn-page"]) >= 4.5
        assert contrast(theme["accent"], theme["card"]) >= 3
    assert themes[0]["page"] != themes[1]["page"]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_ink_is_readable_on_any_colour(red: int, green: int, blue: int) -> None:
    colour = f"#{red:02x}{green:02x}{blue:02x}"
    assert contrast(colour, ink_on(colour)) >= 4.5


def test_luminance_of_known_colours() -> None:
    # WCAG: white 1, black 0, pure red .2126
    assert [round(luminance(c), 4) for c in ("#ffffff", "#000000", "#ff0000")] == [1.0, 0.0, 0.2126]


SAME = [
    # two spellings, whether they count as one phrase
    ("The tower", "tower", True),
    ("a  DOG.", "dog", True),
    ("an eye", "Eye", True),
    ("the", "The ", True),  # an article alone is a phrase
    ("tower", "towers", False),
    ("another eye", "eye", False),  # "an" is only cut off as a word
    ("", ".", True),
]


@pytest.mark.parametrize("one, other, same", SAME)
def test_what_counts_as_the_same_phrase(one: str, other: str, same: bool) -> None:
    assert (phrase_key(one) == phrase_key(other)) is same


def test_numbers_follow_first_appearance_over_several_texts() -> None:
    colours = PhraseColours([text_of("tower", "sky"), text_of("Sky", "the tower", "lake")])
    assert [colours.number(p) for p in ("The Tower", "sky", "lake")] == [1, 2, 3]
    assert [colours.colour(p) for p in ("tower", "SKY", "lake")] == list(PALETTE[:3])


def test_colours_come_round_and_numbers_do_not() -> None:
    phrases = [f"p{i}" for i in range(2 * len(PALETTE) + 1)]
    colours = PhraseColours([text_of(*phrases)])
    assert [colours.number(p) for p in phrases] == list(range(1, len(phrases) + 1))
    assert colours.colour("p0") == colours.colour(f"p{len(PALETTE)}") == PALETTE[0]
    assert len({colours.colour(p) for p in phrases}) == len(PALETTE)


def test_own_palette_and_wrong_palettes() -> None:
    assert PhraseColours([text_of("a b", "c")], ["#010203"]).colour("c") == "#010203"
    with pytest.raises(ValueError, match="at least one colour"):
        PhraseColours([], [])
    for wrong in ("red", "#12345", "#1234567", "#12345g"):
        with pytest.raises(ValueError, match=f"got '{wrong}'"):
            rgb(wrong)


nan, inf = float("nan"), float("inf")
DRAWABLE = [
    # box, what is drawn of it
    ([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]),
    ([0.3, 0.4, 0.1, 0.2], [0.1, 0.2, 0.3, 0.4]),  # reversed corners
    ([-0.5, 0.2, 0.3, 1.7], [0, 0.2, 0.3, 1]),  # partly outside
    ([0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5]),  # no area: kept, the drawing makes it visible
    ([1.1, 0.2, 1.3, 0.4], None),  # wholly outside
    ([0.1, -0.4, 0.3, -0.2], None),
    ([nan, 0, 1, 1], None),
    ([0, 0, inf, 1], None),
]


@pytest.mark.parametrize("box, drawn", DRAWABLE)
def test_what_can_be_drawn_of_a_box(box: list[float], drawn: list[float] | None) -> None:
    assert drawable(np.array([box])).tolist() == ([] if drawn is None else [drawn])


def test_no_boxes() -> None:
    assert drawable(np.zeros((0, 4))).shape == (0, 4)
