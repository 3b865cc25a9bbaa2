"""giqa-tiny's parts: what its tokenizer makes of boxes, names and any text, its turns, its size, saving and loading."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from giqa_hf.frames import Frame
from giqa_hf.models.giqa_tiny import architecture
from tests.make_tiny_checkpoint import corpus, make_parts, tiny_checkpoint


@pytest.fixture(scope="module")
def tokenizer():
    return architecture.train_tokenizer(corpus())


# Spec A1: every digit, bracket and comma is a token of its own, so a box costs 3 + its digits.
BOXES = [
    ("<221,399>", list("<221,399>")),  # 1 + 3 + 1 + 3 + 1 = 9, the paper's "at most 9 tokens"
    ("<35,319>", list("<35,319>")),  # 1 + 2 + 1 + 3 + 1 = 8
    ("<0,0>", list("<0,0>")),
    ("(<33,354>,<22,324>)", list("(<33,354>,<22,324>)")),  # 2 * 8 + 1 + 2 = 19
    ("<0.01,0.02,0.03,0.04>", list("<0.01,0.02,0.03,0.04>")),  # Norm-Coord: 4 * 4 + 3 + 2 = 21
]


@pytest.mark.parametrize(("text", "tokens"), BOXES)
def test_boxes_are_single_characters(tokenizer, text, tokens):
    assert tokenizer.tokenize(text) == tokens


def test_the_papers_counts(tokenizer):
    assert (
        len(tokenizer.tokenize("<221,399>")) == 9 and len(tokenizer.tokenize("<0.01,0.02,0.03,0.04>")) == 21
    )


@pytest.mark.parametrize("name", ["tower", "coffee cup", "left hand"])
def test_brackets_leave_a_name_alone(tokenizer, name):
    boxed = tokenizer.tokenize(f"[{name}](<35,319>)")
    assert boxed == ["[", *tokenizer.tokenize(f" {name}"), "]", "(", *"<35,319>", ")"]


@pytest.mark.parametrize("name", ["coffee cup", "tower"])
def test_a_name_is_the_same_tokens_with_and_without_a_box(name):
    """Else fine-tuning has to teach anew how each name is spelled."""
    # As in the base's corpus, the names stand in plain text only.
    tokenizer = architecture.train_tokenizer([f"Where is the {name}?", f"The {name} is too dark."] * 50)
    boxed = tokenizer.tokenize(f"The [{name}](<35,319>) is too dark.")
    inside = boxed[boxed.index("[") + 1 : boxed.index("]")]
    assert inside == tokenizer.tokenize(f"Where is the {name}?")[3:-1]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_back(text):
    tokenizer = load_once()
    for special in tokenizer.all_special_tokens:
        text = text.replace(special, "")
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def load_once(found=[]):  # noqa: B006  # hypothesis runs a test many times; the tokenizer is made once
    if not found:
        found.append(architecture.train_tokenizer(corpus()))
    return found[0]


@pytest.mark.parametrize(
    "text", ["Grüße 🙂👩‍👩‍👧", "שלום (<1,2>)", "  two\n\nlines\t", "a ,b . c", "日本語[塔](<35,319>)"]
)
def test_texts_that_tokenizers_like_to_tidy_up(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_special_tokens(tokenizer):
    assert tokenizer.convert_tokens_to_ids(["<pad>", "</s>", "<image>"]) == [0, 1, 2]
    assert (tokenizer.pad_token, tokenizer.eos_token, tokenizer.image_token) == ("<pad>", "</s>", "<image>")
    assert (
        tokenizer("a").input_ids[0] > 2
        and len(tokenizer("ab</s>").input_ids) == len(tokenizer("ab").input_ids) + 1
    )
    assert len(tokenizer) <= architecture.VOCABULARY


USER = {"role": "user", "content": "How is it?"}
SHOWN = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "How is it?"}]}
ANSWER = {"role": "assistant", "content": "Blurry."}
LISTED = {"role": "assistant", "content": [{"type": "text", "text": "Blurry."}]}
TURNS = [
    ([USER], True, "USER: How is it? ASSISTANT:"),
    ([SHOWN], True, "USER: <image>\nHow is it? ASSISTANT:"),
    ([SHOWN, ANSWER], False, "USER: <image>\nHow is it? ASSISTANT: Blurry.</s>"),
    ([SHOWN, LISTED], False, "USER: <image>\nHow is it? ASSISTANT: Blurry.</s>"),
    # Vicuna has nothing between an end token and the next turn.
    (
        [SHOWN, ANSWER, USER],
        True,
        "USER: <image>\nHow is it? ASSISTANT: Blurry.</s>USER: How is it? ASSISTANT:",
    ),
]


@pytest.mark.parametrize(("messages", "prompt", "text"), TURNS)
def test_turns_are_vicunas(messages, prompt, text):
    processor = AutoProcessor.from_pretrained(tiny_checkpoint())
    assert processor.apply_chat_template(messages, add_generation_prompt=prompt) == text


def test_a_prompt_begins_its_conversation_as_text_and_as_tokens(tokenizer):
    """What training sees before an answer is what generation sees."""
    processor = AutoProcessor.from_pretrained(tiny_checkpoint())
    prompt = processor.apply_chat_template([SHOWN], add_generation_prompt=True)
    whole = processor.apply_chat_template([SHOWN, ANSWER])
    ids, of_prompt = tokenizer(whole).input_ids, tokenizer(prompt).input_ids
    assert ids[: len(of_prompt)] == of_prompt


def test_pictures_are_squashed_and_each_patch_has_a_token(photo):
    processor = architecture.make_processor(architecture.train_tokenizer(corpus()))
    made = processor(images=photo.crop((0, 0, 300, 100)), text="USER: <image>\n?", return_tensors="pt")
    assert made["pixel_values"].shape == (1, 3, 240, 240)
    assert (made["input_ids"] == processor.image_token_id).sum() == 100  # (240 / 24) ** 2
    assert Frame.from_processor(processor, 300, 100) == Frame.squash((300, 100), (240, 240))


def test_the_model_as_shipped_is_small_and_takes_what_the_processor_makes(tokenizer, photo):
    model, processor = architecture.make_model(tokenizer), architecture.make_processor(tokenizer)
    assert 3_000_000 < model.num_parameters() < 10_000_000
    text = processor.apply_chat_template([SHOWN, ANSWER])
    inputs = processor(images=photo, text=text, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    assert logits.shape == (*inputs["input_ids"].shape, len(tokenizer)) and logits.isfinite().all()


def test_the_model_sees_the_picture_and_ends_with_the_end_token():
    model, processor = make_parts()
    inputs = processor(images=Image.new("RGB", (64, 64)), text="USER: <image>\n?", return_tensors="pt")
    with torch.no_grad():
        dark = model(**inputs).logits
        light = model(**{**inputs, "pixel_values": inputs["pixel_values"] + 2}).logits
    assert not torch.allclose(dark, light)
    assert model.generation_config.eos_token_id == processor.tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == processor.tokenizer.pad_token_id


def test_equal_seeds_give_equal_weights():
    first, second, other = (make_parts(seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])


def test_saved_and_loaded_it_is_the_same(tmp_path, photo):
    model, processor = make_parts()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("*.bin"))  # safetensors only
    loaded, loaded_processor = (
        Auto.from_pretrained(tmp_path) for Auto in (AutoModelForImageTextToText, AutoProcessor)
    )
    assert loaded.state_dict().keys() == model.state_dict().keys()
    text = processor.apply_chat_template([SHOWN], add_generation_prompt=True)
    before, after = (p(images=photo, text=text, return_tensors="pt") for p in (processor, loaded_processor))
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert loaded_processor.chat_template == architecture.CHAT_TEMPLATE
    with torch.no_grad():
        assert torch.equal(model.eval()(**before).logits, loaded.eval()(**after).logits)


def test_pictures_go_through_pillow_without_torchvision(photo):
    """The processor's numbers, worked out by hand: squash, scale, normalise."""
    processor = AutoProcessor.from_pretrained(tiny_checkpoint())
    pixels = np.asarray(photo.resize((240, 240), Image.Resampling.BICUBIC), dtype=np.float32) / 255
    expected = (pixels - processor.image_processor.image_mean) / processor.image_processor.image_std
    made = processor.image_processor(photo, return_tensors="np")["pixel_values"][0]
    assert np.allclose(made, expected.transpose(2, 0, 1), atol=1e-5)
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "from transformers import AutoProcessor\n"
        f"print(type(AutoProcessor.from_pretrained({str(tiny_checkpoint())!r}).image_processor).__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "CLIPImageProcessorPil"
