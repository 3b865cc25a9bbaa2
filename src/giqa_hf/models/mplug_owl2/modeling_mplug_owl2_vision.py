"""mPLUG-Owl2's eyes: a ViT, and the visual abstractor that makes 65 positions of text out of its 1025 tokens.

Two things differ from what one would write: the abstractor's residual is the *normed* queries, and its norms have
torch's default epsilon, but for the one inside its MLP.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators
# (transformers' own methods and decorators, on which mypy finds no types)
from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput, BaseModelOutputWithPooling
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
from transformers.models.clip.modeling_clip import eager_attention_forward
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from .configuration_mplug_owl2 import MPLUGOwl2AbstractorConfig, MPLUGOwl2VisionConfig


class MPLUGOwl2VisionEmbeddings(nn.Module):
    """Patches behind a class token, learned positions, a norm."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__()
        self.image_size = config.image_size
        patches = (config.image_size // config.patch_size) ** 2
        self.cls_token = nn.Parameter(torch.empty(1, 1, config.hidden_size))
        self.patch_embed = nn.Conv2d(
            config.num_channels, config.hidden_size, config.patch_size, config.patch_size, bias=False
        )
        self.position_embedding = nn.Parameter(torch.empty(1, patches + 1, config.hidden_size))
        self.pre_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Pictures (N, C, S, S) to tokens (N, 1 + patches, D)."""
        if pixel_values.shape[-2:] != (self.image_size, self.image_size):
            raise ValueError(
                f"pixel_values: expected pictures of {self.image_size} x {self.image_size}, "
                f"got {pixel_values.shape[-1]} x {pixel_values.shape[-2]}"
            )
        patches = self.patch_embed(pixel_values.to(self.patch_embed.weight.dtype)).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        embedded: torch.Tensor = self.pre_layernorm(tokens + self.position_embedding)
        return embedded


class MPLUGOwl2VisionAttention(nn.Module):
    """Self-attention whose one projection holds query, key and value head by head."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Hidden states (N, T, D), and the attention weights where the back end makes them."""
        batch, length, width = hidden_states.shape
        fused = self.query_key_value(hidden_states).view(batch, length, -1, 3, self.head_dim)
        query, key, value = fused.transpose(1, 2).unbind(3)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        dropout = self.config.attention_dropout if self.training else 0.0
        attended, weights = attend(
            self, query, key, value, None, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.dense(attended.reshape(batch, length, width)), weights


class MPLUGOwl2VisionMLP(nn.Module):
    """Two layers and an activation."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Hidden states (N, T, D) to the same."""
        mapped: torch.Tensor = self.fc2(self.activation(self.fc1(hidden_states)))
        return mapped


class MPLUGOwl2VisionLayer(GradientCheckpointingLayer):
    """A pre-norm block."""

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__()
        self.self_attn = MPLUGOwl2VisionAttention(config)
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MPLUGOwl2VisionMLP(config)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Hidden states (N, T, D) to the same."""
        attended, _ = self.self_attn(self.input_layernorm(hidden_states), **kwargs)
        hidden_states = hidden_states + attended
        mapped: torch.Tensor = self.mlp(self.post_attention_layernorm(hidden_states))
        return hidden_states + mapped


class _Encoder(nn.Module):
    """Holds layers under the name that released weights have for them."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class MPLUGOwl2VisionModel(PreTrainedModel):
    """The vision tower: all tokens of its last layer, normed, the class token first."""

    config: MPLUGOwl2VisionConfig
    config_class = MPLUGOwl2VisionConfig
    main_input_name = "pixel_values"
    input_modalities = ["image"]  # noqa: RUF012 - this and what follows as transformers declares it
    supports_gradient_checkpointing = True
    _no_split_modules = ["MPLUGOwl2VisionEmbeddings", "MPLUGOwl2VisionLayer"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {  # noqa: RUF012
        "hidden_states": MPLUGOwl2VisionLayer,
        "attentions": MPLUGOwl2VisionAttention,
    }

    def __init__(self, config: MPLUGOwl2VisionConfig) -> None:
        super().__init__(config)
        self.embeddings = MPLUGOwl2VisionEmbeddings(config)
        self.encoder = _Encoder([MPLUGOwl2VisionLayer(config) for _ in range(config.num_hidden_layers)])
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, MPLUGOwl2VisionEmbeddings):
            init.normal_(module.cls_token, std=self.config.initializer_range)
            init.normal_(module.position_embedding, std=self.config.initializer_range)

    def get_input_embeddings(self) -> nn.Module:
        """The convolution that embeds patches."""
        return self.embeddings.patch_embed

    @merge_with_config_defaults
    @capture_outputs(tie_last_hidden_states=False)
    def forward(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutput:
        """Pictures (N, C, S, S) to tokens (N, 1 + patches, D)."""
        hidden_states = self.embeddings(pixel_values)
        for layer in self.encoder.layers:
            hidden_states = layer(hidden_states, **kwargs)
        return BaseModelOutput(last_hidden_state=self.post_layernorm(hidden_states))


def query_positions(count: int, width: int) -> torch.Tensor:
    """The fixed positions of the queries (count, width): sine and cosine of the index."""
    return _sin_cos(torch.arange(count), width).float()


def patch_positions(grid_size: int, width: int) -> torch.Tensor:
    """The fixed positions of class token and patches (1 + grid², width).

    Zeros for the class token; patches row by row, the first half of the channels tells the column, the second the row.
    """
    rows, columns = torch.meshgrid(torch.arange(grid_size), torch.arange(grid_size), indexing="ij")
    halves = [_sin_cos(columns.flatten(), width // 2), _sin_cos(rows.flatten(), width // 2)]
    patches = torch.cat(halves, dim=1)
    return torch.cat([patches.new_zeros(1, width), patches]).float()


def _sin_cos(places: torch.Tensor, width: int) -> torch.Tensor:
    half = width // 2
    frequencies = 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = places.to(torch.float64)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class MPLUGOwl2AbstractorAttention(nn.Module):
    """From queries to the queries and the vision tokens; positions go into queries and keys, not into values."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.head_dim = width // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(config.encoder_hidden_size, width)
        self.value = nn.Linear(config.encoder_hidden_size, width)
        # Not saved, so `from_pretrained` cannot fill them: `_init_weights` does.
        places = (1 + (config.grid_size or 0) ** 2, width)
        self.q_pos_embed = nn.Buffer(torch.empty(config.num_learnable_queries, width), persistent=False)
        self.k_pos_embed = nn.Buffer(torch.empty(places), persistent=False)

    def forward(
        self, queries: torch.Tensor, seen: torch.Tensor, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Queries (N, Q, D) and what they see (N, Q + T, D), to the gathered (N, Q, D), without projection."""
        batch, count, width = queries.shape
        of_queries = self.q_pos_embed.to(queries.dtype)
        of_seen = torch.cat([of_queries, self.k_pos_embed.to(queries.dtype)])
        query, key, value = (
            projected.view(batch, projected.shape[1], -1, self.head_dim).transpose(1, 2)
            for projected in (self.query(queries + of_queries), self.key(seen + of_seen), self.value(seen))
        )
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        dropout = self.config.attention_probs_dropout_prob if self.training else 0.0
        attended, weights = attend(
            self, query, key, value, None, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return attended.reshape(batch, count, width), weights


class MPLUGOwl2AbstractorMLP(nn.Module):
    """A gated MLP with a norm inside."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.w2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.w3 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.ffn_ln = nn.LayerNorm(config.intermediate_size, eps=config.layer_norm_eps)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Hidden states (N, Q, D) to the same."""
        gated = nn.functional.silu(self.w1(hidden_states)) * self.w3(hidden_states)
        mapped: torch.Tensor = self.w2(self.ffn_ln(gated))
        return mapped


class MPLUGOwl2AbstractorOutput(nn.Module):
    """What follows the attention: projection, residual, MLP."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm2 = nn.LayerNorm(config.hidden_size)
        self.mlp = MPLUGOwl2AbstractorMLP(config)

    def forward(self, gathered: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        """The gathered and the residual, each (N, Q, D), to the layer's output."""
        hidden_states = residual + self.out_proj(gathered)
        mapped: torch.Tensor = hidden_states + self.mlp(self.norm2(hidden_states))
        return mapped


class MPLUGOwl2AbstractorCrossAttention(nn.Module):
    """Norms, attention, output: all of a layer."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.attention = MPLUGOwl2AbstractorAttention(config)
        self.output = MPLUGOwl2AbstractorOutput(config)
        self.norm1 = nn.LayerNorm(config.hidden_size)
        self.normk = nn.LayerNorm(config.encoder_hidden_size)

    def forward(self, queries: torch.Tensor, tokens: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Queries (N, Q, D) and vision tokens (N, T, D) to queries."""
        queries = self.norm1(queries)
        gathered, _ = self.attention(queries, torch.cat([queries, self.normk(tokens)], dim=1), **kwargs)
        hidden_states: torch.Tensor = self.output(gathered, queries)  # the residual is the normed one
        return hidden_states


class MPLUGOwl2AbstractorLayer(GradientCheckpointingLayer):
    """One layer of the abstractor."""

    def __init__(self, config: MPLUGOwl2AbstractorConfig) -> None:
        super().__init__()
        self.crossattention = MPLUGOwl2AbstractorCrossAttention(config)

    def forward(self, queries: torch.Tensor, tokens: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """Queries (N, Q, D) and vision tokens (N, T, D) to queries."""
        hidden_states: torch.Tensor = self.crossattention(queries, tokens, **kwargs)
        return hidden_states


class MPLUGOwl2VisualAbstractor(PreTrainedModel):
    """From vision tokens to an image's positions in the text: the queries, projected, and a learned end vector.

    Args:
        config (`MPLUGOwl2AbstractorConfig`): its sizes.
        text_width (`int`): width of the language model.
    """

    config: MPLUGOwl2AbstractorConfig
    config_class = MPLUGOwl2AbstractorConfig
    main_input_name = "tokens"
    input_modalities = ["image"]  # noqa: RUF012 - this and what follows as transformers declares it
    supports_gradient_checkpointing = True
    _no_split_modules = ["MPLUGOwl2AbstractorLayer"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {  # noqa: RUF012
        "hidden_states": MPLUGOwl2AbstractorLayer,
        "attentions": MPLUGOwl2AbstractorAttention,
    }

    def __init__(self, config: MPLUGOwl2AbstractorConfig, text_width: int) -> None:
        super().__init__(config)
        self.query_embeds = nn.Parameter(torch.empty(1, config.num_learnable_queries, config.hidden_size))
        self.encoder = _Encoder([MPLUGOwl2AbstractorLayer(config) for _ in range(config.num_hidden_layers)])
        self.visual_fc = nn.Linear(config.hidden_size, text_width)
        self.vit_eos = nn.Parameter(torch.empty(1, 1, text_width))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        config = self.config
        if isinstance(module, MPLUGOwl2VisualAbstractor):
            init.normal_(module.query_embeds, std=config.initializer_range)
            init.normal_(module.vit_eos, std=config.initializer_range)
        elif isinstance(module, MPLUGOwl2AbstractorAttention):
            with torch.device("cpu"):  # where the model is built on the meta device too
                queries = query_positions(config.num_learnable_queries, config.hidden_size)
                patches = patch_positions(config.grid_size or 0, config.hidden_size)
            init.copy_(module.q_pos_embed, queries)
            init.copy_(module.k_pos_embed, patches)

    @merge_with_config_defaults
    @capture_outputs
    def forward(self, tokens: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Vision tokens (N, T, D) to `last_hidden_state` (N, Q, D) and `pooler_output` (N, Q + 1, text width)."""
        hidden_states = self.query_embeds.to(tokens.dtype).expand(len(tokens), -1, -1)
        for layer in self.encoder.layers:
            hidden_states = layer(hidden_states, tokens, **kwargs)
        projected = self.visual_fc(hidden_states)
        end = self.vit_eos.to(projected.dtype).expand(len(projected), -1, -1)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states, pooler_output=torch.cat([projected, end], dim=1)
        )
