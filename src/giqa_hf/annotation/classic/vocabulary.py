"""The quality words of IQA English: what each says, which measure shows it, and whether it is good or bad.

An own compilation. A `Sense` is one thing to say about the quality of a region; its row lists the adjectives
("blurry", "out of focus") and the defect nouns ("blur", "noise") that say it. An `Attribute` ("texture", "lighting",
"colors") says nothing by itself: with a grade ("rich texture", "insufficient lighting", "the details are lost") it
means one of two senses. `lexicon` finds them in texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Measure = Literal[
    "sharpness", "detail", "noise", "brightness", "highlights", "shadows", "contrast", "veil", "saturation",
    "blockiness", "steps",
]  # fmt: skip
"""The maps of `maps.PhotoMaps`."""
Direction = Literal["high", "low"]
Effect = Literal["positive", "negative"]
Grade = Literal["good", "bad", "too_much"]


@dataclass(frozen=True)
class Sense:
    """One thing to say about the quality of a region.

    Args:
        adjective (`str`): how the pipeline says it: the tag's quality T_q.
        noun (`str`): what is there, for questions and short answers.
        measure (`str`, *optional*): the map that shows it; `None` where no map does ("clean", "ghosted").
        direction (`str`): whether that map is `"high"` or `"low"` there.
        effect (`str`): `"positive"` or `"negative"`, the tag's effect T_e.
        opposite (`str`): the adjective of the sense that "not …" means.
        adjectives (`str`): all words and phrases that say it of a thing, separated by commas.
        nouns (`str`, *optional*): all that name it as a thing, separated by commas.
    """

    adjective: str
    noun: str
    measure: Measure | None
    direction: Direction
    effect: Effect
    opposite: str
    adjectives: str
    nouns: str = ""


SENSES: tuple[Sense, ...] = (
    Sense(
        "clear", "sharp details", "detail", "high", "positive", "blurry",
        "clear, sharp, crisp, captured sharply, sharply captured, captured clearly, clearly captured, in "
        "focus, well focused, well-focused, focused, detailed, distinct, legible, crystal "
        "clear, "
        "sharply focused, finely detailed, well defined, well-defined, clearly visible, clearly "
        "distinguishable, "
        "clearly rendered, recognizable, richly detailed, rich in detail, rich in details, clearer, sharper, "
        "discernible",
    ),
    Sense(
        "blurry", "blur", "sharpness", "low", "negative", "clear",
        "blurry, blurred, out of focus, out-of-focus, fuzzy, unclear, indistinct, smeared, smudged, smudgy, "
        "defocused, "
        "unfocused, unsharp, motion blurred, motion-blurred, mushy, illegible, unreadable, indistinguishable, "
        "unrecognizable, blurrier, blury, bokeh, not in focus, too soft, hard to see, difficult to see, shaky",
        "blur, blurring, blurriness, motion blur, defocus, defocus blur, lens blur, camera shake, smearing, "
        "fuzziness, "
        "motion blurring, blurry effect, ghosting, trailing",
    ),
    Sense(
        "noisy", "noise", "noise", "high", "negative", "noise-free",
        "noisy, grainy, speckled, full of noise, gritty",
        "noise, noises, grain, graininess, noise points, noise spots, color noise, colour noise, image noise, "
        "speckle, "
        "speckles, noisy points, noisy spots, snow, static",
    ),
    Sense(
        "noise-free", "low noise", "noise", "low", "positive", "noisy",
        "noise-free, noiseless, noise free, free of noise, smooth and clean",
    ),
    Sense(
        "overexposed", "overexposure", "highlights", "high", "negative", "well exposed",
        "overexposed, over-exposed, over exposed, too bright, blown out, blown-out, overly bright, excessively "
        "bright, "
        "glaring, burnt out, burned out, whited out, dazzling",
        "overexposure, over-exposure, over exposure, blown highlights, glare, excessive exposure, excessive "
        "brightness, "
        "excess light, strong glare, lens flare",
    ),
    Sense(
        "dark", "underexposure", "shadows", "high", "negative", "bright",
        "dark, underexposed, under-exposed, too dark, dim, dimly lit, poorly lit, gloomy, murky, dimmed, "
        "very dark, unlit, overly dark, darkened, badly lit, darker, dimmer",
        "underexposure, under-exposure, under exposure, darkness, insufficient exposure, dimness",
    ),
    Sense(
        "bright", "good lighting", "brightness", "high", "positive", "dark",
        "bright, well-lit, well lit, brightly lit, illuminated, well-illuminated, well illuminated, brighter, "
        "luminous, "
        "brightly illuminated",
    ),
    Sense(
        "well exposed", "good exposure", None, "high", "positive", "overexposed",
        "well exposed, well-exposed, properly exposed, correctly exposed, normally exposed",
    ),
    Sense(
        "washed out", "low contrast", "veil", "high", "negative", "high in contrast",
        "washed out, washed-out, hazy, foggy, misty, low-contrast, low in contrast, flat, veiled",
        "contrast loss, haze, haziness, fogging",
    ),
    Sense(
        "high in contrast", "strong contrast", "contrast", "high", "positive", "washed out",
        "high-contrast, high in contrast, contrasty, well contrasted, rich in contrast, punchy",
    ),
    Sense(
        "harsh", "harsh contrast", "contrast", "high", "negative", "high in contrast",
        "harsh, too contrasty, overly contrasty, overcontrasted",
        "harshness, excessive contrast",
    ),
    Sense(
        "vivid", "vivid colors", "saturation", "high", "positive", "faded",
        "vivid, vibrant, bright color, bright colors, bright colour, bright colours, colorful, colourful, "
        "richly "
        "colored, richly coloured, saturated, rich in color, rich in colors, "
        "brightly colored, brightly coloured, rich in colour, rich in colours",
        "vividness, vibrancy",
    ),
    Sense(
        "oversaturated", "oversaturation", "saturation", "high", "negative", "vivid",
        "oversaturated, over-saturated, over saturated, too saturated, garish, gaudy, overly saturated, too "
        "colorful",
        "oversaturation, over-saturation, excessive saturation",
    ),
    Sense(
        "faded", "color loss", "saturation", "low", "negative", "vivid",
        "faded, dull, desaturated, colorless, colourless, discolored, discoloured, pale, undersaturated, "
        "monotonous, "
        "grayish, greyish, drab, lackluster",
        "color loss, colour loss, fading, desaturation",
    ),
    Sense(
        "overcompressed", "compression damage", "blockiness", "high", "negative", "clean",
        "overcompressed, over-compressed, compressed, blocky, full of artifacts, full of artefacts",
        "compression damage, compression artifacts, compression artefacts, compression, artifacts, artefacts, "
        "blockiness, "
        "block artifacts, blocking artifacts, blocking, JPEG artifacts, blocks, artifact, artefact, mosaic",
    ),
    Sense(
        "pixelated", "pixelation", "steps", "high", "negative", "clean",
        "pixelated, pixelized, pixellated, jagged, aliased, low-resolution, low resolution",
        "pixelation, pixelization, jaggedness, aliasing, jaggies, jagged edges",
    ),
    Sense(
        "banded", "color banding", "steps", "high", "negative", "clean",
        "banded, posterized, posterised",
        "color banding, colour banding, banding, posterization, posterisation, false contours",
    ),
    Sense(
        "oversharpened", "oversharpening", "detail", "high", "negative", "clear",
        "oversharpened, over-sharpened, over sharpened, too sharp, overly sharp",
        "oversharpening, over-sharpening, halos, haloes, ringing",
    ),
    Sense(
        "clean", "good quality", None, "high", "positive", "distorted",
        "clean, come out well, comes out well, came out well, well captured, well rendered, free of "
        "distortion, free from distortion, undistorted, flawless, intact, unspoiled, free of flaws, "
        "free of defects, free of artifacts, free of artefacts",
    ),
    Sense(
        "distorted", "distortion", None, "high", "negative", "clean",
        "distorted, deformed, damaged, degraded, flawed, unnatural, unrealistic, broken, wrong",
        "distortion, distortions, flaw, flaws, defect, defects, deformation, degradation, damage",
    ),
)  # fmt: skip
"""In the order in which they were written; no word stands in two rows."""

BY_ADJECTIVE: Mapping[str, Sense] = {sense.adjective: sense for sense in SENSES}


class Attribute(NamedTuple):
    """A side of quality that a grade says something about."""

    words: str
    good: str
    """The adjective of the sense when the grade is good or high, e.g. "clear" for "rich texture"."""
    bad: str
    """The same when it is bad or low."""
    too_much: str
    """The same when there is too much of it."""


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute(
        "texture, textures, texture detail, texture details, detail, details, edge, edges, outline, outlines, "
        "contour, "
        "contours, focus, focusing, definition, clarity, sharpness, resolution, structure, structures, detail "
        "information, "
        "surface texture, facial details, facial features, focal point",
        "clear", "blurry", "oversharpened",
    ),
    Attribute(
        "lighting, light, lighting conditions, illumination, exposure, brightness, luminance",
        "bright", "dark", "overexposed",
    ),
    Attribute("quality, appearance, look, rendering, rendition, presentation", "clean", "distorted", "distorted"),
    Attribute("contrast, tonal range", "high in contrast", "washed out", "harsh"),
    Attribute(
        "color, colors, colour, colours, saturation, hue, hues, color saturation, colour saturation, color "
        "reproduction, "
        "coloring, tone, tones",
        "vivid", "faded", "oversaturated",
    ),
)  # fmt: skip

GOOD_GRADES = (
    "good, rich, sufficient, adequate, ample, accurate, fine, excellent, great, strong, high, preserved, well "
    "preserved, "
    "well-preserved, abundant, complete, proper, balanced, even, visible, perfect, retained, well retained, "
    "plentiful, "
    "precise, better, natural, enough, maintained, well maintained, satisfactory, correct, richer, "
    "appropriate, full, nice, "
    "kept, well kept, ideal, suitable, beautiful, decent"
)
BAD_GRADES = (
    "poor, lost, missing, insufficient, inadequate, weak, low, bad, inaccurate, lacking, limited, destroyed, "
    "invisible, "
    "weaker, absent, severely lost, poorer, scarce, uneven, damaged, worse, deficient, imprecise, gone,"
    " incorrect, "
    "inappropriate, failed, unbalanced, terrible, lower, blurred out, wiped out, incomplete, seriously lost, "
    "wrong, scant"
)
EXCESS_GRADES = (
    "excessive, too strong, too high, overly strong, exaggerated, overdone, too intense, too harsh, over"
)
