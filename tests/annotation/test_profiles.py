"""Profiles: what they are made of, what can be changed by file and by key, and what is refused with what there is."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest

from giqa_hf.annotation.parts import language_model
from giqa_hf.annotation.profiles import ClassicProfile, PaperProfile, load_profile
from giqa_hf.errors import DataError, GiqaError

STAGES = ["tags", "boxes", "filter", "merge", "fusion", "pairs"]
SERVER = {"llm.url": "http://localhost:9/v1", "llm.model": "some-model"}  # named, so that nobody is asked


@pytest.mark.parametrize("name, overrides", [("classic", {}), ("paper", SERVER)])
def test_the_stages_in_their_order(name, overrides):
    profile = load_profile(name, **overrides)
    stages = [make() for make in profile.stages()]
    assert [stage.name for stage in stages] == STAGES
    json.dumps([stage.settings() for stage in stages], allow_nan=False)  # as they go into the manifest
    again = [make() for make in pickle.loads(pickle.dumps(profile.stages()))]  # as they go to another process
    assert [stage.settings() for stage in again] == [stage.settings() for stage in stages]


def settings_of(profile):
    return {stage.name: stage.settings() for stage in (make() for make in profile.stages())}


def test_the_papers_numbers_and_models():
    """Sec. 3.2: T_a 0.256, T_o 95 %. Thresholds of the detector: its official README (spec A4)."""
    settings = settings_of(load_profile("paper", **SERVER))
    assert (settings["merge"]["area_threshold"], settings["merge"]["overlap_threshold"]) == (0.256, 0.95)
    detector = settings["boxes"]["detector"]
    assert detector["model"] == "IDEA-Research/grounding-dino-tiny"
    assert (detector["box_threshold"], detector["text_threshold"]) == (0.35, 0.25)
    assert settings["filter"]["judge"]["model"] == "teowu/llava_v1.5_7b_qinstruct_preview_v0.1"
    assert settings["filter"]["only_multiple"] is True and settings["filter"]["when_all_rejected"] == "keep"


def test_without_a_server_the_model_is_llama_3_in_this_process():
    profile = load_profile("paper")
    assert language_model(profile.llm, None).model == "meta-llama/Meta-Llama-3-8B-Instruct"
    assert profile.model_stages() == {"tags", "boxes", "filter", "pairs"}
    assert load_profile("paper", **SERVER).model_stages() == {"boxes", "filter"}
    assert load_profile("classic").model_stages() == frozenset()


def test_the_gated_model_that_nobody_has_named_is_explained():
    error = GiqaError("meta-llama/Meta-Llama-3-8B-Instruct: cannot be loaded")
    said = str(load_profile("paper").explained(error))
    assert said.startswith(
        "the paper's language model cannot be loaded: give the address of a server with --llm"
    )
    assert "--llm-model" in said and "are gated" in said and said.endswith(str(error))
    named = load_profile("paper", **{"llm.model": "meta-llama/Meta-Llama-3-8B-Instruct"})
    other = GiqaError("./dino: cannot be loaded")
    assert named.explained(error) is error and load_profile("paper").explained(other) is other
    assert load_profile("classic").explained(error) is error


def test_what_can_be_set_has_names():
    names = load_profile("paper").setting_names()
    assert {"seed", "merge.area_threshold", "llm.model", "detector.box_threshold"} < set(names)
    assert "llm" not in names and "llm.model" not in load_profile("classic").setting_names()


def test_tags_and_pairs_share_one_model_and_the_builds_cache(tmp_path):
    stages = {
        stage.name: stage for stage in (make() for make in load_profile("paper", **SERVER).stages(tmp_path))
    }
    assert stages["tags"].llm is stages["pairs"].llm
    assert stages["tags"].llm.path == tmp_path / "cache" / "llm.sqlite"
    assert not (tmp_path / "cache").exists()  # made at the first question


CHANGES = {
    # key, value, stage, and where its settings show it
    "merge": ("merge.area_threshold", 0.1, lambda s: s["merge"]["area_threshold"], 0.1),
    "a whole number for a number": (
        "merge.overlap_threshold",
        1,
        lambda s: s["merge"]["overlap_threshold"],
        1.0,
    ),
    "filter": ("filter.when_all_rejected", "drop", lambda s: s["filter"]["when_all_rejected"], "drop"),
    "fusion": ("fusion.position_request", "syntax", lambda s: s["fusion"]["position_request"], "syntax"),
    "seed": ("seed", 7, lambda s: s["fusion"]["seed"], 7),
    "detector": ("detector.model", "./dino", lambda s: s["boxes"]["detector"]["model"], "./dino"),
    "threshold": ("detector.box_threshold", 0.3, lambda s: s["boxes"]["detector"]["box_threshold"], 0.3),
    "limit": ("detector.max_boxes_per_tag", 3, lambda s: s["boxes"]["max_boxes_per_tag"], 3),
    "another detector": ("detector.backend", "owlv2", lambda s: s["boxes"]["detector"]["detector"], "owlv2"),
    "judge": ("judge.revision", "abc", lambda s: s["filter"]["judge"]["revision"], "abc"),
    "back to nothing": ("judge.dtype", None, lambda s: s["filter"]["judge"]["dtype"], None),
}


@pytest.mark.parametrize("key, value, look, expected", CHANGES.values(), ids=CHANGES)
def test_a_key_reaches_its_stage(key, value, look, expected):
    before = settings_of(load_profile("paper", **SERVER))
    after = settings_of(load_profile("paper", **SERVER, **{key: value}))
    found = look(after)
    assert found == expected and type(found) is type(expected)
    assert key == "judge.dtype" or look(before) != expected


def test_what_the_results_do_not_depend_on_is_not_in_the_manifest():
    """So that a build can go on with another server, or smaller batches after memory ran out."""
    one = load_profile("paper", **SERVER)
    changed = {
        "llm.url": "http://elsewhere:1/v1",
        "llm.concurrency": 3,
        "detector.batch_size": 1,
        "judge.batch_size": 2,
        "judge.device": "cpu",
    }
    other = load_profile("paper", **{**SERVER, **changed})
    assert settings_of(one) == settings_of(other) and one.settings() == other.settings()


def test_the_seed_reaches_all_that_draw():
    for name in ("classic", "paper"):
        settings = settings_of(load_profile(name, **(SERVER if name == "paper" else {}), seed=5))
        assert settings["fusion"]["seed"] == 5
    assert settings_of(load_profile("classic", seed=5))["pairs"]["seed"] == 5


REFUSED = {
    "an unknown section": (
        {"detecter.model": "x"},
        "there is no setting 'detecter'; there are: name, seed, filter, merge",
    ),
    "an unknown key": (
        {"merge.area": 1},
        "merge: there is no setting 'area'; there are: area_threshold, overlap_threshold",
    ),
    "a section as a value": ({"merge": 3}, "merge: expected settings by name, found 3"),
    "a word for a number": (
        {"merge.area_threshold": "big"},
        "merge, area_threshold: expected a number, found 'big'",
    ),
    "yes for a number": ({"seed": True}, "seed: expected a whole number, found True"),
    "a fraction for a whole number": (
        {"filter.min_crop_px": 3.5},
        "min_crop_px: expected a whole number, found 3.5",
    ),
    "one of some words": ({"filter.when_all_rejected": "cry"}, "expected 'keep' or 'drop', found 'cry'"),
    "or nothing": ({"fusion.max_boxes_per_tag": "many"}, "expected a whole number or null, found 'many'"),
    "too deep": ({"merge.area_threshold.x": 1}, "merge, area_threshold: expected a number, found {'x': 1}"),
}


@pytest.mark.parametrize("overrides, said", REFUSED.values(), ids=REFUSED)
def test_what_there_is_not_is_refused_with_what_there_is(overrides, said):
    with pytest.raises(DataError) as caught:
        load_profile("classic", **overrides)
    assert said in str(caught.value) and str(caught.value).startswith("profile classic")


def test_a_models_key_is_none_of_the_classic_profile():
    with pytest.raises(DataError, match="profile classic: there is no setting 'llm'"):
        load_profile("classic", **SERVER)


FILE = """
# Our detector, a stricter filter.
base: paper
seed: 3
llm: {url: "http://localhost:9/v1", model: some-model}
detector:
  model: ./dino
  box_threshold: 0.3
filter: {only_multiple: false}
"""


def test_a_file_and_keys_above_it(tmp_path):
    (tmp_path / "ours.yaml").write_text(FILE)
    profile = load_profile(str(tmp_path / "ours.yaml"), **{"detector.box_threshold": 0.2})
    assert isinstance(profile, PaperProfile) and profile.settings() == {"name": "ours", "base": "paper"}
    assert (profile.seed, profile.detector.model, profile.detector.box_threshold) == (3, "./dino", 0.2)
    assert profile.detector.text_threshold == 0.25 and profile.filter.only_multiple is False
    assert profile.merge == load_profile("paper").merge


FILES = {
    "no base": ("seed: 3", "expected `base:` with one of classic, paper, found None"),
    "another base": ("base: modern", "found 'modern'"),
    "a list": ("- base", "expected `base:`"),
    "empty": ("", "expected `base:`"),
    "no YAML": ("base: [", "expected YAML, but it cannot be parsed"),
    "a tag that makes objects": ("base: !!python/object/apply:os.system [ls]", "cannot be parsed"),
    "an unknown key": ("base: classic\nmerge: {x: 1}", "ours.yaml, merge: there is no setting 'x'"),
}


@pytest.mark.parametrize("content, said", FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_used(tmp_path, content, said):
    (tmp_path / "ours.yaml").write_text(content)
    with pytest.raises(DataError) as caught:
        load_profile(str(tmp_path / "ours.yaml"))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_profiles_that_there_are_not(tmp_path):
    with pytest.raises(
        DataError, match="expected one of classic, paper or the path of a .yaml file, found 'modern'"
    ):
        load_profile("modern")
    with pytest.raises(GiqaError, match="absent.yaml: cannot be read"):
        load_profile(str(tmp_path / "absent.yaml"))


def test_versions_are_those_of_what_is_installed(monkeypatch):
    import importlib.metadata

    import numpy

    assert load_profile("classic").versions()["numpy"] == numpy.__version__
    assert load_profile("paper").versions().keys() == {"numpy", "pillow", "torch", "transformers"}
    monkeypatch.setattr(ClassicProfile, "packages", ("numpy", "no-such-package"))
    assert load_profile("classic").versions() == {"numpy": importlib.metadata.version("numpy")}


def test_neither_profile_imports_a_model_library_before_it_is_at_work(repository):
    code = (
        "import sys; from giqa_hf.annotation import pipeline, profiles, explain_page; from giqa_hf.cli import annotate\n"
        "[make() for make in profiles.load_profile('classic').stages()]\n"
        "print([name for name in ('torch', 'transformers', 'datasets', 'ray') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=repository / "src", capture_output=True, text=True, check=True
    )  # fmt: skip
    assert run.stdout.strip() == "[]"
