"""The commands that make a dataset again: real options, nothing of the machine, and each does what it says."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest

from giqa_hf.annotation import shards
from giqa_hf.annotation.rebuild import rebuild_commands
from giqa_hf.cli.main import main

SETTINGS = {
    "seed": 0,
    "validation": 0.0,
    "test": 0.0,
    "balance": True,
    "publishable": False,
    "coarse_bits": 10,
}


@pytest.fixture
def corpus(tmp_path, monkeypatch, photo):
    """A table with odd names of file and columns."""
    monkeypatch.chdir(tmp_path)
    Path("my photos").mkdir()
    photo.resize((160, 160)).save("my photos/photo.png")
    texts = [
        "The face is sharp and clear. The background is blurry.",
        "The flag is dark.",
        "The sky is noisy.",
    ]
    with open("my $table.csv", "w", newline="") as file:
        csv.writer(file).writerows([("a photo", "what is said"), *(("photo.png", text) for text in texts)])


ANNOTATE = [
    "annotate", "my $table.csv", "--root", "my photos", "--image-column", "a photo", "--text-column", "what is said",
    "--license", "CC0-1.0", "--limit", "2", "--set", "seed=3", "--set", "merge.area_threshold=0.1",
    "--set", "fusion.position_request=syntax", "--set", "filter.only_multiple=false", "--out", "first",
]  # fmt: skip
BUILD = ["dataset", "build", "first", "--out", "the set", "--seed", "5", "--test", "0.5", "--no-balance"]


def test_they_make_the_same_dataset(corpus, capsys):
    assert main(ANNOTATE) == 0 and main(BUILD) == 0
    made = json.loads(Path("the set/dataset.json").read_text())
    annotate, build = made["commands"]
    assert str(Path.cwd()) not in annotate + build
    assert f"    {annotate}\n    {build}\n" in Path("the set/README.md").read_text()
    Path("the set").rename("as it was")
    Path("my photos").rename("PHOTOS")  # what the card leaves to its readers
    for line in (annotate, build):
        giqa, *arguments = shlex.split(line)
        assert giqa == "giqa" and main(arguments) == 0
    again = json.loads(Path("the set/dataset.json").read_text())
    assert again["files"] == made["files"] and again["commands"] == made["commands"]
    assert shards.read_manifest(Path("build"))["stages"] == shards.read_manifest(Path("first"))["stages"]


STAGES = [
    {"name": "tags", "llm": {"backend": "endpoint", "model": "llama-3", "seed": 0}},
    {"name": "boxes", "detector": {"detector": "owlv2", "model": "./my owl", "revision": None, "dtype": "float32", "threshold": 0.1, "max_boxes": 900}, "max_boxes_per_tag": 50},
    {"name": "filter", "judge": {"model": "./judge", "revision": "main", "dtype": None}, "threshold": 0.5, "when_all_rejected": "keep"},
    {"name": "merge"},
    {"name": "fusion", "seed": 0, "max_boxes_per_tag": 4},
    {"name": "pairs"},
]  # fmt: skip


def manifest(corpus, stages=STAGES, base="paper"):
    return {"corpus": corpus, "profile": {"name": "mine", "base": base}, "stages": stages}


HUB = {"name": "o/n:c", "config": "c", "split": "train", "columns": {"image": "image", "text": "t", "id": None, "source": "source", "license": None, "default_source": "o/n", "default_license": "unknown"}, "limit": None}  # fmt: skip


def test_a_profile_of_models_and_a_dataset():
    annotate, _ = rebuild_commands(manifest(HUB), SETTINGS, "x")
    # Of a folder's own SHA-256 nothing can be loaded; the address of the server is in no manifest.
    assert annotate == (
        "giqa annotate o/n:c --image-column image --text-column t --license unknown --split train --profile paper "
        "--llm URL --set fusion.max_boxes_per_tag=4 --set llm.model=llama-3 --set judge.model=./judge "
        "--set judge.revision=main --set detector.backend=owlv2 --set 'detector.model=\"./my owl\"' "
        "--set detector.box_threshold=0.1 --out build"
    )


def test_a_model_in_the_process():
    local = {"name": "tags", "llm": {"backend": "transformers", "model": "./llama", "revision": "0" * 64, "dtype": "float16"}}  # fmt: skip
    annotate, _ = rebuild_commands(manifest({"name": "q-pathway"}, [local, *STAGES[1:]]), SETTINGS, "x")
    assert "giqa annotate q-pathway --root PHOTOS --profile paper " in annotate
    assert "--set llm.model=./llama --set llm.dtype=float16 " in annotate and "revision=0" not in annotate


@pytest.mark.parametrize(
    ("change", "against", "overlap", "says"),
    [
        ({}, (), "refused", "--out x --seed 0"),
        ({"publishable": True, "validation": 0.1}, (), "refused", "--out x --seed 0 --validation 0.1 --publishable"),
        ({}, ("/secret/my bench", "b"), "left out", "--out x --seed 0 --against 'my bench' --against b --leave-out-overlap"),
        ({}, ("b",), "allowed", "--out x --seed 0 --against b --allow-overlap"),
    ],
)  # fmt: skip
def test_the_options_of_the_dataset(change, against, overlap, says):
    _, build = rebuild_commands(
        manifest({"name": "a.csv"}),
        {**SETTINGS, **change},
        "x",
        [Path(folder) for folder in against],
        overlap,
    )
    assert build == f"giqa dataset build build {says}"


def test_what_cannot_stand_on_a_line_is_taken_out():
    annotate, build = rebuild_commands(manifest({"name": "a\n\n# b.csv"}, [], None), SETTINGS, "x\u2028`y`")
    assert annotate == "giqa annotate 'a??# b.csv' --root PHOTOS --profile PROFILE --out build"
    assert build == "giqa dataset build build --out 'x?`y`' --seed 0"
