"""What giqa-tiny's base learns in words: to name things, to say where they are and what is wrong with them.

It is told so in requests of its own: no box notation, and none of GIQA-VQA's questions, neither Yes/No nor What, Why or
How. Claims that it is to check are statements ("Is that right? The cup is noisy."). The rest is what fine-tuning
teaches.
"""

from __future__ import annotations

import re

import numpy as np

from ...builders.questions import STEMS
from ...builders.synth import words
from ...builders.synth.rows import claims, describe, fill, join, other_family, pick
from ...builders.synth.scenes import Scene, SceneObject
from ...grid import Grid
from ...grounded_text import GroundedText

PLACE_REQUEST = "Say rows and columns."
CELL_REQUEST = "Say cells."
CELL_SHARE = 0.6
"""Share of lessons that number the cells instead of naming row and column."""
CHECK_REQUESTS = ("Is that right?", "Check this.")
CLAIMS_OF_FAMILY = (
    "The {obj} {is} {adj}.",
    "There is {noun} on the {obj}.",
    "The {obj} {shows} {noun}.",
    "The {obj} {suffers} from {noun}.",
    "The {obj} {looks} {adj}.",
    "{Noun} spoils the {obj}.",
)
CLAIMS_OF_CLEAN = (
    "The {obj} {is} clean.",
    "The {obj} {has} no flaw.",
    "The {obj} {keeps} natural detail.",
    "The {obj} {is} free of distortion.",
    "The {obj} {looks} natural.",
)
NEIGHBOURS_SHARE = 0.8
"""Share of the false claims of `checks` that name what is on a neighbour, where there is one."""
_ROWS_AND_COLUMNS = re.compile(r"row (\d+) column (\d+) to row (\d+) column (\d+)")


def place(boxes_norm: np.ndarray, grid: Grid) -> str:
    """Boxes in words: "row 3 column 5 to row 7 column 9", several joined by "and"."""
    cells = grid.encode(boxes_norm)
    corners = [(*divmod(int(a), grid.cols), *divmod(int(b), grid.cols)) for a, b in cells]
    return " and ".join(f"row {r1} column {c1} to row {r2} column {c2}" for r1, c1, r2, c2 in corners)


def placed(grounded: GroundedText, grid: Grid) -> str:
    """A description with the place of every region said in words after its name."""
    text, done = "", 0
    for region in grounded.regions:
        text += grounded.text[done : region.span[1]] + f" at {place(region.boxes_norm, grid)}"
        done = region.span[1]
    return text + grounded.text[done:]


def turns(scene: Scene, rng: np.random.Generator, grid: Grid) -> list[tuple[str, str]]:
    """One lesson on a scene: a description, plain or with places, and a few short exchanges."""
    grounded = describe(scene, rng)
    stem = STEMS[int(rng.integers(len(STEMS)))]
    lesson = [(f"{stem} {PLACE_REQUEST}", placed(grounded, grid))]
    if rng.random() < 0.3:
        lesson = [(stem, grounded.text)]
    for index in rng.permutation(len(scene.objects))[:2]:
        thing = scene.objects[index]
        state = _state(thing)
        kind = rng.random()
        if kind < 0.4:
            lesson.append((f"Where {_be(thing)} the {thing.name}?", f"At {place(thing.boxes_norm, grid)}."))
        elif kind < 0.7:
            lesson.append(
                (f"Describe what is at {place(thing.boxes_norm, grid)}.", f"The {thing.name}, {state}.")
            )
        else:
            at = f" at {place(thing.boxes_norm, grid)}" if rng.random() < 0.5 else ""
            lesson.append((f"Describe the {thing.name}{at}.", f"{state[0].upper()}{state[1:]}."))
    return [lesson[i] for i in rng.permutation(len(lesson))]


def checks(scene: Scene, rng: np.random.Generator, grid: Grid) -> list[tuple[str, str]]:
    """One lesson on a scene: claims to check, one on every spoiled thing and on every second clean one.

    A model learns early which distortions a picture shows, and late which thing each of them is on; a false claim
    that names a neighbour's distortion is what tells the two apart. Where there are as many clean things as spoiled
    ones, half of the claims that name a distortion are true, and half of those that call a thing clean: where they
    were not, the model learned to say No.
    """
    lesson = []
    for thing in (scene.objects[i] for i in rng.permutation(len(scene.objects))):
        if thing.family and rng.random() < 0.5:
            family: str | None = thing.family
        elif thing.family or rng.random() < 0.5:
            family = other_family(thing, scene, rng, NEIGHBOURS_SHARE) if rng.random() < 0.5 else None
        else:
            continue
        claim = fill(pick(CLAIMS_OF_FAMILY if family else CLAIMS_OF_CLEAN, rng), [thing], family=family)
        said = placed(claim, grid) if rng.random() < 0.5 else claim.text
        lesson.append((f"{pick(CHECK_REQUESTS, rng)} {said}", "Yes." if family == thing.family else "No."))
    return lesson or judgements(scene, rng, grid)


def judgements(scene: Scene, rng: np.random.Generator, grid: Grid) -> list[tuple[str, str]]:
    """One lesson on a scene's flaws: claims to check, a flaw to name, a thing to grade, and at last a list."""

    def said(grounded: GroundedText) -> str:
        return placed(grounded, grid) if rng.random() < 0.5 else grounded.text

    lesson = []
    for true in (True, False):
        found = claims(scene, true, rng, CLAIMS_OF_FAMILY, CLAIMS_OF_CLEAN)
        if found:
            lesson.append((f"{pick(CHECK_REQUESTS, rng)} {said(found[0])}", "Yes." if true else "No."))
    if scene.spoiled:
        thing = scene.spoiled[int(rng.integers(len(scene.spoiled)))]
        named = said(fill("the {obj}", [thing]))
        lesson.append(
            (f"Name the flaw of {named}.", fill("{Grade} {noun}.", [thing], name_things=False).text)
        )
    thing = scene.objects[int(rng.integers(len(scene.objects)))]
    state = _state(thing, "{adverb} {adj}")
    lesson.append((f"Grade {said(fill('the {obj}', [thing]))}.", f"{state[0].upper()}{state[1:]}."))
    lesson = [lesson[i] for i in rng.permutation(len(lesson))]
    # The list stands last, since it gives the others away.
    if rng.random() < 0.5:
        flaws = join([fill("The {obj} {is} {adj}.", [thing]) for thing in scene.spoiled])
        return [*lesson, ("List the flaws.", placed(flaws, grid) or "None.")]
    there = [thing.family for thing in scene.spoiled if thing.family]
    family = pick(there if there and rng.random() < 0.8 else list(words.NOUNS), rng)
    same = [thing for thing in scene.spoiled if thing.family == family]
    listed = placed(fill("The {objs}.", same), grid) if same else "None."
    return [*lesson, (f"List the parts with {words.NOUNS[family]}.", listed)]


def _state(thing: SceneObject, form: str = "{grade} {noun}") -> str:
    return fill(form, [thing], name_things=False).text if thing.family else "clean"


def _be(thing: SceneObject) -> str:
    return "are" if thing.plural else "is"


def in_cells(text: str) -> str:
    """Places in words by the number of their cells, row by row from 0: "cell 65 to cell 149"."""

    def numbered(found: re.Match[str]) -> str:
        row1, column1, row2, column2 = (int(number) for number in found.groups())
        cols = Grid().cols
        return f"cell {row1 * cols + column1} to cell {row2 * cols + column2}"

    return _ROWS_AND_COLUMNS.sub(numbered, text).replace(PLACE_REQUEST, CELL_REQUEST)


def shortened(lessons: list[list[list[str]]], rng: np.random.Generator) -> list[list[str]]:
    """One lesson of a scene; of long exchanges at most three, and beside a long description only one, to save time."""
    lesson = lessons[rng.integers(len(lessons))]
    if rng.random() < CELL_SHARE:
        lesson = [[in_cells(question), in_cells(answer)] for question, answer in lesson]
    if all(question.startswith(CHECK_REQUESTS) for question, _ in lesson):
        return lesson
    described = [i for i, turn in enumerate(lesson) if turn[0].endswith((PLACE_REQUEST, CELL_REQUEST))]
    short = [i for i in rng.permutation(len(lesson)) if i not in described]
    kept = [*described, *short[: 1 if described else 3]]
    return [lesson[i] for i in sorted(kept)]
