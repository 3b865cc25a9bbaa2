"""What differs between two runs is told in the words of the command line, each once, with both values."""

from __future__ import annotations

import copy

import pytest

from giqa_hf.annotation.differences import told

SERVER = {"backend": "endpoint", "model": "llama-3", "temperature": 0.0, "seed": 0}
MANIFEST = {
    "versions": {"giqa_hf": "0.1.0", "torch": "2.6.0"},
    "root": "/data",
    "corpus": {
        "name": "mine.csv", "files": [{"file": "mine.csv", "bytes": 426, "sha256": "a" * 64}],
        "columns": {"image": "photo", "text": "text", "id": None, "default_license": "unknown"},
        "limit": None, "rows": 20, "problems": {"photo missing": 1}, "sha256": "b" * 64,
    },
    "shard_size": 100,
    "profile": {"name": "paper", "base": "paper"},
    "stages": [
        {"name": "tags", "llm": SERVER, "prompt": "1"},
        {"name": "boxes", "detector": {"detector": "grounding-dino", "model": "tiny", "box_threshold": 0.35}},
        {"name": "filter", "judge": {"model": "q", "revision": None}, "threshold": 0.5},
        {"name": "fusion", "seed": 0},
        {"name": "pairs", "llm": SERVER, "seed": 0},
    ],
}  # fmt: skip
SETTINGS = [
    "seed", "llm.model", "detector.model", "detector.backend", "detector.box_threshold", "judge.model", "judge.revision",
    "filter.threshold",
]  # fmt: skip


def changed(*changes):
    """The manifest with other values; keys with dots between them, stages by their number."""
    manifest = copy.deepcopy(MANIFEST)
    for name, value in changes:
        *path, last = (int(key) if key.isdecimal() else key for key in name.split("."))
        place = manifest
        for key in path:
            place = place[key]
        place[last] = value
    return manifest


LOCAL = {"backend": "transformers", "model": "./llama", "revision": "c" * 64, "temperature": 0.0}
TOLD = {
    "nothing": ([], []),
    "not compared": ([("root", "/elsewhere")], []),
    "shards": ([("shard_size", 7)], ["--shard-size 100 (now 7)"]),
    # One option, two stages.
    "the seed": ([("stages.3.seed", 3), ("stages.4.seed", 3)], ["--set seed=0 (now seed=3)"]),
    "a threshold": ([("stages.2.threshold", 0.4)], ["--set filter.threshold=0.5 (now filter.threshold=0.4)"]),
    "a model": ([("stages.1.detector.model", "base")], ["--set detector.model=tiny (now detector.model=base)"]),
    "a back end, which the profile calls otherwise": (
        [("stages.1.detector.detector", "owlv2")],
        ["--set detector.backend=grounding-dino (now detector.backend=owlv2)"],
    ),
    "an option of its own": (
        [("stages.0.llm.model", "qwen"), ("stages.4.llm.model", "qwen")],
        ["--llm-model llama-3 (now qwen)"],
    ),
    # Its model, revision and seed are others too; that follows.
    "no server": (
        [("stages.0.llm", LOCAL), ("stages.4.llm", LOCAL)],
        ["a language model at a server (--llm) (now one in the process (no --llm))"],
    ),
    "what no option sets": ([("stages.0.prompt", "2")], ["stages.tags.prompt 1 (now 2)"]),
    # It is what was found under the name, and not what --set gave.
    "a revision": ([("stages.2.judge.revision", "d")], ["stages.filter.judge.revision not given (now d)"]),
    "another version": ([("versions.torch", "2.7.0")], ["torch 2.6.0 (now 2.7.0)"]),
    # Another profile has other stages, and other packages.
    "another profile": (
        [("profile", {"name": "classic", "base": "classic"}), ("stages", []), ("versions.torch", None)],
        ["--profile paper (now classic)"],
    ),
    "the same profile from a file": (
        [("profile.name", "mine"), ("stages.3.seed", 1)],
        ["--set seed=0 (now seed=1)"],
    ),
    # Its files, columns and rows are others too; that follows.
    "another corpus": (
        [("corpus.name", "b.csv"), ("corpus.files.0.file", "b.csv"), ("corpus.columns.id", "id"), ("corpus.rows", 3)],
        ["the corpus mine.csv (now b.csv)"],
    ),
    "columns": (
        [("corpus.columns.image", "thumb"), ("corpus.columns.default_license", "cc0-1.0"), ("corpus.sha256", "x")],
        ["--image-column photo (now thumb)", "--license unknown (now cc0-1.0)"],
    ),
    "a file that was changed": (
        [("corpus.files.0.bytes", 1466), ("corpus.files.0.sha256", "e"), ("corpus.rows", 19), ("corpus.sha256", "x")],
        ["the corpus' files mine.csv of 426 bytes (now mine.csv of 1,466 bytes)"],
    ),
    "fewer rows": (
        [("corpus.limit", 12), ("corpus.rows", 12), ("corpus.problems", {}), ("corpus.sha256", "x")],
        ["all 20 rows, without --limit (now --limit 12)"],
    ),
    "photos that have come": (
        [("corpus.problems", {}), ("corpus.sha256", "x")],
        ["1 row with the problem 'photo missing' (now 0 rows)"],
    ),
    "two things": (
        [("shard_size", 7), ("corpus.name", "b.csv")],
        ["the corpus mine.csv (now b.csv)", "--shard-size 100 (now 7)"],
    ),
    "a long value": ([("stages.0.prompt", "p" * 99)], [f"stages.tags.prompt 1 (now {'p' * 57}...)"]),
}  # fmt: skip


@pytest.mark.parametrize("changes, sentences", TOLD.values(), ids=TOLD)
def test_told(changes, sentences):
    assert told(MANIFEST, changed(*changes), SETTINGS, ("root",)) == sentences
