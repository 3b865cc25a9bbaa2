"""The full-size configurations of every backbone, as their public checkpoints have them."""

from __future__ import annotations

from typing import Any

_VICUNA_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
_VICUNA_13B = {
    "hidden_size": 5120,
    "intermediate_size": 13824,
    "num_hidden_layers": 40,
    "num_attention_heads": 40,
}
_MISTRAL_7B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}


def full_size_config(name: str) -> Any:
    """The configuration of a backbone, for a model on the meta device."""
    return _CONFIGS[name]()


def _llava(model_type: str, language: str, sizes: dict[str, int]) -> Any:
    from transformers import AutoConfig

    vision = AutoConfig.for_model(  # CLIP ViT-L/14 at 336 px
        "clip_vision_model",
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )
    # 32,000 words, the image token and padding, filled up to a multiple of 64.
    text = AutoConfig.for_model(language, vocab_size=32064, **sizes)
    return AutoConfig.for_model(model_type, vision_config=vision, text_config=text)


def _qwen2_5() -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(
        "qwen2_5_vl",
        text_config={
            "vocab_size": 152064,
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
        },
        vision_config={
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
        },
    )


def _qwen3() -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(
        "qwen3_vl",
        text_config={
            "vocab_size": 151936,
            "hidden_size": 4096,
            "intermediate_size": 12288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
        },
        vision_config={"out_hidden_size": 4096},  # the rest as transformers has it
    )


def _owl2() -> Any:
    from giqa_hf.models.mplug_owl2 import MPLUGOwl2Config, register_mplug_owl2

    register_mplug_owl2()
    return MPLUGOwl2Config()


def _giqa_tiny() -> Any:
    from transformers import AutoConfig

    from giqa_hf.models import giqa_tiny

    return AutoConfig.from_pretrained(giqa_tiny.BASE)


_CONFIGS = {
    "llava-1.5-7b": lambda: _llava("llava", "llama", _VICUNA_7B),
    "llava-1.5-13b": lambda: _llava("llava", "llama", _VICUNA_13B),
    "llava-1.6-vicuna-7b": lambda: _llava("llava_next", "llama", _VICUNA_7B),
    "llava-1.6-mistral-7b": lambda: _llava("llava_next", "mistral", _MISTRAL_7B),
    "mplug-owl2-7b": _owl2,
    "qwen2.5-vl-7b": _qwen2_5,
    "qwen3-vl-8b": _qwen3,
    "giqa-tiny": _giqa_tiny,
}
