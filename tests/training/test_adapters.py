"""What is trained of a model: frozen parts, LoRA beside them, and its matrices put back into the weights."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from giqa_hf.backbones import BACKBONES, load_checkpoint
from giqa_hf.errors import GiqaError
from giqa_hf.training import Recipe, freeze, lora_config, merge, sft_config, to_conversations, train
from tests.make_tiny_checkpoint import make_parts, tiny_checkpoint
from tests.training.small_rows import small_dataset

BACKBONE = SimpleNamespace(entry=BACKBONES["giqa-tiny"])
RECIPE = Recipe(
    kind="lora", learning_rate=2e-2, global_batch=2, lora_rank=4, lora_alpha=8, gradient_checkpointing=False
)


def test_what_is_frozen_stays_and_all_else_learns():
    model, _ = make_parts()
    frozen = freeze(model, ("model.vision_tower",))
    assert frozen == sum(p.numel() for p in model.model.vision_tower.parameters()) > 0
    learning = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learning == {
        name for name, _ in model.named_parameters() if not name.startswith("model.vision_tower.")
    }


def test_a_module_that_is_not_there():
    with pytest.raises(GiqaError, match="Llava.*expected a module model.visual to freeze, found none"):
        freeze(make_parts()[0], ("model.visual",))


def test_lora_is_for_recipes_of_its_kind():
    with pytest.raises(ValueError, match="expected a recipe of the kind lora or qlora"):
        lora_config("paper", BACKBONE)
    config = lora_config("lora", BACKBONE)
    assert (config.r, config.lora_alpha, config.lora_dropout) == (128, 256, 0.05)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """Three steps of LoRA on six rows; the folder, the model with its matrices, and the processor."""
    model, processor = load_checkpoint(str(tiny_checkpoint()))
    folder = tmp_path_factory.mktemp("lora")
    config = sft_config(RECIPE, folder, max_steps=3, save_strategy="no", use_cpu=True, disable_tqdm=True)
    seen = []
    rows = to_conversations(small_dataset(3), processor)
    from transformers import TrainerCallback

    class Keep(TrainerCallback):
        def on_train_end(self, args, state, control, model=None, **kwargs):
            seen.append(model)

    train(model, processor, rows, config, [Keep()], peft_config=lora_config(RECIPE, BACKBONE))
    return folder, seen[0], processor


def logits(model, processor):
    rows = to_conversations(small_dataset(1), processor)
    batch = processor(
        images=[[rows[0]["image"]]], text=["USER: <image>\nReport. ASSISTANT:"], return_tensors="pt"
    )
    with torch.inference_mode():
        return model.eval()(**batch).logits


def test_an_adapter_holds_its_matrices_alone(tuned):
    folder, _, _ = tuned
    saved = load_file(folder / "final" / "adapter_model.safetensors")
    # Two layers of seven matrices, each with two of rank 4.
    assert len(saved) == 2 * 7 * 2 and all(4 in tensor.shape for tensor in saved.values())
    assert not (folder / "final" / "model.safetensors").exists()
    assert any(tensor.abs().max() > 0 for name, tensor in saved.items() if "lora_B" in name)  # it has learned


def test_before_and_after_merging_the_answers_are_equal(tuned, tmp_path):
    folder, model, processor = tuned
    before = logits(model, processor)
    out = merge(folder / "final", str(tiny_checkpoint()), processor, tmp_path / "merged", dtype="float32")
    merged, its_processor = load_checkpoint(str(out))
    after = logits(merged, its_processor)
    # float32 sums in another order; the matrices move the logits by far more
    assert torch.allclose(before, after, atol=1e-4)
    plain, _ = load_checkpoint(str(tiny_checkpoint()))
    assert (logits(plain, processor) - after).abs().max() > 1e-2
    assert its_processor.box_format == processor.box_format
