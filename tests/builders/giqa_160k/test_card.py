"""The card: YAML that datasets reads, every number from data, nothing from data as markup."""

from __future__ import annotations

import re

import pytest
from huggingface_hub import DatasetCard

from giqa_hf.builders.giqa_160k.card import number, render_card
from giqa_hf.builders.giqa_160k.contamination import overlap_report
from giqa_hf.builders.giqa_160k.licences import Terms, licence_lines
from giqa_hf.builders.giqa_160k.statistics import Tally

NUMBERS = {"boxes": 12, "grid_mean_iou": 0.71234, "grid_below_half_share": 0.1, "grid_zero_area_share": 0.25, "boxes_per_tag_mean": 1.5, "area_median": None}  # fmt: skip


@pytest.fixture
def dataset():
    tally = Tally()
    tally.add({"image_id": "a", "source": "<b>", "task": "des", "question_type": None, "answer": "x", "question_regions": [], "answer_regions": []}, "train")  # fmt: skip
    return {
        "giqa_hf": "1.2.3", "corpus": "a|<script>", "profile": "classic",
        "settings": {"seed": 7, "validation": 0.1, "test": 0.0, "balance": True, "publishable": False},
        "splits": {"des": ["train", "validation"], "vqa": ["train"]},
        "statistics": tally.to_dict(),
        "balance_removed": {"surplus Yes": 3},
        "overlap": "refused",
        "commands": ["giqa annotate my.csv", "giqa dataset build build --seed 7"],
        "contamination": [],
        "licences": licence_lines([(Terms("spaq", "odd | <i>"), "a")]),
        "noise": {"raw": NUMBERS, "refined": NUMBERS, "filter": {"judged": 0}},
        "files": {"des/train-00000-of-00001.parquet": "00"},
    }  # fmt: skip


def test_yaml(dataset):
    data = DatasetCard(render_card(dataset)).data
    all_, des, vqa = data.configs
    assert [c["config_name"] for c in data.configs] == ["all", "des", "vqa"]
    assert all_["default"] is True and "default" not in des
    assert all_["data_files"] == [
        {"split": "train", "path": ["des/train-*.parquet", "vqa/train-*.parquet"]},
        {"split": "validation", "path": ["des/validation-*.parquet"]},  # vqa has none
    ]
    assert vqa["data_files"] == [{"split": "train", "path": ["vqa/train-*.parquet"]}]
    assert (data.license, data.size_categories) == ("other", ["n<1K"])


def test_other_content_has_another_name_in_the_cache(dataset):
    first = render_card(dataset)
    dataset["files"] = {"des/train-00000-of-00001.parquet": "01"}
    names = [re.search(r"content [0-9a-f]{16}", card).group() for card in (first, render_card(dataset))]
    assert names[0] != names[1]


def test_a_task_without_rows_has_no_configuration(dataset):
    dataset["splits"] = {"des": ["train"], "vqa": []}
    card = render_card(dataset)
    assert [c["config_name"] for c in DatasetCard(card).data.configs] == ["all", "des"]
    assert '`"all"`, `"des"` (the first' in card


def test_nothing_from_data_is_markup(dataset):
    body = render_card(dataset, "my <set>\n# x").split("---\n", 2)[2]
    assert body.startswith("\n# my \\<set\\> \\# x\n")
    assert "<script>" not in body.replace("\\<script\\>", "") and "a\\|\\<script\\>" in body
    assert "| spaq | odd \\| \\<i\\> | 1 | 1 | ids and annotations only | Smartphone photos. |" in body


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, "Removed: 3 surplus Yes."),
        ({"balance_removed": {}}, "Removed: nothing."),
        ({}, "| boxes | 12 | 12 |"),
        ({}, "| grid ceiling: mean IoU of a box with its own cells, 20 x 20 | 0.712 | 0.712 |"),
        ({}, "| area of a box, median share of the photo | n/a | n/a |"),
        ({}, "The quality filter was asked about no box."),
        ({}, "Not checked against any other set"),
        ({}, "This folder holds all photos: before it is shared, build it again with `--publishable`."),
        ({"licences": licence_lines([(Terms("mine", "CC0-1.0"), "a")])}, "This folder may be shared as it is"),
        ({}, "\n    giqa annotate my.csv\n    giqa dataset build build --seed 7\n"),
        ({"contamination": [{"against": "my|bench", **overlap_report([], [], [], 10)}]}, "| my\\|bench | 0 | 0 | 0 | 0 | 0 | 0 |"),
        ({"contamination": [{"against": "b", **overlap_report([], [], [], 10)}]}, "Nothing was removed; the pairs"),
        ({"contamination": [{"against": "b", **overlap_report([], [], [], 10)}], "overlap": "left out"}, "They were left out of this dataset, in all its splits"),
    ],
)  # fmt: skip
def test_what_it_says(dataset, change, says):
    assert says in render_card({**dataset, **change})


def test_the_filter_in_words(dataset):
    dataset["noise"]["filter"] = {"judged": 1200, "accepted_share": 0.75, "mean_probability": 0.6128}
    said = "Of 1,200 boxes that the quality filter was asked about, 75.0% stayed; its mean probability of \"Yes\" was 0.613."  # fmt: skip
    assert said in render_card(dataset)


@pytest.mark.parametrize(("value", "shown"), [(None, "n/a"), (1234, "1,234"), (0.5, "0.500")])
def test_number(value, shown):
    assert number(value) == shown
