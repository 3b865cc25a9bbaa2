"""What a recipe needs, by hand and against what a real layer keeps."""

from __future__ import annotations

import pytest
import torch

from giqa_hf.backbones import BACKBONES, check_memory, estimate_memory, memory
from giqa_hf.backbones.memory import GIB, free_memory, layer_activations
from giqa_hf.errors import GiqaError

LLAVA = BACKBONES["llava-1.5-7b"]
N, FROZEN, TARGETED, SIDES = 7_063_427_072, 303_507_456, 6_476_005_376, 2_498_560


def test_full_by_hand():
    got = estimate_memory(LLAVA, "full")
    assert got.weights == 4 * N
    assert got.gradients == 4 * (N - FROZEN)
    assert got.optimizer == 8 * (N - FROZEN)
    # 576 image tokens and 384 of text: 32 layers' inputs, one layer (h = k = 4096, m = 11008), the logits
    layer = 2 * (6 * 4096 + 2 * 4096 + 4 * 11008) + 8 * 4096
    assert got.activations == 960 * (32 * 4096 * 2 + layer + 32064 * 10)
    assert got.reserve == GIB
    assert got.total / GIB == pytest.approx(103.5, abs=0.05)
    assert str(got).startswith("103.5 GiB (weights 26.3, gradients 25.2, optimizer 50.4, activations 0.7, ")


ROWS = {
    # arguments: the part that they change, in bytes
    "lora": (("lora", {}), "optimizer", 2 * 128 * SIDES * 4),
    "lora, rank 64": (("lora", {"lora_rank": 64}), "gradients", 64 * SIDES * 4),
    "qlora": (("qlora", {}), "weights", 2 * (N - TARGETED) + int(TARGETED * 4.127 / 8)),
    "four devices": (("full", {"devices": 4}), "weights", N),
    "bfloat16": (("full", {"dtype": "bfloat16"}), "optimizer", 4 * (N - FROZEN)),
    "a checkpoint of half the size": (("full", {"parameters": N // 2}), "weights", 2 * N),
    "inference": (("inference", {"tokens": 100}), "activations", 2 * 32 * 100 * 4096 * 2),
    "two samples": (
        ("full", {"device_batch": 2, "tokens": 10}),
        "activations",
        20 * (32 * 8192 + 2 * (32768 + 44032) + 32768 + 320640),
    ),
    "all activations kept": (
        ("full", {"tokens": 1, "gradient_checkpointing": False}),
        "activations",
        32 * (2 * (32768 + 44032) + 32768) + 320640,
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_parts(row):
    (kind, options), part, expected = ROWS[row]
    assert getattr(estimate_memory(LLAVA, kind, **options), part) == expected


def test_what_it_does_not_know():
    with pytest.raises(
        ValueError, match="recipe_kind: expected one of full, lora, qlora, inference, got 'half'"
    ):
        estimate_memory(LLAVA, "half")
    with pytest.raises(ValueError, match="dtype: expected one of float32, bfloat16, float16, got 'int8'"):
        estimate_memory(LLAVA, "full", dtype="int8")


@pytest.mark.parametrize(
    "kv_heads, mlp_width, dtype", [(8, 688, "bfloat16"), (2, 896, "bfloat16"), (8, 688, "float32")]
)
def test_a_layer_keeps_what_the_formula_says(kv_heads, mlp_width, dtype):
    """Every tensor that autograd saves in a real decoder layer, each storage once, weights not counted."""
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

    width, tokens, number = 256, 64, getattr(torch, dtype)
    config = LlamaConfig(
        hidden_size=width, intermediate_size=mlp_width, num_attention_heads=8, num_key_value_heads=kv_heads
    )
    config._attn_implementation = "sdpa"
    layer = LlamaDecoderLayer(config, 0).to(number)
    weights = {parameter.untyped_storage().data_ptr() for parameter in layer.parameters()}
    kept, sizes = [], {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept.append(tensor)  # or its memory is given to the next one
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    given = torch.randn(1, tokens, width, dtype=number, requires_grad=True)
    places = LlamaRotaryEmbedding(config)(given, torch.arange(tokens)[None])
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(given, position_embeddings=places)
    formula = layer_activations(width, 32 * kv_heads, mlp_width, tokens, number.itemsize)
    assert sum(sizes.values()) == pytest.approx(
        formula, rel=0.03
    )  # rotary tables and sums are left out of it


@pytest.mark.parametrize(
    "free, kind, advice",
    [
        (24, "full", "a recipe of the kind lora fits, with 18.4 GiB"),
        (12, "full", "a recipe of the kind qlora fits, with 9.5 GiB"),
        (12, "lora", "a recipe of the kind qlora fits"),
        (4, "full", "use a smaller model, a device with more memory, or share it among more devices"),
        (4, "qlora", "use a smaller model"),
    ],
)
def test_the_nearest_recipe_that_fits(monkeypatch, free, kind, advice):
    monkeypatch.setattr(memory, "free_memory", lambda device: free * GIB)
    with pytest.raises(GiqaError) as error:
        check_memory(LLAVA, kind, device="cuda:0")
    text = str(error.value)
    assert text.startswith("llava-1.5-7b: expected ") and f"found {free}.0 GiB; {advice}" in text
    assert check_memory(LLAVA, "full", device="cuda:0", devices=1000).total < 2 * GIB


@pytest.mark.parametrize(
    "free, device, dtype, advice",
    [
        (12, None, "bfloat16", "use a smaller model"),  # qlora would fit, but needs a GPU
        (24, None, "float32", "use a smaller model"),  # on a CPU lora's weights are float32: 26.3 GiB
        (40, None, "float32", "a recipe of the kind lora fits, with 31.6 GiB"),
        (12, "cuda:0", "bfloat16", "a recipe of the kind qlora fits, with 9.5 GiB"),
    ],
)
def test_the_advice_is_reckoned_as_that_recipe_would_run(monkeypatch, free, device, dtype, advice):
    monkeypatch.setattr(memory, "free_memory", lambda device: free * GIB)
    cheaper = {kind: {"dtype": dtype} for kind in ("lora", "qlora")}
    with pytest.raises(GiqaError, match=advice):
        check_memory(LLAVA, "full", device=device, dtype="float32", cheaper=cheaper)


def test_the_free_memory_of_a_device(monkeypatch):
    assert free_memory("cpu") == pytest.approx(free_memory(None), rel=0.2) and free_memory("cpu") > 2**28
    assert free_memory("mps") is None  # cannot be found out: nothing is refused
    monkeypatch.setattr(memory, "free_memory", lambda device: None)
    assert check_memory(LLAVA, "full", device="mps").total > 50 * GIB
