"""The first token of an answer: which tokens a word begins with, and that its logits are those of a plain forward."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForImageTextToText, AutoProcessor, AutoTokenizer, PreTrainedTokenizerFast

from giqa_hf.errors import DataError
from giqa_hf.first_token import conversation, first_token_logits, word_ids, word_tokens
from giqa_hf.models.giqa_tiny import TUNED
from tests.benchmark.tiny_bench import family
from tests.make_tiny_checkpoint import make_parts

LEVELS = ("excellent", "good", "fair", "poor", "bad")
LEARNED = ["good", " good", "Good", " Good", "GOOD", " goodness", "poor", " poor", "fair", "bad", " badly"]


def byte_level(learned=LEARNED):
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
    tokenizer.train_from_iterator(learned * 20, trainer)
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
        # no whole "excellent", so first pieces of both; behind a space both begin with a lone one, which tells nothing
        (byte_level(), ("excellent", "fair"), [{"e", "E"}, {"fair", "F"}]),
        # no whole "great", but "gr" is a piece; "G" begins both
        (byte_level(["gr", "good"]), ("great", "good"), [{"gr"}, {"good"}]),
        # "▁" is a space that SentencePiece writes before every text; within one " Excellent" begins with "▁Ex"
        (
            metaspace(["▁good", "good", "▁Good", "▁ex", "▁Ex", "ex", "Ex", *"celnt", ":"]),
            ("excellent", "good"),
            [{"▁ex", "▁Ex", "ex"}, {"▁good", "▁Good", "good"}],
        ),
        (LLAMA, ("good", "poor"), [{"▁good", "good", "▁Good"}, {"▁poor"}]),
        (
            LLAMA,
            LEVELS,
            [{"▁excellent", "▁Excellent"}, {"▁good", "good", "▁Good"}, {"▁fair"}, {"▁poor"}, {"▁bad"}],
        ),
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
        # " poor" is "▁" and unknown letters
        (
            metaspace(["▁good"]),
            ("good", "poor", "bad"),
            r'"good", "poor" and "bad" .* behind a space "poor" begins with the space alone and "good" does not '
            r"\(▁, ▁good\)",
        ),
        (byte_level(), ("fair", "bad"), r"\(Ġ, Ġbad\)"),  # of " badly" it has learned "Ġbad"
        (LLAMA, ("POOR", "Good"), 'behind a space "POOR" begins with the space alone'),
        (byte_level(), ("good", "Good"), 'begins "good" and "Good" .* both begin with'),  # one word
        # "g" of "good" begins "great" too, and so does "G"
        (byte_level(["xx"]), ("good", "great"), "both begin with .*'g'"),
        # as in giqa-tiny: a model that says " Yes" writes a lone space first, to " No" it has a token
        (byte_level([" No", "No"]), ("Yes", "No"), r"\(Ġ, ĠNo\)"),
        # and with whole tokens for both, of which one is never written behind a space
        (byte_level([" good", "fair"]), ("fair", "good"), r"\(Ġ, Ġgood\)"),
    ],
)
def test_words_that_begin_alike_are_refused(tokenizer, words, message):
    with pytest.raises(
        DataError, match=f"does not tell the words apart: .*{message}.*; choose another model"
    ):
        word_ids(tokenizer, words)
    with pytest.raises(DataError, match="does not tell the words apart"):
        word_ids(tokenizer, words[::-1])


def test_tokens_for_a_record():
    found = word_tokens(LLAMA, ("good", "poor"))
    assert found.to_dict() == {
        "words": ["good", "poor"],
        "token_ids": word_ids(LLAMA, ("good", "poor")),
        "tokens": [["▁good", "good", "▁Good"], ["▁poor"]],
    }
    one_each = word_tokens(LLAMA, ("good", "poor"), ((2,), (5,)))
    assert one_each.tokens == (("▁good",), ("▁poor",)) and json.loads(json.dumps(one_each.to_dict()))
    assert len({found.digest, one_each.digest, word_tokens(LLAMA, ("good", "bad")).digest}) == 3
    assert len(found.digest) == 10 and found.digest == word_tokens(LLAMA, ("good", "poor")).digest


def test_giqa_tiny_tells_good_from_poor_and_not_yes_from_no():
    """Its " Yes" is "Ġ", "Y", "es": that space was nearly all of what was once read as P(Yes)."""
    tokenizer = AutoTokenizer.from_pretrained(TUNED)
    assert word_tokens(tokenizer, ("good", "poor")).tokens == (("good", "Ġgood"), ("Ġpoor", "poor"))
    with pytest.raises(DataError, match=r"giqa-tiny: the first token .*\(Ġ, ĠNo\)"):
        word_ids(tokenizer, ("Yes", "No"))
    levels = dict(zip(LEVELS, map(set, word_tokens(tokenizer, LEVELS).tokens), strict=True))
    assert levels["excellent"] == {"e", "Ġe", "Ex"} and levels["fair"] == {"fair", "Ġfair", "F"}


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
