"""Training text and prompts have the same tokens, whatever template a checkpoint ships."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from giqa_hf.backbones.chat import chat_prompt, read_template, template_fault, template_with_start
from giqa_hf.backbones.checkpoint import load_processor
from giqa_hf.backbones.templates import MISTRAL, QWEN, VICUNA
from giqa_hf.benchmark.generate import model_inputs
from giqa_hf.errors import GiqaError
from tests.backbones.loaded import NAMES, loaded
from tests.make_tiny_backbones import MISTRAL_SHIPPED, QWEN_SHIPPED, VICUNA_SHIPPED, tiny_backbone

QUESTION = "Is the [cup](<21,284>) sharp? Note positions as [label](<left,right>)."
ANSWER = "No, the [cup](<21,284>) is blurry."


def collated(processor, *sizes):
    """What TRL's trainer feeds the model for rows with images of these sizes."""
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    collator = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)
    rows = [
        {
            "image": Image.new("RGB", size),
            "prompt": [{"role": "user", "content": QUESTION}],
            "completion": [{"role": "assistant", "content": ANSWER}],
        }
        for size in sizes
    ]
    return collator(rows)


def asked(processor, question=QUESTION):
    """What the benchmark feeds it."""
    anywhere = SimpleNamespace(device="cpu", dtype=torch.float32)
    return model_inputs(anywhere, processor, [Image.new("RGB", (64, 48))], [question])["input_ids"][0]


@pytest.mark.parametrize("name", NAMES)
def test_training_text_and_prompt_are_the_same_tokens_up_to_the_answer(name):
    processor = loaded(name).processor
    batch = collated(processor, (64, 48))
    ids, is_trained = batch["input_ids"][0], batch["labels"][0] != -100
    assert ids[~is_trained].tolist() == asked(processor).tolist()
    # What is trained on is the answer and its end, and all of it comes after the prompt.
    tokenizer = processor.tokenizer
    assert is_trained.tolist() == sorted(is_trained.tolist())
    trained = ids[is_trained].tolist()
    assert tokenizer.decode(trained, skip_special_tokens=True).strip() == ANSWER
    assert tokenizer.eos_token_id in trained[-2:]  # Qwen has a line end behind it
    # And the answer has the tokens that it has in the text as a whole.
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]},
        {"role": "assistant", "content": [{"type": "text", "text": ANSWER}]},
    ]
    whole = processor.apply_chat_template(messages)
    together = processor(
        images=[[Image.new("RGB", (64, 48))]], text=[whole], return_tensors="pt", add_special_tokens=False
    )
    assert together["input_ids"][0].tolist() == ids.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_several_sizes_give_a_loss(name):
    backbone = loaded(name)
    with torch.no_grad():
        loss = backbone.model(**collated(backbone.processor, (64, 48), (40, 90), (50, 50))).loss
    words = len(backbone.processor.tokenizer)
    assert 0.5 * np.log(words) < loss < 2 * np.log(words)  # random weights know no word from another


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_is_that_of_the_checkpoint(name):
    """Mending a template changes no token of the prompt that the public checkpoint is asked with."""
    shipped = load_processor(str(tiny_backbone(name)))
    shipped.image_processor = loaded(name).processor.image_processor
    assert asked(loaded(name).processor).tolist() == asked(shipped).tolist()


def test_where_each_template_is_from():
    """LLaVA's lack both ends, mPLUG-Owl2's the first token alone; the others are as they should be."""
    assert {name: loaded(name).template for name in NAMES} == {
        "llava-1.5-7b": "entry",
        "llava-1.5-13b": "entry",
        "llava-1.6-vicuna-7b": "entry",
        "llava-1.6-mistral-7b": "entry",
        "mplug-owl2-7b": "mended",
        "qwen2.5-vl-7b": "checkpoint",
        "qwen3-vl-8b": "checkpoint",
        "giqa-tiny": "checkpoint",
    }


FAULTS = {
    # a processor of this backbone with this template: its fault
    "as LLaVA-1.5 ships it": ("llava-1.5-7b", VICUNA_SHIPPED, "end"),
    "as LLaVA-1.6 ships it": ("llava-1.6-mistral-7b", MISTRAL_SHIPPED, "end"),
    "as Qwen ships it": ("qwen2.5-vl-7b", QWEN_SHIPPED, None),
    "ours, Vicuna": ("llava-1.5-7b", VICUNA, None),
    "ours, Mistral": ("llava-1.6-mistral-7b", MISTRAL, None),
    "ours, Qwen": ("qwen3-vl-8b", QWEN, None),
    "ours without the first token": ("llava-1.5-7b", VICUNA.replace("{{ bos_token }}", ""), "start"),
    "none": ("llava-1.5-7b", None, "absent"),
    # The prompt ends in a blank, behind which the text has none.
    "another prompt": ("llava-1.5-7b", VICUNA.replace("' ASSISTANT:'", "' ASSISTANT:  '"), "question"),
}


@pytest.mark.parametrize("row", FAULTS)
def test_what_is_wrong_with_a_template(row):
    name, template, kind = FAULTS[row]
    processor = load_processor(str(tiny_backbone(name)))
    processor.chat_template = template
    fault = template_fault(processor)
    assert (fault and fault.kind) == kind


def test_the_first_token_is_put_before_a_template():
    processor = load_processor(str(tiny_backbone("llava-1.5-7b")))
    processor.chat_template = VICUNA.replace("{{ bos_token }}{% endif %}", "{% endif %}").replace(
        "' USER: '", "'USER: '"
    )
    before = asked(processor).tolist()
    processor.chat_template = template_with_start(processor)
    # The blank is there because this tokenizer writes one before the first word of a text, and none behind "<s>".
    assert chat_prompt(processor, "Why?") == "<s> USER: <image>\nWhy? ASSISTANT:"
    assert asked(processor).tolist() == before
    assert template_fault(processor) is None


def test_a_template_from_a_file_or_a_text(tmp_path):
    (tmp_path / "mine.jinja").write_text("{{ messages }} from a file")
    assert read_template(str(tmp_path / "mine.jinja")) == "{{ messages }} from a file"
    assert read_template("{{ messages }}") == "{{ messages }}"
    with pytest.raises(
        GiqaError, match=r"nothing: expected a file with a chat template, or a Jinja text, found"
    ):
        read_template(str(tmp_path / "nothing"))
