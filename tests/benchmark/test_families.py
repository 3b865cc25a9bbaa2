"""Three families, each with its own picture and its own form of boxes, through the whole runner onto one page."""

from __future__ import annotations

import json

import pytest

from giqa_hf.benchmark.compare_page import compare_html
from giqa_hf.benchmark.comparing import compare_runs
from giqa_hf.benchmark.differing import differences_from_first
from giqa_hf.benchmark.record import read_record
from giqa_hf.benchmark.run import RunSettings, run_benchmark
from giqa_hf.benchmark.scoring import score_run
from tests.benchmark.tiny_bench import family, make_bench

# The form saved with the processor, and the frame of the photo of 120 x 80: model_wh and where the photo begins in it.
FAMILIES = {
    "tiny": ("giqa", [240, 240], [0.0, 0.0]),  # squashed
    "llava": ("llava", [240, 240], [0.0, 40.0]),  # padded to 120 x 120: 20 rows above, twice as large
    "paligemma": ("paligemma", [96, 96], [0.0, 0.0]),  # squashed
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    data = make_bench(folder / "data")
    made = []
    for name in FAMILIES:
        settings = RunSettings(str(family(name)), data=str(data), max_new_tokens=8, batch_size=3)
        run_benchmark(settings, folder / name, say=lambda line: None)
        score_run(folder / name)
        made.append(folder / name)
    return made


@pytest.mark.parametrize("place, name", enumerate(FAMILIES))
def test_each_in_its_own_picture_and_form(runs, place, name):
    form, model_wh, offset = FAMILIES[name]
    record = read_record(runs[place])["run"]
    assert record["boxes"]["format"]["name"] == form
    lines = [json.loads(line) for line in (runs[place] / "answers.jsonl").read_text().splitlines()]
    frames = {tuple(line["frame"]["image_wh"]): line["frame"] for line in lines}
    assert frames[120, 80]["model_wh"] == model_wh and frames[120, 80]["offset_xy"] == offset
    scores = json.loads((runs[place] / "scores.json").read_text())
    answers = scores["answers"]
    assert answers["rows"] == 8 == answers["with_words"] + answers["empty"] and answers["failures"] == {}
    for task, boxes in (("des", 4), ("vqa", 2)):  # the rows have two boxes a description, one a What question
        assert sum(scores["counts"][task]["outcomes"]["Tag-Recall"].values()) == boxes


def test_they_stand_on_one_page_and_on_one_basis(runs):
    comparison = compare_runs(runs)
    assert comparison.notes == {}  # one form or another is no reason not to compare
    differences = differences_from_first(comparison, runs)
    assert [one.problem for one in differences] == [None, None]
    page = compare_html(comparison, differences)
    assert all(f">{name}<" in page for name in FAMILIES)
