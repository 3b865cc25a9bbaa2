"""The format values: what they carry, and how they are saved and loaded."""

from __future__ import annotations

import json

import pytest

from giqa_hf.formats import BoxFormat, GiqaFormat, NormalizedFormat, format_from_dict
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText, Region


@pytest.mark.parametrize(
    "box_format",
    [
        GiqaFormat(),
        GiqaFormat(Grid(40, 30), policy="paper", space=True),
        NormalizedFormat(),
        NormalizedFormat(3),
    ],
    ids=repr,
)
def test_a_format_survives_json(box_format):
    assert format_from_dict(json.loads(json.dumps(box_format.to_dict()))) == box_format
    assert isinstance(box_format, BoxFormat)


def test_parameters_reach_the_text():
    grounded = GroundedText("t", [Region("t", (0, 1), [[0.0, 0.0, 0.5, 0.5]])])
    # Half of a 4 x 2 grid: columns 0 and 1, row 0 -> cells 0 and 1.
    assert GiqaFormat(Grid(4, 2), space=True).write(grounded) == "[t](<0, 1>)"
    assert NormalizedFormat(1).write(grounded) == "[t](<0.0,0.0,0.5,0.5>)"
    # Both in row 0: zero height at the cells' centres.
    assert GiqaFormat(Grid(4, 2), policy="paper").read("[t](<0,1>)").regions[0].statuses == ("degenerate",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "kosmos"}, "expected name to be one of deepseek_vl2, .*, shikra, got 'kosmos'"),
        ({}, "expected name to be one of .*, got None"),
        ({"name": "giqa", "col": 3}, "expected parameters out of cols, policy, rows, space, got col"),
        ({"name": "giqa", "cols": 0}, "expected cols from 1 to 1000, got 0"),
        (
            {"name": "giqa", "policy": "centre"},
            "expected policy to be one of expand, paper, edges, got 'centre'",
        ),
        ({"name": "normalized", "decimals": 9}, "expected a whole number from 1 to 6, got 9"),
    ],
)
def test_a_wrong_description_is_refused_in_one_sentence(data, message):
    with pytest.raises(ValueError, match=message):
        format_from_dict(data)


def test_a_grid_must_be_a_grid():
    with pytest.raises(ValueError, match="expected grid to be a Grid, got 40"):
        GiqaFormat(40)
