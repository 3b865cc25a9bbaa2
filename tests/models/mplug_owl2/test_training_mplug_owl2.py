"""Training: TRL's trainer and collator, LoRA, checkpointed gradients, text-only batches, several processes."""

from __future__ import annotations

import copy

import datasets
import numpy as np
import peft
import pytest
import torch
from PIL import Image

from giqa_hf.processing import ground_processor
from tests.make_tiny_mplug_owl2 import make_parts

LINEARS = (
    r"model\.language_model\.layers\.\d+\."
    r"(self_attn\.([qo]_proj|[kv]_proj\.multiway\.[01])|mlp\.(gate|up|down)_proj)"
)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def parts():
    return make_parts()


def pictures(count):
    generator = np.random.default_rng(0)
    return [Image.fromarray(generator.integers(0, 256, (48, 72, 3), dtype=np.uint8)) for _ in range(count)]


def rows():
    """Eight, of four lengths, as TRL takes them."""
    answers = ["Yes.", "No, it is very dark.", "The cup [cup](<21,188>) is blurry.", "The dog is sharp."] * 2
    return datasets.Dataset.from_list(
        [
            {
                "image": image,
                "prompt": [{"role": "user", "content": f"Is it blurry, number {number}?"}],
                "completion": [{"role": "assistant", "content": answer}],
            }
            for number, (image, answer) in enumerate(zip(pictures(8), answers, strict=True))
        ]
    )


def test_trl_trains_it(parts, tmp_path):
    from trl import SFTConfig, SFTTrainer

    model, processor = parts
    config = SFTConfig(
        output_dir=str(tmp_path), max_steps=30, per_device_train_batch_size=4, learning_rate=1e-2, logging_steps=1,
        lr_scheduler_type="constant", save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=True, max_length=None,
        completion_only_loss=True, gradient_checkpointing=False, seed=0, bf16=False,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=rows(), processing_class=ground_processor(processor)
    )
    batch = next(iter(trainer.get_train_dataloader()))
    assert batch["pixel_values"].shape == (4, 3, 56, 56)
    assert (batch["input_ids"] == processor.image_token_id).sum() == 4 * 9
    assert not (batch["labels"] == processor.image_token_id).any()
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 30
    # 655 tokens: at random about ln 655 = 6.5
    assert 6.0 < losses[0] < 7.0 and losses[-1] < losses[0] - 4.0


def batch_of(processor, texts, images):
    inputs = processor(images=images or None, text=texts, padding=True, return_tensors="pt")
    return inputs | {"labels": inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)}


def gradients(model):
    return {name: weight.grad for name, weight in model.named_parameters()}


def test_gradients_with_and_without_checkpoints_are_equal(parts):
    model, processor = parts
    model.train()
    inputs = batch_of(processor, ["USER: <|image|>Is it dark?", "USER: <|image|>Why?"], pictures(2))
    model(**inputs).loss.backward()
    expected = copy.deepcopy(gradients(model))
    assert all(gradient is not None for gradient in expected.values())
    model.zero_grad()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model(**inputs).loss.backward()
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-7)


def test_a_batch_of_text_alone_trains_what_text_goes_through(parts):
    model, processor = parts
    model.train()
    model(**batch_of(processor, ["USER: Is it dark?"], [])).loss.backward()
    untouched = {name for name, gradient in gradients(model).items() if gradient is None}
    assert untouched == {
        name
        for name, _ in model.named_parameters()
        if ".multiway.1." in name or "vision_model" in name or "visual_abstractor" in name
    }


def test_text_alone_in_distributed_training(parts, tmp_path):
    """DDP has to be told that weights may go unused; then batches of either kind can follow each other."""
    model, processor = parts
    model.train()
    batches = [
        batch_of(processor, ["USER: Is it dark?"], []),
        batch_of(processor, ["USER: <|image|>Is it dark?"], pictures(1)),
    ]
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    try:
        plain = torch.nn.parallel.DistributedDataParallel(copy.deepcopy(model))
        plain(**batches[0]).loss.backward()
        with pytest.raises(RuntimeError, match="find_unused_parameters"):
            plain(**batches[1])
        told = torch.nn.parallel.DistributedDataParallel(model, find_unused_parameters=True)
        for inputs in batches * 2:
            told(**inputs).loss.backward()
    finally:
        torch.distributed.destroy_process_group()
    assert all(weight.grad is not None for weight in model.parameters())


def test_lora_is_put_on_and_merged(parts, tmp_path):
    model, processor = parts
    model.eval()
    inputs = batch_of(processor, ["USER: <|image|>Is it dark?"], pictures(1))
    before = model(**inputs).logits
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=LINEARS, init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(model), config).eval()
    # per layer q, o, gate, up, down, and keys and values of text and image: 9, in 2 layers
    assert sum("lora_A" in name for name, _ in adapted.named_parameters()) == 18
    with torch.no_grad():
        tuned = adapted(**inputs).logits
        assert (tuned - before).abs().max() > 1e-3
        adapted.save_pretrained(tmp_path)
        again = peft.PeftModel.from_pretrained(copy.deepcopy(model), tmp_path).eval()
        torch.testing.assert_close(again(**inputs).logits, tuned, atol=1e-6, rtol=0)
        merged = adapted.merge_and_unload()
        torch.testing.assert_close(merged(**inputs).logits, tuned, atol=1e-4, rtol=0)
