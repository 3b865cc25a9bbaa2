"""The backbones, one entry each. To add one, see docs/backbones.md.

No entry names a commit: none could be looked up where they were written. What a run has loaded stands in
`LoadedBackbone.identity`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import GiqaError
from ..models import giqa_tiny
from ..models.giqa_tiny.architecture import CHAT_TEMPLATE
from .backbone import Backbone, Size
from .policies import OwlPadding, PaddedSquare, SmartResize, Squashed, Tiles
from .templates import MISTRAL, QWEN, VICUNA

# Every matrix of the language model's layers, and no other: not those of the vision tower, which are named alike.
_LLAMA_TARGETS = r"model\.language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
_OWL_TARGETS = (
    r"model\.language_model\.layers\.\d+\."
    r"(self_attn\.([qo]_proj|[kv]_proj\.multiway\.[01])|mlp\.(gate|up|down)_proj)"
)

_LLAVA_7B = Size(
    parameters=7_063_427_072,
    frozen=303_507_456,
    targeted=6_476_005_376,
    target_sides=2_498_560,
    layers=32,
    width=4096,
    kv_width=4096,
    mlp_width=11008,
    vocabulary=32064,
    image_tokens=576,
)
_LLAVA_13B = Size(
    parameters=13_351_494_656,
    frozen=303_507_456,
    targeted=12_687_769_600,
    target_sides=3_911_680,
    layers=40,
    width=5120,
    kv_width=5120,
    mlp_width=13824,
    vocabulary=32064,
    image_tokens=576,
)
_LLAVA_NEXT_VICUNA_7B = Size(
    parameters=7_063_431_168,  # LLaVA-1.5's and one vector, which ends a row of image tokens
    frozen=303_507_456,
    targeted=6_476_005_376,
    target_sides=2_498_560,
    layers=32,
    width=4096,
    kv_width=4096,
    mlp_width=11008,
    vocabulary=32064,
    image_tokens=2928,  # 576 of the whole view, and 48 rows of 48 with their ends of 2 x 2 tiles
)
_LLAVA_NEXT_MISTRAL_7B = Size(
    parameters=7_566_747_648,
    frozen=303_507_456,
    targeted=6_979_321_856,
    target_sides=2_621_440,
    layers=32,
    width=4096,
    kv_width=1024,
    mlp_width=14336,
    vocabulary=32064,
    image_tokens=2928,
)
_OWL2_7B = Size(
    parameters=8_197_859_328,
    frozen=303_966_208,
    targeted=7_549_747_200,
    target_sides=3_022_848,
    layers=32,
    width=4096,
    kv_width=4096,
    mlp_width=11008,
    vocabulary=32000,
    image_tokens=65,
)
_QWEN2_5_7B = Size(
    parameters=8_292_166_656,
    frozen=631_975_680,
    targeted=6_525_288_448,
    target_sides=2_523_136,
    layers=28,
    width=3584,
    kv_width=512,
    mlp_width=18944,
    vocabulary=152064,
    image_tokens=1280,
)
_QWEN3_8B = Size(
    parameters=8_767_123_696,
    frozen=415_891_440,
    targeted=6_945_767_424,
    target_sides=2_727_936,
    layers=36,
    width=4096,
    kv_width=1024,
    mlp_width=12288,
    vocabulary=151936,
    image_tokens=1280,
)
_GIQA_TINY = Size(
    parameters=4_920_384,
    frozen=3_021_312,
    targeted=1_622_016,
    target_sides=13_824,
    layers=4,
    width=192,
    kv_width=192,
    mlp_width=448,
    vocabulary=1048,
    image_tokens=100,
)


def _llava(name: str, checkpoint: str, size: Size) -> Backbone:
    """LLaVA-1.5: its own fine-tuning trains projector and language model (spec A7)."""
    return Backbone(
        name=name,
        checkpoint=checkpoint,
        revision=None,
        model_type="llava",
        architecture="LlavaForConditionalGeneration",
        image_policy=PaddedSquare(),
        chat_template=VICUNA,
        vision="model.vision_tower",
        connector="model.multi_modal_projector",
        language="model.language_model",
        frozen={
            "full": ("model.vision_tower",),
            "lora": ("model.vision_tower", "model.multi_modal_projector"),
        },
        lora_targets=_LLAMA_TARGETS,
        size=size,
    )


def _llava_next(name: str, checkpoint: str, chat_template: str, size: Size) -> Backbone:
    """LLaVA-1.6, trained as LLaVA-1.5 is.

    Its makers trained the vision tower too, at a tenth of the rate. The paper names one rate, and no scripts of theirs
    were public then, so the tower stays as it is.
    """
    return Backbone(
        name=name,
        checkpoint=checkpoint,
        revision=None,
        model_type="llava_next",
        architecture="LlavaNextForConditionalGeneration",
        image_policy=Tiles(),
        chat_template=chat_template,
        vision="model.vision_tower",
        connector="model.multi_modal_projector",
        language="model.language_model",
        frozen={
            "full": ("model.vision_tower",),
            "lora": ("model.vision_tower", "model.multi_modal_projector"),
        },
        lora_targets=_LLAMA_TARGETS,
        size=size,
    )


LLAVA_1_5_7B = _llava("llava-1.5-7b", "llava-hf/llava-1.5-7b-hf", _LLAVA_7B)
LLAVA_1_5_13B = _llava("llava-1.5-13b", "llava-hf/llava-1.5-13b-hf", _LLAVA_13B)
LLAVA_1_6_VICUNA_7B = _llava_next(
    "llava-1.6-vicuna-7b", "llava-hf/llava-v1.6-vicuna-7b-hf", VICUNA, _LLAVA_NEXT_VICUNA_7B
)
LLAVA_1_6_MISTRAL_7B = _llava_next(
    "llava-1.6-mistral-7b", "llava-hf/llava-v1.6-mistral-7b-hf", MISTRAL, _LLAVA_NEXT_MISTRAL_7B
)
# Its own script freezes the vision tower and trains the abstractor; Q-Instruct's trains both (spec A7).
MPLUG_OWL2_7B = Backbone(
    name="mplug-owl2-7b",
    checkpoint="MAGAer13/mplug-owl2-llama2-7b",
    revision=None,
    model_type="mplug_owl2",
    architecture="MPLUGOwl2ForConditionalGeneration",
    image_policy=OwlPadding(),
    chat_template=None,
    vision="model.vision_model",
    connector="model.visual_abstractor",
    language="model.language_model",
    frozen={"full": ("model.vision_model",), "lora": ("model.vision_model", "model.visual_abstractor")},
    lora_targets=_OWL_TARGETS,
    size=_OWL2_7B,
    converter="python -m giqa_hf.models.mplug_owl2.convert_mplug_owl2 SOURCE TARGET",
)
# Areas of 256 to 1280 image tokens, each 28 x 28 pixels. The checkpoint's own bound of 12.8 million pixels would let a
# single photo take 16,000 tokens.
QWEN2_5_VL_7B = Backbone(
    name="qwen2.5-vl-7b",
    checkpoint="Qwen/Qwen2.5-VL-7B-Instruct",
    revision=None,
    model_type="qwen2_5_vl",
    architecture="Qwen2_5_VLForConditionalGeneration",
    image_policy=SmartResize(min_pixels=256 * 28 * 28, max_pixels=1280 * 28 * 28),
    chat_template=QWEN,
    vision="model.visual",
    connector="model.visual.merger",
    language="model.language_model",
    frozen={"full": ("model.visual.patch_embed", "model.visual.blocks"), "lora": ("model.visual",)},
    lora_targets=_LLAMA_TARGETS,
    size=_QWEN2_5_7B,
)
# The same counts of tokens, each 32 x 32 pixels here.
QWEN3_VL_8B = Backbone(
    name="qwen3-vl-8b",
    checkpoint="Qwen/Qwen3-VL-8B-Instruct",
    revision=None,
    model_type="qwen3_vl",
    architecture="Qwen3VLForConditionalGeneration",
    image_policy=SmartResize(min_pixels=256 * 32 * 32, max_pixels=1280 * 32 * 32),
    chat_template=QWEN,
    vision="model.visual",
    connector="model.visual.merger",  # and three more of its kind, in deepstack_merger_list
    language="model.language_model",
    frozen={
        "full": ("model.visual.patch_embed", "model.visual.pos_embed", "model.visual.blocks"),
        "lora": ("model.visual",),
    },
    lora_targets=_LLAMA_TARGETS,
    size=_QWEN3_8B,
)
# It comes with the package: see docs/giqa_tiny.md.
GIQA_TINY = Backbone(
    name="giqa-tiny",
    checkpoint=giqa_tiny.BASE,
    revision=None,
    model_type="llava",
    architecture="LlavaForConditionalGeneration",
    image_policy=Squashed(),
    chat_template=CHAT_TEMPLATE,
    vision="model.vision_tower",
    connector="model.multi_modal_projector",
    language="model.language_model",
    frozen={"full": ("model.vision_tower",), "lora": ("model.vision_tower", "model.multi_modal_projector")},
    lora_targets=_LLAMA_TARGETS,
    size=_GIQA_TINY,
    dtype="float32",
)

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            LLAVA_1_5_7B,
            LLAVA_1_5_13B,
            LLAVA_1_6_VICUNA_7B,
            LLAVA_1_6_MISTRAL_7B,
            MPLUG_OWL2_7B,
            QWEN2_5_VL_7B,
            QWEN3_VL_8B,
            GIQA_TINY,
        )
    }
)
"""All of them, by name."""

ALIASES: Mapping[str, str] = MappingProxyType({"llava-1.6-7b": "llava-1.6-vicuna-7b"})
"""Names that the paper uses, and the entries that they mean."""


def find_backbone(name: str) -> Backbone:
    """The entry of a name.

    Args:
        name (`str`): out of `BACKBONES` or `ALIASES`.

    Raises:
        `GiqaError`: for another name; it lists those that there are.
    """
    entry = BACKBONES.get(ALIASES.get(name, name))
    if entry is None:
        names = [*BACKBONES, *ALIASES]
        alike = difflib.get_close_matches(name, names, n=1)
        meant = f" (did you mean {alike[0]}?)" if alike else ""
        raise GiqaError(
            f"backbone: expected one of {', '.join(names)}, got {name!r}{meant}; give one of these and, for a model of "
            "yours of the same kind, its folder as the checkpoint"
        )
    return entry
