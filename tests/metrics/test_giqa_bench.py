"""GIQA-Bench as a function: worked samples, counts, None against 0, refusals."""

from __future__ import annotations

import copy
import gc
import json
import random
import tracemalloc

import numpy as np
import pytest

from giqa_hf.errors import DataError
from giqa_hf.formats import NormalizedFormat
from giqa_hf.grid import Grid
from giqa_hf.grounded_text import GroundedText, Issue, Region
from giqa_hf.metrics.giqa_bench.compute import figures_of, giqa_bench

FIGURES = [
    "DES mIoU",
    "DES Tag-Recall",
    "DES BLEU@4",
    "DES LLM-Score[lexical]",
    "VQA mIoU",
    "VQA Tag-Recall",
    "VQA Acc (Y)",
    "VQA Acc (W)[lexical]",
    "VQA Acc (Total)[lexical]",
]
BOX_FIGURES = [f"{task} Box-{kind}" for task in ("DES", "VQA") for kind in ("Precision", "Recall", "F1")]


def region(phrase, *boxes):
    return {"phrase": phrase, "boxes_norm": [list(box) for box in boxes]}


def des(answer, *regions):
    return {
        "task": "des",
        "question_type": None,
        "question": "Describe the quality.",
        "answer": answer,
        "answer_regions": list(regions),
    }


def vqa(kind, question, answer, *regions):
    return {
        "task": "vqa",
        "question_type": kind,
        "question": question,
        "answer": answer,
        "answer_regions": list(regions),
    }


CUP, TABLE = (0.0, 0.0, 0.5, 0.5), (0.0, 0.5, 1.0, 1.0)
# Decoded as Eq. 2: <0,189> is (.025, .025, .475, .475), <200,399> is (.025, .525, .975, .975).
ROWS = [
    des("The cup is sharp, the table is dark.", region("cup", CUP), region("table", TABLE)),
    vqa("yes_no", "Is the cup sharp?", "Yes."),
    vqa("yes_no", "Is the table bright?", "No."),
    vqa("what", "What is dark?", "The table.", region("table", TABLE)),
    vqa("how", "How clear is the cup?", "Clear."),
]
PERFECT = [
    "The [cup](<0,189>) is sharp, the [table](<200,399>) is dark.",
    "Yes.",
    "No.",
    "The [table](<200,399>).",
    "Clear.",
]
# What the grid leaves of perfect boxes: cup .45 * .45 / .25 = .81, table .95 * .45 / .5 = .855
GRID_CUP, GRID_TABLE = 0.81, 0.855


def test_thoughts_are_no_part_of_a_prediction():
    thoughts = "<think>No? The [table](<0,1>) or the [cup](<200,399>)?</think>\n\n"
    thinking = giqa_bench([thoughts + text for text in PERFECT], ROWS)
    spoken = giqa_bench(PERFECT, ROWS)
    assert thinking == spoken and spoken["VQA Acc (Y)"] == 1.0
    cut = giqa_bench(["<think>The [cup](<0,189>) is", *PERFECT[1:]], ROWS)
    assert cut["counts"]["des"]["outcomes"]["mIoU"] == {"right": 0, "wrong": 0, "malformed": 0, "absent": 2}


def test_perfect_predictions():
    result = giqa_bench(PERFECT, ROWS)
    assert list(result) == [*FIGURES, *BOX_FIGURES, "counts", "judging", "settings", "signature"]
    assert list(figures_of(result)) == [*FIGURES, *BOX_FIGURES]
    assert [result[name] for name in BOX_FIGURES] == [1.0] * 6
    assert result["DES mIoU"] == pytest.approx((GRID_CUP + GRID_TABLE) / 2)
    assert result["VQA mIoU"] == pytest.approx(GRID_TABLE)  # one question has boxes in its answer
    assert result["DES BLEU@4"] == pytest.approx(100)
    assert result["DES LLM-Score[lexical]"] == 100
    for name in ("DES Tag-Recall", "VQA Tag-Recall", *FIGURES[6:]):
        assert result[name] == 1.0, name


def test_exact_boxes_score_one():
    truth = [GroundedText(r["answer"], _regions(r)) for r in ROWS]
    result = giqa_bench(truth, ROWS)
    assert [result[name] for name in FIGURES] == pytest.approx([1, 1, 100, 100, 1, 1, 1, 1, 1])


def _regions(row):
    found = []
    for part in row["answer_regions"]:
        start = row["answer"].index(part["phrase"])
        found.append(
            Region(part["phrase"], (start, start + len(part["phrase"])), np.array(part["boxes_norm"]))
        )
    return found


def test_by_hand():
    predictions = [
        "The [table](<0,189>) is sharp, the table is dark.",  # cup's place, table's name; table missed
        "It is.",  # neither word
        "Yes.",  # wrong
        "The [table](<200,399>, <0,0>, <0,400>).",  # right; an extra box; a cell that there is not
        "The cup is not blurred.",  # not blur = sharp = clear: 4 of 4
    ]
    result = giqa_bench(predictions, ROWS)
    assert result["DES mIoU"] == pytest.approx(GRID_CUP / 2)  # whatever the name; table 0
    assert result["DES Tag-Recall"] == 0.0
    # predicted "the table is sharp the table is dark", true "the cup is sharp the table is dark", clipped:
    # words 7/8 (table stands once in the truth); pairs 5/7 (is-sharp sharp-the the-table table-is is-dark);
    # triples 4/6 (is-sharp-the sharp-the-table the-table-is table-is-dark);
    # fours 3/5 (is-sharp-the-table sharp-the-table-is the-table-is-dark)
    assert result["DES BLEU@4"] == pytest.approx(100 * (7 / 8 * 5 / 7 * 4 / 6 * 3 / 5) ** 0.25, abs=1e-5)
    # content {table, sharp, dark} against {cup, sharp, table, dark}: 2 * 3 / 7 = .857 -> 4
    assert result["DES LLM-Score[lexical]"] == 100.0
    assert result["VQA mIoU"] == pytest.approx(GRID_TABLE)  # the extra box costs nothing
    assert result["VQA Tag-Recall"] == 1.0
    assert result["VQA Acc (Y)"] == 0.0
    assert result["VQA Acc (W)[lexical]"] == 1.0
    assert result["VQA Acc (Total)[lexical]"] == pytest.approx((2 * 0 + 2 * 1) / 4)
    # DES: 1 predicted box, right; 2 true ones. VQA: 2 predicted, 1 right; 1 true one
    assert [result[name] for name in BOX_FIGURES] == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2, 1, 2 / 3])
    assert result["counts"] == {
        "des": {
            "samples": 1,
            "with_true_boxes": 1,
            "true_boxes": 2,
            "predicted_boxes": 1,
            "predictions_with_boxes": 1,
            "predictions_with_only_unreadable_boxes": 0,
            "predictions_without_boxes": 0,
            "box_statuses": {"ok": 1},
            "tags_found": 0,
            "boxes_found": 1,
            "judged": 1,
            "judge_failures": 0,
            "outcomes": {
                "mIoU": {"right": 1, "wrong": 1, "malformed": 0, "absent": 0},
                "Tag-Recall": {"right": 0, "wrong": 2, "malformed": 0, "absent": 0},
                "Box-Precision": {"right": 1, "wrong": 0, "malformed": 0, "absent": 0},
                "Box-Recall": {"right": 1, "wrong": 1, "malformed": 0, "absent": 0},
                "BLEU@4": {"scored": 1, "absent": 0},
                "LLM-Score": {"scored": 1, "unscored": 0, "absent": 0},
            },
        },
        "vqa": {
            "samples": 4,
            "with_true_boxes": 1,
            "true_boxes": 1,
            "predicted_boxes": 2,
            "predictions_with_boxes": 1,
            "predictions_with_only_unreadable_boxes": 0,
            "predictions_without_boxes": 3,
            "box_statuses": {"ok": 2, "out_of_range": 1},
            "tags_found": 1,
            "boxes_found": 1,
            "yes_no": 2,
            "yes_no_correct": 0,
            "yes_no_malformed": 1,
            "what_why_how": 2,
            "judged": 2,
            "judge_failures": 0,
            "outcomes": {
                "mIoU": {"right": 1, "wrong": 0, "malformed": 0, "absent": 0},
                "Tag-Recall": {"right": 1, "wrong": 0, "malformed": 0, "absent": 0},
                "Box-Precision": {"right": 1, "wrong": 1, "malformed": 1, "absent": 0},
                "Box-Recall": {"right": 1, "wrong": 0, "malformed": 0, "absent": 0},
                "Acc (Y)": {"right": 0, "wrong": 1, "malformed": 1, "absent": 0},
                "Acc (W)": {"scored": 2, "unscored": 0, "absent": 0},
            },
        },
    }
    json.dumps(result)  # plain data


@pytest.mark.parametrize(
    ("predictions", "rows", "expected"),
    [
        # no boxes at all: not available; texts are scored
        (["The cup is sharp.", "x"], [ROWS[0], ROWS[3]], {"DES mIoU": None, "VQA Tag-Recall": None}),
        # unreadable boxes only: it tried, so 0; the other task did not try
        (
            ["The [cup](<0,400>)", "x"],
            [ROWS[0], ROWS[3]],
            {"DES mIoU": 0.0, "DES Tag-Recall": 0.0, "VQA mIoU": None},
        ),
        # remains that no reader knows, and a box of another form: they tried too
        (
            ["The ] cup]<<<10,331", "[table](0.1,0.2)"],
            [ROWS[0], ROWS[3]],
            {"DES mIoU": 0.0, "VQA Tag-Recall": 0.0},
        ),
        (["A cup [0.10, 0.20, 0.50, 0.60]."], [ROWS[0]], {"DES mIoU": 0.0, "DES Box-F1": 0.0}),
        # a box that is wrong: 0
        (["The [cup](<19,19>)"], [ROWS[0]], {"DES mIoU": 0.0, "DES Tag-Recall": 0.0}),
        # boxes, and no truth to hold them against
        (["[It](<0,399>). Yes."], [ROWS[1]], {"VQA mIoU": None, "VQA Tag-Recall": None, "VQA Acc (Y)": 1.0}),
        # a task without samples is None everywhere
        (
            ["Yes."],
            [ROWS[1]],
            {n: None for n in FIGURES if n.startswith("DES")} | {"VQA Acc (W)[lexical]": None},
        ),
        (["x"], [ROWS[0]], {n: None for n in FIGURES if n.startswith("VQA")}),
        ([], [], dict.fromkeys(FIGURES)),
        # an empty answer is a wrong answer, not a missing one
        (
            ["", "", ""],
            [ROWS[0], ROWS[1], ROWS[4]],
            {
                "DES BLEU@4": 0.0,
                "DES LLM-Score[lexical]": 0.0,
                "VQA Acc (Y)": 0.0,
                "VQA Acc (W)[lexical]": 0.0,
            },
        ),
    ],
)
def test_none_is_not_zero(predictions, rows, expected):
    result = giqa_bench(predictions, rows)
    assert {name: result[name] for name in expected} == expected


def test_only_unreadable_boxes_are_counted_apart():
    counts = giqa_bench(["[cup](<0,400>)", "cup", "[cup](<0,1>)"], [ROWS[0]] * 3)["counts"]["des"]
    kinds = ["with_boxes", "with_only_unreadable_boxes", "without_boxes"]
    assert [counts[f"predictions_{kind}"] for kind in kinds] == [1, 1, 1]
    assert counts["samples"] == 3


def test_remains_of_boxes_count_as_malformed_once_a_prediction():
    said = ["cup]<<<10,331 <3,", "cup", "The [cup](<0,1>) and <<<10,331", "[cup](<0,400>) <<3,"]
    counts = giqa_bench(said, [ROWS[0]] * 4)["counts"]["des"]
    kinds = ["with_boxes", "with_only_unreadable_boxes", "without_boxes"]
    assert [counts[f"predictions_{kind}"] for kind in kinds] == [1, 2, 1]
    # beside something that was read, readable or not, the rest of the text is only text
    assert counts["box_statuses"] == {"ok": 1, "out_of_range": 1, "unrecognised": 1}
    for figure in ("mIoU", "Tag-Recall", "Box-Recall"):
        outcomes = counts["outcomes"][figure]
        assert sum(outcomes.values()) == counts["true_boxes"]
        assert (
            outcomes["malformed"] == counts["true_boxes"] / 2
            and outcomes["absent"] == counts["true_boxes"] / 4
        )


def test_without_a_judge():
    result = giqa_bench(PERFECT, ROWS, judge=False)
    assert list(result)[:9] == [name.replace("[lexical]", "") for name in FIGURES]
    for name in ("DES LLM-Score", "VQA Acc (W)", "VQA Acc (Total)"):
        assert result[name] is None
    assert result["VQA Acc (Y)"] == 1.0
    assert result["settings"]["judge"] is None and result["judging"] == {}
    counts = result["counts"]
    assert [counts[task][name] for task in counts for name in ("judged", "judge_failures")] == [0, 0, 0, 0]
    assert counts["vqa"]["outcomes"]["Acc (W)"] == {"scored": 0, "unscored": 2, "absent": 0}


class Recorder:
    name = "recorder"

    def __init__(self, mark):
        self.mark, self.seen = mark, []

    def score(self, question, reference, prediction):
        self.seen.append((question, reference, prediction))
        return self.mark


def test_a_given_judge_names_its_figures_and_sees_no_coordinates():
    judge = Recorder(3)
    result = giqa_bench(PERFECT, ROWS, judge=judge)
    assert result["DES LLM-Score[recorder]"] == 75.0
    assert result["VQA Acc (W)[recorder]"] == 0.75
    assert result["VQA Acc (Total)[recorder]"] == pytest.approx((2 * 1 + 2 * 0.75) / 4)
    assert sorted(judge.seen, key=str) == sorted(
        [
            (None, "The cup is sharp, the table is dark.", "The cup is sharp, the table is dark."),
            ("What is dark?", "The table.", "The table."),
            ("How clear is the cup?", "Clear.", "Clear."),
        ],
        key=str,
    )


def test_judge_failures_are_shown():
    result = giqa_bench(PERFECT, ROWS, judge=Recorder(None))
    assert result["DES LLM-Score[recorder]"] is None
    assert result["VQA Acc (Total)[recorder]"] is None
    assert (result["counts"]["des"]["judge_failures"], result["counts"]["vqa"]["judge_failures"]) == (1, 2)


def test_options_reach_their_metric():
    half = ["The [cup](<0,189>)"]
    assert giqa_bench(half, ROWS[:1])["DES mIoU"] == pytest.approx(GRID_CUP / 2)
    assert giqa_bench(half, ROWS[:1], normalise="matched")["DES mIoU"] == pytest.approx(GRID_CUP)
    strict = giqa_bench(half, ROWS[:1], similarity=lambda a, b: np.zeros((len(a), len(b))), matching="greedy")
    assert strict["DES Tag-Recall"] == 0.0
    assert strict["settings"] == {
        "judge": "lexical",
        "similarity": "<lambda>",
        "box_format": "giqa",
        "matching": "greedy",
        "normalise": "truth",
        "bleu": "captioning-ptb-lower-corpus-closest",
    }
    other = giqa_bench(["The [cup](<0.00,0.00,0.50,0.50>)"], ROWS[:1], box_format=NormalizedFormat())
    assert other["DES mIoU"] == pytest.approx(0.5)  # the exact box of one of two


def test_issues_of_a_grounded_text_are_an_attempt():
    tried = GroundedText("The cup", [], [Issue("bad_arity", "<7>", (3, 6))])
    result = giqa_bench([tried], ROWS[:1])
    assert result["DES mIoU"] == 0.0
    assert result["counts"]["des"]["box_statuses"] == {"bad_arity": 1}


def _many(count, seed=0):
    draw = random.Random(seed)
    grid = Grid()
    for _ in range(count):
        names = draw.sample(["cup", "old man", "tower", "coffee cup"], 2)
        boxes = []
        for _ in names:
            x, y = draw.random() * 0.7, draw.random() * 0.7
            boxes.append([x, y, x + 0.3 * draw.random(), y + 0.3 * draw.random()])
        cells = grid.encode(boxes if draw.random() < 0.8 else boxes[::-1]).tolist()
        said = " and ".join(f"[{n}](<{a},{b}>)" for n, (a, b) in zip(names, cells, strict=True))
        kind = draw.choice(["des", "yes_no", "what"])
        regions = [region(n, b) for n, b in zip(names, boxes, strict=True)]
        if kind == "des":
            yield said + " are blurred", des(" and ".join(names) + " are sharp", *regions)
        elif kind == "what":
            yield said, vqa(kind, "What is dark?", " and ".join(names), *regions)
        else:
            yield draw.choice(["Yes.", "No.", "?"]), vqa(kind, "Is it?", draw.choice(["Yes.", "No."]))


def test_order_chunks_and_generators_do_not_matter(monkeypatch):
    pairs = list(_many(120))
    whole = giqa_bench(*zip(*pairs, strict=True))
    monkeypatch.setattr("giqa_hf.metrics.giqa_bench.compute.SAMPLES_AT_ONCE", 7)
    random.Random(3).shuffle(pairs)
    mixed = giqa_bench((p for p, _ in pairs), (r for _, r in pairs))
    assert mixed["counts"] == whole["counts"]
    assert [mixed[name] for name in FIGURES] == [whole[name] for name in FIGURES]  # to the last bit
    assert 0 < whole["DES mIoU"] < 1 and 0 < whole["VQA Tag-Recall"] <= 1  # neither empty nor trivial


def test_a_wrong_box_gains_nothing():
    # The cell in the lower right corner touches no truth whose right edge is left of 0.95.
    pairs = [
        (prediction, row)
        for prediction, row in _many(80)
        if all(box[2] < 0.95 for part in row["answer_regions"] for box in part["boxes_norm"])
    ]
    before = giqa_bench(*zip(*pairs, strict=True), judge=False)
    wrong = [(f"{prediction} [cup](<399,399>)", row) for prediction, row in pairs]
    after = giqa_bench(*zip(*wrong, strict=True), judge=False)
    for name in ("DES mIoU", "DES Tag-Recall", "VQA mIoU", "VQA Tag-Recall"):
        assert 0 < before[name] <= 1
        assert after[name] == pytest.approx(before[name], abs=1e-12)


def test_memory_does_not_grow(monkeypatch):
    monkeypatch.setattr("giqa_hf.metrics.giqa_bench.compute.SAMPLES_AT_ONCE", 32)
    pairs = list(_many(400))  # the inputs themselves are outside of what is measured

    def alive_at_the_end(count, **options):
        def predictions():
            for number, (prediction, _) in enumerate(pairs[:count]):
                if number == count - 1:
                    gc.collect()  # Python's own store of freed tuples goes too
                    alive.append(tracemalloc.get_traced_memory()[0])
                yield prediction

        alive = []
        tracemalloc.start()
        giqa_bench(predictions(), (row for _, row in pairs[:count]), judge=False, **options)
        tracemalloc.stop()
        return alive[0]

    alive_at_the_end(400)  # fills the bounded caches
    grown = alive_at_the_end(385) - alive_at_the_end(97)  # both in the middle of a chunk, after one sample
    assert grown < 30_000  # bytes; 288 kept samples of about 1.5 kB would take 430,000
    # Intervals keep 29 sums per image, here of 40 images however many samples there are.
    for number, (_, row) in enumerate(pairs):
        row["image_id"] = f"{number % 40}.png"
    grown = alive_at_the_end(385, intervals=True) - alive_at_the_end(97, intervals=True)
    assert grown < 30_000


def _changed(row, **changes):
    row = copy.deepcopy(row)
    for name, value in changes.items():
        if value is ...:
            del row[name]
        else:
            row[name] = value
    return row


@pytest.mark.parametrize(
    ("predictions", "rows", "message"),
    [
        (["a"], [], "got 1 predictions and 0 references"),
        (iter(["a", "b"]), [ROWS[0]], "got more than 1 predictions and 1 references"),
        (iter(["a"]), iter([ROWS[0]] * 2), "got 1 predictions and more than 1 references"),
        ("a text", [ROWS[0]], "predictions: expected a list with one entry per sample, got str"),
        (["a"], ROWS[0], "references: expected a list with one entry per sample, got dict"),
        (None, [], "predictions: expected a list with one entry per sample, got NoneType"),
        (
            ["a", None],
            ROWS[:2],
            "predictions[1]: expected a string or a GroundedText (an empty answer is ''), found None",
        ),
        (
            ["a", 7],
            ROWS[:2],
            "predictions[1]: expected a string or a GroundedText (an empty answer is ''), found 7",
        ),
        (["a"], ["row"], "references[0]: expected a row with task, question_type"),
        (["a"], [_changed(ROWS[0], answer=...)], "references[0], field answer: expected in every row"),
        (
            ["a"] * 2,
            [ROWS[0], _changed(ROWS[1], question_type=...)],
            "references[1], field question_type: expected in every",
        ),
        (
            ["a"],
            [_changed(ROWS[0], task="cap")],
            "references[0], field task: expected des or vqa, found 'cap'",
        ),
        (
            ["a"],
            [_changed(ROWS[1], question_type="which")],
            "field question_type: expected one of yes_no, what, why, how",
        ),
        (["a"], [_changed(ROWS[1], question=3)], "references[0], field question: expected a string, found 3"),
        (
            ["a"],
            [_changed(ROWS[1], answer=None)],
            "references[0], field answer: expected a string, found None",
        ),
        (
            ["a"],
            [_changed(ROWS[1], answer="Maybe.")],
            "references[0], field answer: expected a true answer with the word",
        ),
        (
            ["a"],
            [_changed(ROWS[0], answer_regions={"phrase": []})],
            "field answer_regions: expected a list of regions",
        ),
        (
            ["a"],
            [_changed(ROWS[0], answer_regions=["cup"])],
            "answer_regions: expected regions with a phrase",
        ),
        (
            ["a"],
            [_changed(ROWS[0], answer_regions=[{"phrase": "cup"}])],
            "answer_regions: expected regions with a phrase",
        ),
        (
            ["a"] * 2,
            [ROWS[0], des("x", region("x", CUP, (0, 0, 2, 1)))],
            "references[1], field answer_regions, box 1: expected boxes_norm of finite numbers",
        ),
        (["a"], [des("x", region("x", (0, 0, 1)))], "references[0], field answer_regions, box 0: expected"),
        (["a"], [des("x", region("x", (0, 0, 1, float("nan"))))], "found [0, 0, 1, nan]"),
        (["a"], [des("x", region("x", (1, 0, 0, 1)))], "found [1, 0, 0, 1]"),
        (["a"], [des("x", region("x", ("a", 0, 0, 1)))], "found ['a', 0, 0, 1]"),
    ],
)
def test_one_clear_sentence(predictions, rows, message):
    with pytest.raises(DataError) as caught:
        giqa_bench(predictions, rows)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_des_rows_need_no_question_type_and_regions_may_be_none():
    row = _changed(ROWS[0], question_type=..., answer_regions=None)
    assert giqa_bench(["x"], [row])["counts"]["des"]["with_true_boxes"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"judge": "llama"}, "judge: expected an object"),
        ({"similarity": 0.5}, "similarity: expected a function"),
        ({"box_format": "giqa"}, "box_format: expected a format with read"),
        ({"matching": "best"}, "matching: expected one of"),
        ({"normalise": "pred"}, "normalise: expected one of"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        giqa_bench([], [], **options)
