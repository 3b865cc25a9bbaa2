"""What the entries say of their models, held against the real classes at full size, on the meta device."""

from __future__ import annotations

import re
from functools import cache

import pytest
import torch

from giqa_hf.backbones import ALIASES, BACKBONES
from tests.backbones.full_size_configs import full_size_config
from tests.backbones.loaded import NAMES


@cache
def full_size(name):
    """The model without storage."""
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(full_size_config(name))


def below(model, prefix):
    return sum(w.numel() for key, w in model.named_parameters() if key.startswith(f"{prefix}."))


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_what_the_entry_says(name):
    entry, model = BACKBONES[name], full_size(name)
    assert type(model).__name__ == entry.architecture
    assert model.config.model_type == entry.model_type
    assert model.num_parameters() == entry.parameters
    for prefix in (entry.vision, entry.connector, entry.language):
        assert below(model, prefix) > 0
    # Together they are the whole model, but for the head and LLaVA-1.6's vector at the end of a row.
    parts = {entry.vision, entry.language} | (
        set() if entry.connector.startswith(entry.vision) else {entry.connector}
    )
    rest = {
        key for key, _ in model.named_parameters() if not key.startswith(tuple(f"{part}." for part in parts))
    }
    assert rest <= {"lm_head.weight", "model.image_newline"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_frozen_and_where_lora_goes(name):
    entry, model = BACKBONES[name], full_size(name)
    assert set(entry.frozen) == {"full", "lora"}
    for prefixes in entry.frozen.values():
        assert all(below(model, prefix) > 0 for prefix in prefixes)
        assert below(model, entry.language) > 0 and not any(p.startswith(entry.language) for p in prefixes)
    assert sum(below(model, prefix) for prefix in entry.frozen["full"]) == entry.size.frozen
    # In full the connector is trained, beside LoRA nothing else is.
    assert not any(entry.connector.startswith(prefix) for prefix in entry.frozen["full"])
    assert any(entry.connector.startswith(prefix) for prefix in entry.frozen["lora"])
    targets = [module for key, module in model.named_modules() if re.fullmatch(entry.lora_targets, key)]
    assert {type(module) for module in targets} == {torch.nn.Linear}
    per_layer = 9 if name == "mplug-owl2-7b" else 7  # keys and values of text and of pictures apart
    assert len(targets) == per_layer * entry.size.layers
    assert sum(module.weight.numel() for module in targets) == entry.size.targeted
    assert sum(module.in_features + module.out_features for module in targets) == entry.size.target_sides


@pytest.mark.parametrize("name", NAMES)
def test_sizes(name):
    size, text = BACKBONES[name].size, full_size(name).config.get_text_config()
    head_width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    assert (size.layers, size.width, size.mlp_width) == (
        text.num_hidden_layers,
        text.hidden_size,
        text.intermediate_size,
    )
    assert size.kv_width == text.num_key_value_heads * head_width
    assert size.vocabulary == text.vocab_size == full_size(name).get_output_embeddings().out_features


def test_names():
    assert list(BACKBONES) == [entry.name for entry in BACKBONES.values()]
    assert set(ALIASES.values()) <= set(BACKBONES) and not set(ALIASES) & set(BACKBONES)
    assert all(
        entry.revision is None or re.fullmatch("[0-9a-f]{40}", entry.revision) for entry in BACKBONES.values()
    )
