"""Rows to Label Studio and back: the same spans and boxes, whatever a browser counts, and clear words for the rest."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from giqa_hf.benchmark.humans import CONFIG, read_exports, tasks_of
from giqa_hf.errors import DataError


def row(**changes):
    """A description with two boxed names; an emoji before one of them."""
    region = {"quality": "blurry", "effect": "negative"}
    return {
        "image_id": "a", "width": 200, "height": 100, "source": "test", "license": "cc0-1.0",
        "task": "des", "question_type": None, "question": "How good is it?", "question_regions": [],
        "answer": "Nice 🌊 but the cup and the plates are blurry.",
        "answer_regions": [
            {**region, "phrase": "cup", "span": [15, 18], "boxes_norm": [[0.1, 0.2, 0.3, 0.6]]},
            {**region, "phrase": "plates", "span": [27, 33], "boxes_norm": [[0.5, 0.5, 0.75, 1.0], [0.0, 0.0, 1.0, 0.125]]},
        ],
        **changes,
    }  # fmt: skip


def export(tmp_path, rows, name="export.json", who=1, change=lambda result: result):
    """What comes back when an annotator submits the predictions, changed or not."""
    tasks = tasks_of(rows, lambda image_id: f"/photos/{image_id}.png")
    for task in tasks:
        result = change(task.pop("predictions")[0]["result"])
        task["annotations"] = [{"completed_by": who, "result": result, "updated_at": "2026-11-21T10:00:00Z"}]
    path = tmp_path / name
    path.write_text(json.dumps(tasks))
    return path


def test_what_is_submitted_unchanged_comes_back_unchanged(tmp_path):
    (judgement,) = read_exports([export(tmp_path, [row()])])
    assert (judgement.row_id, judgement.annotator, judgement.usable) == ("000000:a", "1", True)
    assert judgement.problems == () and judgement.question.regions == []
    assert [region.phrase for region in judgement.answer.regions] == ["cup", "plates"]
    for found, given in zip(judgement.answer.regions, row()["answer_regions"], strict=True):
        assert list(found.span) == given["span"]
        assert np.allclose(found.boxes_norm, given["boxes_norm"], atol=1e-12)


def test_rectangles_are_percentages_of_the_photo():
    (task,) = tasks_of([row()], str)
    first = next(item for item in task["predictions"][0]["result"] if item["type"] == "rectanglelabels")
    # The cup's box 0.1, 0.2, 0.3, 0.6: left 10 %, top 20 %, width 20 %, height 40 %.
    assert [first["value"][name] for name in ("x", "y", "width", "height")] == pytest.approx([10, 20, 20, 40])
    assert (first["original_width"], first["original_height"]) == (200, 100)


def test_every_item_belongs_to_a_control_of_the_config():
    controls = {
        node.get("name"): node.get("toName")
        for node in ElementTree.fromstring(CONFIG).iter()
        if node.get("name")
    }
    (task,) = tasks_of([row()], str)
    for item in task["predictions"][0]["result"]:
        if item["type"] != "relation":
            assert controls[item["from_name"]] == item["to_name"]
    values = {
        node.get("value")[1:]
        for node in ElementTree.fromstring(CONFIG).iter()
        if (node.get("value") or "").startswith("$")
    }
    assert values <= task["data"].keys()


def utf16(result):
    """As a browser counts: the emoji before the names is two units there."""
    for item in result:
        if item["type"] == "labels":
            item["value"]["start"] += 1
            item["value"]["end"] += 1
    return result


def test_a_browsers_offsets_are_understood(tmp_path):
    (judgement,) = read_exports([export(tmp_path, [row()], change=utf16)])
    assert [region.span for region in judgement.answer.regions] == [(15, 18), (27, 33)]


def without(kind):
    return lambda result: [item for item in result if item["type"] != kind]


def over_the_rim(result):
    result[1]["value"].update(x=-2.0, width=60.0)
    return result


@pytest.mark.parametrize(
    ("change", "said"),
    [
        # Names that lost their boxes, and the three boxes that lost their names.
        (without("relation"), ["'cup' is tied to no box", "'plates' is tied to no box", "a box is tied to no name"]),
        (without("rectanglelabels"), ["'cup' is tied to no box", "'plates' is tied to no box"]),
        (without("labels"), ["a box is tied to no name"]),
        # A wish for another text.
        (lambda result: [*result, {"type": "textarea", "from_name": "new_answer", "to_name": "answer",
                                   "value": {"text": ["The cup is fine."]}}], ["answer should read: The cup is fine."]),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(tmp_path, change, said):
    (judgement,) = read_exports([export(tmp_path, [row()], change=change)])
    for words in said:
        assert any(words in problem for problem in judgement.problems)


def test_a_box_over_the_rim_is_clipped(tmp_path):
    (judgement,) = read_exports([export(tmp_path, [row()], change=over_the_rim)])
    # From -2 % with a width of 60 %: 0 to 0.58; top and bottom stay.
    assert judgement.answer.regions[0].boxes_norm.tolist() == [pytest.approx([0.0, 0.2, 0.58, 0.6])]


def test_a_verdict_and_a_skipped_task(tmp_path):
    unusable = {
        "type": "choices",
        "from_name": "verdict",
        "to_name": "image",
        "value": {"choices": ["unusable"]},
    }
    path = export(tmp_path, [row(), row(image_id="b")], change=lambda result: [*result, unusable])
    tasks = json.loads(path.read_text())
    tasks[1]["annotations"][0]["was_cancelled"] = True
    path.write_text(json.dumps(tasks))
    (judgement,) = read_exports([path])
    assert judgement.row_id == "000000:a" and not judgement.usable


def test_the_last_of_several_by_the_same_annotator_counts(tmp_path):
    path = export(tmp_path, [row()])
    (task,) = json.loads(path.read_text())
    later = {**task["annotations"][0], "result": [], "updated_at": "2026-11-21T11:00:00Z"}
    path.write_text(json.dumps([{**task, "annotations": [later, task["annotations"][0]]}]))
    (judgement,) = read_exports([path])
    assert judgement.answer.regions == []


def test_annotators_by_address_number_or_file(tmp_path):
    paths = [
        export(tmp_path, [row()], "anna.json", None),
        export(tmp_path, [row()], "b.json", {"email": "b@x.org"}),
    ]
    assert sorted(j.annotator for j in read_exports(paths)) == ["anna", "b@x.org"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "x.json: expected a JSON export of Label Studio, found no such file; check the path"),
        ("{", "expected a JSON export of Label Studio, found no JSON .*; export it again as JSON"),
        ("{}", "expected a list of tasks"),
        ('[{"data": {}}]', "made by `giqa bench export`"),
        ('[{"data": {"row_id": "1", "question": "q", "answer": "a"}}]', "expected a list of annotations"),
    ],
)
def test_files_that_are_no_exports(tmp_path, content, words):
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=words):
        read_exports([path])


def shifted(result):
    result[0]["value"]["start"] += 5
    return result


def turned(result):
    result[1]["value"]["rotation"] = 30
    return result


@pytest.mark.parametrize(
    ("change", "words"), [(shifted, "expected the span"), (turned, "upright rectangles")]
)
def test_marks_that_cannot_be_taken(tmp_path, change, words):
    with pytest.raises(DataError, match=words):
        read_exports([export(tmp_path, [row()], change=change)])


def test_label_studios_own_sdk_takes_tasks_and_annotations(tmp_path):
    """Against the SDK's validation of tasks, predictions and annotations."""
    interface_module = pytest.importorskip(
        "label_studio_sdk.label_interface",
        reason="label-studio-sdk pins an older numpy: try it in its own environment",
    )
    interface = interface_module.LabelInterface(CONFIG)
    (task,) = tasks_of([row()], lambda image_id: f"https://example.org/{image_id}.png")
    (prediction,) = task.pop("predictions")  # with it, validate_task of 2.1.2 ends in a TypeError of its own
    assert interface.validate_task(task)
    assert interface.validate_prediction(prediction)
    assert interface.validate_annotation({"result": prediction["result"]})
    wrong = [
        {**item, "from_name": "nobody"} if "from_name" in item else item for item in prediction["result"]
    ]
    assert not interface.validate_annotation({"result": wrong})
