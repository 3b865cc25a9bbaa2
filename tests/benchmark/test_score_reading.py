"""Scores and Yes or No from the first token: the arithmetic by hand, and a tiny model beside a plain forward."""

from __future__ import annotations

import io
import math

import pytest
import torch

from giqa_hf.benchmark import score_reading
from giqa_hf.benchmark.score_reading import (
    FIVE_LEVELS,
    FIVE_LEVELS_UNIT,
    Q_BENCH,
    Q_INSTRUCT,
    THREE_WORDS,
    ScoreProtocol,
    first_token_answers,
    read_scores,
    yes_probabilities,
)
from giqa_hf.errors import DataError, GiqaError, ImageError
from giqa_hf.first_token import word_ids
from giqa_hf.metrics.vqa_accuracy.compute import vqa_accuracy
from tests.make_tiny_checkpoint import make_parts

LN = math.log


def on_tokens(protocol, token_ids):
    return ScoreProtocol(
        protocol.name, protocol.words, protocol.weights, protocol.temperature, token_ids=token_ids
    )


# The arithmetic


@pytest.mark.parametrize(
    ("protocol", "token_ids", "logits", "score"),
    [
        # softmax(ln 3, ln 1) = 3/4, 1/4
        (Q_INSTRUCT, ((0,), (1,)), [LN(3), LN(1)], 0.75),
        # over 100: 1 / (1 + 3 ** -0.01)
        (Q_BENCH, ((0,), (1,)), [LN(3), LN(1)], 1 / (1 + 3**-0.01)),
        # "good" has two spellings: ln(1 + 2) against ln 1; what else the vocabulary holds counts nothing
        (Q_INSTRUCT, ((0, 2), (1,)), [LN(1), LN(1), LN(2), 50.0], 0.75),
        # and at T = 100 the two are still one word: not softmax over three tokens, which would give about 2/3
        (Q_BENCH, ((0, 2), (1,)), [LN(1), LN(1), LN(2), 50.0], 1 / (1 + 3**-0.01)),
        # shares 2/4, 1/4, 1/4: 0.5 * 1 + 0.25 * 0.5
        (THREE_WORDS, ((0,), (1,), (2,)), [LN(2), LN(1), LN(1)], 0.625),
        # shares 1/15 .. 5/15 on 5 .. 1: (5 + 8 + 9 + 8 + 5) / 15
        (FIVE_LEVELS, ((0,), (1,), (2,), (3,), (4,)), [LN(n) for n in range(1, 6)], 35 / 15),
        # the same on 0..1: (35 / 15 - 1) / 4
        (FIVE_LEVELS_UNIT, ((0,), (1,), (2,), (3,), (4,)), [LN(n) for n in range(1, 6)], 1 / 3),
        (Q_INSTRUCT, ((0,), (1,)), [800.0, -800.0], 1.0),  # no overflow
        (Q_INSTRUCT, ((0,), (1,)), [math.nan, 0.0], None),
    ],
)
def test_by_hand(monkeypatch, photo, protocol, token_ids, logits, score):
    given = torch.tensor([logits], dtype=torch.float64)
    monkeypatch.setattr(score_reading, "first_token_logits", lambda *args: given)
    (found,) = read_scores(torch.nn.Identity(), None, [photo], on_tokens(protocol, token_ids))
    assert found == (None if score is None else pytest.approx(score, abs=1e-12))


@pytest.mark.parametrize(
    ("protocol", "words", "temperature"),
    [
        (Q_INSTRUCT, "good poor", 1.0),
        (Q_BENCH, "good poor", 100.0),
        (THREE_WORDS, "good average poor", 1.0),
        (FIVE_LEVELS, "excellent good fair poor bad", 1.0),
        (FIVE_LEVELS_UNIT, "excellent good fair poor bad", 1.0),
    ],
)
def test_the_named_protocols(protocol, words, temperature):
    assert protocol.words == tuple(words.split())
    assert protocol.temperature == temperature
    assert list(protocol.weights) == sorted(protocol.weights, reverse=True)  # higher is better
    settings = protocol.settings()
    assert settings["temperature"] == temperature and settings["words"] == words.split()
    assert settings["question"] == "Rate the quality of the image."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": ("good",), "weights": (1.0,)}, "words: expected at least two different ones"),
        ({"words": ("good", "good")}, "words: expected at least two different ones"),
        ({"weights": (1.0,)}, "weights: expected 2, one per word, got 1"),
        ({"temperature": 0}, "temperature: expected more than 0, got 0"),
        ({"temperature": math.nan}, "temperature"),
        ({"token_ids": ((1,),)}, "token_ids: expected some for each of 2 words"),
        ({"token_ids": ((1,), ())}, "token_ids"),
    ],
)
def test_a_protocol_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        ScoreProtocol(**{"name": "x", "words": ("good", "poor"), "weights": (1.0, 0.0), **options})


# A tiny model


@pytest.fixture(scope="module")
def parts():
    """Random weights, but large ones, so that the answer depends on every token and pixel."""
    model, processor = make_parts(seed=7)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)
    return model.eval(), processor


@pytest.fixture(scope="module")
def photos(photo):
    return [photo.crop((x, x // 2, x + 200 - x // 2, x // 2 + 100)) for x in range(0, 250, 50)]


def plain(parts, photos, texts, words, weights, temperature=1.0):
    """The same by transformers alone, one picture at a time."""
    model, processor = parts
    scores = []
    for image, text in zip(photos, texts, strict=True):
        with torch.inference_mode():
            logits = model(**processor(images=image, text=text, return_tensors="pt")).logits[0, -1].double()
        points = [
            logits[ids].exp().sum() ** (1 / temperature) for ids in word_ids(processor.tokenizer, words)
        ]
        scores.append(float(sum(p * w for p, w in zip(points, weights, strict=True)) / sum(points)))
    return scores


RATE = ["USER: <image>\nRate the quality of the image. ASSISTANT:"] * 5


@pytest.fixture(scope="module")
def alone(parts, photos):
    return plain(parts, photos, RATE, Q_INSTRUCT.words, Q_INSTRUCT.weights)


def test_scores_are_those_of_a_plain_forward(parts, photos, alone):
    assert min(abs(a - b) for i, a in enumerate(alone) for b in alone[:i]) > 1e-3  # else this could not fail
    for batch_size in (1, 2, 5):
        assert read_scores(*parts, photos, batch_size=batch_size) == pytest.approx(alone, abs=1e-5)
    assert read_scores(*parts, photos[::-1]) == pytest.approx(alone[::-1], abs=1e-5)
    assert read_scores(*parts, []) == []
    levels = plain(parts, photos, RATE, FIVE_LEVELS.words, FIVE_LEVELS.weights)
    assert read_scores(*parts, photos, FIVE_LEVELS) == pytest.approx(levels, abs=1e-4)
    unit = read_scores(*parts, photos, FIVE_LEVELS_UNIT)
    assert [1 + 4 * score for score in unit] == pytest.approx(levels, abs=1e-4)


def test_the_two_temperatures_order_alike_and_differ(parts, photos, alone):
    hundred = read_scores(*parts, photos, Q_BENCH)
    assert hundred == pytest.approx(
        plain(parts, photos, RATE, Q_BENCH.words, Q_BENCH.weights, 100.0), abs=1e-6
    )
    order = sorted(range(5), key=alone.__getitem__)
    assert sorted(range(5), key=hundred.__getitem__) == order
    assert max(abs(score - 0.5) for score in hundred) < 0.1 < max(abs(score - 0.5) for score in alone)


def test_an_answer_that_has_begun(parts, photos):
    begun = ScoreProtocol("begun", ("good", "poor"), (1.0, 0.0), answer_start="The quality of the image is")
    texts = [f"{RATE[0]} The quality of the image is"] * 5
    assert read_scores(*parts, photos, begun) == pytest.approx(
        plain(parts, photos, texts, begun.words, begun.weights), abs=1e-5
    )


def test_pictures_may_be_paths_and_bytes(parts, photos, alone, tmp_path):
    encoded = io.BytesIO()
    photos[0].save(encoded, "PNG")
    photos[1].save(tmp_path / "b.png")
    mixed = [encoded.getvalue(), tmp_path / "b.png", str(tmp_path / "b.png"), photos[3]]
    expected = [alone[0], alone[1], alone[1], alone[3]]
    assert read_scores(*parts, mixed, batch_size=2) == pytest.approx(expected, abs=1e-5)


def test_a_picture_that_cannot_be_read(parts, photos, alone, tmp_path):
    mixed = [photos[0], tmp_path / "gone.png", b"no picture", photos[3]]
    with pytest.raises(ImageError, match=r"gone\.png"):
        read_scores(*parts, [*mixed[:2]])
    for batch_size in (1, 4):  # also where a whole batch is of such pictures
        unreadable: dict[int, str] = {}
        done: list[int] = []
        found = read_scores(
            *parts,
            mixed,
            batch_size=batch_size,
            unreadable=unreadable,
            progress=lambda now, of, done=done: done.append(now),
        )
        assert found == [pytest.approx(alone[0], abs=1e-5), None, None, pytest.approx(alone[3], abs=1e-5)]
        assert sorted(unreadable) == [1, 2] and "gone.png" in unreadable[1]
        assert done == [batch_size * step for step in range(1, 4 // batch_size + 1)]


def test_the_model_is_left_as_it_was(parts, photos):
    model, processor = parts
    model.train()
    read_scores(model, processor, photos[:1])
    assert model.training
    model.eval()
    read_scores(model, processor, photos[:1])
    assert not model.training


def test_a_batch_that_does_not_fit_is_halved(parts, photos, alone, monkeypatch):
    model, processor = parts
    asked, generate = [], model.generate

    def failing(**inputs):
        asked.append(len(inputs["input_ids"]))
        if asked[-1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return generate(**inputs)

    monkeypatch.setattr(model, "generate", failing)
    most = 1
    assert read_scores(model, processor, photos, batch_size=4) == pytest.approx(alone, abs=1e-5)
    assert asked == [4, 2, 1, 1, 1, 1, 1]
    most = 0
    with pytest.raises(GiqaError, match="too little memory for one picture and its question alone"):
        read_scores(model, processor, photos[:1])


def test_refusals(parts, photos):
    with pytest.raises(ValueError, match="one image per question, got 2 images, 1 questions"):
        yes_probabilities(*parts, photos[:2], ["Is it sharp?"])
    with pytest.raises(DataError, match="question 1: expected words only, found the model's placeholder"):
        yes_probabilities(*parts, photos[:2], ["Is it sharp?", "Is <image> sharp?"])
    with pytest.raises(ValueError, match="batch_size: expected at least 1, got 0"):
        read_scores(*parts, photos, batch_size=0)


# Yes or No

QUESTIONS = [
    "Is the cup sharp?",
    "Is the image noisy?",
    "Is the [plant](<35,319>) dark?",
    "Is it good?",
    "Is the light of the whole picture enough for the coffee cup?",
]


def test_yes_is_that_of_a_plain_forward(parts, photos):
    texts = [f"USER: <image>\n{question} ASSISTANT:" for question in QUESTIONS]
    truth = plain(parts, photos, texts, ("Yes", "No"), (1.0, 0.0))
    assert max(truth) - min(truth) > 0.05  # else this could not fail
    for batch_size in (1, 3):
        found = yes_probabilities(*parts, photos, QUESTIONS, batch_size=batch_size)
        assert found == pytest.approx(truth, abs=1e-5)


def test_answers_are_read_by_the_accuracy():
    answers = first_token_answers([0.9, 0.2, 0.5, None, 0.500001])
    assert answers == ["Yes.", "No.", "", "", "Yes."]
    # right, wrong, and two that cannot be told: absent, so wrong and counted; 2 of 5
    found = vqa_accuracy(answers, ["Yes.", "Yes.", "Yes.", "No.", "Yes."], ["yes_no"] * 5)
    assert (found.acc_y, found.correct, found.malformed, found.absent) == (0.4, 2, 0, 2)
