"""Which tokens a box is made of, in several formats, and what their probabilities come to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from giqa_hf.benchmark.generate import Said, Token, generate_batch
from giqa_hf.formats import (
    GiqaFormat,
    Kosmos2Format,
    NormalizedFormat,
    PaliGemmaFormat,
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


def digits(piece):
    """0.5 for the digit 9, 0.8 for every other digit, and nearly 0 for all else, which must not count."""
    return 0.5 if "9" in piece else 0.8 if any(c.isdigit() for c in piece) else 0.01


TEXTS = {
    # format, text -> how many of each box's own digits are a 9, and how many are not
    "cells": (GiqaFormat(), "The [cup](<0,189>) is at [2 pans](<21,42>,<5,26>).", [(1, 3), (0, 4), (0, 3)]),
    # "0." of a share can only be 0 here: another digit would lie outside, so it tells nothing
    "shares": (NormalizedFormat(), "The [cup](<0.10,0.29,0.50,0.69>).", [(2, 6)]),
    "shikra": (ShikraFormat(), "Both 3 cups [0.102,0.290,0.506,0.694] are 1.", [(2, 10)]),
    # The label's digit is no digit of the box.
    "json": (
        Qwen25VLFormat(),
        '[{"bbox_2d": [1, 29, 50, 69], "label": "cup 3"}, {"bbox_2d": [4, 4, 9, 9], "label": "7"}]',
        [(2, 5), (2, 2)],
    ),
    "none": (GiqaFormat(), "Nothing in 2 cups [1].", []),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_only_a_boxs_own_numbers_count(parts, name):
    box_format, text, counts = TEXTS[name]
    processor = ground_processor(parts[1], box_format)
    expected = [
        math.exp((nines * math.log(0.5) + others * math.log(0.8)) / (nines + others))
        for nines, others in counts
    ]
    assert box_scores(said(processor, text, digits), processor, WH) == pytest.approx(tuple(expected))


def test_one_token_a_place(parts):
    """Kosmos-2 and PaliGemma name a place by one token; here its digits are tokens, with the same outcome."""
    for box_format, text in [
        (Kosmos2Format(), "<phrase>cup</phrase><object><patch_index_0044><patch_index_0863></object>"),
        (PaliGemmaFormat(), "<loc0100><loc0200><loc0300><loc0400> cup"),
    ]:
        processor = ground_processor(parts[1], box_format)
        (score,) = box_scores(said(processor, text, digits), processor, WH)
        assert score == pytest.approx(0.8)  # no 9 among them


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
