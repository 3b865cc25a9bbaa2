"""The profile `paper` from a table to rows, by its command: the real classes of every model, loaded from folders.

The detector (Grounding DINO) and the judge (LLaVA) are tiny and random, so their boxes mean nothing; the server
answers as a good language model would. `llm/test_transformers_serve.py` has the same with a random Llama behind a real
server.
"""

from __future__ import annotations

import csv
import json

import datasets
import pytest
from PIL import Image

import giqa_hf  # noqa: F401 - makes giqa-160k known to datasets
from giqa_hf.annotation.shards import read_build, read_manifest
from giqa_hf.cli.main import main
from giqa_hf.schema import grounded_of
from tests.annotation.llm.chat_server import ChatServer, running, said
from tests.make_tiny_checkpoint import tiny_checkpoint
from tests.make_tiny_detector import tiny_detector

TEXT = "The cup on the table is sharp. The plate is blurry. The image is good overall."
TAGS = [
    {"name": "cup", "phrase": "The cup on the table", "quality": "sharp", "effect": "positive"},
    {"name": "plate", "phrase": "The plate", "quality": "blurry", "effect": "negative"},
    {"name": "image", "phrase": "The image", "quality": "good", "effect": "positive"},
    {"name": "lamp", "phrase": "the lamp", "quality": "dark", "effect": "negative"},
]
YES_NO = [
    {"question": "Is the cup sharp?", "answer": "Yes"},
    {"question": "Is the plate sharp?", "answer": "No"},
    {"question": "Is the weather nice?", "answer": "Yes"},
]
OPEN = [
    {"question": "What is blurry in the image?", "answer": "The plate"},
    {"question": "How clear is the cup?", "answer": "Sharp"},
]


def as_a_good_model_would(request, attempt):
    """Told apart by the schema that comes with the request."""
    text = json.dumps(request.body["response_format"])
    if "phrase" in text:
        return said(json.dumps({"tags": TAGS}))
    asks_yes_no = '"Yes"' in text
    return said(json.dumps({"pairs": YES_NO if asks_yes_no else OPEN}))


@pytest.fixture
def table(tmp_path, photo):
    """Two photos of different sizes, three descriptions; one of them mentions nothing."""
    rows = [("a.png", TEXT), ("b.png", TEXT), ("b.png", "Nothing to say.")]
    photo.crop((0, 0, 200, 150)).save(tmp_path / "a.png")
    photo.crop((50, 0, 200, 200)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.png")
    with open(tmp_path / "mine.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "description"), *rows])
    return tmp_path / "mine.csv"


def annotate(table, out, url, *more):
    settings = {"detector.model": tiny_detector("grounding_dino"), "judge.model": tiny_checkpoint(),
                "detector.box_threshold": 0.3, "detector.text_threshold": 0.2}  # fmt: skip
    changes = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return main(
        ["annotate", str(table), "--profile", "paper", "--llm", url, "--out", str(out), *changes, *more]
    )


def test_from_a_table_to_rows(table, tmp_path, capsys):
    build = tmp_path / "build"
    with running(ChatServer(as_a_good_model_would)) as server:
        assert annotate(table, build, server.url) == 0
        asked = len(server.requests)
        said_first = capsys.readouterr().out
        shards = [path.read_bytes() for path in sorted((build / "shards").iterdir())]
        # Once more from nothing: the answers come from the cache, and the bytes are the same.
        assert annotate(table, build, server.url, "--fresh") == 0
        assert [request.path for request in server.requests[asked:] if "completions" in request.path] == []
    assert [path.read_bytes() for path in sorted((build / "shards").iterdir())] == shards
    manifest = json.dumps(read_manifest(build))
    for part in ("grounding_dino", "0.3", "0.256", "0.95", str(tiny_checkpoint())):
        assert part in manifest  # everything that the rows depend on
    assert server.url not in manifest
    records = list(read_build(build))
    first = records[0]
    fates = {tag.name: tag.fate.reason if tag.fate else None for tag in first.tags}
    assert fates["image"] == "whole image" and fates["lamp"] == "phrase not in the description"
    assert records[2].fate.reason == "no tags"
    boxes = [box for record in records for tag in record.tags for box in tag.boxes]
    assert boxes and "boxes: candidates" in said_first  # the random detector finds places at these thresholds
    asked_of = [box for record in records for tag in record.tags if len(tag.boxes) > 1 for box in tag.boxes]
    assert asked_of and any(box.judged is not None for box in asked_of)  # the judge was asked of crops
    kept = [record for record in records if record.fate is None]
    assert kept and all(record.live_pairs for record in kept)
    reasons = {pair.fate.reason for record in kept for pair in record.pairs if pair.fate}
    assert "names no boxed object" in reasons  # the weather


def test_the_dataset_of_it(table, tmp_path):
    with running(ChatServer(as_a_good_model_would)) as server:
        assert annotate(table, tmp_path / "build", server.url) == 0
    out = tmp_path / "giqa-160k"
    assert main(["dataset", "build", str(tmp_path / "build"), "--out", str(out)]) == 0
    rows = datasets.load_dataset("giqa-160k", data_dir=str(out), split="train")
    assert {row["task"] for row in rows} == {"des", "vqa"}
    for row in rows:
        grounded = [grounded_of(row, field) for field in ("question", "answer")]
        assert any(len(region.boxes_norm) for text in grounded for region in text.regions)
    answers = [row["answer"] for row in rows if row["question_type"] == "yes_no"]
    assert answers.count("Yes.") == answers.count("No.") > 0


def test_a_dead_server_stops_the_build_and_it_goes_on(table, tmp_path, capsys):
    assert annotate(table, tmp_path / "build", "http://127.0.0.1:1/v1", "--set", "llm.retries=0") != 0
    assert "127.0.0.1:1" in capsys.readouterr().err
    with running(ChatServer(as_a_good_model_would)) as server:
        assert annotate(table, tmp_path / "build", server.url) == 0
