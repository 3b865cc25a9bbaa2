"""mPLUG-Owl2: vision tower, visual abstractor and a language model with weights of its own for image positions.

Written from the architecture's facts for transformers 5. Each image takes 65 positions, whose token id
(`config.image_token_id`, 32000) says both where its features go and which of a layer's two sets of weights serves a
position. Released checkpoints load by `from_pretrained` under the names that they have, and are saved under them.
"""

# mypy: allow-untyped-calls, allow-untyped-decorators
# (transformers' own methods and decorators, on which mypy finds no types)
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.cache_utils import Cache
from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling, CausalLMOutputWithPast, ModelOutput
from transformers.modeling_utils import PreTrainedModel, slice_logits_to_keep
from transformers.utils import torch_compilable_check
from transformers.utils.generic import can_return_tuple

from .configuration_mplug_owl2 import MODEL_TYPE, MPLUGOwl2Config
from .modeling_mplug_owl2_text import MPLUGOwl2TextModel
from .modeling_mplug_owl2_vision import MPLUGOwl2VisionModel, MPLUGOwl2VisualAbstractor

# From the released names of weights to those here; saving goes back through it, so files keep the released names. It is
# no attribute of a class in transformers, but a table by model type.
register_checkpoint_conversion_mapping(
    MODEL_TYPE,
    [WeightRenaming(r"^model\.(embed_tokens|layers|norm)\.", r"model.language_model.\1.")],
    overwrite=True,
)


@dataclass
class MPLUGOwl2ModelOutputWithPast(ModelOutput):
    """The language model's output, with the image features (N, 65, D) that went into it as `image_hidden_states`."""

    last_hidden_state: torch.Tensor | None = None
    past_key_values: Cache | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    attentions: tuple[torch.Tensor, ...] | None = None
    image_hidden_states: torch.Tensor | None = None


@dataclass
class MPLUGOwl2CausalLMOutputWithPast(CausalLMOutputWithPast):
    """`CausalLMOutputWithPast` with the image features (N, 65, D) that went into it as `image_hidden_states`."""

    image_hidden_states: torch.Tensor | None = None


class MPLUGOwl2PreTrainedModel(PreTrainedModel):
    """What transformers needs to know of both models below."""

    config: MPLUGOwl2Config
    config_class = MPLUGOwl2Config
    base_model_prefix = "model"
    input_modalities = ["image", "text"]  # noqa: RUF012 - this and what follows as transformers declares it
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    # Fixed tables, which older versions of the released code wrote into checkpoints. They are made anew here.
    _keys_to_ignore_on_load_unexpected = [r"\.[qk]_pos_embed$", r"rotary_emb\.inv_freq$"]  # noqa: RUF012


class MPLUGOwl2Model(MPLUGOwl2PreTrainedModel):
    """The model without its language modelling head."""

    def __init__(self, config: MPLUGOwl2Config) -> None:
        super().__init__(config)
        text: Any = config.text_config
        vision: Any = config.vision_config
        abstractor: Any = config.abstractor_config
        self.vision_model = MPLUGOwl2VisionModel(vision)
        self.visual_abstractor = MPLUGOwl2VisualAbstractor(abstractor, text.hidden_size)
        self.language_model = MPLUGOwl2TextModel(text)
        self.post_init()

    @can_return_tuple
    def get_image_features(
        self, pixel_values: torch.Tensor | None, **kwargs: Any
    ) -> BaseModelOutputWithPooling | None:
        """What images become in the text.

        Args:
            pixel_values (`torch.Tensor` of shape `(N, 3, S, S)` or `(B, n, 3, S, S)`):
                pictures in reading order; `None`, which `generate` may pass on, gives `None`.

            kwargs: for the vision tower, such as `output_hidden_states`.

        Returns:
            `BaseModelOutputWithPooling`: `last_hidden_state` is the vision tower's (N, 1025, 1024), `pooler_output`
            is (N, 65, 4096), what is put in the place of the image tokens.
        """
        if pixel_values is None:
            return None
        if pixel_values.ndim not in (4, 5):
            raise ValueError(
                "pixel_values: expected shape (images, 3, side, side) or (samples, images, 3, side, side), "
                f"got {tuple(pixel_values.shape)}"
            )
        seen = self.vision_model(pixel_values.flatten(0, -4), **kwargs)
        gathered = self.visual_abstractor(seen.last_hidden_state)
        return BaseModelOutputWithPooling(
            last_hidden_state=seen.last_hidden_state,
            pooler_output=gathered.pooler_output,
            hidden_states=seen.hidden_states,
            attentions=seen.attentions,
        )

    def _image_mask(
        self, input_ids: torch.Tensor | None, mm_token_type_ids: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Which positions are an image's (B, T); `None` where nothing tells."""
        if input_ids is not None:
            image_token_id: Any = self.config.image_token_id
            return input_ids.eq(image_token_id)
        return None if mm_token_type_ids is None else mm_token_type_ids.eq(1)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        mm_token_type_ids: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> MPLUGOwl2ModelOutputWithPast:
        """See `MPLUGOwl2ForConditionalGeneration.forward`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("MPLUGOwl2Model: expected exactly one of input_ids and inputs_embeds")
        encoded = (mm_encoder_outputs or {}).get("image")
        if pixel_values is not None:
            if encoded is not None:
                raise ValueError("MPLUGOwl2Model: expected pixel_values or mm_encoder_outputs, got both")
            encoded = self.get_image_features(pixel_values, return_dict=True)
        image_mask = self._image_mask(input_ids, mm_token_type_ids)
        features = None
        if encoded is not None:
            if image_mask is None:
                raise ValueError(
                    "mm_token_type_ids: expected 1 at the image positions, as inputs_embeds do not tell, got None"
                )
            if inputs_embeds is None:  # the image token has no row in the table
                assert input_ids is not None
                inputs_embeds = self.get_input_embeddings()(input_ids.masked_fill(image_mask, 0))
            features = encoded.pooler_output.to(inputs_embeds.device, inputs_embeds.dtype)
            places, given = image_mask.sum(), features.shape[0] * features.shape[1]
            torch_compilable_check(
                places == given,
                lambda: (
                    f"image tokens: expected {given} in input_ids, {features.shape[1]} for each of "
                    f"{features.shape[0]} images, got {int(places)}"
                ),
            )
            inputs_embeds = inputs_embeds.masked_scatter(image_mask.unsqueeze(-1), features)
        elif input_ids is not None:
            assert image_mask is not None
            if input_ids.shape[1] > 1:  # a step of decoding has none
                torch_compilable_check(
                    ~image_mask.any(),
                    "pixel_values: expected images for the image tokens in input_ids, got none",
                )
            inputs_embeds, image_mask = self.get_input_embeddings()(input_ids), None
        outputs = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            image_mask=image_mask,
            **kwargs,
        )
        return MPLUGOwl2ModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=features,
        )


class MPLUGOwl2ForConditionalGeneration(MPLUGOwl2PreTrainedModel, GenerationMixin):
    """mPLUG-Owl2 with its language modelling head: what to train and to generate with."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}  # noqa: RUF012

    def __init__(self, config: MPLUGOwl2Config) -> None:
        super().__init__(config)
        text: Any = config.text_config
        self.model = MPLUGOwl2Model(config)
        self.lm_head = nn.Linear(text.hidden_size, text.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The head."""
        head: nn.Module = self.lm_head
        return head

    def get_image_features(self, pixel_values: torch.Tensor | None, **kwargs: Any) -> Any:
        """See `MPLUGOwl2Model.get_image_features`."""
        return self.model.get_image_features(pixel_values, **kwargs)

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_token_type_ids: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> MPLUGOwl2CausalLMOutputWithPast:
        """One step.

        Args:
            input_ids (`torch.LongTensor` of shape `(B, T)`, *optional*):
                with `config.image_token_id` 65 times for each image, as the processor writes it; padding on either
                side.
            pixel_values (`torch.Tensor` of shape `(N, 3, S, S)` or `(B, n, 3, S, S)`, *optional*):
                all images of the batch, in reading order; rows without one take none of them.
            attention_mask (`torch.LongTensor` of shape `(B, T)`, *optional*): 0 at padding.
            position_ids (`torch.LongTensor` of shape `(B, T)`, *optional*): 0, 1, 2 ... unless given.
            past_key_values (`Cache`, *optional*): of the steps before.
            inputs_embeds (`torch.Tensor` of shape `(B, T, D)`, *optional*): instead of `input_ids`.
            mm_token_type_ids (`torch.LongTensor` of shape `(B, T)`, *optional*):
                1 at image positions; needed with `inputs_embeds` only, where no ids tell.
            labels (`torch.LongTensor` of shape `(B, T)`, *optional*):
                -100 where there is no loss; image tokens never have one.
            logits_to_keep (`int` or `torch.Tensor`, *optional*, defaults to 0):
                logits of the last so many positions only, 0 for all.
            mm_encoder_outputs (`dict`, *optional*): `{"image": model.get_image_features(...)}`, instead of pictures.
            kwargs: of transformers' models, such as `output_hidden_states` and `num_items_in_batch`.

        Raises:
            `ValueError`: where images and image tokens do not match.
        """
        outputs = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            mm_token_type_ids=mm_token_type_ids,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )
        logits = self.lm_head(slice_logits_to_keep(outputs.last_hidden_state, logits_to_keep))
        loss = None
        if labels is not None:
            text: Any = self.config.text_config
            image_token_id: Any = self.config.image_token_id
            labels = labels.masked_fill(labels.eq(image_token_id), -100)  # it has no logit
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=text.vocab_size, **kwargs)
        return MPLUGOwl2CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=outputs.image_hidden_states,
        )
