"""giqa-tiny: a LLaVA-shaped model of about five million parameters, made from transformers' own classes.

A CLIP-style vision tower (240 px, 24 px patches), a two-layer projector and a small Llama. It is small enough to be
tuned on two CPU cores in minutes and real enough to run through every line that a LLaVA-1.5 runs through. The
picture is squashed to the square, so nothing of it is hidden (`Frame.squash`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

IMAGE_SIDE_PX = 240
PATCH_PX = 24
WIDTH = 192
VISION_LAYERS = 6
TEXT_LAYERS = 4
VOCABULARY = 1400
CONTEXT = 1024
IMAGE_TOKEN = "<image>"
END_TOKEN = "</s>"
PAD_TOKEN = "<pad>"

# Vicuna's turn marks, as LLaVA-1.5 uses them; content is a string or a list of text and image parts.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'USER: ' }}{% else %}{{ ' ASSISTANT: ' }}{% endif %}"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<image>\n' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endif %}"
    "{% if message['role'] == 'assistant' %}{{ '</s>' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ ' ASSISTANT:' }}{% endif %}"
)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer over `texts` that keeps every digit apart, as LLaMA's does (spec A1)."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    # A name must be the same tokens inside "[…](…)" as in plain text, where a space goes before it. So every "[" is
    # read with a space behind it, which decoding takes away again, and brackets stand alone.
    tokenizer.normalizer = normalizers.Replace("[", "[ ")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"[0-9]|[\[\]()<>,]"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Replace("[ ", "[")])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD_TOKEN, END_TOKEN, IMAGE_TOKEN],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        eos_token=END_TOKEN,
        padding_side="left",
        model_max_length=CONTEXT,
        extra_special_tokens={"image_token": IMAGE_TOKEN},
    )


def make_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """The processor: pictures squashed to 240 x 240 by Pillow, one placeholder token per patch."""
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    side = {"height": IMAGE_SIDE_PX, "width": IMAGE_SIDE_PX}
    image_processor = CLIPImageProcessorPil(size=side, do_center_crop=False, crop_size=side)
    return LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=PATCH_PX,
        vision_feature_select_strategy="default",
        image_token=IMAGE_TOKEN,
        chat_template=CHAT_TEMPLATE,
        num_additional_image_tokens=1,
    )


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """The model with random weights, from torch's current seed."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        num_hidden_layers=VISION_LAYERS,
        num_attention_heads=WIDTH // 32,
        image_size=IMAGE_SIDE_PX,
        patch_size=PATCH_PX,
        projection_dim=WIDTH,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=448,
        num_hidden_layers=TEXT_LAYERS,
        num_attention_heads=WIDTH // 32,
        num_key_value_heads=WIDTH // 32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.encode(IMAGE_TOKEN)[0],
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model
