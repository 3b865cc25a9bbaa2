"""The paper's ablations: what each arm sees and writes, and one of them from beginning to end on a tiny model."""

from __future__ import annotations

import datasets
import pytest

from giqa_hf.benchmark.published import published_table
from giqa_hf.benchmark.record import read_record
from giqa_hf.cli.bench_ablation import NAMES
from giqa_hf.cli.main import USER_ERROR, main
from giqa_hf.errors import DataError
from giqa_hf.schema import features
from giqa_hf.training.ablations import ABLATIONS, AblationSettings, Arm, arm_rows
from tests.benchmark.tiny_bench import bench_rows, family, make_bench


@pytest.fixture(scope="module")
def rows():
    return datasets.Dataset.from_list(bench_rows(), features=features())


def test_the_arms_are_the_papers():
    for name, first in (("coordinates", "Norm-Coord"), ("tasks", "Only-DES")):
        published = [row.method for row in published_table(ABLATIONS[name].published).rows]
        arms = ABLATIONS[name].arms
        assert [arm.name for arm in arms] == published and not arms[0].tuned and arms[1].name == first
    assert tuple(ABLATIONS) == NAMES
    corners, cells = (arm.box_format for arm in ABLATIONS["coordinates"].arms[1:])
    assert corners.to_dict() == {"name": "normalized", "decimals": 2} and cells.to_dict()["cols"] == 20
    grids = [arm.box_format.to_dict() for arm in ABLATIONS["grid"].arms]
    assert [(grid["cols"], grid["rows"]) for grid in grids] == [(n, n) for n in (10, 20, 30, 40, 50, 100)]
    assert [arm.share for arm in ABLATIONS["data"].arms[1:]] == [0.125, 0.25, 0.5, 1.0]


ARMS = {
    # which of the eight rows: 0 and 4 describe photos 0 and 1, the others ask
    "all": (Arm("a"), [0, 1, 2, 3, 4, 5, 6, 7]),
    "descriptions": (Arm("a", task="des"), [0, 4]),
    "questions": (Arm("a", task="vqa"), [1, 2, 3, 5, 6, 7]),
    "half of the pictures": (Arm("a", share=0.5), [0, 1, 2, 3]),
    "half of the descriptions": (Arm("a", task="des", share=0.5), [0]),
}


@pytest.mark.parametrize("arm, places", ARMS.values(), ids=ARMS)
def test_what_an_arm_is_tuned_on(rows, arm, places):
    found = arm_rows(rows, arm)
    assert [(r["image_id"], r["question"]) for r in found] == [
        (rows[n]["image_id"], rows[n]["question"]) for n in places
    ]


def test_no_rows(rows):
    with pytest.raises(DataError, match="arm tiny: expected at least one row"):
        arm_rows(rows, Arm("tiny", share=0.1))


WRONG = {
    "another ablation": ({"name": "size"}, "ablation: expected one of boxes, coordinates"),
    "another recipe": ({"name": "grid", "recipe": "none"}, "recipe: expected one of paper, tiny"),
    "an odd number of pictures": (
        {"name": "grid", "train_scenes": 3},
        "train scenes: expected an even number",
    ),
    "boxes without rows": ({"name": "boxes"}, "then give --arm Raw-Box=FOLDER --arm Ref-Box=FOLDER"),
    "two of one name": (
        {"name": "boxes", "own_arms": (("a", "x"), ("a", "y"))},
        "arm: expected names that differ",
    ),
    "a path as a name": ({"name": "boxes", "own_arms": (("../a", "x"),)}, "arm: expected names that differ"),
}


@pytest.mark.parametrize("options, said", WRONG.values(), ids=WRONG)
def test_settings_that_cannot_be(options, said):
    with pytest.raises(DataError) as error:
        AblationSettings(**options)
    assert said in str(error.value)


def test_raw_and_refined_boxes_from_rows_to_table(tmp_path, capsys, monkeypatch):
    """Two arms on rows of one's own, one step each; the second start only measures what is there."""
    bench = make_bench(tmp_path / "bench")
    for name in ("raw", "refined"):
        (tmp_path / name).mkdir()
        table = datasets.Dataset.from_list(bench_rows(), features=features())
        table.to_parquet(tmp_path / name / "train-00000-of-00001.parquet")
    monkeypatch.setattr("giqa_hf.training.ablations._ANSWER_TOKENS", 6)
    command = [
        "bench", "ablation", "boxes", "--model", str(family("tiny")), "--bench", str(bench), "--arm",
        f"Raw-Box={tmp_path / 'raw'}", "--arm", f"Ref-Box={tmp_path / 'refined'}", "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "[2/2] Ref-Box" in said and "8 rows to tune on" in said and "better than Raw-Box by" in said
    assert "published, not measured: arXiv:2411.17237" in said and "0.5497" in said
    assert (tmp_path / "out" / "compare.html").exists()
    told = read_record(tmp_path / "out" / "runs" / "Ref-Box")["run"]
    assert told["model"]["name"] == "final" and told["data"]["rows"] == 8
    assert main(command) == 0
    again = capsys.readouterr().out
    assert "rows to tune on" not in again and again.count("8 answered before") == 2
    assert main([*command, "--seed", "1"]) == USER_ERROR
    assert "expected a run with the same settings, found one with seed 0 (now 1)" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "new"), "--arm", "Raw"]) == USER_ERROR
    assert "--arm: expected NAME=FOLDER, got 'Raw'" in capsys.readouterr().err
    assert main([*command[:-1], str(tmp_path / "new"), "--arm", "c=/nowhere"]) == USER_ERROR
