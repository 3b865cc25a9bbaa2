"""How good the profile `classic` is where the truth is known: on scenes of giqa-synth's train split.

    python benchmarks/measure_classic.py            # 300 scenes, some minutes; prints the tables of docs/classic.md
    python benchmarks/measure_classic.py --fit      # fits the curves of annotation/classic/calibration.py

Truth is a scene's list of objects with what was done to each. The scenes that are measured are drawn from other seeds
than those that the method was made with; the photographs are the same few, so numbers on other photos will be lower.
The test split is never touched.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from giqa_hf.annotation.classic.detector import MapBoxes, locate
from giqa_hf.annotation.classic.judge import MapJudge
from giqa_hf.annotation.classic.lexicon import read_quality
from giqa_hf.annotation.classic.maps import PhotoMaps
from giqa_hf.annotation.classic.tags import LexiconTags, find_tags
from giqa_hf.annotation.classic.vocabulary import SENSES, Sense
from giqa_hf.annotation.record import Record
from giqa_hf.annotation.refinement.judge import crop_box
from giqa_hf.annotation.stage import Pictures
from giqa_hf.boxes import iou
from giqa_hf.builders.synth.rows import describe
from giqa_hf.builders.synth.scenes import Scene, make_scene
from giqa_hf.builders.synth.words import ADJECTIVES

MEASURED_SEED, FIT_SEED = 1911, 11
"""The measured seed was changed once, after the last change of the method, so that no figure was looked at before."""
BASELINES = {"whole image": (0.0, 0.0, 1.0, 1.0), "centred box": (0.25, 0.25, 0.75, 0.75)}

WRITTEN_BEFORE = (
    ("The clarity of the picture is average, the woman's hair is sharp, but the leaves behind her are blurred.",
     {("woman's hair", "clear"), ("leaves", "blurry")}),
    ("This photo suffers from motion blur; the running child and the ball cannot be recognized.", set()),
    ("The sky is completely overexposed and the mountains have lost their details.",
     {("sky", "overexposed"), ("mountains", "blurry")}),
    ("With sufficient light, the texture of the bricks is clearly visible.", {("bricks", "clear")}),
    ("There is a lot of noise in the dark corners of the room.", {("corners", "noisy")}),
    ("The book on the table is in focus while the lamp next to it is not clear.",
     {("book", "clear"), ("lamp", "blurry")}),
    ("The colors of the flowers are vivid and saturated, and the stem is also in focus.",
     {("flowers", "vivid"), ("stem", "clear")}),
    ("Due to backlight, the faces of the two people are too dark to see any detail.", {("faces", "dark")}),
    ("The bus has obvious blocking artifacts, especially around the wheels.",
     {("bus", "overcompressed"), ("wheels", "overcompressed")}),
    ("The overall sharpness is low, and the details of the buildings in the distance are seriously lost.",
     {("buildings", "blurry")}),
    ("The main object, a bird on a branch, is well focused against a blurry background.",
     {("bird", "clear"), ("background", "blurry")}),
    ("The lighting of the street is dim, making the parked cars hard to see.",
     {("street", "dark"), ("parked cars", "blurry")}),
    ("The contrast of the statue is low and its surface looks washed out.", {("statue", "washed out")}),
    ("Grainy noise covers the wall, and the edges of the window frame are jagged.",
     {("wall", "noisy"), ("window frame", "pixelated")}),
    ("The lake is bright and the reflection in the water is crisp.", {("lake", "bright"), ("reflection", "clear")}),
    ("The child's smile is captured sharply, though the hands are slightly out of focus.",
     {("child's smile", "clear"), ("hands", "blurry")}),
    ("The composition is good, but the exposure of the window is excessive.", {("window", "overexposed")}),
    ("Neither the road nor the trees are clear.", {("road", "blurry"), ("trees", "blurry")}),
    ("The grass in the foreground is slightly blurred, but this does not affect the overall quality.",
     {("grass", "blurry")}),
    ("The painting shows rich details and natural colors.", {("painting", "clear"), ("painting", "vivid")}),
    ("The text on the sign is illegible because of severe compression.", {("text", "blurry")}),
    ("Only the cat's eyes are sharp; the rest of its body is blurry.", {("cat's eyes", "clear"), ("body", "blurry")}),
    ("The focus falls on the wrong place, so the bride is blurry and the curtain behind her is clear.",
     {("bride", "blurry"), ("curtain", "clear")}),
    ("The clouds lack layers and texture, appearing as a white patch.", {("clouds", "blurry")}),
)  # fmt: skip
"""Sentences in the manner of Q-Pathway, with the names and senses that a reader would tag. They were written before
they were first run through the patterns; docs/classic.md has the figures of that first run, and of now, when the faults
that they showed are mended."""


class TrueObject(NamedTuple):
    """A thing of a scene with a quality, and its boxes."""

    scene: Scene
    name: str
    sense: Sense
    boxes_norm: npt.NDArray[np.float64]
    spoiled: bool


def scenes(count: int, seed: int) -> Iterator[tuple[int, Scene]]:
    """Scenes of the train split."""
    for number in range(count):
        yield number, make_scene("train", np.random.default_rng([seed, number]))


def objects_of(scene: Scene) -> list[TrueObject]:
    """The named things of a scene with what was done to them."""
    return [
        TrueObject(
            scene, thing.name, _sense(ADJECTIVES[thing.family] if thing.family else "clean"),
            thing.boxes_norm, thing.family is not None,
        )
        for thing in scene.objects
    ]  # fmt: skip


def _sense(adjective: str) -> Sense:
    sense = read_quality(adjective)
    assert sense is not None, adjective
    return sense


def best_ious(found_norm: npt.NDArray[np.float64], true_norm: npt.NDArray[np.float64]) -> list[float]:
    """The best IoU of each true box; 0 where nothing was found."""
    return iou(found_norm, true_norm).max(axis=0).tolist() if len(found_norm) else [0.0] * len(true_norm)


def measure_tags(count: int) -> None:
    """Tags of the scenes' descriptions against their regions: name, place and sense must agree."""
    right, found, true = defaultdict(int), defaultdict(int), defaultdict(int)
    by_name = 0
    stage = LexiconTags()
    for number, scene in scenes(count, MEASURED_SEED):
        text = describe(scene, np.random.default_rng([MEASURED_SEED, number, 1]))
        record = Record(f"{number}", f"{number}", "", text.text, "", "")
        stage([record], Pictures(Path("."), Path(".")))
        wanted = {(r.span, _sense(r.quality or "").adjective): r.effect for r in text.regions}
        got = {(tag.span, _sense(tag.quality).adjective): tag.effect for tag in record.live_tags}
        by_name += len({span for span, _ in wanted} & {span for span, _ in got})
        for key, effect in wanted.items():
            true[effect] += 1
            right[effect] += key in got
        for effect in got.values():
            found[effect] += 1
    print(
        "\n| Tags in the scenes' own sentences | true | found | right | precision | recall |\n|---|---|---|---|---|---|"
    )
    for effect in ("negative", "positive"):
        print(
            f"| {effect} | {true[effect]} | {found[effect]} | {right[effect]} | "
            f"{right[effect] / found[effect]:.3f} | {right[effect] / true[effect]:.3f} |"
        )
    print(f"\nNames found at their place, whatever the quality: {by_name} of {sum(true.values())}.")
    hits, total_found, total_true, misses = 0, 0, 0, []
    for text, expected in WRITTEN_BEFORE:
        got = {(text[tag.name_start : tag.name_end].lower(), tag.sense.adjective) for tag in find_tags(text)}
        got = {(name, quality) for name, quality in got if name not in ("picture", "photo", "image")}
        hits += len(got & expected)
        total_found += len(got)
        total_true += len(expected)
        if got != expected:
            misses.append((text, sorted(got - expected), sorted(expected - got)))
    print(
        f"\n{len(WRITTEN_BEFORE)} sentences in Q-Pathway's manner: precision {hits}/{total_found} = "
        f"{hits / total_found:.2f}, recall {hits}/{total_true} = {hits / total_true:.2f}"
    )
    for text, extra, missed in misses:
        print(f"  {text}\n      too much: {extra}; missed: {missed}")


def measure_boxes(count: int) -> None:
    """Boxes for the true tags, by family, beside two boxes that anybody can draw."""
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    nothing: dict[str, int] = defaultdict(int)
    for _, scene in scenes(count, MEASURED_SEED):
        maps = PhotoMaps(scene.image)
        for thing in objects_of(scene):
            if not thing.spoiled:
                continue
            found = locate(maps, thing.sense, thing.name).boxes_norm
            nothing[thing.sense.adjective] += len(found) == 0
            for row in (thing.sense.adjective, "all"):
                scores[row]["maps"] += best_ious(found, thing.boxes_norm)
                for name, box in BASELINES.items():
                    scores[row][name] += best_ious(np.array([box]), thing.boxes_norm)
    nothing["all"] = sum(nothing.values())
    names = ["maps", *BASELINES]
    print("\n| Quality | true boxes | " + " | ".join(f"{n}: mean best IoU" for n in names) + " | "
          + " | ".join(f"{n}: IoU > 0.5" for n in names) + " | tags without a box |")  # fmt: skip
    print("|---" * (3 + 2 * len(names)) + "|")
    for row in sorted(scores, key=lambda row: (row == "all", row)):
        values = scores[row]
        means = [f"{np.mean(values[n]):.3f}" for n in names]
        shares = [f"{np.mean(np.array(values[n]) > 0.5):.2f}" for n in names]
        print(f"| {row} | {len(values['maps'])} | " + " | ".join(means + shares) + f" | {nothing[row]} |")


def measure_filter(count: int) -> None:
    """What the judge says of the true boxes, asked for the true quality and for one that is not there."""
    judge = MapJudge()
    agree: dict[str, list[bool]] = defaultdict(list)
    refuse: dict[str, list[bool]] = defaultdict(list)
    for _, scene in scenes(count, MEASURED_SEED):
        things = objects_of(scene)
        qualities = {thing.sense.adjective for thing in things if thing.spoiled}
        for thing in things:
            crop = crop_box(scene.image, tuple(thing.boxes_norm[0].tolist()))
            for quality in sorted(qualities):
                (answer,) = judge.yes_probability([crop], [quality])
                assert answer is not None
                if thing.sense.adjective == quality:
                    agree[quality].append(answer >= 0.5)
                elif not thing.spoiled:
                    refuse[quality].append(answer < 0.5)
    print(
        "\n| Quality | says Yes where it is | says No on clean objects of the scene | mean of both |\n|---|---|---|---|"
    )
    totals = []
    for quality in sorted(agree):
        yes, no = np.mean(agree[quality]), np.mean(refuse[quality]) if refuse[quality] else np.nan
        totals.append((yes + no) / 2)
        asked, asked_clean = len(agree[quality]), len(refuse[quality])
        print(f"| {quality} | {yes:.2f} ({asked}) | {no:.2f} ({asked_clean}) | {(yes + no) / 2:.2f} |")
    print(f"\nMean over the qualities: {np.nanmean(totals):.3f}; a coin gives 0.5.")


def measure_chain(count: int) -> None:
    """From the description to boxes without any help: how many true regions end with a good box."""
    ious, kept, wanted = [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number, scene in scenes(count, MEASURED_SEED):
            scene.image.save(Path(folder) / "photo.png")
            text = describe(scene, np.random.default_rng([MEASURED_SEED, number, 1]))
            record = Record(f"{number}", f"{number}", "photo.png", text.text, "", "")
            pictures = Pictures(Path(folder), Path(folder))
            for stage in (LexiconTags(), MapBoxes()):
                stage([record], pictures)
            spans = {tag.span: tag for tag in record.live_tags}
            for region in text.regions:
                wanted += region.effect == "negative"
                tag = spans.get(region.span)
                if region.effect == "negative" and tag is not None:
                    kept += 1
                    found = np.array([box.now_norm for box in tag.live_boxes]).reshape(-1, 4)
                    ious += best_ious(found, region.boxes_norm)
    print(
        f"\nDescription to boxes: {kept} of {wanted} spoiled objects keep a tag with a box; the best IoU of their true "
        f"boxes is {np.mean(ious):.3f} on average, over 0.5 for {np.mean(np.array(ious) > 0.5):.0%}."
    )


def fit(count: int) -> None:
    """Fit a logistic curve per sense on crops of boxes, and print the table for calibration.py."""
    senses = [sense for sense in SENSES if sense.measure is not None]
    table: dict[str, tuple[list[float], list[int]]] = {sense.adjective: ([], []) for sense in senses}
    for _, scene in scenes(count, FIT_SEED):
        for thing in objects_of(scene):
            boxes = thing.boxes_norm[:3].tolist()
            crops = [PhotoMaps(crop_box(scene.image, tuple(box)), is_crop=True) for box in boxes]
            for sense in senses:
                label = label_of(thing, sense)
                if label is not None:
                    assert sense.measure is not None
                    table[sense.adjective][0].extend(float(crop.map(sense.measure).mean()) for crop in crops)
                    table[sense.adjective][1].extend([label] * len(crops))
    for adjective, (x, y) in table.items():
        middle, slope = logistic(np.array(x), np.array(y))
        print(
            f'    "{adjective}": Logistic({middle:.3f}, {slope:.1f}),  # {sum(y)} against {len(y) - sum(y)} crops'
        )


def label_of(thing: TrueObject, sense: Sense) -> int | None:
    """Whether an object is what the sense says; `None` where its kind of damage says nothing of it.

    A bad quality is what an object spoiled in that way has and a clean one has not; a good one is what a clean object
    has, and one that was spoiled in the opposite way has not.
    """
    if sense.effect == "negative":
        return 1 if thing.sense == sense else None if thing.spoiled else 0
    return 1 if not thing.spoiled else 0 if thing.sense.adjective == sense.opposite else None


def logistic(x: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Middle and slope of the logistic curve of greatest likelihood, both classes weighing the same."""
    weight = np.where(y == 1, 0.5 / max(y.mean(), 1e-9), 0.5 / max(1 - y.mean(), 1e-9))
    spread = x.std()
    design = np.stack([np.ones_like(x), (x - x.mean()) / spread], axis=1)
    theta = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ theta))
        gradient = design.T @ (weight * (y - p)) - 1e-2 * theta
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + 1e-2 * np.eye(2)
        theta += np.linalg.solve(hessian, gradient)
    slope = theta[1] / spread
    return float(x.mean() - theta[0] / slope), float(slope)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=300, help="how many scenes (default: 300)")
    parser.add_argument(
        "--fit", action="store_true", help="fit the curves of calibration.py instead of measuring"
    )
    arguments = parser.parse_args(argv)
    if arguments.fit:
        fit(arguments.scenes)
        return 0
    measure_tags(arguments.scenes)
    measure_boxes(arguments.scenes)
    measure_filter(min(arguments.scenes, 150))
    measure_chain(arguments.scenes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
