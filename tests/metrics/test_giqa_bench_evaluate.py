"""GIQA-Bench through `evaluate`: by path, offline, in batches (its examples: test_documented_examples.py)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

evaluate = pytest.importorskip("evaluate")

import giqa_hf.metrics.giqa_bench as folder  # noqa: E402
from giqa_hf.errors import DataError  # noqa: E402
from giqa_hf.metrics.giqa_bench.compute import giqa_bench  # noqa: E402

PATH = Path(folder.__file__).parent
BOX = [0.0, 0.0, 0.5, 0.5]
ROWS = [
    {
        "image_id": "a.png",  # further columns are left out
        "width": 640,
        "task": "des",
        "question_type": None,
        "question": "Describe the quality.",
        "question_regions": [],
        "answer": "The cup is sharp.",
        "answer_regions": [
            {"phrase": "cup", "span": [4, 7], "quality": "sharp", "effect": None, "boxes_norm": [BOX]}
        ],
    },
    {
        "task": "vqa",
        "question_type": "yes_no",
        "question": "Is it sharp?",
        "answer": "Yes.",
        "answer_regions": [],
    },
]
PREDICTIONS = ["The [cup](<0,189>) is sharp.", "No."]


@pytest.fixture
def metric(tmp_path):
    return evaluate.load(str(PATH), cache_dir=str(tmp_path / "cache"), experiment_id=tmp_path.name)


def test_compute_is_the_function(metric):
    found = metric.compute(predictions=PREDICTIONS, references=ROWS)
    assert found == giqa_bench(PREDICTIONS, ROWS)
    assert found["DES mIoU"] == pytest.approx(0.81)  # .45 * .45 / .25
    assert found["VQA Acc (Y)"] == 0.0


def test_loads_by_file_too(tmp_path):
    assert evaluate.load(str(PATH / "giqa_bench.py"), cache_dir=str(tmp_path)).name == "giqa_bench"


def test_batches_and_single_samples(metric):
    metric.add_batch(predictions=PREDICTIONS[:1], references=ROWS[:1])
    metric.add(prediction=PREDICTIONS[1], reference=ROWS[1])
    assert metric.compute() == giqa_bench(PREDICTIONS, ROWS)


def test_no_boxes_in_the_first_batch(metric):
    # an empty list of regions first must not fix a type that later boxes do not fit
    for number in (1, 0):
        metric.add_batch(predictions=PREDICTIONS[number : number + 1], references=ROWS[number : number + 1])
    assert metric.compute() == giqa_bench(PREDICTIONS, ROWS)


def test_references_from_a_dataset_and_arrays(metric):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([{**ROWS[1], **row} for row in ROWS])
    assert metric.compute(predictions=PREDICTIONS, references=rows) == giqa_bench(PREDICTIONS, ROWS)
    row = {**ROWS[0], "answer_regions": [{"phrase": "cup", "boxes_norm": np.array([BOX])}]}
    found = metric.compute(predictions=PREDICTIONS, references=[row, ROWS[1]])
    assert found == giqa_bench(PREDICTIONS, ROWS)


def test_options(metric):
    found = metric.compute(
        predictions=PREDICTIONS,
        references=ROWS,
        judge=False,
        similarity=lambda a, b: np.zeros((len(a), len(b))),
        matching="greedy",
        normalise="matched",
    )
    assert found["DES LLM-Score"] is None
    assert found["DES Tag-Recall"] == 0.0


def test_intervals_and_decoding(metric):
    rows = [{**row, "image_id": name} for row, name in zip(ROWS, ("a.png", "b.png"), strict=True)]
    options = {"decoding": "greedy", "intervals": True, "seed": 3, "resamples": 100, "judge": False}
    found = metric.compute(predictions=PREDICTIONS, references=rows, **options)
    assert found == giqa_bench(PREDICTIONS, rows, **options)
    assert "|decoding:greedy|" in found["signature"]


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        (["a"], ROWS, "got 1 predictions and 2 references"),
        (["a", None], ROWS, "predictions[1]: expected a string (an empty answer is ''), found None"),
        (
            ["a"],
            [{"task": "des"}],
            "references[0], field question: expected in every row, found only ['task']",
        ),
        (
            ["a"],
            [{**ROWS[0], "answer_regions": [{"phrase": "x", "boxes_norm": [[0, 0, 1]]}]}],
            "references[0], field answer_regions, box 0: expected",
        ),
    ],
)
def test_one_clear_sentence(metric, predictions, references, message):
    with pytest.raises(DataError) as caught:
        metric.compute(predictions=predictions, references=references)
    assert message in str(caught.value)
