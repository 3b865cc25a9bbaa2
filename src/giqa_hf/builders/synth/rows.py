"""From a scene to GIQA-DES and GIQA-VQA rows whose texts, boxes and answers follow from the scene."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...grounded_text import GroundedText, Region
from ...schema import regions_of
from ..questions import PositionRequest, draw_question
from . import words
from .scenes import GRADES, Scene, SceneObject

MAX_CLEAN_NAMED = 3
_FORMATTER = string.Formatter()


@dataclass(frozen=True)
class QuestionAnswer:
    """A GIQA-VQA pair. `question_type` is `yes_no`, `what`, `why` or `how`."""

    question_type: str
    question: GroundedText
    answer: GroundedText


def describe(scene: Scene, rng: np.random.Generator) -> GroundedText:
    """The GIQA-DES answer: each spoiled object, then the largest clean ones, then the verdict."""
    parts = [fill(pick(words.DES_SPOILED, rng), [thing]) for thing in scene.spoiled]
    if scene.clean:
        parts.append(fill(pick(words.DES_CLEAN, rng), scene.clean[:MAX_CLEAN_NAMED]))
    parts.append(fill(pick(words.DES_CLOSING, rng), [], overall=words.OVERALL[worst_grade(scene)]))
    return join(parts)


def worst_grade(scene: Scene) -> str | None:
    """The strongest grade in the scene; `None` when nothing is spoiled."""
    severities = [thing.severity for thing in scene.spoiled]
    return GRADES[max(severities)] if severities else None


def yes_no_pairs(scene: Scene, answer: bool, rng: np.random.Generator) -> list[QuestionAnswer]:
    """All Yes (or all No) pairs that the scene supports: `claims` as questions."""
    reply = GroundedText("Yes." if answer else "No.")
    asked = claims(scene, answer, rng, words.YES_NO_FAMILY, words.YES_NO_CLEAN)
    return [QuestionAnswer("yes_no", question, reply) for question in asked]


def claims(
    scene: Scene,
    true: bool,
    rng: np.random.Generator,
    of_family: Sequence[str],
    of_clean: Sequence[str],
) -> list[GroundedText]:
    """All true (or all false) claims about the scene's objects, one per object and kind, in random order.

    True: the named distortion is on the object, or the object is clean and called clean. False: another distortion is
    named, or a clean object is called distorted, or a distorted one clean.

    Args:
        scene (`Scene`): what is claimed about.
        true (`bool`): which ones.
        rng (`np.random.Generator`): the only source of chance.
        of_family (`sequence` of `str`): forms that name a distortion.
        of_clean (`sequence` of `str`): forms that call an object clean.
    """
    found: list[GroundedText] = []
    for thing in scene.objects:
        other = other_family(thing, scene, rng)
        family = thing.family if true else other
        if family is not None:
            found.append(fill(pick(of_family, rng), [thing], family=family))
        if (thing.family is None) == true:
            found.append(fill(pick(of_clean, rng), [thing]))
    return [found[i] for i in rng.permutation(len(found))]


def open_pairs(scene: Scene, question_type: str, rng: np.random.Generator) -> list[QuestionAnswer]:
    """All What, Why or How pairs that the scene supports, referring and grounding, in random order."""
    makers = {"what": _what, "why": _why, "how": _how}
    found = [QuestionAnswer(question_type, *pair) for pair in makers[question_type](scene, rng)]
    return [found[i] for i in rng.permutation(len(found))]


def des_row(
    scene: Scene, image_id: str, rng: np.random.Generator, request: PositionRequest | None = None
) -> dict[str, Any]:
    """A GIQA-DES row as `giqa_hf.schema.features` describes it, its image a PIL image."""
    question = GroundedText(draw_question(rng, request))
    return _row(scene, image_id, "des", None, question, describe(scene, rng))


def vqa_row(scene: Scene, image_id: str, pair: QuestionAnswer) -> dict[str, Any]:
    """A GIQA-VQA row as `giqa_hf.schema.features` describes it, its image a PIL image."""
    return _row(scene, image_id, "vqa", pair.question_type, pair.question, pair.answer)


def _row(
    scene: Scene, image_id: str, task: str, kind: str | None, question: GroundedText, answer: GroundedText
) -> dict[str, Any]:
    return {
        "image": scene.image,
        "image_id": image_id,
        "width": scene.image.width,
        "height": scene.image.height,
        "source": f"giqa-synth on scikit-image {scene.photo.name}",
        "license": scene.photo.license,
        "task": task,
        "question_type": kind,
        "question": question.text,
        "question_regions": regions_of(question),
        "answer": answer.text,
        "answer_regions": regions_of(answer),
    }


def _what(scene: Scene, rng: np.random.Generator) -> Iterator[tuple[GroundedText, GroundedText]]:
    for thing in scene.spoiled:
        assert thing.family is not None
        yield fill(pick(words.WHAT_REFERRING, rng), [thing]), fill("{Noun}.", [], family=thing.family)
    for family in dict.fromkeys(thing.family for thing in scene.spoiled):
        same = [thing for thing in scene.spoiled if thing.family == family]
        yield fill(pick(words.WHAT_GROUNDING, rng), [], family=family), fill("The {objs}.", same)


def _why(scene: Scene, rng: np.random.Generator) -> Iterator[tuple[GroundedText, GroundedText]]:
    for thing in scene.spoiled:
        yield fill(pick(words.WHY_REFERRING, rng), [thing]), fill("{Grade} {noun}.", [thing])
    if scene.spoiled:
        parts = [fill("The {obj} {is} {adj}.", [thing]) for thing in scene.spoiled]
        yield GroundedText(pick(words.WHY_GROUNDING, rng)), join(parts)


def _how(scene: Scene, rng: np.random.Generator) -> Iterator[tuple[GroundedText, GroundedText]]:
    for thing in scene.spoiled:
        yield fill(pick(words.HOW_SPOILED, rng), [thing]), fill("{Grade}.", [thing], name_things=False)
        yield fill(pick(words.HOW_ANY, rng), [thing]), fill("{Adverb} {adj}.", [thing], name_things=False)
    for thing in scene.clean[:1]:
        yield fill(pick(words.HOW_ANY, rng), [thing]), GroundedText("Clean.")


def other_family(
    thing: SceneObject, scene: Scene, rng: np.random.Generator, neighbours_share: float = 0.5
) -> str:
    """A family that is not on the thing; in `neighbours_share` of draws one that is on a neighbour, if there is one."""
    on_neighbours = sorted({other.family for other in scene.spoiled if other.family} - {thing.family})
    if on_neighbours and rng.random() < neighbours_share:
        return pick(on_neighbours, rng)
    return pick([family for family in words.NOUNS if family != thing.family], rng)


def pick(pool: Sequence[str], rng: np.random.Generator) -> str:
    """One of them, all equally likely."""
    return pool[int(rng.integers(len(pool)))]


def fill(
    template: str,
    things: Sequence[SceneObject],
    *,
    family: str | None = None,
    overall: str = "",
    name_things: bool = True,
) -> GroundedText:
    """Fill a sentence form of `words`.

    Args:
        template (`str`): the form; its `{obj}` or `{objs}` becomes one region per thing.
        things (`sequence` of `SceneObject`): what the sentence is about; distortion words come from the first.
        family (`str`, *optional*): the distortion to name instead of the first thing's own.
        overall (`str`, *optional*): the verdict for `{overall}`.
        name_things (`bool`, *optional*, defaults to `True`): `False` for answers that only need the thing's words.
    """
    slots = _slots(things, family, overall)
    text, regions = "", []
    for literal, slot, _, _ in _FORMATTER.parse(template):
        text += literal
        if slot in ("obj", "objs"):
            assert name_things and things
            for index, thing in enumerate(things):
                if index:
                    text += " and the " if index == len(things) - 1 else ", the "
                regions.append(_region(thing, len(text)))
                text += thing.name
        elif slot is not None:
            word = slots[slot.lower()]
            text += word[0].upper() + word[1:] if slot[0].isupper() else word
    return GroundedText(text, regions)


def _region(thing: SceneObject, start: int) -> Region:
    quality = words.ADJECTIVES[thing.family] if thing.family else "clean"
    return Region(
        thing.name, (start, start + len(thing.name)), thing.boxes_norm,
        quality=quality, effect="negative" if thing.family else "positive",
    )  # fmt: skip


def _slots(things: Sequence[SceneObject], family: str | None, overall: str) -> Mapping[str, str]:
    plural = len(things) > 1 or (len(things) == 1 and things[0].plural)
    slots = {singular: several if plural else singular for singular, several in words.VERBS.items()}
    slots["overall"] = overall
    family = family or (things[0].family if things else None)
    if family:
        slots |= {"noun": words.NOUNS[family], "adj": words.ADJECTIVES[family]}
    if things and things[0].family:
        slots |= {"grade": things[0].grade, "adverb": words.ADVERBS[things[0].grade]}
    return slots


def join(parts: Sequence[GroundedText]) -> GroundedText:
    """Sentences joined by single spaces, their spans moved along."""
    text, regions = "", []
    for part in parts:
        text += " " if text else ""
        for region in part.regions:
            start = region.span[0] + len(text)
            regions.append(
                Region(
                    region.phrase, (start, start + len(region.phrase)), region.boxes_norm,
                    quality=region.quality, effect=region.effect,
                )
            )  # fmt: skip
        text += part.text
    return GroundedText(text, regions)
