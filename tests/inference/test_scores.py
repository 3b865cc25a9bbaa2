"""Which tokens a box is made of, in several formats, and what their probabilities come to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from giqa_hf.benchmark.generate import Said, Token, generate_batch
from giqa_hf.formats import (
    FORMATS,
    GiqaFormat,
    Kosmos2Format,
    NormalizedFormat,
    PaliGemmaFormat,
    Qwen3VLFormat,
    Qwen25VLFormat,
    ShikraFormat,
)
from giqa_hf.inference.scores import MOST_TOKENS, box_scores
from giqa_hf.processing import ground_processor
from tests.make_tiny_checkpoint import make_parts

WH = (240, 240)


@pytest.fixture(scope="module")
def parts():
    model, processor = make_parts()
    return model, ground_processor(processor)


def said(processor, text, probability_of):
    """An answer whose tokens have the probability that `probability_of` gives their characters."""
    ids = processor.tokenizer(text, add_special_tokens=False).input_ids
    pieces = [processor.tokenizer.decode([one]) for one in ids]
    assert [piece for piece in pieces if piece.isdigit()] == [c for c in text if c.isdigit()], (
        "a token a digit"
    )
    tokens = [Token(one, math.log(probability_of(piece))) for one, piece in zip(ids, pieces, strict=True)]
    return Said(processor.tokenizer.decode(ids).strip(), False, tuple(tokens))


OF = {**{str(digit): 0.9 - digit / 20 for digit in range(10)}, ".": 0.4, "-": 0.3}
"""Probability of each character of a number; no two have the same."""


def digits(piece):
    """That of `OF`, and nearly 0 for all else, which must not count."""
    return OF.get(piece.strip(), 0.01)


def mean_of(numbers):
    """The geometric mean over the characters of these numbers."""
    logs = [math.log(OF[c]) for c in numbers if c != " "]
    return math.exp(sum(logs) / len(logs))


TEXTS = {
    # format, text -> the numbers of each box
    "cells": (GiqaFormat(), "The [cup](<0,189>) is at [2 pans](<21,42>,<5,26>).", ["0 189", "21 42", "5 26"]),
    # a share is one number, with its point
    "shares": (NormalizedFormat(), "The [cup](<0.10,0.29,0.50,0.69>).", ["0.10 0.29 0.50 0.69"]),
    "shikra": (ShikraFormat(), "Both 3 cups [0.102,0.290,0.506,0.694] are 1.", ["0.102 0.290 0.506 0.694"]),
    # The label's digit is no digit of the box.
    "json": (
        Qwen25VLFormat(),
        '[{"bbox_2d": [1, 29, 50, 69], "label": "cup 3"}, {"bbox_2d": [4, 4, 9, 9], "label": "7"}]',
        ["1 29 50 69", "4 4 9 9"],
    ),
    "none": (GiqaFormat(), "Nothing in 2 cups [1].", []),
}  # fmt: skip


RIMS = {
    # format -> a text with a box at the rim and one in the middle, and the numbers of each
    "giqa": ("The [cup](<0,399>) and 9 [pans](<21,42>).", "0 399", "21 42"),  # cells 0 to 399
    "normalized": (
        "The [cup](<0.00,0.00,1.00,1.00>) and 9. [pans](<0.19,0.20,0.30,0.40>).",
        "0.00 0.00 1.00 1.00",
        "0.19 0.20 0.30 0.40",
    ),
    # 999 is the greatest that is written; the reader takes 1000 as well
    "deepseek_vl2": (
        "<|ref|>cup 9<|/ref|><|det|>[[0, 0, 999, 1000]]<|/det|><|ref|>pan<|/ref|><|det|>[[100, 290, 300, 400]]<|/det|>",
        "0 0 999 1000",
        "100 290 300 400",
    ),
    "ferret": (
        "A cup [100, 200, 1000, 1000] and 9 pans [100, 290, 300, 400].",
        "100 200 1000 1000",
        "100 290 300 400",
    ),
    "florence2": (
        "cup<loc_0><loc_200><loc_999><loc_999>9 pans<loc_100><loc_290><loc_300><loc_400>",
        "0 200 999 999",
        "100 290 300 400",
    ),
    "groundinggpt": (
        "A cup [0.000, 0.500, 1.000, 1.000], 9 pans [0.100, 0.290, 0.300, 0.400].",
        "0.000 0.500 1.000 1.000",
        "0.100 0.290 0.300 0.400",
    ),
    "internvl": (
        "<ref>cup 9</ref><box>[[0, 0, 1000, 1000]]</box><ref>pan</ref><box>[[100, 290, 300, 400]]</box>",
        "0 0 1000 1000",
        "100 290 300 400",
    ),
    # patches 0 to 1023
    "kosmos2": (
        "<phrase>cup 9</phrase><object><patch_index_0000><patch_index_1023></object>"
        "<phrase>pan</phrase><object><patch_index_0033><patch_index_0495></object>",
        "0000 1023",
        "0033 0495",
    ),
    "llava": (
        "A cup [0.00, 0.50, 1.00, 1.00] and 9 pans [0.10, 0.29, 0.30, 0.40].",
        "0.00 0.50 1.00 1.00",
        "0.10 0.29 0.30 0.40",
    ),
    "paligemma": (
        "<loc0000><loc0200><loc1023><loc1023> 9 cups ; <loc0100><loc0290><loc0300><loc0400> pan",
        "0000 0200 1023 1023",
        "0100 0290 0300 0400",
    ),
    # the picture is 240 x 240, so 239 is the greatest that is written; the reader takes 240 as well
    "qwen2_5_vl": (
        '[{"bbox_2d": [0, 70, 239, 240], "label": "cup 9"}, {"bbox_2d": [10, 29, 30, 40], "label": "9"}]',
        "0 70 239 240",
        "10 29 30 40",
    ),
    "qwen2_vl": (
        "<|object_ref_start|>cup 9<|object_ref_end|><|box_start|>(0,0),(1000,1000)<|box_end|>"
        "<|object_ref_start|>pan<|object_ref_end|><|box_start|>(100,290),(300,400)<|box_end|>",
        "0 0 1000 1000",
        "100 290 300 400",
    ),
    "qwen3_vl": (
        '[{"bbox_2d": [100, 200, 1000, 1000], "label": "cup 9"}, {"bbox_2d": [0, 290, 300, 400], "label": "9"}]',
        "100 200 1000 1000",
        "0 290 300 400",
    ),
    "shikra": (
        "A cup [0.000,0.500,1.000,1.000] and 9 pans [0.100,0.290,0.300,0.400].",
        "0.000 0.500 1.000 1.000",
        "0.100 0.290 0.300 0.400",
    ),
}  # fmt: skip


def test_every_format_has_a_row():
    assert set(RIMS) == set(FORMATS)


@pytest.mark.parametrize("name", RIMS)
def test_numbers_at_the_rim_count(parts, name):
    text, *numbers = RIMS[name]
    processor = ground_processor(parts[1], FORMATS[name]())
    expected = tuple(map(mean_of, numbers))
    assert box_scores(said(processor, text, digits), processor, WH) == pytest.approx(expected)


def test_a_box_at_the_rim_by_hand(parts):
    """Eight digits of x2 and y2 in doubt, 0.5 each, and six of x1 and y1 that are sure."""
    processor = ground_processor(parts[1], Qwen3VLFormat())
    text = '[{"bbox_2d": [100, 200, 1000, 1000], "label": "cup"}]'
    answer, seen = said(processor, text, digits), 0
    tokens = []
    for token in answer.tokens:
        is_digit = processor.tokenizer.decode([token.id]).strip().isdigit()
        seen += is_digit
        # the first digit is that of "bbox_2d"; then 3 + 3 digits of the first corner
        tokens.append(token._replace(log_probability=math.log(0.5 if is_digit and seen > 7 else 1.0)))
    (score,) = box_scores(answer._replace(tokens=tuple(tokens)), processor, WH)
    assert score == pytest.approx(0.5 ** (8 / 14))  # 0.673


CLIPPED = {
    # format, what lies a little over a rim and is moved onto it when read, or is mended otherwise; the box's numbers
    "too far": (Qwen3VLFormat(), '[{"bbox_2d": [100, 200, 1019, 1010], "label": "cup"}]', "100 200 1019 1010"),
    "too far, a share": (NormalizedFormat(), "[cup](<0.10,0.20,1.01,1.02>)", "0.10 0.20 1.01 1.02"),
    "no decimals": (NormalizedFormat(), "[cup](<0,0,1,1>)", "0 0 1 1"),
    "no digit before the point": (NormalizedFormat(), "[cup](<.10,.29,.90,1.0>)", ".10 .29 .90 1.0"),
    "backwards": (Qwen3VLFormat(), '[{"bbox_2d": [1000, 900, 0, 0], "label": "cup"}]', "1000 900 0 0"),
    "twice": (GiqaFormat(), "[cup](<0,399>,<0,399>)", "0 399"),
    "a sign": (Qwen3VLFormat(), '[{"bbox_2d": [-0, -10, 500, 600], "label": "cup"}]', "-0 -10 500 600"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLIPPED)
def test_numbers_that_reading_mends(parts, name):
    box_format, text, numbers = CLIPPED[name]
    processor = ground_processor(parts[1], box_format)
    scores = box_scores(said(processor, text, digits), processor, WH)
    assert len(scores) == 1 + (name == "twice") and scores == pytest.approx((mean_of(numbers),) * len(scores))


def test_the_work_for_a_number_is_bounded(parts, monkeypatch):
    """At most two readings for a number, and one for the text."""
    read, readings = Qwen3VLFormat.read, []
    monkeypatch.setattr(Qwen3VLFormat, "read", lambda self, text: readings.append(text) or read(self, text))
    processor = ground_processor(parts[1], Qwen3VLFormat())
    text = "1.00 " * 20 + '[{"bbox_2d": [0, 0, 1000, 1000], "label": "cup 0"}]'
    box_scores(said(processor, text, digits), processor, WH)
    assert len(readings) <= 1 + 2 * 26  # 20 of the words, 4 of the box, 1 of the label, the 2 of bbox_2d


@pytest.mark.parametrize("name", TEXTS)
def test_only_a_boxs_own_numbers_count(parts, name):
    box_format, text, numbers = TEXTS[name]
    processor = ground_processor(parts[1], box_format)
    expected = map(mean_of, numbers)
    assert box_scores(said(processor, text, digits), processor, WH) == pytest.approx(tuple(expected))


def test_one_token_a_place(parts):
    """Kosmos-2 and PaliGemma name a place by one token; here its digits are tokens, with the same outcome."""
    for box_format, text, numbers in [
        (
            Kosmos2Format(),
            "<phrase>cup</phrase><object><patch_index_0044><patch_index_0863></object>",
            "0044 0863",
        ),
        (PaliGemmaFormat(), "<loc0100><loc0200><loc0300><loc0400> cup", "0100 0200 0300 0400"),
    ]:
        processor = ground_processor(parts[1], box_format)
        (score,) = box_scores(said(processor, text, digits), processor, WH)
        assert score == pytest.approx(mean_of(numbers))


def test_where_there_is_none(parts):
    processor = parts[1]
    text = "The [cup](<0,189>) is sharp."
    assert box_scores(Said(text, False), processor, WH) == (None,)
    whole = said(processor, text, digits)
    assert box_scores(whole._replace(tokens=whole.tokens * MOST_TOKENS), processor, WH) == (None,)
    assert box_scores(said(processor, "", digits), processor, WH) == ()


def test_a_text_that_decoding_strips(parts):
    """A leading blank is a token's, and no part of the text."""
    processor = parts[1]
    plain, blank = (
        said(processor, text, digits) for text in ("The [cup](<0,189>).", "   The [cup](<0,189>).")
    )
    assert len(blank.tokens) > len(plain.tokens) and blank.text == plain.text
    assert box_scores(blank, processor, WH) == box_scores(plain, processor, WH) != (None,)


def test_the_probabilities_are_the_models_own(parts):
    """Compared with one forward pass over prompt and answer, without `generate`."""
    import torch

    from giqa_hf.benchmark.generate import model_inputs

    model, processor = parts
    images = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    prompts = ["Why?", "How is the coffee cup in this picture?"]
    answers = generate_batch(model, processor, images, prompts, max_new_tokens=5, probabilities=True)
    without = generate_batch(model, processor, images, prompts, max_new_tokens=5)
    assert [answer._replace(tokens=()) for answer in answers] == without
    for image, prompt, answer in zip(images, prompts, answers, strict=True):
        inputs = model_inputs(model, processor, [image], [prompt])
        ids = torch.tensor([[token.id for token in answer.tokens]])
        length = inputs["input_ids"].shape[1]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], ids], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        with torch.inference_mode():
            logits = model.eval()(**inputs).logits[0, length - 1 : -1]
        own = logits.log_softmax(-1).gather(1, ids.T)[:, 0]
        assert np.allclose(own.numpy(), [token.log_probability for token in answer.tokens], atol=1e-4)
        assert len(answer.tokens) == 5 or not answer.cut_off
