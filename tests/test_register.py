"""Our names in `datasets` and `evaluate`: literal, from an empty folder, offline, in both import orders.

What a fresh interpreter does is tried in one: two children, one per import order, run `CHILD` and hand back
what they saw. The last part fails loudly when upstream changes what `_register` wraps.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import datasets
import datasets.load
import pytest
from PIL import Image

import giqa_hf
from giqa_hf import _register
from giqa_hf.errors import DataError
from giqa_hf.schema import features

SRC = Path(giqa_hf.__file__).parents[1]
METRIC = Path(giqa_hf.__file__).parent / "metrics" / "giqa_bench"
# evaluate imports transformers if installed, and that torch: hidden while it looks, to save ten seconds.
FIRST = {
    "giqa_hf first": "import sys; sys.modules['transformers'] = None; import giqa_hf, datasets, evaluate",
    "giqa_hf last": "import sys; sys.modules['transformers'] = None; import datasets, evaluate, giqa_hf",
}

CHILD = """
del sys.modules["transformers"]
import inspect, json, os
import datasets.load, evaluate.loading
from datasets import load_dataset
seen, few, build = {}, dict(train_scenes=2, test_scenes=2), sys.argv[1]
def plain(row): return {key: value for key, value in row.items() if key != "image"}
def rows(name, *args, **options):
    parts = load_dataset(name, *args, **options)
    return {split: [plain(row) for row in part] for split, part in parts.items()}
def error(call):
    try: call()
    except Exception as raised: return type(raised).__name__, str(raised)
seen["cwd"] = os.listdir()
for config in ("all", "des", "vqa"):
    seen[config] = rows("giqa-synth", config, **few)
seen["default"] = rows("giqa-synth", **few)
seen["streamed"] = rows("giqa-synth", streaming=True, **few)
one = load_dataset("giqa-synth", "des", split="test", **few)
seen["split"] = len(one)
seen["features"] = str(one.features)
seen["picture"] = [one[0]["image"].size, (one[0]["width"], one[0]["height"])]
for name in ("giqa-160k", "giqa-bench"):
    seen[name] = rows(name, data_dir=build)
    seen[name + " streamed"] = rows(name, data_dir=build, streaming=True)
    seen[name + " features"] = str(load_dataset(name, data_dir=build, split="train").features)
seen["folder"] = rows(build)
seen["parquet"] = rows("parquet", data_files=build + "/train-*.parquet")
seen["unknown"] = error(lambda: load_dataset("giqa-170k"))
seen["near"] = error(lambda: load_dataset("someone/giqa-160k"))
seen["bad option"] = error(lambda: load_dataset("giqa-synth", train_sceness=2))
metric = evaluate.load("giqa_bench")
row = dict(task="vqa", question_type="yes_no", question="Is it sharp?", answer="No.", answer_regions=[])
seen["metric"] = metric.compute(predictions=["No."], references=[row])["VQA Acc (Y)"]
by_path = evaluate.load(sys.argv[2])
seen["metric by path"] = by_path.compute(predictions=["Yes."], references=[row])["VQA Acc (Y)"]
seen["no metric"] = error(lambda: evaluate.load("giqa_bank"))
seen["configs"] = error(lambda: seen.update(names=datasets.get_dataset_config_names("giqa-synth")))
def state():
    wrapped = datasets.load.dataset_module_factory, evaluate.loading.evaluation_module_factory
    return wrapped, len(sys.meta_path)
before = state()
giqa_hf.register(); giqa_hf.register()
seen["again changes nothing"] = before == state()
wrapped = evaluate.loading.evaluation_module_factory
seen["wrapper"] = wrapped.__name__, wrapped.__doc__ == wrapped.__wrapped__.__doc__
seen["evaluate's first argument"] = next(iter(inspect.signature(wrapped.__wrapped__).parameters))
class GoneThrough(Exception): pass
def through(path, *args, **options): raise GoneThrough(path)
evaluate.loading.evaluation_module_factory = through
seen["evaluate looks it up"] = error(lambda: evaluate.load("giqa_bench"))
json.dump(seen, sys.stdout)
"""

# Without the offline switch, and any way out of the machine recorded and closed.
CHILD_WITHOUT_DATA = """
import json, os, socket, sys
import giqa_hf
heavy = {"torch", "datasets", "evaluate", "transformers", "PIL"}
seen = {"heavy": sorted(heavy & set(sys.modules)), "calls": []}
def refuse(*args, **options):
    seen["calls"].append(str(args[:2])); raise OSError("no network in this test")
import datasets
socket.getaddrinfo = refuse
socket.socket.connect = refuse
for name in ("giqa-160k", "giqa-bench"):
    for options in ({}, {"streaming": True}, {"name": "des"}, {"data_dir": "/no/such"}, {"data_dir": "."}):
        try: datasets.load_dataset(name, **options)
        except Exception as raised: seen[f"{name} {sorted(options)}"] = [type(raised).__name__, str(raised)]
seen["without a namespace"] = len(seen["calls"])
json.dump(seen, sys.stdout)
"""


def start_child(code: str, folder: Path, *args: str, **environment: str) -> subprocess.Popen[str]:
    """A fresh interpreter at work in the empty folder `folder/empty`; it prints JSON."""
    (folder / "empty").mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "GIQA_"))}
    settings = {
        "PYTHONPATH": str(SRC),
        "HF_HOME": str(folder / "hf"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], cwd=folder / "empty", env=kept | settings | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def heard_from(child: subprocess.Popen[str]) -> dict:
    """What the child printed."""
    out, err = child.communicate(timeout=300)
    assert child.returncode == 0, err[-3000:]
    return json.loads(out)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A finished build in miniature: Parquet files of two splits with the pictures inside, nothing else."""
    folder = tmp_path_factory.mktemp("build")
    region = {
        "phrase": "dog",
        "span": [4, 7],
        "quality": "dark",
        "effect": "negative",
        "boxes_norm": [[0, 0, 0.5, 1]],
    }
    for split, count in (("train", 3), ("test", 1)):
        rows = [
            {
                "image": Image.new("RGB", (6, 4), (number, 0, 0)), "image_id": f"{split}-{number}",
                "width": 6, "height": 4, "source": "drawn", "license": "CC0",
                "task": "des", "question_type": None,
                "question": "How good?", "question_regions": [],
                "answer": "The dog.", "answer_regions": [region],
            }
            for number in range(count)
        ]  # fmt: skip
        table = datasets.Dataset.from_list(rows, features=features())
        table.to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture(scope="module")
def children(build, tmp_path_factory):
    """All three at once; a child is waited for when a test asks for it."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1"}
    started = {
        order: start_child(code + CHILD, tmp_path_factory.mktemp("child"), str(build), str(METRIC), **offline)
        for order, code in FIRST.items()
    }
    started["without data"] = start_child(CHILD_WITHOUT_DATA, tmp_path_factory.mktemp("child"))
    yield started
    for child in started.values():
        child.kill()


@pytest.fixture(scope="module")
def heard(children):
    return {}


@pytest.fixture(params=sorted(FIRST))
def seen(request, children, heard):
    if request.param not in heard:
        heard[request.param] = heard_from(children[request.param])
    return heard[request.param]


def test_synth_loads_by_its_literal_name_in_an_empty_folder(seen):
    assert seen["cwd"] == []
    # two scenes a split: 2 descriptions and, two a scene, 4 questions
    assert {split: len(rows) for split, rows in seen["default"].items()} == {"train": 6, "test": 6}
    assert seen["default"] == seen["all"]
    assert seen["features"] == str(features())
    assert seen["split"] == 2
    size, stated = seen["picture"]
    assert size == stated


def test_synth_configs_hold_their_task_only(seen):
    for split in ("train", "test"):
        assert [row["task"] for row in seen["des"][split]] == ["des"] * 2
        assert [row["task"] for row in seen["vqa"][split]] == ["vqa"] * 4
        assert seen["vqa"][split] == [row for row in seen["all"][split] if row["task"] == "vqa"]


def test_synth_streams_the_same_rows(seen):
    assert seen["streamed"] == seen["default"]


@pytest.mark.parametrize("name", ["giqa-160k", "giqa-bench"])
def test_a_local_build_loads_by_the_literal_name(seen, name):
    assert [row["image_id"] for row in seen[name]["train"]] == ["train-0", "train-1", "train-2"]
    assert [row["image_id"] for row in seen[name]["test"]] == ["test-0"]
    assert seen[f"{name} features"] == str(features())
    assert seen[f"{name} streamed"] == seen[name]


def test_other_names_go_through_untouched(seen, build):
    assert seen["folder"] == seen["giqa-160k"]
    assert seen["parquet"]["train"] == seen["giqa-160k"]["train"]
    for name in ("unknown", "near"):  # datasets' own error, not ours
        kind, message = seen[name]
        assert kind != "DataError"
        assert "giqa-170k" in message or "someone/giqa-160k" in message
    assert seen["no metric"][0] == "FileNotFoundError"
    assert seen["bad option"] is not None
    assert "train_sceness" in seen["bad option"][1]


def test_the_metric_loads_by_its_literal_name_and_by_path(seen):
    assert seen["metric"] == 1.0  # "No." for "No."
    assert seen["metric by path"] == 0.0


def test_the_config_names_can_be_listed(seen):
    # datasets.inspect binds the factory's name at its own import
    assert seen["configs"] is None
    assert seen["names"] == ["all", "des", "vqa"]


@pytest.fixture(scope="module")
def seen_without_data(children):
    return heard_from(children["without data"])


def test_importing_giqa_hf_loads_neither_library(seen_without_data):
    assert seen_without_data["heavy"] == []


@pytest.mark.parametrize("name", ["giqa-160k", "giqa-bench"])
def test_without_data_two_lines_say_how_to_get_it_and_nobody_is_called(seen_without_data, name):
    for options in ("[]", "['streaming']", "['name']"):
        kind, message = seen_without_data[f"{name} {options}"]
        assert kind == "DataError"
        first, second = message.split("\n")
        assert f'load_dataset("{name}", data_dir=' in first
        assert "GIQA_HF_NAMESPACE" in second
    assert seen_without_data["without a namespace"] == 0, seen_without_data["calls"]


def test_a_folder_without_a_build_is_named(seen_without_data):
    kind, message = seen_without_data[
        "giqa-160k ['data_dir']"
    ]  # the last of the two: the empty working directory
    assert kind == "DataError"
    assert "none in it" in message


def in_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


def test_a_build_folder_of_that_name_goes_first(monkeypatch, tmp_path, build):
    """`./giqa-160k` works by datasets' public rules, with or without us."""
    in_folder(monkeypatch, tmp_path)
    (tmp_path / "giqa-160k").symlink_to(build)
    assert len(datasets.load_dataset("giqa-160k", split="train", cache_dir=str(tmp_path / "cache"))) == 3


def test_a_data_dir_wins_over_a_folder_of_that_name(monkeypatch, tmp_path, build):
    """An older build may lie in the working directory; the one that was asked for is loaded."""
    in_folder(monkeypatch, tmp_path)
    (tmp_path / "giqa-160k").mkdir()
    (tmp_path / "giqa-160k" / "train-00000-of-00001.parquet").symlink_to(
        build / "test-00000-of-00001.parquet"
    )
    (tmp_path / "new").symlink_to(build)
    for data_dir in (str(build), "new"):
        cache = str(tmp_path / "cache")
        rows = datasets.load_dataset("giqa-160k", data_dir=data_dir, split="train", cache_dir=cache)
        assert rows["image_id"][:] == ["train-0", "train-1", "train-2"]


def test_registering_again_changes_nothing(seen):
    assert seen["again changes nothing"] is True
    watchers = [finder for finder in sys.meta_path if isinstance(finder, _register._Watch)]
    _register.register()  # here as well, where evaluate may not be imported yet
    assert [finder for finder in sys.meta_path if isinstance(finder, _register._Watch)] == watchers


def test_the_wrapped_functions_still_say_who_they_are(seen):
    function = datasets.load.dataset_module_factory
    assert function.__name__ == "dataset_module_factory"
    assert function.__doc__ == function.__wrapped__.__doc__
    assert seen["wrapper"] == ["evaluation_module_factory", True]


# --- what upstream must keep; when one of these fails, read _register.py again before anything else ---


def test_upstream_dataset_module_factory_has_the_signature_that_we_wrap():
    parameters = inspect.signature(datasets.load.dataset_module_factory.__wrapped__).parameters
    assert next(iter(parameters)) == "path"
    assert parameters["path"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    # taken out of the keywords and put into the path
    assert parameters["data_dir"].default is None
    assert inspect.signature(datasets.load.dataset_module_factory) == inspect.signature(
        datasets.load.dataset_module_factory.__wrapped__
    )


def test_upstream_dataset_module_has_the_three_fields_that_we_fill():
    fields = dataclasses.fields(datasets.load.DatasetModule)
    assert [field.name for field in fields[:3]] == ["module_path", "hash", "builder_kwargs"]
    required = [
        field.name for field in fields if field.default is field.default_factory is dataclasses.MISSING
    ]
    assert required == ["module_path", "hash", "builder_kwargs"]


def test_upstream_evaluate_still_goes_through_what_we_wrap(seen):
    assert seen["evaluate's first argument"] == "path"
    assert seen["evaluate looks it up"] == ["GoneThrough", "giqa_bench"]


class GoneThroughError(Exception):
    """Raised in place of the wrapped function, to see who calls it."""


@pytest.mark.parametrize(
    "call",
    [
        lambda: datasets.load_dataset("giqa-synth"),
        lambda: datasets.load_dataset("giqa-160k", streaming=True),
        lambda: datasets.load_dataset_builder("giqa-bench"),
    ],
)
def test_upstream_datasets_looks_the_function_up_in_its_module(monkeypatch, call):
    """A name bound earlier, or a call that goes another way, would pass our wrapper by."""

    def here(path, *args, **options):
        assert not args  # data_dir comes by keyword, or it could not be taken out
        raise GoneThroughError(path)

    monkeypatch.setattr(datasets.load, "dataset_module_factory", here)
    with pytest.raises(GoneThroughError, match=r"^giqa-"):
        call()


def test_our_error_is_raised_from_load_dataset_itself(monkeypatch, tmp_path):
    in_folder(monkeypatch, tmp_path)
    monkeypatch.delenv("GIQA_HF_NAMESPACE", raising=False)
    with pytest.raises(DataError) as caught:
        datasets.load_dataset("giqa-160k")
    files = {Path(frame.filename).name for frame in traceback.extract_tb(caught.value.__traceback__)}
    assert {"load.py", "_register.py", "published.py"} <= files
