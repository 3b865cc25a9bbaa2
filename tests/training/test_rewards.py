"""Rewards: their arithmetic, the three kinds of completions, columns as TRL gives them, and what is not rewarded."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from giqa_hf.formats import Qwen25VLFormat
from giqa_hf.frames import Frame
from giqa_hf.metrics.grounding_miou.compute import grounding_miou
from giqa_hf.metrics.vqa_accuracy.compute import vqa_accuracy
from giqa_hf.training.rewards import (
    REWARDS,
    answer_reward,
    answer_reward_of,
    box_f1_reward,
    box_iou_reward,
    description_reward,
    description_reward_of,
    format_reward,
    frame_of_row,
    text_of,
)

# <0,84>: cells (0, 0) to (4, 4), so 0.025 .. 0.225 both ways; <300,399>: rows 15 to 19, columns 0 to 19.
BOX, LOW = [0.025, 0.025, 0.225, 0.225], [0.025, 0.775, 0.975, 0.975]

FORMAT = {
    # what the model wrote, true boxes, reward
    "one good box": ("A [cup](<0,84>).", [BOX], 1.0),
    "none, and none asked for": ("No.", [], 1.0),
    "none, though asked for": ("A cup.", [BOX], 0.0),
    "nothing at all": ("", [BOX], 0.0),
    "a good box that was not asked for": ("A [cup](<0,84>).", [], 1.0),  # what it costs, box_f1_reward says
    "outside the grid": ("A [cup](<0,400>).", [BOX], 0.0),  # 0 of 1
    "one of two outside": ("A [cup](<0,84>,<0,400>).", [BOX], 1 / 2),
    "too few numbers": ("A [cup](<0,84>, <7>).", [BOX], 1 / 2),
    "cut off in the box": ("A [cup](<0,84>) and a [jar](<3", [BOX], 1 / 2),
    "corners reversed": ("A [cup](<84,0>).", [BOX], 0.0),  # readable, but not well-formed
    "the same box again and again": ("A [cup](<0,84>,<0,84>,<0,84>,<0,84>).", [BOX], 1 / 4),
    "malformed, and none asked for": ("A [cup](<0,400>).", [], 0.0),
    "only in its thoughts": ("<think>A [cup](<0,84>)?</think>A cup.", [BOX], 0.0),
    "only remains of boxes": ("The ] cup]<<<10,331", [], 0.0),
}


@pytest.mark.parametrize("text, true_boxes, expected", FORMAT.values(), ids=FORMAT)
def test_format(text, true_boxes, expected):
    assert format_reward([text], true_boxes_norm=[true_boxes]) == [pytest.approx(expected)]


BOXES = {
    # what the model wrote, true boxes, reward by IoU, reward by F1
    "exact": ("[cup](<0,84>)", [BOX], 1.0, 1.0),
    "one of two": ("[cup](<0,84>)", [BOX, LOW], 1 / 2, 2 / 3),  # 1 of 2; 2 * 1 / (1 + 2)
    "one too many": ("[cup](<0,84>) [jar](<300,399>)", [BOX], 1.0, 2 / 3),  # free by IoU; 2 * 1 / (2 + 1)
    "another place": ("[jar](<300,399>)", [BOX], 0.0, 0.0),
    # <0,42>: 0.025 .. 0.125, a quarter of the area, inside: IoU 1/4, not above 1/2
    "too small": ("[cup](<0,42>)", [BOX], 1 / 4, 0.0),
    "none": ("A cup.", [BOX], 0.0, 0.0),
    "thought of another": ("<think>[jar](<300,399>)</think>[cup](<0,84>)", [BOX], 1.0, 1.0),
    "malformed only": ("[cup](<0,400>)", [BOX], 0.0, 0.0),
    "none where there is none": ("No.", [], None, 1.0),
    "invented": ("[cup](<0,84>)", [], None, 0.0),
    # the second is one too many: 2 * 1 / (2 + 1)
    "written twice": ("[cup](<0,84>,<0,84>)", [BOX], 1.0, 2 / 3),
}


@pytest.mark.parametrize("text, true_boxes, by_iou, by_f1", BOXES.values(), ids=BOXES)
def test_boxes(text, true_boxes, by_iou, by_f1):
    (iou,) = box_iou_reward([text], true_boxes_norm=[true_boxes])
    (f1,) = box_f1_reward([text], true_boxes_norm=[true_boxes])
    assert (iou, f1) == (by_iou if by_iou is None else pytest.approx(by_iou), pytest.approx(by_f1))


def test_boxes_are_read_in_the_models_frame():
    """A picture of 200 x 100 padded to a square of 200: 50 px above and below.

    Cells <100,299> are x 0.025 .. 0.975, y 0.275 .. 0.725 of the square, that is 55 .. 145 px, less 50: 5 .. 95 of the
    picture's 100. Read as of the whole picture, the box is y 0.275 .. 0.725: 0.45 / 0.9 of the true one.
    """
    columns = {"true_boxes_norm": [[[0.025, 0.05, 0.975, 0.95]]]}
    padded = frame_of_row(Frame.square_pad((200, 100), 200))
    assert box_iou_reward(["[sky](<100,299>)"], frame=[padded], **columns) == [pytest.approx(1.0)]
    assert box_iou_reward(["[sky](<100,299>)"], **columns) == [pytest.approx(0.5)]


def test_boxes_in_pixels_of_the_models_picture():
    """640 x 480 becomes 644 x 476 in steps of 28; half of that is 322 x 238."""
    frame = Frame.smart_resize((640, 480), 28, 3136, 12845056)
    said = '```json\n[{"bbox_2d": [0, 0, 322, 238], "label": "cup"}]\n```'
    columns = {
        "box_format": [json.dumps(Qwen25VLFormat().to_dict())],
        "frame": [frame_of_row(frame)],
        "true_boxes_norm": [[[0.0, 0.0, 0.5, 0.5]]],
    }
    assert box_iou_reward([said], **columns) == [pytest.approx(1.0)]
    assert format_reward([said], **columns) == [1.0]


ANSWERS = {
    # what the model wrote, question, true answer, type, reward
    "yes": ("Yes, it is.", "Is it sharp?", "Yes.", "yes_no", 1.0),
    "no": ("No.", "Is it sharp?", "Yes.", "yes_no", 0.0),
    "neither": ("It is sharp.", "Is it sharp?", "Yes.", "yes_no", 0.0),
    "empty": ("", "Is it sharp?", "Yes.", "yes_no", 0.0),
    "the same": ("Blurry.", "How clear is it?", "Blurry.", "how", 1.0),  # mark 4 of 4
    "with a box": ("The [dog](<0,84>).", "What is dark?", "The dog.", "what", 1.0),  # read without it
    "unrelated": ("Noise.", "What is dark?", "The dog.", "what", 0.0),  # mark 0 of 4
    # {dog} of {dog} and {dog, cat}: 2 * 1 / (1 + 2) = 0.67, mark 3 of 4
    "a part": ("The dog.", "What is dark?", "The dog and the cat.", "what", 3 / 4),
    "a description": ("It is sharp.", "Describe the image.", "It is sharp.", None, None),
}


@pytest.mark.parametrize("text, question, answer, kind, expected", ANSWERS.values(), ids=ANSWERS)
def test_answers(text, question, answer, kind, expected):
    columns = {"question": [question], "answer": [answer], "question_type": [kind]}
    assert answer_reward([text], **columns) == [expected]


def test_descriptions_and_only_they_are_marked_as_such():
    columns = {
        "question": ["Describe.", "Is it?"],
        "answer": ["The dog is blurry.", "Yes."],
        "question_type": [None, "yes_no"],
    }
    said = ["The [dog](<0,84>) is not sharp.", "Yes."]
    assert description_reward(said, **columns) == [1.0, None]
    assert answer_reward(said, **columns) == [None, 1.0]


class Tired:
    """A judge that gives 3, and fails on every text with "dog"."""

    name = "tired"

    def score(self, question, reference, prediction):
        return None if "dog" in prediction else 3


def test_another_judge_and_its_failures():
    columns = {
        "question": ["What?"] * 3,
        "answer": ["x", "x", "Yes."],
        "question_type": ["what", "why", "yes_no"],
    }
    reward = answer_reward_of(Tired())
    assert reward(["a dog", "a cat", "Yes."], **columns) == [None, 3 / 4, 1.0]  # no 0 for a failure
    assert reward.__name__ == "answer_reward[tired]"
    columns["question_type"] = [None, None, "yes_no"]
    assert description_reward_of(Tired())(["a dog", "a cat", "Yes."], **columns) == [None, 3 / 4, None]
    assert description_reward_of(False)(["a dog", "a cat", "Yes."], **columns) == [None, None, None]


def test_a_yes_no_question_without_a_true_answer_is_an_error():
    with pytest.raises(ValueError, match="Yes or No"):
        answer_reward(["Yes."], question=["Is it?"], answer=["Perhaps."], question_type=["yes_no"])


COMPLETIONS = {
    "a text": "Yes.",
    "a message": [{"role": "assistant", "content": "Yes."}],
    "parts": [
        {"role": "assistant", "content": [{"type": "text", "text": "Ye"}, {"type": "text", "text": "s."}]}
    ],
    "several messages": [{"role": "assistant", "content": "Hm."}, {"role": "assistant", "content": "Yes."}],
}


@pytest.mark.parametrize("completion", COMPLETIONS.values(), ids=COMPLETIONS)
def test_kinds_of_completions(completion):
    assert text_of(completion) == "Yes."
    assert answer_reward([completion], question=["Is it?"], answer=["Yes."], question_type=["yes_no"]) == [
        1.0
    ]


@pytest.mark.parametrize(
    "completion", [[], [{"role": "assistant", "content": None}], [{"role": "assistant", "content": []}]]
)
def test_an_empty_turn_is_an_empty_answer(completion):
    assert text_of(completion) == ""


def test_all_take_what_trl_gives_them():
    """`GRPOTrainer._calculate_rewards` passes all of this by name."""
    given = {
        "prompts": [[{"role": "user", "content": "Is it?"}]] * 2,
        "completions": [
            [{"role": "assistant", "content": "Yes."}],
            [{"role": "assistant", "content": "No."}],
        ],
        "completion_ids": [[1, 2], [3]],
        "image": [None, None],
        "question": ["Is it?"] * 2,
        "answer": ["Yes."] * 2,
        "question_type": ["yes_no"] * 2,
        "true_boxes_norm": [[], []],
        "frame": [None, None],
        "box_format": [None, None],
        "trainer_state": object(),
        "log_extra": print,
        "log_metric": print,
    }
    rewards = [reward(**given) for reward in REWARDS]
    assert rewards == [[1.0, 1.0], [None, None], [1.0, 1.0], [1.0, 0.0], [None, None]]


def test_equal_to_the_bench():
    """The mean over rows is the bench's figure."""
    said = ["[cup](<0,84>)", "[cup](<21,84>)", "[jar](<300,399>)"]
    truth = [[BOX], [BOX, LOW], [LOW]]
    from giqa_hf.formats import GiqaFormat

    predicted = [GiqaFormat().read(text).boxes_norm for text in said]
    rewards = box_iou_reward(said, true_boxes_norm=truth)
    assert sum(rewards) / 3 == pytest.approx(grounding_miou(predicted, truth).value)
    kinds, answers = ["yes_no", "what", "how"], ["Yes.", "The dog and the cat.", "Blurry."]
    words = ["Yes.", "The dog.", "Clear."]
    marks = answer_reward(words, question=["Q?"] * 3, answer=answers, question_type=kinds)
    assert sum(marks) / 3 == pytest.approx(vqa_accuracy(words, answers, kinds, ["Q?"] * 3).acc_total)


@given(st.text(max_size=80), st.booleans())
def test_any_text_has_a_reward_between_0_and_1(text, asked):
    columns = {
        "question": ["What?"], "answer": ["The dog."], "question_type": ["what"],
        "true_boxes_norm": [[BOX] if asked else []],
    }  # fmt: skip
    for reward in REWARDS:
        (value,) = reward([text], **columns)
        assert value is None or (math.isfinite(value) and 0 <= value <= 1)
