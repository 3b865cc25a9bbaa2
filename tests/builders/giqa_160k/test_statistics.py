"""The numbers of Tab. 1 and the distributions beside them, counted by hand."""

from __future__ import annotations

import json

import pytest

from giqa_hf.builders.giqa_160k.statistics import Tally, cell, spread, statistics_markdown, statistics_text


def row(image_id, kind, answer="Yes.", source="mine", asked=(), said=()):
    """A row; `asked` and `said` are the numbers of boxes of the tags in question and answer."""
    return {
        "image_id": image_id, "source": source, "task": "des" if kind == "des" else "vqa",
        "question_type": None if kind == "des" else kind, "answer": answer,
        "question_regions": [{"boxes_norm": [[0, 0, 1, 1]] * n} for n in asked],
        "answer_regions": [{"boxes_norm": [[0, 0, 1, 1]] * n} for n in said],
    }  # fmt: skip


@pytest.fixture
def statistics():
    tally = Tally()
    tally.add(row("a", "des", "one two  three", said=(1, 3)), "train")
    tally.add(row("a", "yes_no", "Yes.", asked=(1,)), "train")
    tally.add(row("a", "yes_no", "No, never", asked=(2,)), "train")
    tally.add(row("b", "what", "The sky.", said=(1,)), "train")
    tally.add(row("b", "how", "Very.", source="x|y"), "train")
    tally.add(row("c", "des", "one", said=(1,)), "test")
    return tally.to_dict()


def test_table_1(statistics):
    assert statistics["total"] == {"images": 3, "total": 6, "des": 2, "vqa_yes_no": 2, "vqa_wh": 2}
    # b is in two sources: it is one photo of the split, and one of each source
    assert statistics["by_split"]["train"] == {
        "images": 2,
        "total": 5,
        "des": 1,
        "vqa_yes_no": 2,
        "vqa_wh": 2,
    }
    assert [(line["split"], line["source"], line["images"], line["total"]) for line in statistics["by_split_and_source"]] == [
        ("test", "mine", 1, 1), ("train", "mine", 2, 4), ("train", "x|y", 1, 1),
    ]  # fmt: skip


def test_distributions(statistics):
    assert statistics["question_types"] == {"yes_no": 2, "what": 1, "why": 0, "how": 1}
    assert statistics["yes_no_answers"] == {"yes": 1, "no": 1, "neither": 0}
    assert (statistics["vqa_referring"], statistics["vqa_grounding"]) == (2, 1)
    assert statistics["words_per_description"]["mean"] == 2  # (3 + 1) / 2
    assert statistics["tags_per_description"]["mean"] == 1.5  # (2 + 1) / 2
    boxes = statistics["boxes_per_tag"]
    assert boxes["histogram"] == {"1": 4, "2": 1, "3": 1}  # 1 3 | 1 | 2 | 1 | 1
    assert boxes["mean"] == pytest.approx(9 / 6)
    assert json.loads(json.dumps(statistics)) == statistics


@pytest.mark.parametrize(
    ("counts", "p10", "median", "p90"),
    [
        ({5: 1}, 5, 5, 5),
        ({1: 5, 2: 5}, 1, 1, 2),  # of 10 values 1, 5 and 9 are needed
        ({1: 1, 2: 8, 9: 1}, 1, 2, 2),
        ({1: 1, 2: 7, 9: 2}, 1, 2, 9),
        ({3: 0, 4: 2}, 4, 4, 4),
    ],
)
def test_quantiles(counts, p10, median, p90):
    found = spread(counts)
    assert (found.p10, found.median, found.p90) == (p10, median, p90)


def test_of_nothing():
    assert spread({}) == (0, None, None, None, None, None, None)
    nothing = Tally().to_dict()
    assert nothing["total"]["total"] == 0
    assert "| **giqa\\-160k** | 0 | 0 | 0 | 0 | 0 |" in statistics_markdown(nothing)


def test_markdown_and_text(statistics):
    page = statistics_markdown(statistics, "mine")
    assert (
        "| Dataset | Images | Total | DES | VQA (Y) | VQA (W) |\n|---|---:|---:|---:|---:|---:|\n| **mine** | 3 | 6 | 2 | 2 | 2 |\n"
        in page
    )
    assert "| train, x\\|y | 1 | 1 | 0 | 0 | 1 |" in page
    assert "| rows | 1 | 1 | 1 | 0 | 1 | 2 | 1 |" in page
    assert "| description: words | 2.00 | 1 | 1 | 1 | 3 | 3 |" in page
    lines = statistics_text(statistics, "mine").splitlines()
    assert lines[0].split() == ["Images", "Total", "DES", "VQA", "(Y)", "VQA", "(W)"]
    assert lines[1].split() == ["mine", "3", "6", "2", "2", "2"] and len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("koniq or spaq", "koniq or spaq"),
        ("a|b", "a\\|b"),
        ("<script>", "\\<script\\>"),
        ("[x](http://y)", "\\[x\\]\\(http://y\\)"),
        ("two\nlines\x00", "two lines"),
        ("  ", "(none)"),
        ("a`b`", "a\\`b\\`"),
    ],
)
def test_cell(text, shown):
    assert cell(text) == shown
