"""The noise report is sent only when every photo on its sheet is sent in the shards too."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from giqa_hf.annotation.export import ExportSettings, build_dataset
from giqa_hf.hub.dataset_plan import dataset_plan
from giqa_hf.hub.plan import content_of
from tests.annotation.handmade_build import make_record, write_build
from tests.hub.small_dataset import ANSWERS, HELD, small_dataset


def contents(folder):
    with dataset_plan(folder, "me/x") as plan:
        return plan, {file.path_in_repo: content_of(file) for file in plan.files}


def small(picture):
    return np.asarray(Image.open(picture).convert("L").resize((32, 32)), float).ravel()


def shows(page, photo):
    """Whether a picture of the page is this photo, by the correlation of their grey levels."""
    pictures = re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)
    assert pictures
    wanted = small(photo)
    found = [np.corrcoef(wanted, small(io.BytesIO(base64.b64decode(data))))[0, 1] for data in pictures]
    return max(found) > 0.9


@pytest.fixture
def parts(tmp_path):
    """A corpus whose photo of spaq is in a benchmark, too."""
    root = tmp_path / "corpus"
    records = [make_record(root, f"r{i}", photo, answers=a) for i, (photo, a) in enumerate(ANSWERS.items())]
    records[1].source, records[1].license = "spaq", "research and education only"
    bench = tmp_path / "bench"
    bench.mkdir()
    (bench / "x.jpg").write_bytes((root / "photos" / HELD).read_bytes())
    return root, write_build(tmp_path / "build", root, records), bench


@pytest.mark.parametrize("publishable", [False, True])
def test_a_held_photo_that_the_overlap_guard_left_out(parts, tmp_path, publishable):
    root, build, bench = parts
    folder = tmp_path / "out"
    settings = ExportSettings(publishable=publishable)
    told = build_dataset(
        build, folder, settings, against=[bench], leave_out_overlap=True, say=lambda line: None
    )
    assert told["noise_page"]["photos"] == ["astronaut.jpg", "chelsea.jpg", "coffee.jpg", "rocket.jpg"]
    _, files = contents(folder)
    # No row of it is left, so nothing is held, and the page goes out: it must not show it.
    for page in ((folder / "noise.html").read_text(), files["noise.html"].decode()):
        assert not shows(page, root / "photos" / HELD) and "spaq" not in re.sub(r"base64,[^\"]*", "", page)
        assert shows(page, root / "photos" / "coffee.jpg")  # so the test could fail


def test_a_held_photo_that_is_in_the_shards(parts, tmp_path):
    root, build, _ = parts
    folder = tmp_path / "out"
    build_dataset(build, folder, say=lambda line: None)
    assert shows((folder / "noise.html").read_text(), root / "photos" / HELD)  # for people here to check
    plan, files = contents(folder)
    assert "noise.html" not in files and "noise_page" not in json.loads(files["dataset.json"])
    assert any(note.startswith("noise.html stays here: its sheet shows photos that") for note in plan.notes)


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda told, page: told.pop("noise_page"), "did not record which photos"),
        (lambda told, page: told.update(noise_page="x"), "did not record which photos"),
        (lambda told, page: told["noise_page"].pop("photos"), "did not record which photos"),
        (lambda told, page: page.write_text("another"), "not the page that was made with the dataset"),
        # it lists a photo that is in no row
        (lambda told, page: told["noise_page"]["photos"].append("secret.jpg"), "may not be passed on"),
    ],
)
def test_a_page_that_nobody_knows_stays(tmp_path, change, says):
    folder = small_dataset(tmp_path / "x", open_only=True)
    assert "noise.html" in contents(folder)[1]
    told = json.loads((folder / "dataset.json").read_text())
    change(told, folder / "noise.html")
    (folder / "dataset.json").write_text(json.dumps(told))
    plan, files = contents(folder)
    assert "noise.html" not in files and "noise.json" in files and "`noise.html`" not in plan.card
    assert any(note.startswith("noise.html stays here") and says in note for note in plan.notes)
