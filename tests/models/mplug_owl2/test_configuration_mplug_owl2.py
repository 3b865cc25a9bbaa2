"""The flat config.json of released checkpoints, and our own."""

from __future__ import annotations

import json

import pytest
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

from giqa_hf.errors import GiqaError
from giqa_hf.models.mplug_owl2 import (
    MPLUGOwl2Config,
    MPLUGOwl2ForConditionalGeneration,
    MPLUGOwl2Model,
    register_mplug_owl2,
)
from tests.models.mplug_owl2.parity import GOLDEN, facts


def test_a_flat_file_becomes_three_parts():
    register_mplug_owl2()
    flat = facts("config")
    config = AutoConfig.from_pretrained(GOLDEN / "config.json")
    assert type(config) is MPLUGOwl2Config
    text, vision, abstractor = config.text_config, config.vision_config, config.abstractor_config
    for key in (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "rms_norm_eps",
        "use_cache",
    ):
        assert getattr(text, key) == flat[key]
    assert text.rms_norm_eps == 1e-5  # the default is 1e-6
    assert text.rope_parameters["rope_theta"] == 10000.0
    assert vision.hidden_size == flat["visual_config"]["visual_model"]["hidden_size"] == 48
    assert not hasattr(vision, "projection_dim")  # of no use to anything
    assert abstractor.num_learnable_queries == 8 and config.image_seq_length == 9
    assert config.image_token_id == 320  # the first id behind the vocabulary


def test_saved_and_loaded(tmp_path):
    config = MPLUGOwl2Config.from_pretrained(GOLDEN / "config.json")
    config.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert "visual_config" not in saved and saved["text_config"]["vocab_size"] == 320
    assert MPLUGOwl2Config.from_pretrained(tmp_path).to_dict() == config.to_dict()


def test_defaults_are_the_7b_model():
    config = MPLUGOwl2Config()
    assert config.image_token_id == 32000 and config.image_seq_length == 65
    assert config.abstractor_config.grid_size == 448 // 14
    assert config.text_config.num_key_value_heads == 32 and config.text_config.head_dim == 128


def test_auto_classes_know_the_models():
    """Registering twice changes nothing, and a configuration alone is enough."""
    register_mplug_owl2()
    register_mplug_owl2()
    config = MPLUGOwl2Config.from_pretrained(GOLDEN / "config.json")
    assert type(AutoModel.from_config(config)) is MPLUGOwl2Model
    assert type(AutoModelForImageTextToText.from_config(config)) is MPLUGOwl2ForConditionalGeneration


@pytest.mark.parametrize(
    "part, change, message",
    [
        ("visual_model", {"use_cls_token": False}, "use_cls_token=True, got False"),
        ("visual_abstractor", {"add_v2t_pos_emb": True}, "add_v2t_pos_emb=False, got True"),
        ("visual_abstractor", {"grid_size": 32}, "4 x 4 patches of width 48.*grid_size=32"),
        ("visual_abstractor", {"encoder_hidden_size": 64}, "encoder_hidden_size=64"),
    ],
)
def test_another_model_is_refused(part, change, message):
    flat = facts("config")
    flat["visual_config"][part] |= change
    with pytest.raises(ValueError, match=message):
        MPLUGOwl2Config(**flat)


def test_without_a_grid_it_is_the_towers():
    flat = facts("config")
    flat["visual_config"]["visual_abstractor"]["grid_size"] = None
    assert MPLUGOwl2Config(**flat).abstractor_config.grid_size == 4


def test_a_transformers_that_is_too_old_is_said(monkeypatch):
    # By its name: transformers puts another object of itself into sys.modules when its processors are imported.
    monkeypatch.setattr("transformers.__version__", "5.20.1")
    with pytest.raises(GiqaError, match=r"needs transformers 5\.21 or later, found 5\.20\.1"):
        register_mplug_owl2()
