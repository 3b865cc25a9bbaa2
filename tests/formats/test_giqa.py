"""The paper's form, row by row: what a model may write, and what is read."""

from __future__ import annotations

import numpy as np
import pytest

from giqa_hf.formats import giqa
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import BOX_STATUSES, GroundedText, Issue, Region

# Cell 35 is row 1, column 15; cell 319 is row 15, column 19: centres (15.5, 1.5, 19.5, 15.5) / 20.
TOWER = [0.775, 0.075, 0.975, 0.775]


def summary(grounded: GroundedText) -> list[tuple[str, list[list[int]], tuple[str, ...]]]:
    """Phrase, cells and statuses of each region, on the paper's grid."""
    return [(r.phrase, Grid().encode(r.boxes_norm).tolist(), r.box_statuses) for r in grounded.regions]


@pytest.mark.parametrize(
    "text",
    [
        "The [tower](<35,319>) is.",  # as the writer writes
        "The [tower](<35, 319>) is.",  # as the paper's figure prints
        "The [tower] ( < 35 ,\n319 > ) is.",  # white space wherever it can stand
        "The [tower](<0035,+319>,) is.",  # leading zeros, a sign, a comma too many
        "The [tower](<35,319> is.",  # no closing parenthesis: the tag ends after its box
    ],
)
def test_spacings_and_small_slips_read_the_same(text):
    expected = GroundedText("The tower is.", [Region("tower", (4, 9), np.array([TOWER]))])
    assert giqa.read(text) == expected


@pytest.mark.parametrize(
    ("text", "clean", "regions", "issues"),
    [
        # several boxes, in the order in which they stand (Fig. 5 of the paper)
        (
            "[candles](<33, 354>, <22, 324>).",
            "candles.",
            [("candles", [[33, 354], [22, 324]], ("ok", "ok"))],
            [],
        ),
        # without comma, with a semicolon
        ("[c](<33,354><22,324>;<0,21>)", "c", [("c", [[33, 354], [22, 324], [0, 21]], ("ok",) * 3)], []),
        # no box at all
        ("[tower]()", "tower", [("tower", [], ())], []),
        # corners reversed in both axes; in columns only: 39 is (1, 19), 300 is (15, 0) -> (1, 0), (15, 19)
        ("[t](<319,35>,<39,300>)", "t", [("t", [[35, 319], [20, 319]], ("swapped", "swapped"))], []),
        # the same cells again in the same tag; in another tag they are no duplicate
        (
            "[t](<35,319>,<319,35>)[u](<35,319>)",
            "tu",
            [("t", [[35, 319], [35, 319]], ("ok", "duplicate")), ("u", [[35, 319]], ("ok",))],
            [],
        ),
        # 400 is the first index that the grid has not; nothing is invented for it, the phrase stays
        (
            "[t](<0,399>,<0,400>)",
            "t",
            [("t", [[0, 399]], ("ok",))],
            [Issue("out_of_range", "<0,400>", (12, 19))],
        ),
        ("[t](<-1,5>)", "t", [("t", [], ())], [Issue("out_of_range", "<-1,5>", (4, 10))]),
        (
            "[t](<1," + "9" * 5000 + ">)",
            "t",
            [("t", [], ())],
            [Issue("out_of_range", "<1," + "9" * 5000 + ">", (4, 5008))],
        ),
        # one number, three, none, four fractions of the other form, a word: each spoils only itself
        ("[t](<35>,<1,22>)", "t", [("t", [[1, 22]], ("ok",))], [Issue("bad_arity", "<35>", (4, 8))]),
        ("[t](<1,2,3>)", "t", [("t", [], ())], [Issue("bad_arity", "<1,2,3>", (4, 11))]),
        ("[t](<1,22>,<>)", "t", [("t", [[1, 22]], ("ok",))], [Issue("bad_arity", "<>", (11, 13))]),
        ("[t](<.1,.2,.3,.4>)", "t", [("t", [], ())], [Issue("bad_arity", "<.1,.2,.3,.4>", (4, 17))]),
        ("[t](<nan,3>)", "t", [("t", [], ())], [Issue("bad_arity", "<nan,3>", (4, 11))]),
        ("[t](<-Inf, nan>)", "t", [("t", [], ())], [Issue("bad_arity", "<-Inf, nan>", (4, 15))]),
        ("[t](<nancy>)", "[t](<nancy>)", [], []),  # a word, no number
        ("[t](<1,22>,<x,5>)", "t", [("t", [[1, 22]], ("ok",))], [Issue("bad_arity", "<x,5>", (11, 16))]),
        # the text breaks off: in a number, after a comma, behind "<", behind "("; complete boxes are kept
        ("[t](<35,3", "t", [("t", [], ())], [Issue("truncated", "<35,3", (4, 9))]),
        ("[t](<35,319>,<4", "t", [("t", [[35, 319]], ("ok",))], [Issue("truncated", "<4", (13, 15))]),
        ("[t](<35,319>, ", "t", [("t", [[35, 319]], ("ok",))], [Issue("truncated", ", ", (12, 14))]),
        ("[t](<", "t", [("t", [], ())], [Issue("truncated", "<", (4, 5))]),
        ("[t] ( ", "t", [("t", [], ())], [Issue("truncated", "( ", (4, 6))]),
        # cut off exactly behind a box: nothing that was begun is missing
        ("[t](<35,319>", "t", [("t", [[35, 319]], ("ok",))], []),
        # a box without its ">" in the middle of a text takes nothing of the sentence with it
        ("[t](<35,319 is dark", "t is dark", [("t", [], ())], [Issue("truncated", "<35,319", (4, 11))]),
        # one broken tag does not harm the next
        (
            "[a](<1,[b](<1,22>)",
            "ab",
            [("a", [], ()), ("b", [[1, 22]], ("ok",))],
            [Issue("truncated", "<1,", (4, 7))],
        ),
        # of two opening brackets the inner one opens the tag
        ("[[t](<1,22>)]", "[t]", [("t", [[1, 22]], ("ok",))], []),
        # an odd number of backslashes: no tag; an even number: half of them, then a tag
        ("\\[t](<1,22>)", "\\[t](<1,22>)", [], []),
        ("\\\\[t](<1,22>)", "\\t", [("t", [[1, 22]], ("ok",))], []),
    ],
)
def test_reads(text, clean, regions, issues):
    grounded = giqa.read(text)
    assert grounded.text == clean
    assert summary(grounded) == regions
    assert grounded.issues == issues
    assert {s for r in grounded.regions for s in r.statuses} <= set(BOX_STATUSES)


def test_degenerate_depends_on_the_policy():
    # 1 and 2 lie in one row: centres (1.5, .5) and (2.5, .5) / 20; "expand" takes the cells' outer edges.
    paper = giqa.read("[t](<1,2>,<2,1>,<1,2>)", policy="paper").regions[0]
    assert paper.statuses == ("degenerate", "duplicate", "duplicate")
    np.testing.assert_array_equal(paper.boxes_norm[0], [0.075, 0.025, 0.125, 0.025])
    expand = giqa.read("[t](<1,2>)").regions[0]
    assert expand.statuses == ("ok",)
    np.testing.assert_array_equal(expand.boxes_norm[0], [0.05, 0.0, 0.15, 0.05])


def test_the_grid_is_the_readers():
    # 7 columns, 13 rows: 8 is row 1, column 1; 90 is row 12, column 6, the last cell.
    grounded = giqa.read("[t](<8,90>,<8,91>)", Grid(7, 13))
    np.testing.assert_allclose(grounded.boxes_norm, [[1.5 / 7, 1.5 / 13, 6.5 / 7, 12.5 / 13]])
    assert [issue.status for issue in grounded.issues] == ["out_of_range"]


def test_write_follows_the_paper_and_its_figure():
    boxes = Grid().decode([[33, 354], [22, 324]])
    grounded = GroundedText("of candles.", [Region("candles", (3, 10), boxes)])
    assert giqa.write(grounded) == "of [candles](<33,354>,<22,324>)."
    assert giqa.write(grounded, space=True) == "of [candles](<33, 354>, <22, 324>)."


def test_write_refuses_boxes_that_are_none():
    grounded = GroundedText("t", [Region("t", (0, 1), np.array([[0.5, 0.1, 0.2, 0.3]]))])
    with pytest.raises(ValueError, match=r"boxes_norm\[0\].*x1 <= x2"):
        giqa.write(grounded)


@pytest.mark.parametrize(
    "unit",
    [
        "[[[(((<<<",
        "[a](<1,",
        "\\",
        "[\\",
        "\\[",
        "[\\[",
        "](  ",
        "[a](<1 1",
        "](<1<1",
        "[a]   (",
        "[a](<1,22>)\\",
    ],
)
def test_every_repetition_is_read_in_linear_steps(unit):
    """A quadratic reader would need hours for these: 300,000 characters each."""
    text = unit * (300_000 // len(unit))
    assert len(giqa.read(text).text) <= len(text)
    giqa.write(GroundedText(text))
