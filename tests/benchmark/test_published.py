"""The paper's tables, digit for digit: the arithmetic that its own numbers obey (spec A6)."""

from __future__ import annotations

import json

import pytest

from giqa_hf.benchmark import published
from giqa_hf.benchmark.published import published_table

TABLE = published_table("table_5")
BOXES = [name for name in TABLE.columns if "mIoU" in name or "Recall" in name]


def cells(name):
    """The figures of a column that there are, by method."""
    return {row.method: row.figures[name] for row in TABLE.rows if row.figures[name] is not None}


def test_table_5_has_sixteen_rows_in_four_groups():
    groups = [row.group for row in TABLE.rows]
    assert groups == ["General"] * 4 + ["Ground"] * 4 + ["IQA"] * 4 + ["Ours"] * 4
    assert len({row.method for row in TABLE.rows}) == 16 and len(TABLE.columns) == 9
    assert "2411.17237" in TABLE.source and "Table 5" in TABLE.source


def test_boxes_are_not_available_for_general_and_iqa_models_and_for_no_other():
    for row in TABLE.rows:
        without = [name for name in TABLE.columns if row.figures[name] is None]
        assert without == (BOXES if row.group in ("General", "IQA") else [])


@pytest.mark.parametrize("row", TABLE.rows, ids=lambda row: row.method)
def test_acc_total_is_weighed_with_the_numbers_of_questions(row):
    """(90 Acc (Y) + 60 Acc (W)) / 150; two rounded or cut cells leave up to 1e-4."""
    figures = row.figures
    total = (90 * figures["VQA Acc (Y)"] + 60 * figures["VQA Acc (W)"]) / 150
    assert total == pytest.approx(figures["VQA Acc (Total)"], abs=1.01e-4)


def of_steps(value: float, steps: int) -> bool:
    """Whether a cell of four digits is a number k / steps, rounded or cut off."""
    return any(
        0 <= k / steps - value < 1e-4 or abs(k / steps - value) <= 0.51e-4
        for k in range(int(value * steps), int(value * steps) + 2)
    )


@pytest.mark.parametrize(
    "name, steps",
    [
        ("VQA Acc (Y)", 90),  # 90 questions, right or wrong
        ("VQA Acc (W)", 240),  # 60 questions, marks 0 to 4
        ("VQA Tag-Recall", 156),  # no smaller common denominator
    ],
)
def test_the_steps_of_accuracies(name, steps):
    assert cells(name) and all(of_steps(value, steps) for value in cells(name).values())
    assert not all(of_steps(value, steps - 1) for value in cells(name).values())  # the test can fail


def test_the_cut_cells():
    """35 / 90 = 0.38888... and 70 / 90 = 0.77777... are cut off in two rows and rounded in a third."""
    acc = cells("VQA Acc (Y)")
    assert acc["LLaVA-v1.5-13B"] == 0.3888 and acc["Kosmos-2-1.6B"] == 0.3889
    assert acc["Grounding-IQA (LLaVA-v1.5-7B)"] == 0.7777


def test_llm_score_is_a_multiple_of_a_quarter():
    """100 descriptions, marks 0 to 4: 100 / (4 * 100)."""
    marks = cells("DES LLM-Score").values()
    assert len(marks) == 16 and all((4 * mark).is_integer() for mark in marks)


def test_the_tables_agree_where_they_tell_of_the_same_model():
    rows = {
        name: {row.method: row.figures for row in published_table(name).rows}
        for name in ("table_2a", "table_2b", "table_3")
    }
    final, base = TABLE.rows[-1].figures, next(r.figures for r in TABLE.rows if r.method == "mPLUG-Owl2-7B")
    assert rows["table_2a"]["Ref-Box"] == rows["table_2b"]["Disc-Coord"]  # the same training
    assert rows["table_2a"]["Baseline"] == rows["table_2b"]["Baseline"]
    for name, value in rows["table_3"]["GIQA-160K"].items():
        assert value == final[name]
    for name, value in rows["table_3"]["Baseline"].items():
        assert value == base[name]
    only_des = rows["table_3"]["Only-DES"]
    assert only_des["DES Tag-Recall"] == rows["table_2a"]["Ref-Box"]["DES Tag-Recall"] == 0.5497
    assert only_des["DES LLM-Score"] == rows["table_2a"]["Ref-Box"]["DES LLM-Score"] == 61.75


def test_every_row_has_every_column():
    for table in json.loads(published._FILE.read_text()).values():
        assert table["source"].startswith("arXiv:2411.17237")
        for row in table["rows"]:
            assert len(row["values"]) == len(table["columns"])
            assert all(value is None or float(value) >= 0 for value in row["values"])


def test_another_table():
    with pytest.raises(
        ValueError, match="expected one of table_2a, table_2b, table_3, table_5, got 'table_4'"
    ):
        published_table("table_4")
