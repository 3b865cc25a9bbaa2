"""What is published by the command comes back equal through load_dataset, from_pretrained and evaluate.load."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import evaluate
import pyarrow.parquet as pq

import giqa_hf  # noqa: F401  # makes "giqa_bench" known
from giqa_hf.cli.main import main
from tests.hub.conftest import TOKEN
from tests.hub.small_dataset import HELD, small_dataset
from tests.hub_server.server import Fault
from tests.make_tiny_checkpoint import tiny_checkpoint

REPOSITORY = Path(__file__).parent.parent.parent


def pull(hub, home, what, token=TOKEN, **options):
    """Run tests/hub/pull.py with a Hugging Face home of its own; returns what it prints, or how it ended."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "GIQA_"))}
    environment = kept | {
        "HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home), "HOME": str(home), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_UPDATE_DOWNLOAD_COUNTS": "0", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "PYTHONPATH": str(REPOSITORY / "src"),
    } | ({"HF_TOKEN": token} if token else {})  # fmt: skip
    command = [sys.executable, "-m", "tests.hub.pull", what, json.dumps(options)]
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert TOKEN not in run.stdout + run.stderr
    return json.loads(run.stdout.splitlines()[-1]) if run.returncode == 0 else run.stderr


def test_a_dataset_plain_and_streaming(hub, tmp_path):
    folder = small_dataset(tmp_path / "giqa-160k")
    assert main(["publish", "dataset", str(folder), "--to", "me/giqa-160k", "--yes"]) == 0
    plain_and_streamed = pull(
        hub, tmp_path / "home", "dataset", repo_id="me/giqa-160k", streaming=[False, True]
    )
    assert isinstance(plain_and_streamed, list), plain_and_streamed
    found, streamed = plain_and_streamed
    assert streamed == found
    expected = []
    for part in ("des", "vqa"):
        rows = pq.read_table(folder / part).to_pylist()
        for row in rows:
            is_held = row["image_id"] == HELD
            row["image"] = None if is_held else hashlib.sha256(row["image"]["bytes"]).hexdigest()
        expected.append(rows)
    assert found["des"] == expected[0] and found["vqa"] == expected[1]
    assert found["all"] == [*expected[0], *expected[1]] and len(found["all"]) == 17
    assert sum(row["image"] is None for row in found["all"]) == 3


def test_a_gated_dataset_is_closed_to_those_who_have_not_accepted(hub, tmp_path):
    folder = small_dataset(tmp_path / "giqa-160k")
    assert main(["publish", "dataset", str(folder), "--to", "me/giqa-160k", "--yes", "--public"]) == 0
    assert hub.repo("dataset", "me/giqa-160k").gated == "auto"
    hub.add_user("hf_reader", "reader")
    said = pull(hub, tmp_path / "a", "dataset", token="hf_reader", repo_id="me/giqa-160k", streaming=[False])
    assert "is a gated dataset on the Hub" in said
    hub.repo("dataset", "me/giqa-160k").granted.add("reader")
    found = pull(hub, tmp_path / "b", "dataset", token="hf_reader", repo_id="me/giqa-160k", streaming=[False])
    assert len(found[0]["all"]) == 17


def test_a_model(hub, tmp_path):
    folder = tmp_path / "giqa-tiny"
    folder.mkdir()
    for path in tiny_checkpoint().iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# Random weights\n")
    assert main(["publish", "model", str(folder), "--to", "me/giqa-tiny", "--yes"]) == 0
    found = pull(hub, tmp_path / "home", "model", repo_id="me/giqa-tiny", local=str(folder))
    assert isinstance(found, dict), found
    assert found["equal"] is True and found["norm"] > 0 and found["shape"][0] == 1
    shown = hub.files("model", "me/giqa-tiny")
    assert shown == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_model_that_cannot_be_had_says_why(hub, tmp_path):
    folder = tmp_path / "giqa-tiny"
    folder.mkdir()
    for path in tiny_checkpoint().iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# Random weights\n")
    assert main(["publish", "model", str(folder), "--to", "me/giqa-tiny", "--yes", "--public"]) == 0
    hub.repo("model", "me/giqa-tiny").gated = "auto"
    hub.add_user("hf_reader", "reader")
    asked = {"repo_id": "me/giqa-tiny", "local": str(folder)}
    said = pull(hub, tmp_path / "a", "model", token="hf_reader", **asked)
    assert (
        "me/giqa-tiny: expected a repository whose terms you have agreed to, found a gated one; agree" in said
    )
    said = pull(hub, tmp_path / "b", "model", token=None, **asked)
    assert "agree on its page on the Hub, log in with  hf auth login, then run again" in said
    said = pull(hub, tmp_path / "c", "model", token="hf_nobody", **asked)
    assert "me/giqa-tiny: the Hub does not accept the access token" in said
    hub.repo("model", "me/giqa-tiny").gated = None
    hub.faults = [
        Fault("GET", "/api/models", times=1000, status=503),
        Fault("HEAD", ".", times=1000, status=503),
    ]
    said = pull(hub, tmp_path / "d", "model", **asked)
    assert "me/giqa-tiny: expected the Hub to answer, found it busy (HTTP 503); run again later" in said


def test_the_metric(hub, tmp_path):
    assert main(["publish", "metric", "--to", "me/giqa_bench", "--yes"]) == 0
    row = {
        "task": "vqa",
        "question_type": "yes_no",
        "question": "Is it sharp?",
        "answer": "No.",
        "image_id": "a",
    }
    boxed = {
        "task": "des", "question_type": None, "question": "Describe it.", "answer": "The cup is sharp.", "image_id": "b",
        "answer_regions": [{"phrase": "cup", "boxes_norm": [[0.0, 0.0, 0.5, 0.5]]}],
    }  # fmt: skip
    case = {
        "predictions": ["No.", "Yes.", "The [coffee cup](<0,189>) is sharp."],
        "references": [{**row, "answer_regions": []}, {**row, "answer_regions": []}, boxed],
    }
    found = pull(hub, tmp_path / "home", "metric", repo_id="me/giqa_bench", **case)
    assert isinstance(found, dict), found
    assert found == json.loads(json.dumps(evaluate.load("giqa_bench").compute(**case), default=str))
    # one of two is right; cells 0 and 189 cover 0.45 x 0.45 of the cup's 0.5 x 0.5: 0.2025 / 0.25
    assert found["VQA Acc (Y)"] == 0.5 and round(found["DES mIoU"], 6) == 0.81


def test_the_tests_of_the_space_hold():

    from giqa_hf.hub.metric_plan import metric_plan

    (file,) = (
        file for file in metric_plan("giqa_bench", "me/giqa_bench").files if file.path_in_repo == "tests.py"
    )
    namespace = {}
    exec(compile(file.source, "tests.py", "exec"), namespace)
    for case in namespace["test_cases"]:
        found = evaluate.load("giqa_bench").compute(
            predictions=case["predictions"], references=case["references"]
        )
        assert {key: found[key] for key in case["result"]} == case["result"]
    assert namespace["test_cases"]
