"""The record of a run: one run per folder, every difference by its name."""

from __future__ import annotations

import json

import pytest

from giqa_hf.benchmark.record import RECORD, claim, differences, read_record, session
from giqa_hf.errors import GiqaError

RUN = {"model": {"name": "a", "sha256": "1"}, "decoding": {"max_new_tokens": 32}, "shape": (1, 2)}


def test_a_run_goes_on_with_the_same_settings_alone(tmp_path):
    folder = tmp_path / "run"
    claim(folder, RUN, session({"batch_size": 4}))
    claim(folder, RUN, session({"batch_size": 8}))  # another batch size is no other run
    record = read_record(folder)
    assert record["run"] == {**RUN, "shape": [1, 2]}
    assert [one["execution"]["batch_size"] for one in record["sessions"]] == [4, 8]
    assert record["sessions"][0]["software"]["giqa_hf"] and record["sessions"][0]["machine"]["cores"]
    other = {**RUN, "model": {"name": "b", "sha256": "1"}, "decoding": {"max_new_tokens": 64}}
    with pytest.raises(GiqaError) as error:
        claim(folder, other, session({}))
    assert 'found one with model.name "a" (now "b"), decoding.max_new_tokens 32 (now 64)' in str(error.value)
    assert read_record(folder) == record


def test_places_that_are_no_run(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    for place, said in (("file", "found a file"), ("full", "found other files")):
        with pytest.raises(GiqaError, match=said):
            claim(tmp_path / place, RUN, session({}))
    for place in ("empty", "full", "nowhere"):
        with pytest.raises(GiqaError, match=f"found no {RECORD} of it"):
            read_record(tmp_path / place)
    for content in ("{", "[]", '{"made_by": "other"}', '{"made_by": "giqa bench", "run": 1}'):
        (tmp_path / "empty" / RECORD).write_text(content)
        with pytest.raises(GiqaError, match="expected the folder of a run"):
            read_record(tmp_path / "empty")


DIFFERENCES = {
    # two values, and what differs
    "nothing": ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, []),
    "a leaf": ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3, "c": 2}}, [("a.b", 1, 3)]),
    "one that only the first has": ({"a": 1}, {}, [("a", 1, None)]),
    "one that only the second has": ({}, {"a": 1}, [("a", None, 1)]),
    "another kind": ({"a": {"b": 1}}, {"a": "b"}, [("a", {"b": 1}, "b")]),
    "lists as a whole": ({"a": [1, 2]}, {"a": [1, 3]}, [("a", [1, 2], [1, 3])]),
}


@pytest.mark.parametrize("first, second, found", DIFFERENCES.values(), ids=DIFFERENCES)
def test_differences(first, second, found):
    assert [tuple(one) for one in differences(first, second)] == found


def test_a_record_is_whole_json(tmp_path):
    claim(tmp_path / "run", RUN, session({}))
    assert json.loads((tmp_path / "run" / RECORD).read_text())["made_by"] == "giqa bench"
