"""mPLUG-Owl2's configuration: three parts, read from the flat file of the released checkpoints or from our own.

The released config.json keeps the values of LLaMA at its top level and the two vision parts in `visual_config`, each
with some fifty generic keys. Read, that becomes `text_config`, `vision_config` and `abstractor_config`; what is saved
has these three. Defaults are those of the 7B model (8,197,859,328 parameters).
"""

# mypy: allow-untyped-calls
# (transformers' own methods, on which mypy finds no types)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig, SubConfigSpec

MODEL_TYPE = "mplug_owl2"

_WAITING: list[Callable[[], None]] = []


def when_next_made(do: Callable[[], None]) -> None:
    """Call something once, when an `MPLUGOwl2Config` is made the next time."""
    if do not in _WAITING:
        _WAITING.append(do)


@strict
class MPLUGOwl2TextConfig(PreTrainedConfig):
    """The language model's: the fields of `LlamaConfig`, with its defaults, which are LLaMA-2 7B's.

    Read `rms_norm_eps` from the checkpoint: LLaMA-2's own files say 1e-5, the default is 1e-6.
    """

    # Not a subclass of LlamaConfig: AutoConfig is to know this class at the end of its own import, which may happen in
    # the middle of LlamaConfig's.
    model_type = "mplug_owl2_text"
    base_config_key = "text_config"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012 - as transformers declares it

    vocab_size: int = 32000
    hidden_size: int = 4096
    intermediate_size: int = 11008
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int | None = None
    hidden_act: str = "silu"
    max_position_embeddings: int = 2048
    initializer_range: float = 0.02
    rms_norm_eps: float = 1e-6
    use_cache: bool = True
    pad_token_id: int | None = None
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    pretraining_tp: int | None = 1
    tie_word_embeddings: bool = False
    rope_parameters: dict[str, Any] | None = None
    attention_bias: bool = False
    attention_dropout: int | float | None = 0.0
    mlp_bias: bool = False
    head_dim: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Fill in what follows from other fields."""
        if self.head_dim is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        if self.num_key_value_heads is None:
            self.num_key_value_heads = self.num_attention_heads
        super().__post_init__(**kwargs)


@strict
class MPLUGOwl2VisionConfig(PreTrainedConfig):
    """The vision tower's: a ViT whose every token of the last layer goes on, the class token among them.

    Args:
        image_size (`int`, *optional*, defaults to 448): side of the square picture, in pixels.
        patch_size (`int`, *optional*, defaults to 14): side of a patch, in pixels.
        layer_norm_eps (`float`, *optional*, defaults to 1e-06): of all its layer norms.
    """

    model_type = "mplug_owl_vision_model"
    base_config_key = "vision_config"

    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    num_channels: int = 3
    image_size: int = 448
    patch_size: int = 14
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-6
    attention_dropout: int | float = 0.0
    initializer_range: float = 0.02


@strict
class MPLUGOwl2AbstractorConfig(PreTrainedConfig):
    """The visual abstractor's: learned queries that gather the vision tower's tokens.

    Args:
        num_learnable_queries (`int`, *optional*, defaults to 64):
            positions of an image in the text, less one: a learned end vector follows them.
        encoder_hidden_size (`int`, *optional*, defaults to 1024): width of the vision tower's tokens.
        grid_size (`int`, *optional*): patches per side; `MPLUGOwl2Config` takes the vision tower's where it is `None`.
        layer_norm_eps (`float`, *optional*, defaults to 1e-06):
            of the norm inside the MLP alone; the others have 1e-5, whatever is said here.
    """

    model_type = "mplug_owl_visual_abstract"
    base_config_key = "abstractor_config"

    num_learnable_queries: int = 64
    hidden_size: int = 1024
    encoder_hidden_size: int = 1024
    num_hidden_layers: int = 6
    num_attention_heads: int = 16
    intermediate_size: int = 2816
    attention_probs_dropout_prob: int | float = 0.0
    layer_norm_eps: float = 1e-6
    grid_size: int | None = None
    initializer_range: float = 0.02


@strict
class MPLUGOwl2Config(PreTrainedConfig):
    """mPLUG-Owl2's configuration.

    Args:
        text_config (`MPLUGOwl2TextConfig` or `dict`, *optional*): of the language model.
        vision_config (`MPLUGOwl2VisionConfig` or `dict`, *optional*): of the vision tower.
        abstractor_config (`MPLUGOwl2AbstractorConfig` or `dict`, *optional*): of the visual abstractor.
        image_token_id (`int`, *optional*):
            id of the image token, that of the first token added to the vocabulary unless given: 32000. It has no
            embedding and no logit.
        visual_config (`dict`, *optional*):
            `visual_model` and `visual_abstractor`, as the released config.json has them; where it is given, LLaMA's
            values are looked for among the keyword arguments.

    Raises:
        `ValueError`: for a model that is not built like the released ones: another layout of vision tokens, or parts
            whose sizes do not fit each other.
    """

    model_type = MODEL_TYPE
    sub_configs_defaults = {  # noqa: RUF012 - as transformers declares it
        "text_config": SubConfigSpec(config_class=MPLUGOwl2TextConfig),
        "vision_config": SubConfigSpec(config_class=MPLUGOwl2VisionConfig),
        "abstractor_config": SubConfigSpec(config_class=MPLUGOwl2AbstractorConfig),
    }

    text_config: dict[str, Any] | PreTrainedConfig | None = None
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    abstractor_config: dict[str, Any] | PreTrainedConfig | None = None
    image_token_id: int | None = None
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        """Sort a flat file's values into the three parts, and check that they fit."""
        visual = kwargs.pop("visual_config", None)
        if visual is not None:
            self.text_config = {key: kwargs.pop(key) for key in _TEXT_KEYS if key in kwargs}
            self.vision_config = _known(visual.get("visual_model", {}), MPLUGOwl2VisionConfig)
            self.abstractor_config = _known(visual.get("visual_abstractor", {}), MPLUGOwl2AbstractorConfig)
        super().__post_init__(**kwargs)
        text: Any = self.text_config
        vision: Any = self.vision_config
        abstractor: Any = self.abstractor_config
        if self.image_token_id is None:
            self.image_token_id = text.vocab_size
        grid = vision.image_size // vision.patch_size
        if abstractor.grid_size is None:
            abstractor.grid_size = grid
        if abstractor.grid_size != grid or abstractor.encoder_hidden_size != vision.hidden_size:
            raise ValueError(
                f"MPLUGOwl2Config: expected an abstractor for {grid} x {grid} patches of width {vision.hidden_size}, "
                f"as its vision tower makes them, got grid_size={abstractor.grid_size} and "
                f"encoder_hidden_size={abstractor.encoder_hidden_size}"
            )
        while _WAITING:
            _WAITING.pop()()

    @property
    def image_seq_length(self) -> int:
        """Positions of one image in the text: the queries and the end vector (65)."""
        abstractor: Any = self.abstractor_config
        return int(abstractor.num_learnable_queries) + 1


_COMMON = {field.name for field in fields(PreTrainedConfig)}
# The last two are how files before transformers 5 write `rope_parameters`.
_TEXT_KEYS = ({field.name for field in fields(MPLUGOwl2TextConfig)} - _COMMON - {"tie_word_embeddings"}) | {
    "rope_theta",
    "rope_scaling",
}
# What the released files say of parts that are always there in this implementation.
_FIXED = {"use_cls_token": True, "use_post_layernorm": True, "add_v2t_pos_emb": False}


def _known(values: dict[str, Any], config_class: type[PreTrainedConfig]) -> dict[str, Any]:
    """Of a part of `visual_config`, the keys that mean something."""
    for key, only in _FIXED.items():
        if values.get(key, only) != only:
            raise ValueError(
                f"MPLUGOwl2Config: expected {key}={only}, got {values[key]!r}, which is another model"
            )
    own = {field.name for field in fields(config_class)} - _COMMON
    return {key: value for key, value in values.items() if key in own}
