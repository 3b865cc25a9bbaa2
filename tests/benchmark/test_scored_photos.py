"""A list of opinion scores with its photos: every photo is scored or accounted for."""

from __future__ import annotations

import json

import pytest
import torch

from giqa_hf.benchmark.score_reading import FIVE_LEVELS, Q_BENCH, read_scores
from giqa_hf.benchmark.scored_photos import score_photos
from giqa_hf.metrics.score_correlation.compute import score_correlation
from giqa_hf.metrics.score_correlation.labels import ScoreLabel, read_score_labels
from tests.make_tiny_checkpoint import make_parts


@pytest.fixture(scope="module")
def parts():
    """Random weights, but large ones, so that the score depends on the picture."""
    model, processor = make_parts(seed=7)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)
    return model.eval(), processor


@pytest.fixture
def root(photo, tmp_path):
    """Six photos, one of them cut off in the middle, and a link that leads out."""
    folder = tmp_path / "photos"
    (folder / "spaq").mkdir(parents=True)
    for number in range(6):
        photo.crop((40 * number, 0, 40 * number + 160, 120)).save(folder / "spaq" / f"{number}.png")
    whole = (folder / "spaq" / "5.png").read_bytes()
    (folder / "spaq" / "5.png").write_bytes(whole[: len(whole) // 2])
    photo.save(tmp_path / "secret.png")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    return folder


def test_from_a_list_to_figures(parts, root, tmp_path):
    rows = [{"img_path": f"spaq/{number}.png", "gt_score": f"{1 + number / 2} "} for number in range(6)]
    rows[3:3] = [{"img_path": "spaq/gone.png", "gt_score": "2.82 "}, {"img_path": "out.png", "gt_score": 3}]
    (tmp_path / "spaq.json").write_text(json.dumps(rows))
    labels = read_score_labels(tmp_path / "spaq.json")
    seen = []
    found = score_photos(*parts, labels, root, FIVE_LEVELS, batch_size=2, progress=lambda *n: seen.append(n))
    assert found.protocol == "five levels, 5..1"
    assert sorted(found.unreadable) == ["out.png", "spaq/5.png", "spaq/gone.png"]
    assert found.unreadable["spaq/gone.png"].startswith("photo missing")
    assert found.unreadable["out.png"].startswith("path leaves the root")
    places = [0, 1, 2, 5, 6]  # of the photos 0 to 4 in the list
    assert [at for at, score in enumerate(found.scores) if score is not None] == places
    # the same by hand: the scores of the five, beside 1, 1.5, 2, 2.5 and 3
    scores = read_scores(*parts, [root / "spaq" / f"{number}.png" for number in range(5)], FIVE_LEVELS)
    assert [found.scores[at] for at in places] == pytest.approx(scores, abs=1e-4)
    truth = score_correlation(scores, [1, 1.5, 2, 2.5, 3])
    assert found.correlation.srcc == truth.srcc
    assert found.correlation.plcc == pytest.approx(truth.plcc, abs=1e-3)
    assert (found.correlation.pairs, found.correlation.missing) == (5, 3)
    assert seen[-1] == (6, 6)  # all that were found were asked for


def test_two_words_and_no_scipy_wanted(parts, root):
    labels = [ScoreLabel(f"spaq/{number}.png", number) for number in range(4)]
    found = score_photos(*parts, labels, root, Q_BENCH, logistic=False)
    assert found.correlation.logistic is None and found.correlation.srcc is not None
    assert found.protocol == "good/poor, T=100" and found.unreadable == {}


def test_nothing_that_can_be_read(parts, root):
    found = score_photos(*parts, [ScoreLabel("gone.png", 1.0)], root)
    assert (found.scores, found.correlation.srcc, found.correlation.missing) == ((None,), None, 1)
    assert score_photos(*parts, [], root).correlation.pairs == 0
