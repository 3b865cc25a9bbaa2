"""`giqa bench`: rows to Label Studio, three annotators, and a benchmark that load_dataset opens."""

from __future__ import annotations

import base64
import copy
import io
import json

import datasets
import numpy as np
import pytest
from PIL import Image

from giqa_hf.cli.main import USER_ERROR, main
from giqa_hf.schema import features

BOX = [0.1, 0.2, 0.5, 0.6]


@pytest.fixture
def data(tmp_path):
    """A dataset folder with a description and a question on each of two photos."""
    rows = []
    for name in ("a", "b"):
        region = {
            "phrase": "cup",
            "span": [4, 7],
            "quality": "sharp",
            "effect": "positive",
            "boxes_norm": [BOX],
        }
        shared = {
            "image": Image.new("RGB", (40, 30), (name == "a" and "red") or "blue"), "image_id": name, "width": 40, "height": 30,
            "source": "test", "license": "cc0-1.0", "question_regions": [], "answer_regions": [region],
        }  # fmt: skip
        rows.append(
            {
                **shared,
                "task": "des",
                "question_type": None,
                "question": "How good?",
                "answer": "The cup is sharp.",
            }
        )
        rows.append(
            {
                **shared,
                "task": "vqa",
                "question_type": "what",
                "question": "What is sharp?",
                "answer": "The cup.",
            }
        )
    folder = tmp_path / "data"
    folder.mkdir()
    datasets.Dataset.from_list(rows, features=features()).to_parquet(folder / "train-00000-of-00001.parquet")
    return folder


def giqa(*arguments):
    return main([str(argument) for argument in ("bench", *arguments)])


def exported(data, tmp_path):
    assert giqa("export", data, "--out", tmp_path / "round") == 0
    return json.loads((tmp_path / "round" / "tasks.json").read_text())


def annotated(tasks, tmp_path, name, shift=0.0, leave_out=()):
    """A file as Label Studio exports it: every box moved by `shift` percent, the tasks of `leave_out` not done."""
    tasks = copy.deepcopy(tasks)
    for number, task in enumerate(tasks):
        (prediction,) = task.pop("predictions")
        for item in prediction["result"]:
            if item["type"] == "rectanglelabels":
                item["value"]["x"] += shift
        done = {"completed_by": {"email": f"{name}@example.org"}, "result": prediction["result"]}
        task["annotations"] = [] if number in leave_out else [done]
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(tasks))
    return path


def test_three_annotators_make_a_benchmark(data, tmp_path, capsys):
    tasks = exported(data, tmp_path)
    assert [task["data"]["row_id"] for task in tasks] == ["000000:a", "000001:a", "000002:b", "000003:b"]
    photo = Image.open(io.BytesIO(base64.b64decode(tasks[0]["data"]["image"].split(",")[1])))
    assert photo.size == (40, 30) and photo.getpixel((0, 0)) == (255, 0, 0)
    # x1 of the three: 10 %, 12 %, 20 %; the median is 12 %. The last row has only two judgements.
    files = [annotated(tasks, tmp_path, *who) for who in (("ann", 0.0), ("ben", 2.0), ("cem", 10.0, (3,)))]
    capsys.readouterr()
    assert giqa("import", *files, "--data", data, "--out", tmp_path / "bench") == 0
    said = capsys.readouterr().out
    assert "agreed 3, unusable 0, waiting for annotators 1, conflicts in 0 rows" in said
    # IoU of two boxes 40 % wide: (40 - d) / (40 + d) for d = 2, 8, 10; rows 0 to 2 have three pairs, row 3 has one.
    three = [(40 - d) / (40 + d) for d in (2, 8, 10)]
    assert f"box_iou      {(3 * sum(three) + three[0]) / 10:.3f}" in said
    rows = datasets.load_dataset("giqa-bench", data_dir=str(tmp_path / "bench"), split="test")
    assert rows.features == features() and rows.num_rows == 3
    assert np.allclose(rows[0]["answer_regions"][0]["boxes_norm"], [[0.12, 0.2, 0.52, 0.6]])
    assert (
        rows[0]["image"].getpixel((0, 0)) == (255, 0, 0)
        and rows[0]["answer_regions"][0]["quality"] == "sharp"
    )
    open_points = json.loads((tmp_path / "bench-open.json").read_text())
    assert open_points == {"conflicts": [], "unusable": [], "waiting": ["000003:b"]}


def test_photos_as_files(data, tmp_path):
    assert (
        giqa(
            "export",
            data,
            "--out",
            tmp_path / "r",
            "--photo-url",
            "/data/local-files/?d=images/",
            "--limit",
            3,
        )
        == 0
    )
    tasks = json.loads((tmp_path / "r" / "tasks.json").read_text())
    urls = [task["data"]["image"] for task in tasks]
    assert urls == [f"/data/local-files/?d=images/{name}.png" for name in ("000000", "000000", "000001")]
    assert Image.open(tmp_path / "r" / "images" / "000001.png").getpixel((0, 0)) == (0, 0, 255)


def test_what_cannot_be_imported(data, tmp_path, capsys):
    tasks = exported(data, tmp_path)
    one = annotated(tasks, tmp_path, "ann")
    assert giqa("import", one, "--data", data, "--out", tmp_path / "bench") == USER_ERROR
    assert "no row is agreed on" in capsys.readouterr().err and not (tmp_path / "bench").exists()
    assert giqa("import", one, "--data", data, "--limit", 1, "--out", tmp_path / "bench") == USER_ERROR
    assert "found 3 others" in capsys.readouterr().err
    assert giqa("export", data, "--out", tmp_path / "round") == USER_ERROR
    assert "expected a new or empty folder" in capsys.readouterr().err
    assert giqa("export", tmp_path / "nowhere", "--out", tmp_path / "x") == USER_ERROR
    assert "nowhere" in capsys.readouterr().err
