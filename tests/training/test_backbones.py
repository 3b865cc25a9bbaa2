"""Every backbone's real classes, tiny and random: tuned by TRL as the documentation says, saved, loaded, asked.

The 13B model has the classes of the 7B one.
"""

from __future__ import annotations

import pytest
import torch

import giqa_hf
from giqa_hf.backbones import BACKBONES, load_backbone
from giqa_hf.benchmark import generate
from giqa_hf.training import Recipe, freeze, lora_config, sft_config, to_conversations, train
from giqa_hf.training.adapters import merge
from tests.make_tiny_backbones import tiny_backbone
from tests.training.small_rows import SIDE, small_dataset

NAMES = [name for name in BACKBONES if name != "llava-1.5-13b"]


@pytest.fixture(scope="module")
def rows():
    return small_dataset(4)  # eight rows


def loaded(name, checkpoint=None):
    return load_backbone(name, checkpoint=str(checkpoint or tiny_backbone(name)))


def logits(model, backbone, rows):
    turn = to_conversations(rows.select([0]), backbone)[0]
    content = [
        {"type": "image", "image": turn["image"]},
        {"type": "text", "text": turn["prompt"][0]["content"]},
    ]
    batch = backbone.processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True,
        return_tensors="pt",
    )  # fmt: skip
    with torch.inference_mode():
        return model.eval()(**batch).logits


@pytest.mark.parametrize("name", NAMES)
def test_the_five_lines(name, rows, tmp_path):
    """As the documentation types them, but for the number of steps: two of 64 rows are two epochs and more."""
    from trl import SFTTrainer

    backbone = loaded(name)
    train = giqa_hf.to_conversations(rows, backbone)
    trainer = SFTTrainer(
        model=backbone.model, processing_class=backbone.processor, train_dataset=train,
        args=giqa_hf.sft_config("paper", output_dir=tmp_path / "out", max_steps=2, global_batch=8, save_strategy="no",
                                logging_steps=1, disable_tqdm=True),
    )  # fmt: skip
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 2 and all(0 < loss < 20 for loss in losses)


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_is_saved_loaded_and_asked(name, rows, tmp_path):
    backbone = loaded(name)
    frozen = backbone.entry.frozen["full"]
    freeze(backbone.model, frozen)
    before = {key: tensor.clone() for key, tensor in backbone.model.state_dict().items()}
    recipe = Recipe(learning_rate=5e-3, global_batch=8, device_batch=8, lr_scheduler_type="constant")
    config = sft_config(
        recipe, tmp_path, max_steps=30, logging_steps=1, save_strategy="no", disable_tqdm=True,
        gradient_checkpointing=False,
    )  # fmt: skip
    result = train(backbone.model, backbone.processor, to_conversations(rows, backbone), config)
    first, last = result.loss_curve[0][1], result.loss_curve[-1][1]
    assert len(result.loss_curve) == 30 and last < first / 2
    after = backbone.model.state_dict()
    stayed = {key for key, tensor in after.items() if torch.equal(tensor, before[key])}
    assert {key for key in after if key.startswith(tuple(f"{prefix}." for prefix in frozen))} <= stayed
    assert f"{backbone.entry.language}.layers.0.self_attn.q_proj.weight" not in stayed

    again = loaded(name, result.checkpoint)
    asked = rows.select([0, 1])
    prompts = [turns[0]["content"] for turns in to_conversations(asked, again)["prompt"]]
    answers = generate(again.model, again.processor, asked["image"], prompts, max_new_tokens=40)
    read = again.processor.post_process_grounded_generation(answers, [SIDE, SIDE])
    assert len(read) == 2 and all(answers)
    assert torch.allclose(logits(again.model, again, rows), logits(backbone.model, backbone, rows), atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_lora_is_attached_and_merged_with_equal_outputs(name, rows, tmp_path):
    """Matrices that are not zero, as after a training, in the files that PEFT writes."""
    from peft import get_peft_model

    backbone = loaded(name)
    recipe = Recipe(kind="lora", learning_rate=1e-4, lora_rank=4, lora_alpha=8, lora_dropout=0.0)
    config = lora_config(recipe, backbone)
    config.init_lora_weights = False
    plain = logits(backbone.model, backbone, rows)
    model = get_peft_model(backbone.model, config)
    trained = [key for key, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained and all("lora_" in key and backbone.entry.language in key for key in trained)
    before = logits(model, backbone, rows)
    assert (before - plain).abs().max() > 1e-2
    model.save_pretrained(tmp_path / "adapter")
    folder = merge(
        tmp_path / "adapter",
        str(tiny_backbone(name)),
        backbone.processor,
        tmp_path / "merged",
        dtype="float32",
    )
    merged = loaded(name, folder)
    assert torch.allclose(before, logits(merged.model, merged, rows), atol=1e-3)
