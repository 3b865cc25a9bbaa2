"""Diagnosis of a file of predictions: right where it can be right, silent where it cannot."""

from __future__ import annotations

import copy
import json
import shlex

import numpy as np
import pytest
from transformers import CLIPImageProcessorPil, LlavaImageProcessorPil

from giqa_hf.benchmark.diagnose import diagnose, diagnosis_text
from giqa_hf.benchmark.hypotheses import HYPOTHESES, MARKS, RESIZED, SQUARE, WHOLE
from giqa_hf.errors import DataError
from giqa_hf.formats import (
    DeepSeekVL2Format,
    FerretFormat,
    Florence2Format,
    GiqaFormat,
    GroundingGptFormat,
    InternVLFormat,
    Kosmos2Format,
    LlavaFormat,
    NormalizedFormat,
    PaliGemmaFormat,
    Qwen2VLFormat,
    Qwen3VLFormat,
    Qwen25VLFormat,
    ShikraFormat,
    format_from_dict,
    placed,
)
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.processing import ground_processor, render
from giqa_hf.schema import grounded_of
from tests.make_tiny_checkpoint import make_parts

SIZES = ((640, 480), (480, 640), (1280, 720), (300, 900), (512, 512))


def rows_of(sizes=SIZES, count=20):
    """Rows with two boxes each, on images of these sizes in turn."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        width, height = sizes[number % len(sizes)]
        sides = rng.uniform(0.2, 0.5, (2, 2))
        corner = rng.uniform(0, 1 - sides)
        regions = [
            {"phrase": phrase, "span": span, "quality": None, "effect": None, "boxes_norm": [box]}
            for phrase, span, box in zip(
                ("cup", "plant"),
                ([4, 7], [25, 30]),
                np.concatenate([corner, corner + sides], axis=1).tolist(),
                strict=True,
            )
        ]
        text = "The cup is sharp and the plant is dark."
        rows.append({"width": width, "height": height, "answer": text, "answer_regions": regions})
    return rows


def answers_of(rows, box_format, place):
    """What a model that makes no mistake writes."""
    answers = []
    for row in rows:
        ready, frame = placed(box_format, place.frame((row["width"], row["height"])))
        regions = [
            Region(r["phrase"], tuple(r["span"]), frame.to_model_norm(r["boxes_norm"]))
            for r in row["answer_regions"]
        ]
        answers.append(ready.write(GroundedText(row["answer"], regions)))
    return answers


ROWS = rows_of()


@pytest.mark.parametrize(
    ("box_format", "place", "form", "unit"),
    [
        (GiqaFormat(), WHOLE, "[name](<first,last>)", "cells of a 20 x 20 grid"),
        (GiqaFormat(), SQUARE, "[name](<first,last>)", "cells of a 20 x 20 grid"),
        (NormalizedFormat(), SQUARE, "[name](<x1,y1,x2,y2>)", "fractions"),
        (LlavaFormat(), SQUARE, "name [fractions]", "fractions"),
        (LlavaFormat(), WHOLE, "name [fractions]", "fractions"),
        (ShikraFormat(), SQUARE, "name [fractions]", "fractions"),
        (GroundingGptFormat(), SQUARE, "name [fractions]", "fractions"),
        (FerretFormat(), WHOLE, "name [whole numbers]", "thousandths"),
        (Qwen3VLFormat(), WHOLE, "JSON", "thousandths"),
        (Qwen3VLFormat(words=False), WHOLE, "JSON", "thousandths"),
        # other grids
        (GiqaFormat(Grid(30, 30)), WHOLE, "[name](<first,last>)", "cells of a 30 x 30 grid"),
        (GiqaFormat(Grid(40, 40)), SQUARE, "[name](<first,last>)", "cells of a 40 x 40 grid"),
        (GiqaFormat(Grid(100, 100)), WHOLE, "[name](<first,last>)", "cells of a 100 x 100 grid"),
        # any unit, of a padded picture
        (FerretFormat(), SQUARE, "name [whole numbers]", "thousandths"),
        (Qwen3VLFormat(), SQUARE, "JSON", "thousandths"),
        (Qwen25VLFormat(), SQUARE, "JSON", "pixels"),
        (Qwen2VLFormat(), SQUARE, "(x1,y1),(x2,y2)", "thousandths"),
        (PaliGemmaFormat(), SQUARE, "<loc0000>", "tokens of 1024, y first,"),
        (Florence2Format(), SQUARE, "<loc_0>", "bins of 1000"),
        (Kosmos2Format(), SQUARE, "<patch_index_0000>", "patches of 32 x 32"),
        (InternVLFormat(), WHOLE, "<box>", "thousandths"),
        (InternVLFormat(), SQUARE, "<box>", "thousandths"),
        (Qwen2VLFormat(), WHOLE, "(x1,y1),(x2,y2)", "thousandths"),
        (DeepSeekVL2Format(), WHOLE, "<|det|>", "parts of 999"),
        (PaliGemmaFormat(), WHOLE, "<loc0000>", "tokens of 1024, y first,"),
        (Florence2Format(), WHOLE, "<loc_0>", "bins of 1000"),
        (Kosmos2Format(), WHOLE, "<patch_index_0000>", "patches of 32 x 32"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_with_true_boxes_it_finds_form_and_frame(box_format, place, form, unit):
    found = diagnose(answers_of(ROWS, box_format, place), ROWS)
    (best,) = found.best  # and it is sure
    assert (best.hypothesis.form, best.hypothesis.place, best.hypothesis.unit) == (form, place, unit)
    assert best.readable == 40 and best.out_of_range == best.malformed == 0
    assert best.miou > 0.8  # the 20 x 20 grid is the coarsest
    assert best.hypothesis.options in found.verdict and "cannot tell" not in found.verdict


def test_a_coarse_grid_is_found_too():
    # 10 x 10: a side of 0.2 may lie in 3 cells, so perfect answers have an mIoU of about (0.35 / 0.45) ** 2 = 0.6
    found = diagnose(answers_of(ROWS, GiqaFormat(Grid(10, 10)), WHOLE), ROWS)
    (best,) = found.best
    assert (best.hypothesis.unit, best.hypothesis.place) == ("cells of a 10 x 10 grid", WHOLE)
    assert 0.5 < best.miou < 0.8 and "far from right" not in found.verdict
    told = shlex.split(best.hypothesis.options)
    assert format_from_dict(json.loads(told[1])).grid == Grid(10, 10)


def test_a_stray_cell_rules_no_grid_out_and_20_is_always_tried():
    rows = rows_of(count=60)
    answers = answers_of(rows, GiqaFormat(Grid(30, 30)), WHOLE)
    answers[0] = (
        "The [cup](<5,4000>) is sharp."  # 1 of 59 * 4 + 2 = 238 cells, 0.004, lies outside of 30 x 30
    )
    (best,) = diagnose(answers, rows).best
    assert (best.hypothesis.box_format, best.out_of_range) == (GiqaFormat(Grid(30, 30)), 1)
    answers = answers_of(ROWS, GiqaFormat(), WHOLE)
    answers[:2] = ["The [cup](<5,4000>) is sharp."] * 2  # 2 of 18 * 4 + 4 = 76 cells, 0.026: 70 x 70 or more
    (best,) = diagnose(answers, ROWS).best
    assert (best.hypothesis.box_format, best.out_of_range) == (GiqaFormat(), 2)


def test_without_true_boxes_cells_prove_how_large_a_grid_is_at_least():
    # 1581 cells and more: 39 * 39 = 1521 are too few, 40 * 40 = 1600 do
    verdict = diagnose(["The [cup](<42,1580>) is sharp.", "A [cat](<7,300>)."]).verdict
    assert verdict == (
        "cannot tell: [name](<first,last>) is cells of a grid, not of 20 x 20, for they go up to 1580: a square one "
        "has at least 40 a side; give true boxes with --references DATA"
    )
    # 399 is the last cell of 20 x 20, of 30 x 30 it is one of many; 400 is none of 20 x 20
    verdict = diagnose(["The [cup](<42,399>) is sharp."]).verdict
    assert "cells of a 20 x 20 grid of the whole image" in verdict
    assert "or cells of a grid of another size" in verdict
    assert "at least 21 a side" in diagnose(["The [cup](<42,400>) is sharp."]).verdict
    # no grid that is tried has so many cells
    assert "none of them is a place" in diagnose(["The [cup](<10000,20000>) is sharp."]).verdict


def test_the_best_of_those_tried_may_still_be_far_from_right():
    """Boxes of a picture that is not tried, with a quarter of each side added at the right and below: x * 0.8."""
    rows = rows_of(sizes=((640, 480),))
    smaller = copy.deepcopy(rows)
    for row in smaller:
        for region in row["answer_regions"]:
            region["boxes_norm"] = (np.array(region["boxes_norm"]) * 0.8).tolist()
    found = diagnose(answers_of(smaller, Florence2Format(), WHOLE), rows)
    assert 0.1 < found.findings[0].miou < 0.5
    assert (
        f"still far from right (mIoU {found.findings[0].miou:.3f}): the boxes are poor, or" in found.verdict
    )
    # and of true boxes nothing of the kind is said
    assert "far from" not in diagnose(answers_of(rows, Florence2Format(), WHOLE), rows).verdict


def test_pixels_before_and_after_resizing_are_told_apart_only_where_they_differ():
    same = rows_of(sizes=((1260, 840),))  # 45 x 30 patches of 28: nothing is resized
    found = diagnose(answers_of(same, Qwen25VLFormat(), RESIZED), same)
    assert {(f.hypothesis.unit, f.hypothesis.place) for f in found.best} == {
        ("pixels", RESIZED),
        ("pixels", WHOLE),
    }
    assert found.verdict.startswith("cannot tell: JSON is pixels of the ")
    # 640 x 480 becomes 644 x 476: a hundredth, which shows in boxes without any other error
    differing = rows_of(sizes=((640, 480),))
    for place in (RESIZED, WHOLE):
        (best,) = diagnose(answers_of(differing, Qwen25VLFormat(), place), differing).best
        assert (best.hypothesis.unit, best.hypothesis.place) == ("pixels", place)


def test_square_photographs_are_the_same_padded_or_not():
    rows = rows_of(sizes=((512, 512),))
    found = diagnose(answers_of(rows, LlavaFormat(), SQUARE), rows)
    assert {f.hypothesis.place for f in found.best} == {WHOLE, SQUARE}
    assert found.verdict.startswith("cannot tell: name [fractions] is fractions of ")
    assert "ask who made the file" in found.verdict


def test_without_true_boxes_it_says_what_it_cannot_tell():
    found = diagnose(answers_of(ROWS, LlavaFormat(), SQUARE))
    assert len(found.best) == 2 and all(f.miou is None for f in found.findings)
    assert found.verdict == (
        "cannot tell: name [fractions] is fractions of the whole image; or fractions of the image padded to a square, "
        "as of LLaVA, Shikra, GroundingGPT; the numbers fit each of them; give true boxes with --references DATA"
    )
    # small numbers: thousandths, and pixels too, which without sizes were not even tried
    small = ['[{"bbox_2d": [10, 20, 200, 180], "label": "cup"}]'] * 3
    verdict = diagnose(small).verdict
    assert "thousandths of the whole image" in verdict and "pixels" in verdict


def test_numbers_beyond_a_scale_speak_against_it():
    # of 1280 x 960: 1200 and 1100 are no thousandths, even with a fiftieth of tolerance
    answers = [
        '{"bbox_2d": [100, 100, 1200, 900], "label": "a"}, {"bbox_2d": [5, 6, 1100, 800], "label": "b"}'
    ] * 4
    findings = diagnose(answers).findings
    assert [finding.hypothesis.place for finding in findings] == [WHOLE, SQUARE]
    for finding in findings:
        assert (finding.readable, finding.out_of_range, finding.low, finding.high) == (0, 8, 5.0, 1200.0)
    assert diagnose(answers).best == []


def test_counts_are_those_of_the_answers():
    answers = [
        "The cup [0.1, 0.2, 0.3, 0.4] and [0.5, 0.5, 0.6].",  # one box, one with three numbers
        "The cup [0.1, 0.2, 0.3, 1.4].",  # no place in the image
        "No boxes, see [1].",
        "",
    ]
    found = diagnose(answers)
    assert found.answers == 4
    for finding in found.findings:
        assert (finding.answers, finding.readable, finding.out_of_range, finding.malformed) == (2, 1, 1, 1)
        assert (finding.low, finding.high) == (0.1, 1.4)
        assert finding.reason == "2 answers, 1 boxes read, 1 out of range, 1 malformed; numbers 0.1 to 1.4"
    assert diagnosis_text(found).splitlines()[-2] == "4 answers, at most 2 of them with boxes in one form"


def test_wrong_boxes_fit_nothing_and_words_have_no_boxes():
    rows = rows_of()
    for row in rows:  # every true box in one corner, every answer in the other
        for region in row["answer_regions"]:
            region["boxes_norm"] = [[0.0, 0.0, 0.1, 0.1]]
    found = diagnose(["The cup [0.80, 0.80, 0.90, 0.90]."] * len(rows), rows)
    assert found.best == [] and "no hypothesis puts the boxes where the true ones are" in found.verdict
    assert "none of the 2 answers has a box" in diagnose(["Yes.", "4 dogs 3 cats 2 x 1"]).verdict


def test_two_forms_in_one_file_are_each_judged_by_their_own_answers():
    answers = answers_of(ROWS[:12], InternVLFormat(), WHOLE) + answers_of(ROWS[12:], Kosmos2Format(), WHOLE)
    found = diagnose(answers, ROWS)
    forms = {f.hypothesis.form: f.answers for f in found.findings}
    assert forms == {"<box>": 12, "<patch_index_0000>": 8}


def test_every_hypothesis_has_marks_and_every_mark_a_hypothesis():
    assert {hypothesis.form for hypothesis in HYPOTHESES} == set(MARKS)


@pytest.fixture(scope="module")
def parts():
    return make_parts()[1]


def seeing(processor, image_processor, box_format=None):
    """The same processor with another picture."""
    changed = ground_processor(copy.copy(processor), box_format=box_format or GiqaFormat())
    changed.image_processor = image_processor
    return changed


def cropping(processor, box_format=None):
    """Plain CLIP: the shorter side to 240, then the centre of 240 x 240; a wide picture loses its sides."""
    return seeing(processor, CLIPImageProcessorPil(size={"shortest_edge": 240}, crop_size=240), box_format)


def written(processor, box_format):
    """What a model behind a processor writes of the true boxes, cut to what it sees of them."""
    return [
        render(
            grounded_of(row, "answer"),
            box_format,
            processor.frame(row["width"], row["height"]),
            hidden="drop",
        )
        for row in ROWS
    ]


def test_the_picture_of_a_processor_is_found_where_no_named_one_fits(parts):
    processor = cropping(parts)
    answers = written(processor, LlavaFormat())
    (best,) = diagnose(answers, ROWS, processor=processor, processor_name="my model").best
    assert best.hypothesis.meaning == "fractions of the picture that the processor makes of it"
    assert best.hypothesis.options == "--format llava --processor 'my model'"
    # parts of boxes lie outside of the crop, and nothing can bring them back; the other places are farther off
    assert best.miou > diagnose(answers, ROWS).findings[0].miou + 0.1


def test_a_processor_that_pads_takes_the_place_of_the_named_square(parts):
    padding = seeing(
        parts,
        LlavaImageProcessorPil(
            do_pad=True, size={"height": 240, "width": 240}, crop_size=240, do_center_crop=False
        ),
    )
    found = diagnose(answers_of(ROWS, LlavaFormat(), SQUARE), ROWS, processor=padding, processor_name="mine")
    (best,) = found.best  # one, though the named square is the same
    assert best.hypothesis.options.endswith("--processor mine")
    fractions = [f.hypothesis.place for f in found.findings if f.hypothesis.form == "name [fractions]"]
    assert len(fractions) == 2 and WHOLE in fractions and SQUARE not in fractions
    # and where the truth is another, the processor does not win
    (best,) = diagnose(answers_of(ROWS, LlavaFormat(), WHOLE), ROWS, processor=padding).best
    assert best.hypothesis.place == WHOLE


def test_the_form_that_is_saved_with_a_processor_is_tried(parts):
    """Cells of 40 x 40, which 20 x 20 reads as other places, or as none."""
    fine = GiqaFormat(Grid(40, 40))
    processor = cropping(parts, fine)
    answers = written(processor, fine)
    (best,) = diagnose(answers, ROWS, processor=processor, processor_name="mine").best
    assert best.hypothesis.box_format == fine and best.out_of_range == 0
    told = shlex.split(best.hypothesis.options)
    assert told[0] == "--format" and told[2:] == ["--processor", "mine"]
    assert format_from_dict(json.loads(told[1])) == fine
    # without the processor: the grid is found all the same, the picture is not
    for found in diagnose(answers, ROWS).findings:
        assert (found.out_of_range > 0) == (found.hypothesis.box_format == GiqaFormat())
    # a grid that is not among those tried comes from the processor alone: 24 x 24
    odd = GiqaFormat(Grid(24, 24))
    processor = cropping(parts, odd)
    (best,) = diagnose(written(processor, odd), ROWS, processor=processor).best
    assert best.hypothesis.box_format == odd


def test_boxes_of_the_original_picture_have_no_other(parts):
    answers = answers_of(ROWS, DeepSeekVL2Format(), WHOLE)
    (best,) = diagnose(answers, ROWS, processor=cropping(parts)).best
    assert best.hypothesis.place == WHOLE and best.hypothesis.options == "--format deepseek_vl2 --frame whole"


def test_without_sizes_the_processor_is_one_more_that_fits(parts):
    answers = answers_of(ROWS, LlavaFormat(), SQUARE)
    found = diagnose(answers, processor=cropping(parts), processor_name="mine")
    assert len(found.best) == 3 and "cannot tell" in found.verdict
    assert "or fractions of the whole image" in found.verdict and "the processor makes" in found.verdict


def test_a_processor_whose_picture_is_not_known(parts):
    class Strange:
        box_format = GiqaFormat()

        def frame(self, width, height):
            raise ValueError("expected a known image processor, found another")

    with pytest.raises(
        DataError, match="mine: expected a known image processor, found another; leave --proc"
    ):
        diagnose(["[cup](<0,5>)"], processor=Strange(), processor_name="mine")
