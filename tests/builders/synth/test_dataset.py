"""The rows of a whole split: balance, truth, and that a picture and its texts belong together.

`load_dataset("giqa-synth")` itself is tried in tests/test_register.py.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from giqa_hf.builders.synth import dataset as synth_dataset
from giqa_hf.builders.synth.dataset import OPEN_SHARES, OPEN_TYPES, GiqaSynth, synth_rows
from giqa_hf.schema import features, grounded_of, validate_row


def without_image(rows):
    return [{key: value for key, value in row.items() if key != "image"} for row in rows]


def drawn(monkeypatch, *args):
    """The rows of `synth_rows(*args)`, and the scenes that were drawn for them."""
    scenes = []
    make_scene = synth_dataset.make_scene

    def remembered(*how):
        scenes.append(make_scene(*how))
        return scenes[-1]

    monkeypatch.setattr(synth_dataset, "make_scene", remembered)
    rows = list(synth_rows(*args))
    monkeypatch.setattr(synth_dataset, "make_scene", make_scene)
    return rows, scenes


@pytest.mark.parametrize(
    ("scenes", "per_scene", "seed"),
    [
        (2, 2, 0),
        (2, 2, 1),
        (4, 2, 1),
        (4, 2, 26),
        (10, 4, 0),
        (6, 6, 0),
        (6, 12, 3),
        (4, 20, 0),
        (6, 0, 0),
        (0, 2, 0),
    ],
)
def test_as_many_yes_as_no_and_as_many_yes_no_as_open(fast_distortions, scenes, per_scene, seed):
    rows = list(synth_rows("train", scenes, seed, per_scene))
    counts = Counter(row["question_type"] for row in rows)
    answers = Counter(row["answer"] for row in rows if row["question_type"] == "yes_no")
    assert counts[None] == scenes
    assert answers["Yes."] == answers["No."] == scenes * per_scene // 4
    assert sum(counts[kind] for kind in OPEN_TYPES) == scenes * per_scene // 2


@pytest.mark.parametrize(
    ("scenes", "per_scene", "seed"), [(6, 2, 0), (4, 2, 1), (4, 2, 26), (4, 2, 38), (6, 12, 0)]
)
def test_each_text_is_about_its_own_picture(monkeypatch, scenes, per_scene, seed):
    """Seeds 1, 26 and 38 end on a clean scene that owes a What or Why; 12 rows are more than a scene has."""
    rows, made = drawn(monkeypatch, "train", scenes, seed, per_scene)
    by_image = {id(scene.image): scene for scene in made}
    pictures = defaultdict(set)
    for row in rows:
        scene = by_image[id(row["image"])]
        pictures[row["image_id"]].add(id(row["image"]))
        for field in ("question", "answer"):
            for region in grounded_of(row, field).regions:
                assert any(
                    thing.name == region.phrase and np.array_equal(thing.boxes_norm, region.boxes_norm)
                    for thing in scene.objects
                ), (row["image_id"], row["question"], row["answer"])
    assert all(len(images) == 1 for images in pictures.values())
    assert len({image for images in pictures.values() for image in images}) == len(pictures)


def test_a_seed_gives_the_same_rows_and_bytes_and_another_gives_others():
    one, two, other = (list(synth_rows("train", 4, seed)) for seed in (3, 3, 4))
    assert without_image(one) == without_image(two)
    assert [row["image"].tobytes() for row in one] == [row["image"].tobytes() for row in two]
    assert not {row["image"].tobytes() for row in one} & {row["image"].tobytes() for row in other}
    assert without_image(one) != without_image(other)


def test_splits_draw_from_different_streams():
    """Without it the photographs that both use would come with the same dice, only other windows."""
    train, bench = (list(synth_rows(split, 4)) for split in ("train", "test"))
    assert not {row["image"].tobytes() for row in train} & {row["image"].tobytes() for row in bench}
    assert not {row["image_id"] for row in train} & {row["image_id"] for row in bench}
    assert [row["answer"] for row in train] != [row["answer"] for row in bench]


def test_a_picture_is_described_alike_however_many_questions_are_asked_of_it():
    """Or `load_dataset("giqa-synth", "des")` and `"all"` would disagree about one image_id."""
    descriptions = [
        without_image(row for row in synth_rows("train", 4, 0, per_scene) if row["task"] == "des")
        for per_scene in (0, 2, 4)
    ]
    assert descriptions[0] == descriptions[1] == descriptions[2]


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_row_is_valid(split):
    rows = list(synth_rows(split, 10, 5))
    for number, row in enumerate(rows):
        validate_row(row, f"row {number}")
        assert set(row) == set(features())
    assert Counter(row["task"] for row in rows) == {"des": 10, "vqa": 20}
    # rows of a picture come together
    ids = [row["image_id"] for row in rows]
    assert len([a for a, b in itertools.pairwise(ids) if a != b]) == len(set(ids)) - 1


def test_open_types_come_in_the_shares_of_the_bench(fast_distortions):
    """400 scenes, one open question each: 30, 18 and 12 of 60."""
    rows = list(synth_rows("train", 400, 0))
    counts = Counter(row["question_type"] for row in rows)
    for kind, share in zip(OPEN_TYPES, OPEN_SHARES, strict=True):
        # five standard deviations of 400 draws
        assert counts[kind] / 400 == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 400))
    assert OPEN_SHARES == (30 / 60, 18 / 60, 12 / 60)
    # boxes stand in questions (referring) and in answers (grounding), of open ones alike
    open_rows = [row for row in rows if row["question_type"] in OPEN_TYPES]
    referring = [row for row in open_rows if row["question_regions"] and not row["answer_regions"]]
    grounding = [row for row in open_rows if row["answer_regions"] and not row["question_regions"]]
    assert len(referring) + len(grounding) == len(open_rows)
    assert min(len(referring), len(grounding)) > 0.2 * len(open_rows)


@pytest.mark.parametrize(
    ("scenes", "per_scene", "says"),
    [
        (3, 2, "scenes even .*got 3"),
        (-2, 2, "scenes .*got -2"),
        (2, 3, "vqa_per_scene even .*got 3"),
        (2, -2, "got -2"),
    ],
)
def test_odd_counts_cannot_be_balanced(scenes, per_scene, says):
    with pytest.raises(ValueError, match=says):
        next(synth_rows("train", scenes, 0, per_scene))


def examples(builder, split):
    """What the builder draws for a split, (key, row) by (key, row)."""
    (generator,) = (one for one in builder._split_generators(None) if one.name == split)
    return list(builder._generate_examples(**generator.gen_kwargs))


@pytest.mark.parametrize(
    ("name", "tasks"), [("all", {"des", "vqa"}), ("des", {"des"}), ("vqa", {"vqa"}), (None, None)]
)
def test_the_builder_draws_what_its_config_says(tmp_path, name, tasks):
    builder = GiqaSynth(cache_dir=str(tmp_path), config_name=name, train_scenes=2, test_scenes=4)
    assert builder.info.features == features()
    assert builder.config.name == name or builder.config.name == "all"
    for split, scenes in (("train", 2), ("test", 4)):
        drawn = examples(builder, split)
        assert {row["task"] for _, row in drawn} == (tasks or {"des", "vqa"})
        # A further picture, with questions only, may settle what the last one could not pay.
        ids = {re.match(r"giqa-synth-\w+-0-\d+", row["image_id"])[0] for _, row in drawn}
        assert len(ids) == scenes
        assert len({key for key, _ in drawn}) == len(drawn)


def test_a_split_in_parts_is_the_split(monkeypatch, tmp_path, fast_distortions):
    """Several processes may draw it: more pictures than one part holds, none twice, balanced all the same."""
    monkeypatch.setattr(synth_dataset, "SHARD_SCENES", 4)
    rows = [row for _, row in examples(GiqaSynth(cache_dir=str(tmp_path), train_scenes=10), "train")]
    assert Counter(row["task"] for row in rows) == {"des": 10, "vqa": 20}
    assert Counter(row["answer"] for row in rows if row["question_type"] == "yes_no") == {"Yes.": 5, "No.": 5}
    described = [row["image_id"] for row in rows if row["task"] == "des"]
    assert described == [f"giqa-synth-train-0-{number:06d}" for number in range(10)]
    whole = [row["answer"] for row in synth_rows("train", 10) if row["task"] == "des"]
    assert [row["answer"] for row in rows if row["task"] == "des"] == whole
