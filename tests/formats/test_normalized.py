"""Norm-Coord (paper Tab. 2b): numbers, rounding, clipping; the grammar itself is tested in test_giqa.py."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.formats import normalized
from giqa_hf.grounded_text import GroundedText, Issue, Region


def test_write_has_two_decimals_as_the_paper():
    # 0.015625 and 0.125 are exact in binary: the first rounds to 0.02, the second, half way, to 0.12.
    grounded = GroundedText(
        "t", [Region("t", (0, 1), np.array([[-0.0, 0.015625, 0.125, 1.0], [0, 0, 1, 1]]))]
    )
    assert normalized.write(grounded) == "[t](<0.00,0.02,0.12,1.00>,<0.00,0.00,1.00,1.00>)"
    assert normalized.write(grounded, decimals=3).startswith("[t](<0.000,0.016,0.125,1.000>")


@pytest.mark.parametrize(
    ("text", "boxes", "statuses", "issues"),
    [
        ("[t](<0.01,0.02,0.03,0.04>)", [[0.01, 0.02, 0.03, 0.04]], ("ok",), []),  # the paper's example
        ("[t] (< .1, 0.2 ,1., 1 >)", [[0.1, 0.2, 1.0, 1.0]], ("ok",), []),  # ways to write a number
        ("[t](<-0.00,0,1,1>)", [[0.0, 0.0, 1.0, 1.0]], ("ok",), []),  # minus zero is zero
        # 0.02 outside is the farthest that is clipped; 0.021 is not a place in the image
        ("[t](<-0.02,0.1,1.02,0.9>)", [[0.0, 0.1, 1.0, 0.9]], ("clipped",), []),
        ("[t](<0,0,1.021,1>)", [], (), [Issue("out_of_range", "<0,0,1.021,1>", (4, 17))]),
        ("[t](<10,20,300,400>)", [], (), [Issue("out_of_range", "<10,20,300,400>", (4, 19))]),  # pixels
        # x reversed only, and reversed and clipped: the graver finding is told
        ("[t](<0.3,0.2,0.1,0.4>)", [[0.1, 0.2, 0.3, 0.4]], ("swapped",), []),
        ("[t](<1.01,0.2,0.1,0.4>)", [[0.1, 0.2, 1.0, 0.4]], ("swapped",), []),
        # without area: as written, and after clipping
        ("[t](<0.1,0.2,0.1,0.4>)", [[0.1, 0.2, 0.1, 0.4]], ("degenerate",), []),
        ("[t](<1,0.2,1.01,0.4>)", [[1.0, 0.2, 1.0, 0.4]], ("degenerate",), []),
        # the same numbers written differently
        ("[t](<0.1,0.2,0.3,0.4>,<.10,.2,.3,.4>)", [[0.1, 0.2, 0.3, 0.4]] * 2, ("ok", "duplicate"), []),
        # cells of the other form, too many numbers, a number that is none
        ("[t](<35,319>)", [], (), [Issue("bad_arity", "<35,319>", (4, 12))]),
        ("[t](<0,0,1,1,1>)", [], (), [Issue("bad_arity", "<0,0,1,1,1>", (4, 15))]),
        ("[t](<0,0,1,1.2.3>)", [], (), [Issue("bad_arity", "<0,0,1,1.2.3>", (4, 17))]),
        ("[t](<0.1,0.2,0.3,0.", [], (), [Issue("truncated", "<0.1,0.2,0.3,0.", (4, 19))]),
        # thousands of digits are a number like another
        (
            "[t](<0,0,1," + "9" * 5000 + ">)",
            [],
            (),
            [Issue("out_of_range", "<0,0,1," + "9" * 5000 + ">", (4, 5012))],
        ),
    ],
)
def test_reads(text, boxes, statuses, issues):
    grounded = normalized.read(text)
    assert grounded.text == "t"
    np.testing.assert_array_equal(grounded.boxes_norm, np.array(boxes).reshape(-1, 4))
    assert grounded.regions[0].statuses == statuses
    assert grounded.issues == issues


def test_tolerance_is_the_readers():
    assert normalized.read("[t](<0,0,1.1,1>)", tolerance=0.1).regions[0].statuses == ("clipped",)
    assert normalized.read("[t](<0,0,1.01,1>)", tolerance=0.0).issues[0].status == "out_of_range"


@pytest.mark.parametrize("decimals", [0, 7, 2.0, True])
def test_decimals_are_checked(decimals):
    with pytest.raises(ValueError, match=r"decimals: expected a whole number from 1 to 6, got"):
        normalized.write(GroundedText("t"), decimals=decimals)
