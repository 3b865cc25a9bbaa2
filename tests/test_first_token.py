"""The first token of an answer: which tokens a word begins with, and that its logits are those of a plain forward."""

from __future__ import annotations

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedTokenizerFast

from giqa_hf.errors import GiqaError
from giqa_hf.first_token import conversation, first_token_logits, word_ids
from tests.benchmark.tiny_bench import family
from tests.make_tiny_checkpoint import make_parts

LEVELS = ("excellent", "good", "fair", "poor", "bad")
LEARNED = ["good", " good", "Good", " Good", "GOOD", " goodness", "poor", " poor", "fair", "bad", " badly"]


def byte_level():
    """As in Qwen or Llama 3, "Ġ" is a space; it has learned no "excellent", and "fair" and "bad" without a space."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LEARNED * 20, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>")


def metaspace(pieces):
    """As in Llama 2: "▁" is a space, and every text starts with one."""
    vocabulary = [(piece, -float(rank)) for rank, piece in enumerate(["<unk>", "▁", *pieces])]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


LLAMA = metaspace(["▁good", "good", "▁Good", "▁poor", "▁fair", "▁bad", "▁excellent", "▁Excellent", "▁poorly"])


@pytest.mark.parametrize(
    ("tokenizer", "words", "pieces"),
    [
        # whole words in any case, with or without a space; not " goodness" and " badly"
        (byte_level(), ("good", "poor"), [{"good", "Ġgood", "Good", "ĠGood", "GOOD"}, {"poor", "Ġpoor"}]),
        # of "excellent" the first tokens; the lone space before it also begins " fair", so it tells nothing
        (byte_level(), ("excellent", "fair"), [{"e", "E"}, {"fair"}]),
        (LLAMA, ("good", "poor"), [{"▁good", "good", "▁Good"}, {"▁poor"}]),
        (
            LLAMA,
            LEVELS,
            [{"▁excellent", "▁Excellent"}, {"▁good", "good", "▁Good"}, {"▁fair"}, {"▁poor"}, {"▁bad"}],
        ),
        (LLAMA, ("POOR", "Good"), [{"▁poor"}, {"▁good", "good", "▁Good"}]),
    ],
)
def test_which_tokens_are_a_word(tokenizer, words, pieces):
    found = word_ids(tokenizer, words)
    assert [set(tokenizer.convert_ids_to_tokens(ids)) for ids in found] == pieces
    assert word_ids(tokenizer, words[::-1]) == found[::-1]
    assert all(ids == sorted(set(ids)) for ids in found)


@pytest.mark.parametrize(
    ("tokenizer", "words", "message"),
    [
        (metaspace(["▁good"]), ("poor", "bad"), 'begins "poor" and "bad" .* found that both begin with'),
        (metaspace(["▁good"]), ("good", "poor", "bad"), 'begins "good", "poor" and "bad" .* some begin with'),
        (byte_level(), ("good", "Good"), 'begins "good" and "Good" .* both begin with'),  # one word
    ],
)
def test_words_that_begin_alike_are_refused(tokenizer, words, message):
    with pytest.raises(GiqaError, match=f"expected a tokenizer that {message} .*; choose another model"):
        word_ids(tokenizer, words)


def test_a_conversation():
    assert [turn["role"] for turn in conversation("Why?", None)] == ["user"]
    begun = conversation("Why?", None, "The quality is")
    assert begun[1] == {"role": "assistant", "content": [{"type": "text", "text": "The quality is"}]}


# Logits

TEXTS = [
    "Rate the quality of the image.",
    "Is it sharp?",
    "How would you rate the quality of this picture, and why?",
]


@pytest.fixture(scope="module")
def parts():
    """Random weights, but large ones, so that the answer depends on every token and pixel."""
    model, processor = make_parts(seed=3)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)
    return model.eval(), processor


@pytest.fixture(scope="module")
def photos(photo):
    return [photo.resize((300, 200)), photo.crop((100, 0, 260, 400)), photo.crop((0, 0, 500, 120))]


@pytest.mark.parametrize("start", ["", "The quality of the image is"])
def test_logits_are_those_of_a_plain_forward(parts, photos, start):
    model, processor = parts
    found = first_token_logits(model, processor, photos, TEXTS, start)
    assert found.shape == (3, model.config.text_config.vocab_size)
    assert found.dtype == torch.float64
    for row, image, text in zip(found, photos, TEXTS, strict=True):
        prompt = f"USER: <image>\n{text} ASSISTANT:" + (f" {start}" if start else "")
        with torch.inference_mode():
            alone = model(**processor(images=image, text=prompt, return_tensors="pt")).logits[0, -1]
        assert row.tolist() == pytest.approx(alone.tolist(), abs=1e-3)
    assert (found[0] - found[1]).abs().max() > 0.1  # else this could not fail


def test_pictures_that_take_unequal_numbers_of_tokens(photos):
    """LLaVA-NeXT cuts pictures into tiles: the rows of a batch are filled up on the left, and no row may notice."""
    folder = family("llava_next")
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)
    together = first_token_logits(model, processor, photos, TEXTS)
    lengths = set()
    for row, image, text in zip(together, photos, TEXTS, strict=True):
        alone = first_token_logits(model, processor, [image], [text])
        assert row.tolist() == pytest.approx(alone[0].tolist(), abs=1e-3)
        prompt = f"USER: <image>\n{text} ASSISTANT:"
        lengths.add(processor(images=image, text=prompt, return_tensors="pt")["input_ids"].shape[1])
    assert len(lengths) == 3
    assert (together[0] - together[1]).abs().max() > 0.1
