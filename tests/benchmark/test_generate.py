"""Answers of a model: in the order of the prompts, the same however they are batched, and to the end token."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from PIL import Image

from giqa_hf.backbones.chat import chat_prompt
from giqa_hf.benchmark import generate
from giqa_hf.errors import DataError
from tests.make_tiny_checkpoint import make_parts

PROMPTS = [
    "How is the coffee cup?",
    "Describe how good this picture is and say what shapes your verdict. Mention positions.",
    "Is it sharp?",
    "Why?",
    "What is wrong with the [rocket](<35,319>) in this image, and how badly does it hurt the picture?",
]


@pytest.fixture(scope="module")
def parts():
    """Random weights, but large ones, so that the answer depends on every token and pixel."""
    model, processor = make_parts(seed=1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(6)
    return model, processor


@pytest.fixture(scope="module")
def images(photo):
    return [photo.crop((x, x // 2, x + 150, x // 2 + 100)) for x in range(0, 250, 50)]


@pytest.fixture(scope="module")
def alone(parts, images):
    """Each answer as transformers gives it, one prompt at a time."""
    model, processor = parts
    answers = []
    for image, prompt in zip(images, PROMPTS, strict=True):
        inputs = processor(images=image, text=chat_prompt(processor, prompt), return_tensors="pt")
        ids = model.eval().generate(**inputs, max_new_tokens=12, do_sample=False)
        answers.append(
            processor.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
        )
    return answers


def test_the_prompt_is_the_chat_templates(parts):
    assert chat_prompt(parts[1], "Why?") == "USER: <image>\nWhy? ASSISTANT:"


def test_the_answers_of_this_model_differ(alone):
    """Else the tests below could not fail."""
    assert len(set(alone)) == len(PROMPTS)


@pytest.mark.parametrize("batch_size", [1, 2, 4, 32])
def test_order_and_answers_do_not_depend_on_the_batch(parts, images, alone, batch_size):
    assert generate(*parts, images, PROMPTS, batch_size=batch_size, max_new_tokens=12) == alone


def test_answers_follow_their_prompts_and_pictures(parts, images, alone):
    turned = generate(*parts, images[::-1], PROMPTS[::-1], batch_size=4, max_new_tokens=12)
    assert turned == alone[::-1]
    swapped = generate(*parts, images[::-1], PROMPTS, batch_size=4, max_new_tokens=12)
    assert swapped[0] != alone[0]  # the picture counts


def test_an_answer_ends_at_the_end_token_and_the_others_go_on(parts, images, alone):
    model, processor = copy.deepcopy(parts[0]), parts[1]
    tokens = [processor.tokenizer(text).input_ids for text in alone]
    # A token that stands in the middle of one answer and in no other becomes the end token.
    of_others = {token for ids in tokens[1:] for token in ids}
    end = next(token for token in tokens[0][2:] if token not in of_others)
    model.generation_config.eos_token_id = end
    answers = generate(model, processor, images, PROMPTS, batch_size=5, max_new_tokens=12)
    assert answers[1:] == alone[1:]
    assert alone[0].startswith(answers[0]) and len(answers[0]) < len(alone[0])


def test_an_answer_is_cut_at_the_limit(parts, images):
    answers = [generate(*parts, images[:1], PROMPTS[:1], max_new_tokens=n)[0] for n in (1, 2, 3, 12)]
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(answers))
    assert len(set(answers)) == 4


def test_it_is_greedy_whatever_the_checkpoint_prefers(parts, images, alone):
    model = copy.deepcopy(parts[0])
    model.generation_config.update(do_sample=True, temperature=5.0, num_beams=3)
    assert generate(model, parts[1], images, PROMPTS, batch_size=5, max_new_tokens=12) == alone


def test_progress_is_told_batch_by_batch(parts, images):
    told = []
    generate(*parts, images, PROMPTS, batch_size=2, max_new_tokens=1, progress=lambda *n: told.append(n))
    assert told == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was_found(parts, images, training):
    model = parts[0].train(training)
    generate(*parts, images[:1], PROMPTS[:1], max_new_tokens=1)
    assert model.training is training
    with pytest.raises(TypeError):
        generate(*parts, [None], PROMPTS[:1], max_new_tokens=1)
    assert model.training is training and not torch.is_inference_mode_enabled()


def test_nothing_asked_nothing_answered(parts):
    assert generate(*parts, [], []) == []


def test_as_many_images_as_prompts(parts, images):
    with pytest.raises(ValueError, match="one image per prompt, got 5 images, 4 prompts"):
        generate(*parts, images, PROMPTS[:4])


def test_the_placeholder_for_pictures_is_no_word(parts):
    """It would ask for a second picture, deep inside transformers."""
    image = Image.new("RGB", (32, 32))
    with pytest.raises(
        DataError, match="prompt 1: expected words only, found .* '<image>', in 'Is <image> sharp"
    ):
        generate(*parts, [image, image], ["Why?", "Is <image> sharp?"])


@pytest.mark.parametrize("written", [False, True])
def test_the_token_that_begins_a_text_stands_there_once(parts, images, monkeypatch, written):
    """LLaVA-1.5's chat template leaves it to the tokenizer; others write it themselves. TRL trains with it once."""
    from tokenizers.processors import TemplateProcessing

    model, processor = copy.deepcopy(parts)
    start = "<pad>"  # any token will do
    tokenizer = processor.tokenizer
    tokenizer.add_special_tokens({"bos_token": start})
    rule = TemplateProcessing(single=f"{start} $A", special_tokens=[(start, tokenizer.bos_token_id)])
    tokenizer.backend_tokenizer.post_processor = rule
    if written:
        processor.chat_template = start + processor.chat_template
    seen = []
    monkeypatch.setattr(
        model, "generate", lambda **inputs: seen.append(inputs["input_ids"]) or inputs["input_ids"]
    )
    generate(model, processor, images[:1], ["How?"])
    (ids,) = seen
    assert (ids == tokenizer.bos_token_id).sum() == 1 and ids[0, 0] == tokenizer.bos_token_id
    content = [{"type": "image", "image": images[0]}, {"type": "text", "text": "How?"}]
    theirs = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, add_generation_prompt=True, return_dict=True
    )
    assert ids.ravel().tolist() == list(torch.tensor(theirs["input_ids"]).ravel())
