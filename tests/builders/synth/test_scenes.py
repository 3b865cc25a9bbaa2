"""Scenes: the boxes follow the crop, only what is called spoiled is changed, and the splits never meet."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.boxes import as_boxes, intersection
from giqa_hf.builders.synth import scenes as synth_scenes
from giqa_hf.builders.synth.photos import PHOTOS, PhotoObject
from giqa_hf.builders.synth.scenes import (
    CLEAN_SHARE,
    GRADES,
    MAX_OUTSIDE,
    MIN_INSIDE,
    MIN_SIDE,
    MIN_VISIBLE_RMS,
    SEVERITIES,
    SHORT_SIDE_PX,
    SceneObject,
    make_scene,
    window_split,
)
from giqa_hf.distortions import FAMILIES

SHARED = [photo for photo in PHOTOS if photo.shares_area]


def marked(scene, thing: SceneObject) -> PhotoObject:
    """The mark on the photograph that a thing of a scene comes from."""
    (found,) = (one for one in scene.photo.objects if thing.name in (one.name, one.plural))
    return found


def boxes_by_hand(scene, mark: PhotoObject) -> tuple[np.ndarray, np.ndarray]:
    """Where the boxes of a mark lie in the scene, and the share of each that is inside of the crop."""
    x1, y1, x2, y2 = scene.window_px
    rows, shares = [], []
    for left, top, right, bottom in mark.boxes_px:
        cut = [max(left, x1), max(top, y1), min(right, x2), min(bottom, y2)]
        inside = max(cut[2] - cut[0], 0) * max(cut[3] - cut[1], 0)
        shares.append(inside / ((right - left) * (bottom - top)))
        row = [
            (cut[0] - x1) / (x2 - x1),
            (cut[1] - y1) / (y2 - y1),
            (cut[2] - x1) / (x2 - x1),
            (cut[3] - y1) / (y2 - y1),
        ]
        rows.append([1 - row[2], row[1], 1 - row[0], row[3]] if scene.mirrored else row)
    return np.array(rows), np.array(shares)


def test_equal_seeds_equal_scenes_to_the_last_pixel():
    for split, seed in itertools.product(("train", "test"), (0, 1)):
        one, two = (make_scene(split, np.random.default_rng([seed, 3])) for _ in range(2))
        assert one.image.tobytes() == two.image.tobytes()
        assert (one.photo, one.window_px, one.mirrored) == (two.photo, two.window_px, two.mirrored)
        for a, b in zip(one.objects, two.objects, strict=True):
            np.testing.assert_array_equal(a.boxes_norm, b.boxes_norm)
            assert (a.name, a.plural, a.shape, a.family, a.severity) == (
                b.name,
                b.plural,
                b.shape,
                b.family,
                b.severity,
            )
    other = make_scene("train", np.random.default_rng([2, 3]))
    assert other.image.tobytes() != make_scene("train", np.random.default_rng([0, 3])).image.tobytes()


def test_size_of_the_picture(all_scenes):
    for scene in all_scenes:
        x1, y1, x2, y2 = scene.window_px
        width, height = scene.image.size
        assert scene.image.mode == "RGB"
        assert min(width, height) == SHORT_SIDE_PX
        assert width / height == pytest.approx((x2 - x1) / (y2 - y1), rel=0.01)


def test_windows_lie_in_the_area_of_their_split(scenes_by_split):
    for split, part in scenes_by_split.items():
        for scene in part:
            area = scene.photo.train_area_px if split == "train" else scene.photo.bench_area_px
            x1, y1, x2, y2 = scene.window_px
            assert area[0] <= x1 < x2 <= area[2]
            assert area[1] <= y1 < y2 <= area[3]
            short, long = scene.photo.crop_px
            assert short <= min(x2 - x1, y2 - y1) <= long


def test_boxes_are_the_marks_seen_through_the_crop(all_scenes):
    for scene in all_scenes:
        for thing in scene.objects:
            boxes, shares = boxes_by_hand(scene, marked(scene, thing))
            named = boxes[shares >= MIN_INSIDE]
            distances = np.abs(thing.boxes_norm[:, None] - named[None]).max(axis=2)
            assert (distances.min(axis=1) < 1e-9).all()  # each box is one of the marks
            assert len(set(distances.argmin(axis=1))) == len(thing.boxes_norm)  # none twice
            if thing.family is None or not thing.separable:
                assert len(thing.boxes_norm) == len(
                    named
                )  # all of them, but for coins that are spoiled one by one


def test_boxes_are_ordered_inside_and_not_too_small(all_scenes):
    for scene in all_scenes:
        assert scene.objects
        for thing in scene.objects:
            assert thing.boxes_norm.dtype == np.float64
            assert (thing.boxes_norm >= 0).all()
            assert (thing.boxes_norm <= 1).all()
            assert (thing.boxes_norm[:, 2:] - thing.boxes_norm[:, :2] >= MIN_SIDE - 1e-12).all()


def test_no_thing_is_cut_in_two(all_scenes):
    """What is half inside would be there to see and not be named, or be named and not be there."""
    for scene in all_scenes:
        for mark in scene.photo.objects:
            _, shares = boxes_by_hand(scene, mark)
            assert ((shares >= MIN_INSIDE) | (shares <= MAX_OUTSIDE)).all()


def test_names_take_the_number_of_their_boxes(all_scenes):
    for scene in all_scenes:
        names = [thing.name for thing in scene.objects]
        assert len(set(names)) == len(names)
        for thing in scene.objects:
            mark = marked(scene, thing)
            assert thing.plural == (len(thing.boxes_norm) > 1)
            assert thing.name == (mark.plural if thing.plural else mark.name)
            assert thing.shape == mark.shape


def test_spoiled_things_come_first_and_large_ones_before_small(all_scenes):
    for scene in all_scenes:
        order = [(thing.family is None, -thing.area) for thing in scene.objects]
        assert order == sorted(order)
        assert scene.spoiled + scene.clean == scene.objects
        assert len(scene.spoiled) <= 3
        for thing in scene.spoiled:
            assert thing.family in FAMILIES
            assert thing.severity in SEVERITIES
            assert thing.grade == GRADES[thing.severity]
        assert all(thing.severity == 0 for thing in scene.clean)


def test_pixels_outside_of_every_spoiled_thing_are_those_of_the_clean_crop(all_scenes, clean_pixels, mask_of):
    """So is every pixel of a clean thing that no spoiled one overlaps."""
    touched = 0
    for scene in all_scenes:
        clean, pixels = clean_pixels(scene), np.asarray(scene.image)
        outside = np.ones(pixels.shape[:2], dtype=bool)
        for thing in scene.spoiled:
            outside &= ~mask_of(scene, thing)
        np.testing.assert_array_equal(pixels[outside], clean[outside])
        touched += bool(scene.spoiled)
    assert touched > len(all_scenes) / 2


def test_clean_things_stay_clean_but_for_a_rim_under_a_neighbour(all_scenes, clean_pixels, mask_of):
    for scene in all_scenes:
        changed = (np.asarray(scene.image) != clean_pixels(scene)).any(axis=2)
        for thing in scene.clean:
            assert changed[mask_of(scene, thing)].mean() <= 0.25, (scene.photo.name, thing.name)


def test_a_spoiled_thing_can_be_seen(all_scenes, clean_pixels, mask_of):
    """Root mean square of the change, by the pixels that are no other thing's (a rim under a neighbour may be
    left out); things that overlap another spoiled one are left to the test of their labels."""
    seen = 0
    for scene in all_scenes:
        change = np.asarray(scene.image, dtype=np.float64) - clean_pixels(scene)
        masks = {thing.name: mask_of(scene, thing) for thing in scene.objects}
        for thing in scene.spoiled:
            mask = masks[thing.name]
            others = [other for other in scene.objects if other is not thing]
            if any(other.family and (masks[other.name] & mask).any() for other in others):
                continue
            own = mask & ~np.any([masks[other.name] for other in others] + [np.zeros_like(mask)], axis=0)
            rms = np.sqrt((change[mask] ** 2).sum() / (3 * own.sum()))
            assert rms >= MIN_VISIBLE_RMS, (scene.photo.name, thing)
            seen += 1
    assert seen > 40


def test_about_one_scene_in_sixteen_is_clean_and_most_have_one_or_two(fast_distortions):
    counts = [len(make_scene("train", np.random.default_rng([9, number])).spoiled) for number in range(200)]
    clean = counts.count(0) / len(counts)
    assert clean == pytest.approx(CLEAN_SHARE, abs=5 * np.sqrt(CLEAN_SHARE * (1 - CLEAN_SHARE) / len(counts)))
    assert counts.count(1) > counts.count(3)
    assert set(counts) == {0, 1, 2, 3}


def test_no_window_is_in_both_splits(fast_distortions):
    """240 scenes: each window is its split's by the rule, and no square that holds a centre serves both."""
    windows = {
        split: [
            (scene.photo, scene.window_px)
            for number in range(120)
            for scene in [make_scene(split, np.random.default_rng([11, number]))]
        ]
        for split in ("train", "test")
    }
    squares = {}
    for split, part in windows.items():
        for photo, window in part:
            if photo.shares_area:
                assert window_split(photo, window) == split
        squares[split] = {
            (photo.name, int((x1 + x2) / 2 // 24), int((y1 + y2) / 2 // 24))
            for photo, (x1, y1, x2, y2) in part
            if photo.shares_area
        }
    assert not squares["train"] & squares["test"]
    assert min(map(len, squares.values())) > 20
    # the others share no pixel at all
    for (photo, window), (other, bench) in itertools.product(windows["train"], windows["test"]):
        if photo is other and not photo.shares_area:
            assert intersection(as_boxes([window]), as_boxes([bench])).item() == 0
    assert {photo.name for photo, _ in windows["train"]} == {
        photo.name for photo in PHOTOS if photo.train_area_px
    }
    assert {photo.name for photo, _ in windows["test"]} == {
        photo.name for photo in PHOTOS if photo.bench_area_px
    }


corner = st.floats(0, 400)
side = st.floats(1, 200)


@settings(max_examples=200, deadline=None)
@given(photo=st.sampled_from(SHARED), x=corner, y=corner, width=side, height=side, grow=st.floats(0, 50))
def test_the_split_is_decided_by_the_centre_alone(photo, x, y, width, height, grow):
    window = (x, y, x + width, y + height)
    split = window_split(photo, window)
    assert split in ("train", "test")
    assert window_split(photo, window) == split
    larger = (x - grow, y - grow, x + width + grow, y + height + grow)  # the same centre
    same_square = all(
        int(a // 24) == int(b // 24) for a, b in zip(_centre(window), _centre(larger), strict=True)
    )
    if same_square:
        assert window_split(photo, larger) == split


def _centre(window):
    return ((window[0] + window[2]) / 2, (window[1] + window[3]) / 2)


def test_about_one_square_in_six_is_the_benchs_on_every_photograph():
    for photo in SHARED:
        squares = [(x * 24 + 12, y * 24 + 12) for x in range(40) for y in range(40)]
        bench = [window_split(photo, (x - 1, y - 1, x + 1, y + 1)) == "test" for x, y in squares]
        # 43 of 256 first bytes are divisible by 6; five standard deviations of 1600 draws
        assert np.mean(bench) == pytest.approx(43 / 256, abs=5 * np.sqrt(43 / 256 * 213 / 256 / 1600))


def test_what_cannot_be_seen_is_left_clean(monkeypatch):
    """Twelve draws that change nothing: the thing is called clean, not spoiled."""
    monkeypatch.setattr(synth_scenes, "distort_region", lambda pixels, mask, family, **how: pixels)
    for number in range(8):
        scene = make_scene("train", np.random.default_rng([13, number]))
        assert scene.spoiled == ()
        assert all(thing.severity == 0 for thing in scene.objects)


def test_every_family_comes_up_and_colour_families_on_coloured_photographs_only():
    """On a grey photograph nothing can be oversaturated or faded."""
    grey = {"camera.png", "coins.png"}
    drawn = [make_scene("test", np.random.default_rng([15, number])) for number in range(70)]
    families = {thing.family for scene in drawn for thing in scene.spoiled}
    assert families == set(FAMILIES)
    for scene in drawn:
        if scene.photo.name in grey:
            assert not {thing.family for thing in scene.spoiled} & {"saturate_strengthen", "saturate_weaken"}


def test_a_grey_thing_is_not_oversaturated_because_its_neighbour_has_coloured_noise(monkeypatch):
    """Whether a distortion can be seen is asked of the thing, not of what another one left on its rim."""
    (camera,) = (photo for photo in PHOTOS if photo.name == "camera.png")
    overlapping = PhotoObject("head", ((150, 60, 280, 200),)), PhotoObject("face", ((170, 100, 280, 210),))
    monkeypatch.setattr(synth_scenes, "PHOTOS", (dataclasses.replace(camera, objects=overlapping),))
    monkeypatch.setattr(synth_scenes, "FAMILIES", ("noise", "saturate_strengthen"))
    drawn = [make_scene("train", np.random.default_rng([17, number])) for number in range(12)]
    assert any(len(scene.objects) == 2 and scene.spoiled for scene in drawn)
    assert {thing.family for scene in drawn for thing in scene.spoiled} == {"noise"}
