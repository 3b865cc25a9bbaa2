"""GIQA-Bench per image: intervals, sums that can be kept, two runs, judges that read each text several times."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from giqa_hf.errors import DataError
from giqa_hf.grounded_text import GroundedText, Region
from giqa_hf.metrics.giqa_bench.compute import figures_of, giqa_bench
from giqa_hf.metrics.giqa_bench.image_sums import COLUMNS, ImageSums, compare_images, figures_of_sums
from giqa_hf.metrics.llm_score.judge import Verdict
from giqa_hf.metrics.signature import parse_signature, signature_differences
from giqa_hf.metrics.uncertainty import bootstrap_intervals

WORDS = ("cup", "dog", "tower", "sky")


def rows_and_answers(images, skill, seed=0):
    """Per image a description, a Yes/No and a What question; `skill` is the share of what is said right."""
    draw = random.Random(seed)
    rows, said = [], []
    for number in range(images):
        word = WORDS[number % 4]
        box = [draw.random() / 2, draw.random() / 2]
        box = [*box, box[0] + 0.3, box[1] + 0.3]
        regions = [{"phrase": word, "boxes_norm": [box]}]
        common = {"image_id": f"{number}.png", "answer_regions": regions}
        rows += [
            {**common, "task": "des", "question_type": None, "question": "Describe.", "answer": f"The {word} is sharp and bright."},
            {**common, "task": "vqa", "question_type": "yes_no", "question": "Sharp?", "answer": "Yes.", "answer_regions": []},
            {**common, "task": "vqa", "question_type": "what", "question": "What is sharp?", "answer": f"The {word}."},
        ]  # fmt: skip
        right = [draw.random() < skill for _ in range(3)]
        place = np.array([box]) if right[0] else np.array([[0.9, 0.9, 1.0, 1.0]])
        text = f"The {word} is sharp and bright." if right[0] else f"A {word} looks really dark and blurred."
        at = text.index(word)
        said.append(GroundedText(text, [Region(word, (at, at + len(word)), place)]))
        said.append(GroundedText("Yes." if right[1] else "No."))
        start = 4
        answer = f"The {word}." if right[2] else "The grass."
        phrase = answer[start:-1]
        said.append(GroundedText(answer, [Region(phrase, (start, start + len(phrase)), np.array([box]))]))
    return rows, said


class Marks:
    """Reads each text twice: a mark by its first letter, then one more, or none."""

    name = "twice"
    repeats = 2

    def score(self, question, reference, prediction):
        raise AssertionError("a judge of many readings is asked for all of them")

    def judge_many(self, items):
        return [
            (
                Verdict(2, None),
                Verdict(3, None) if item.prediction != "The grass." else Verdict(None, "timed out"),
            )
            for item in items
        ]


def test_intervals_of_every_figure():
    rows, said = rows_and_answers(40, 0.7)
    result = giqa_bench(said, rows, intervals=True)
    figures = figures_of(result)
    assert list(result["intervals"]) == list(figures)
    for name, value in figures.items():
        low, high = result["intervals"][name]
        assert low <= value <= high
        assert low < high or value in (0.0, 1.0), name
    assert result["settings"]["intervals"] == {"level": 0.95, "resamples": 1000, "seed": 0, "images": 40}
    json.dumps(result)
    # a proportion of 40: 0.7 +- 1.96 * sqrt(.7 * .3 / 40) = 0.142
    low, high = result["intervals"]["VQA Acc (Y)"]
    assert high - low == pytest.approx(0.284, abs=0.06)
    # without intervals the figures are the very same, and the signature too
    plain = giqa_bench(said, rows)
    assert figures_of(plain) == figures and plain["signature"] == result["signature"]
    assert "intervals" not in plain


def test_intervals_by_resampling_the_rows_themselves():
    # What sums per image give is what scoring the drawn images anew gives: every figure, one resample by hand.
    rows, said = rows_and_answers(6, 0.6, seed=4)
    images = ImageSums()
    giqa_bench(said, rows, images=images)
    drawn = [0, 3, 3, 5, 1, 1]
    again = giqa_bench(
        [said[3 * image + part] for image in drawn for part in range(3)],
        [rows[3 * image + part] for image in drawn for part in range(3)],
    )
    weights = np.bincount(drawn, minlength=6)[[int(name.split(".")[0]) for name in images.image_ids]]
    found = figures_of_sums(weights[None].astype(float) @ images.sums)
    for name, value in figures_of(again).items():
        assert found[name.replace("[lexical]", "")][0] == pytest.approx(value), name


def test_order_of_rows_changes_neither_interval_nor_signature():
    rows, said = rows_and_answers(12, 0.5)
    order = random.Random(1).sample(range(len(rows)), len(rows))
    one = giqa_bench(said, rows, intervals=True, judge=False, resamples=200)
    other = giqa_bench(
        [said[i] for i in order], [rows[i] for i in order], intervals=True, judge=False, resamples=200
    )
    assert other["signature"] == one["signature"] and other["counts"] == one["counts"]
    for name, ends in one["intervals"].items():
        assert other["intervals"][name] == (None if ends is None else pytest.approx(ends, abs=1e-12))


def test_none_has_no_interval():
    rows, said = rows_and_answers(5, 1.0)
    texts = [grounded.text for grounded in said]  # no boxes at all
    result = giqa_bench(texts, rows, intervals=True, judge=False)
    for name in ("DES mIoU", "VQA Tag-Recall", "DES Box-F1", "DES LLM-Score", "VQA Acc (Total)"):
        assert result[name] is None and result["intervals"][name] is None
    assert result["intervals"]["VQA Acc (Y)"] == [1.0, 1.0]
    one_image = giqa_bench(said[:3], rows[:3], intervals=True)
    assert set(one_image["intervals"].values()) == {None}


def test_every_row_needs_its_image():
    rows, said = rows_and_answers(2, 1.0)
    del rows[4]["image_id"]
    for options in ({"intervals": True}, {"images": ImageSums()}):
        with pytest.raises(DataError, match=r"references\[4\], field image_id: expected in every row"):
            giqa_bench(said, rows, **options)
    assert giqa_bench(said, rows)["VQA Acc (Y)"] == 1.0


def test_two_runs():
    rows, better = rows_and_answers(60, 0.9, seed=1)
    _, worse = rows_and_answers(60, 0.9, seed=1)
    for number in range(1, 180, 9):  # 20 of the 60 Yes/No answers become wrong
        worse[number] = GroundedText("No.")
    one, two = ImageSums(), ImageSums()
    first, second = giqa_bench(worse, rows, images=one), giqa_bench(better, rows, images=two)
    found = compare_images(one, two)
    assert found["VQA Acc (Y)"].difference == pytest.approx(second["VQA Acc (Y)"] - first["VQA Acc (Y)"])
    assert found["VQA Acc (Y)"].low > 0 and found["VQA Acc (Y)"].p == pytest.approx(2 / 1001)
    assert found["DES mIoU"] == (0.0, 0.0, 0.0, 1.0)  # the descriptions are the same
    # through a file and back, all stays
    kept = ImageSums.from_dict(json.loads(json.dumps(two.to_dict())))
    assert compare_images(one, kept) == found


def test_runs_on_other_rows_are_not_compared():
    rows, said = rows_and_answers(3, 1.0)
    one, two = ImageSums(), ImageSums()
    giqa_bench(said, rows, images=one)
    rows[0]["answer"] = "The cup is sharp and bright, really."
    giqa_bench(said, rows, images=two)
    with pytest.raises(DataError, match="expected two runs on the same rows"):
        compare_images(one, two)
    with pytest.raises(ValueError, match="images: expected empty ImageSums"):
        giqa_bench(said, rows, images=two)


@pytest.mark.parametrize(
    "change",
    [{"columns": ["a"]}, {"images": {"a.png": [1.0]}}, {"images": [1]}, {"data": ...}, {"figures": 3}],
)
def test_damaged_sums_are_refused(change):
    images = ImageSums()
    giqa_bench(*reversed(rows_and_answers(2, 1.0)), images=images)
    data = {**images.to_dict(), **change}
    if ... in change.values():
        del data["data"]
    with pytest.raises(DataError, match=f"expected data, figures, images and the {len(COLUMNS)} columns"):
        ImageSums.from_dict(data)


def test_a_judge_that_reads_twice():
    rows, said = rows_and_answers(4, 1.0)
    said[2] = GroundedText("The grass.")
    result = giqa_bench(said, rows, judge=Marks(), intervals=True, resamples=100)
    # descriptions: (2 + 3) / 2 = 2.5 of 4 each; answers: three of 2.5, one of 2: 9.5 / 16
    assert result["DES LLM-Score[twice]"] == 62.5
    assert result["VQA Acc (W)[twice]"] == pytest.approx(9.5 / 16)
    assert result["judging"]["des"] == {
        "marks": [0, 0, 4, 4, 0],
        "problems": {},
        "runs": [50.0, 75.0],
        "spread": pytest.approx(12.5 * 2**0.5),  # of 50 and 75, n - 1
        "self_agreement": pytest.approx(-0.75),  # all 4 texts apart: 1 - 7 * 4 / (4 * 4)
    }
    assert result["judging"]["vqa"]["problems"] == {"timed out": 1}
    assert result["judging"]["vqa"]["runs"] == [0.5, 0.75]
    assert result["counts"]["vqa"]["judged"] == 4 and result["counts"]["vqa"]["judge_failures"] == 0
    low, high = result["intervals"]["VQA Acc (W)[twice]"]
    assert 0.5 <= low <= 9.5 / 16 <= high <= 0.625
    assert parse_signature(result["signature"])["judge"] == "twice"


def test_signature_tells_what_differs():
    rows, said = rows_and_answers(3, 1.0)
    usual = giqa_bench(said, rows)["signature"]
    parts = parse_signature(usual)
    assert parts["metric"] == "giqa_bench" and parts["similarity"] == "lexical_similarity"
    assert parts["box_format"].startswith("giqa(") and "cols=20" in parts["box_format"]
    assert parts["bleu"] == "captioning-ptb-lower-corpus-closest" and len(parts["data"]) == 16
    changes = {
        "decoding": {"decoding": "greedy"},
        "matching": {"matching": "greedy"},
        "normalise": {"normalise": "matched"},
        "judge": {"judge": False},
        "similarity": {"similarity": lambda a, b: np.zeros((len(a), len(b)))},
    }
    for part, options in changes.items():
        assert set(signature_differences(usual, giqa_bench(said, rows, **options)["signature"])) == {part}
    rows[0]["answer_regions"][0]["boxes_norm"][0][0] += 1e-9  # of the image's What question too: one list
    assert set(signature_differences(usual, giqa_bench(said, rows)["signature"])) == {"data"}


boxes = st.builds(
    lambda x, y, w, h: [x / 10, y / 10, (x + w) / 10, (y + h) / 10],
    *[st.integers(0, 4)] * 2,
    *[st.integers(1, 4)] * 2,
)
sides = st.lists(st.tuples(st.sampled_from(WORDS), boxes), max_size=3)
TEXT = " ".join(WORDS) + " xx"


def grounded(tags):
    """Every word of TEXT with its boxes."""
    regions = []
    for word in (*WORDS, "xx"):
        at = TEXT.index(word)
        own = [box for name, box in tags if name == word]
        regions.append(Region(word, (at, at + len(word)), np.array(own).reshape(-1, 4)))
    return GroundedText(TEXT, regions)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(sides, sides, st.booleans()), min_size=1, max_size=4),
    st.sampled_from(["hungarian", "greedy"]),
    st.sampled_from(["truth", "matched"]),
    st.randoms(use_true_random=False),
)
def test_a_wrong_box_never_raises_a_figure_and_the_truth_has_the_highest(pairs, matching, normalise, draw):
    rows = [
        {
            "task": "des" if is_des else "vqa",
            "question_type": None if is_des else "why",
            "question": "Why?",
            "answer": TEXT,
            "answer_regions": [{"phrase": name, "boxes_norm": [box]} for name, box in true],
        }
        for _, true, is_des in pairs
    ]
    options = {"matching": matching, "normalise": normalise}
    before = figures_of(giqa_bench([grounded(said) for said, _, _ in pairs], rows, **options))
    # no truth reaches beyond 0.8
    wrong = [
        grounded([*said, *[(draw.choice([*WORDS, "xx"]), [0.9, 0.9, 1.0, 1.0])] * draw.randrange(3)])
        for said, _, _ in pairs
    ]
    after = figures_of(giqa_bench(wrong, rows, **options))
    best = figures_of(giqa_bench([grounded(true) for _, true, _ in pairs], rows, **options))
    for name, value in before.items():
        if value is not None:
            assert after[name] <= value + 1e-12
            assert best[name] is not None and best[name] >= value - 1e-12
        if best[name] is not None:
            assert best[name] == pytest.approx(100.0 if "BLEU" in name or "LLM" in name else 1.0)


def test_figures_of_no_sums_are_unknown():
    found = figures_of_sums(np.zeros((2, len(COLUMNS))))
    assert all(np.isnan(values).all() and len(values) == 2 for values in found.values())
    assert bootstrap_intervals(ImageSums().sums, figures_of_sums) == dict.fromkeys(found)
