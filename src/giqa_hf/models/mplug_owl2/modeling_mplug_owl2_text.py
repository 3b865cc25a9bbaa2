"""mPLUG-Owl2's language model: a LLaMA in which text and image positions have weights of their own.

The modality-adaptive module of mPLUG-Owl2 (arXiv 2311.04257, Sec. 3.2): per layer the keys, the values and both norms
exist twice, once for text positions and once for those of an image. Queries, output, MLP and final norm are shared.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators
# (transformers' own methods and decorators, on which mypy finds no types)
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache, DynamicCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from transformers.models.llama.modeling_llama import (
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
    eager_attention_forward,
)
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_mplug_owl2 import MPLUGOwl2TextConfig


class MPLUGOwl2Multiway(nn.Module):
    """Two copies of a module: the first for text positions, the second for image positions."""

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.multiway = nn.ModuleList([make(), make()])

    def forward(self, hidden_states: torch.Tensor, image_mask: torch.Tensor | None) -> torch.Tensor:
        """Of hidden states (B, T, in), each position's own copy: (B, T, out). `image_mask` (B, T, 1) is bool.

        Without a mask, which is every step of decoding, nothing is computed twice.
        """
        of_text: torch.Tensor = self.multiway[0](hidden_states)
        if image_mask is None:
            return of_text
        return torch.where(image_mask, self.multiway[1](hidden_states), of_text)


class MPLUGOwl2Attention(nn.Module):
    """Causal self-attention; keys and values by the position's modality."""

    def __init__(self, config: MPLUGOwl2TextConfig, layer_idx: int) -> None:
        super().__init__()
        self.config = config
        self.layer_idx = layer_idx
        head_dim: Any = config.head_dim
        kv_heads: Any = config.num_key_value_heads
        self.head_dim = head_dim
        self.num_key_value_groups = config.num_attention_heads // kv_heads
        self.scaling = head_dim**-0.5
        self.is_causal = True

        def linear(rows: int, columns: int) -> nn.Linear:
            return nn.Linear(columns, rows, bias=config.attention_bias)

        queries = config.num_attention_heads * head_dim
        self.q_proj = linear(queries, config.hidden_size)
        self.k_proj = MPLUGOwl2Multiway(lambda: linear(kv_heads * head_dim, config.hidden_size))
        self.v_proj = MPLUGOwl2Multiway(lambda: linear(kv_heads * head_dim, config.hidden_size))
        self.o_proj = linear(config.hidden_size, queries)

    def forward(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        image_mask: torch.Tensor | None,
        attention_mask: torch.Tensor | None,
        past_key_values: Cache | None,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Hidden states (B, T, D), and the attention weights where the back end makes them."""
        heads = (*hidden_states.shape[:-1], -1, self.head_dim)
        query = self.q_proj(hidden_states).view(heads).transpose(1, 2)
        key = self.k_proj(hidden_states, image_mask).view(heads).transpose(1, 2)
        value = self.v_proj(hidden_states, image_mask).view(heads).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, *position_embeddings)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        dropout = (self.config.attention_dropout or 0.0) if self.training else 0.0
        attended, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.o_proj(attended.reshape(*heads[:-2], -1).contiguous()), weights


class MPLUGOwl2DecoderLayer(GradientCheckpointingLayer):
    """LLaMA's layer, its two norms by modality."""

    def __init__(self, config: MPLUGOwl2TextConfig, layer_idx: int) -> None:
        super().__init__()

        def norm() -> nn.Module:
            return LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)

        self.self_attn = MPLUGOwl2Attention(config, layer_idx)
        self.mlp = LlamaMLP(config)
        self.input_layernorm = MPLUGOwl2Multiway(norm)
        self.post_attention_layernorm = MPLUGOwl2Multiway(norm)

    def forward(
        self,
        hidden_states: torch.Tensor,
        image_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Hidden states (B, T, D) to the same."""
        attended, _ = self.self_attn(
            self.input_layernorm(hidden_states, image_mask),
            position_embeddings=position_embeddings,
            image_mask=image_mask,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            **kwargs,
        )
        hidden_states = hidden_states + attended
        mapped: torch.Tensor = self.mlp(self.post_attention_layernorm(hidden_states, image_mask))
        return hidden_states + mapped


class MPLUGOwl2TextModel(PreTrainedModel):
    """The language model without its head."""

    config: MPLUGOwl2TextConfig
    config_class = MPLUGOwl2TextConfig
    base_model_prefix = "model"
    input_modalities = ["text"]  # noqa: RUF012 - this and what follows as transformers declares it
    supports_gradient_checkpointing = True
    _no_split_modules = ["MPLUGOwl2DecoderLayer"]  # noqa: RUF012
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _can_record_outputs = {  # noqa: RUF012
        "hidden_states": MPLUGOwl2DecoderLayer,
        "attentions": MPLUGOwl2Attention,
    }

    def __init__(self, config: MPLUGOwl2TextConfig) -> None:
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, config.pad_token_id)
        self.layers = nn.ModuleList(
            [MPLUGOwl2DecoderLayer(config, index) for index in range(config.num_hidden_layers)]
        )
        self.norm = LlamaRMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        like_llama: Any = config
        self.rotary_emb = LlamaRotaryEmbedding(like_llama)
        self.gradient_checkpointing = False
        self.post_init()

    @merge_with_config_defaults
    @capture_outputs
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        image_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """As LLaMA's, with `image_mask` (`torch.BoolTensor` of shape `(B, T)`, *optional*): the image positions."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("MPLUGOwl2TextModel: expected exactly one of input_ids and inputs_embeds")
        if inputs_embeds is None:
            inputs_embeds = self.embed_tokens(input_ids)
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache(config=self.config)
        if position_ids is None:
            seen = past_key_values.get_seq_length() if past_key_values is not None else 0
            position_ids = (
                torch.arange(inputs_embeds.shape[1], device=inputs_embeds.device) + seen
            ).unsqueeze(0)
        causal_mask = create_causal_mask(
            config=self.config,
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            position_ids=position_ids,
        )
        position_embeddings = self.rotary_emb(inputs_embeds, position_ids)
        by_channel = None if image_mask is None else image_mask.unsqueeze(-1)
        hidden_states = inputs_embeds
        for layer in self.layers:
            hidden_states = layer(
                hidden_states,
                image_mask=by_channel,
                attention_mask=causal_mask,
                position_ids=position_ids,
                past_key_values=past_key_values,
                use_cache=use_cache,
                position_embeddings=position_embeddings,
                **kwargs,
            )
        return BaseModelOutputWithPast(
            last_hidden_state=self.norm(hidden_states), past_key_values=past_key_values
        )
